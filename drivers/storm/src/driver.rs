//! How a driver talks with kassay's guest program.
//!
//! A driver is a static program that the step `drive` starts in the machine: as root, in the
//! network namespace of the receiving end of the veth pair, with the arguments of the scenario
//! and these variables:
//!
//! | variable | value |
//! | --- | --- |
//! | `KASSAY_SEED` | the seed of everything random, a decimal u32 |
//! | `KASSAY_RECEIVER` | the name of the receiving device |
//! | `KASSAY_SENDER` | the name of the sending device |
//! | `KASSAY_SENDER_NETNS` | the path of the network namespace of the sending device |
//!
//! It talks by lines. It writes them on stdout and reads the answers from stdin. What it writes
//! on stderr is for a person.
//!
//! | line | meaning |
//! | --- | --- |
//! | `read runs` | how often the classifiers at the receiving end have run so far |
//! | `read drops` | how many packets the receiving end's clsact qdisc has dropped so far |
//! | `read MAP KEY` | the value at a u32 key of an array of the loaded programs, summed over CPUs |
//! | `fact NAME VALUE` | is kept with the run's facts; the name is one word |
//! | `tell TEXT` | a line of the transcript, which must be the same with every seed |
//! | `fault TITLE` | what is tested is at fault: the run is a mismatch with this title |
//! | `because TEXT` | after a fault: a line of its reason, in which leading blanks count |
//! | `end` | the last line |
//!
//! The book of kassay has these lines, and `run`, which this driver does without. Here only `read`
//! has an answer, which is one line: a decimal u64, or else the text of an error.
//! A driver that ends without `end`, or with a status other than 0, has failed.

use std::fmt::{Arguments, Display};
use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};

/// The driver's end of the talk.
pub struct Driver<R, W> {
    answers: R,
    lines: W,
}

impl<R: BufRead, W: Write> Driver<R, W> {
    pub fn new(answers: R, lines: W) -> Driver<R, W> {
        Driver { answers, lines }
    }

    /// What the guest program answers to `read`.
    pub fn read(&mut self, what: &str) -> Result<u64> {
        self.say(format_args!("read {what}"))?;
        let mut answer = String::new();
        let length = self.answers.read_line(&mut answer);
        if length.with_context(|| format!("read `{what}`"))? == 0 {
            bail!("read `{what}`: stdin has ended; run this by a step `drive` of kassay");
        }
        let answer = answer.trim();
        let Ok(number) = answer.parse() else {
            bail!("read `{what}`: {answer}");
        };
        Ok(number)
    }

    /// Keeps a fact.
    pub fn fact(&mut self, name: &str, value: impl Display) -> Result<()> {
        self.say(format_args!("fact {name} {value}"))
    }

    /// Adds a line to the transcript.
    pub fn tell(&mut self, text: impl Display) -> Result<()> {
        self.say(format_args!("tell {text}"))
    }

    /// Says that what is tested is at fault. The reason may have several lines.
    pub fn fault(&mut self, title: &str, reason: &str) -> Result<()> {
        self.say(format_args!("fault {title}"))?;
        let mut lines = reason.lines();
        lines.try_for_each(|line| self.say(format_args!("because {line}")))
    }

    /// Ends the talk.
    pub fn end(mut self) -> Result<()> {
        self.say(format_args!("end"))
    }

    fn say(&mut self, line: Arguments) -> Result<()> {
        writeln!(self.lines, "{line}")
            .and_then(|()| self.lines.flush())
            .context("write to the guest program")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to one `read`, or the error.
    fn answered(answer: &str) -> Result<u64, String> {
        let mut driver = Driver::new(answer.as_bytes(), Vec::new());
        driver.read("skbs 1").map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_answer_is_a_number_or_an_error() {
        assert_eq!(answered("42\n"), Ok(42));
        assert_eq!(answered("18446744073709551615\n"), Ok(u64::MAX));
        let error = "find the map `skbs`";
        assert_eq!(answered(error), Err(format!("read `skbs 1`: {error}")));
        assert!(answered("-1\n").is_err());
        assert!(answered("").unwrap_err().contains("stdin has ended"));
    }

    #[test]
    fn all_is_said_in_lines() {
        let mut said = Vec::new();
        let mut driver = Driver::new("7\n".as_bytes(), &mut said);
        driver.read("runs").unwrap();
        driver.fact("sent", 3).unwrap();
        driver.tell("3 packets").unwrap();
        driver.fault("they differ", "one\n  two").unwrap();
        driver.end().unwrap();
        let lines = "read runs\nfact sent 3\ntell 3 packets\nfault they differ\n\
                     because one\nbecause   two\nend\n";
        assert_eq!(String::from_utf8(said).unwrap(), lines);
    }
}

//! The fewest programs, calls and words that come to the same.

use anyhow::Result;

use super::batch::{Came, Form, Target};
use super::program::Program;
use super::way::Way;
use crate::verdict::Fault;

/// How many machines one finding is worth.
const MACHINES: u32 = 64;

/// What is left of programs with which something went wrong.
pub struct Smallest {
    /// The programs.
    pub programs: Vec<Program>,
    /// How they are run.
    pub form: Form,
    /// The titles of what else went wrong with them in the same way.
    pub others: Vec<String>,
    /// Whether the same went wrong again.
    pub is_again: bool,
    /// How many machines that took.
    pub machines: u32,
}

/// Makes what was run smaller, as long as the same goes wrong on a fresh machine.
///
/// # Errors
/// As [`Target::run`], at which it stops with what it has.
pub fn minimise(
    target: &Target,
    way: &Way,
    programs: &[Program],
    came: &Came,
    fault: &Fault,
) -> (Smallest, Result<()>) {
    let mut search = Search {
        target,
        way,
        fault,
        left: MACHINES,
        smallest: Smallest {
            programs: programs.to_vec(),
            form: Form::Sifted,
            others: came.others.clone(),
            is_again: false,
            machines: 0,
        },
    };
    let done = search.go(programs, came);
    (search.smallest, done)
}

struct Search<'a> {
    target: &'a Target<'a>,
    way: &'a Way,
    fault: &'a Fault,
    left: u32,
    smallest: Smallest,
}

impl Search<'_> {
    fn go(&mut self, programs: &[Program], came: &Came) -> Result<()> {
        if self.begin(programs, came)? {
            self.fewer_programs()?;
            self.fewer_calls()?;
            self.simpler_arguments()?;
        }
        Ok(())
    }

    /// Whether the same goes wrong with these, which are the smallest then.
    fn again(&mut self, programs: &[Program], form: Form) -> Result<bool> {
        let is_empty = programs.iter().any(|program| program.calls.is_empty());
        if self.left == 0 || programs.is_empty() || is_empty {
            return Ok(false);
        }
        self.left -= 1;
        self.smallest.machines += 1;
        let came = self.target.run(self.way, programs, form)?;
        let is_same = came.fault.as_ref().is_some_and(|fault| {
            (fault.verdict, &fault.title) == (self.fault.verdict, &self.fault.title)
        });
        if is_same {
            self.smallest.programs = programs.to_vec();
            self.smallest.form = form;
            self.smallest.others = came.others;
            self.smallest.is_again = true;
        }
        Ok(is_same)
    }

    /// Without those that were refused: first what ran when it went wrong, then all.
    fn begin(&mut self, programs: &[Program], came: &Came) -> Result<bool> {
        let is_taken = |place: usize| matches!(came.answers.get(place), Some(Some(Ok(()))));
        let (count, done) = (programs.len(), came.steps);
        if !self.way.trigger.is_attached() && done < count && is_taken(done) {
            let alone = std::slice::from_ref(&programs[done]);
            if self.again(alone, Form::Together)? {
                return Ok(true);
            }
        }
        let racing = done.checked_sub(count).map(|pair| 2 * pair);
        if let Some(first) =
            racing.filter(|first| !self.way.trigger.is_attached() && *first < count)
        {
            let pair = &programs[first..count.min(first + 2)];
            for form in [Form::Together, Form::AtOnce] {
                if self.again(pair, form)? {
                    return Ok(true);
                }
            }
        }
        let taken = (0..count).filter(|place| is_taken(*place));
        let taken: Vec<Program> = taken.map(|place| programs[place].clone()).collect();
        Ok(self.again(&taken, Form::Together)?
            || (!self.way.trigger.is_attached() && self.again(&taken, Form::AtOnce)?))
    }

    /// Leaves out ever smaller pieces of the list.
    fn fewer_programs(&mut self) -> Result<()> {
        let mut size = self.smallest.programs.len().div_ceil(2);
        while size > 0 && self.smallest.programs.len() > 1 {
            let mut at = 0;
            while at < self.smallest.programs.len() && self.smallest.programs.len() > 1 {
                let mut fewer = self.smallest.programs.clone();
                fewer.drain(at..fewer.len().min(at + size));
                if !self.again(&fewer, self.smallest.form)? {
                    at += size;
                }
            }
            size /= 2;
        }
        Ok(())
    }

    /// Leaves out calls, the last one first, until none can go.
    fn fewer_calls(&mut self) -> Result<()> {
        let mut is_done = false;
        while !is_done {
            is_done = true;
            for number in 0..self.smallest.programs.len() {
                let mut at = self.smallest.programs[number].calls.len();
                while at > 0 && self.smallest.programs[number].calls.len() > 1 {
                    at -= 1;
                    let mut fewer = self.smallest.programs.clone();
                    fewer[number] = fewer[number].without(at);
                    is_done &= !self.again(&fewer, self.smallest.form)?;
                    at = at.min(self.smallest.programs[number].calls.len());
                }
            }
        }
        Ok(())
    }

    /// Makes arguments simpler until none gets any simpler.
    fn simpler_arguments(&mut self) -> Result<()> {
        for number in 0..self.smallest.programs.len() {
            let mut tried = Vec::new();
            'again: loop {
                for other in self.smallest.programs[number].simpler(self.target.callees) {
                    if tried.contains(&other) {
                        continue;
                    }
                    tried.push(other.clone());
                    let mut simpler = self.smallest.programs.clone();
                    simpler[number] = other;
                    if self.again(&simpler, self.smallest.form)? {
                        continue 'again;
                    }
                }
                break;
            }
        }
        Ok(())
    }
}

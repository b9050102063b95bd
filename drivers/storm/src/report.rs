//! What the guest program is told of a storm.

use std::fmt::Display;
use std::io::{BufRead, Write};

use anyhow::Result;

use crate::asked::Asked;
use crate::check;
use crate::driver::Driver;
use crate::oracle::Decoder;
use crate::storm::Storm;

/// Says all that came of the storm.
pub fn tell<R: BufRead, W: Write>(
    asked: &Asked,
    storm: &Storm,
    mut driver: Driver<R, W>,
) -> Result<()> {
    for (name, value) in facts(asked, storm) {
        driver.fact(&name, value)?;
    }
    let Asked {
        packets, decoder, ..
    } = asked;
    let said = agreement(storm.disagreements, *decoder);
    driver.tell(format_args!(
        "{packets} packets, the module and {decoder} {said}"
    ))?;
    if let Err(fault) = check::check(asked, storm) {
        driver.fault(&fault.title, &fault.reason)?;
    }
    driver.end()
}

/// Every count of the storm, and the whole frames of its examples.
fn facts(asked: &Asked, storm: &Storm) -> Vec<(String, String)> {
    let fact = |name: &str, value: &dyn Display| (name.to_owned(), value.to_string());
    let mut facts = vec![
        fact("packets", &asked.packets),
        fact("decoder", &asked.decoder),
        fact("seed", &storm.seed),
        fact("batches", &storm.batches),
        fact("closed", &storm.closed),
        fact("seen", &storm.seen),
        fact("paged", &storm.paged),
        fact("dropped", &storm.dropped),
        fact("delivered", &storm.delivered),
        fact("apart", &storm.apart),
        fact("apart_seen", &storm.apart_seen),
        fact("disagreements", &storm.disagreements),
    ];
    for tally in &storm.tallies {
        let layout = if tally.paged { "paged" } else { "linear" };
        let name = format!("{:?}_{layout}", tally.kind).to_lowercase();
        facts.push(fact(&format!("{name}_sent"), &tally.sent));
        facts.push(fact(&format!("{name}_to_drop"), &tally.dropped));
    }
    for example in &storm.examples {
        facts.push(fact(&format!("packet_{}", example.packet), &example.frame));
    }
    facts
}

/// Whether two decoders agree. How many packets of which kind is another matter with every seed.
fn agreement(disagreements: u64, decoder: Decoder) -> &'static str {
    match (disagreements, decoder) {
        (0, Decoder::Prost) => "agree",
        (0, Decoder::Pbtools) => {
            "agree, and so does prost but for groups and numbers that are too wide"
        }
        _ => "disagree",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::generator::Kind;
    use crate::storm::{Disagreement, Tally};

    /// The lines that are told of a storm.
    fn told(decoder: Decoder, storm: &Storm) -> Vec<String> {
        let arguments = ["100".into(), decoder.to_string().into()];
        let asked = Asked::of(&arguments, |_| Some("7".into())).unwrap();
        let mut said = Vec::new();
        tell(&asked, storm, Driver::new(io::empty(), &mut said)).unwrap();
        let said = String::from_utf8(said).unwrap();
        said.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_transcript_says_whether_both_agree() {
        let says = |decoder, disagreements, text: &str| {
            let storm = Storm {
                disagreements,
                ..Storm::default()
            };
            let line = format!("tell 100 packets, the module and {decoder} {text}");
            assert!(told(decoder, &storm).contains(&line), "{line}");
        };
        says(Decoder::Prost, 0, "agree");
        let but = "agree, and so does prost but for groups and numbers that are too wide";
        says(Decoder::Pbtools, 0, but);
        says(Decoder::Pbtools, 1, "disagree");
    }

    #[test]
    fn counts_and_frames_are_facts_and_a_fault_comes_last() {
        let storm = Storm {
            seed: 7,
            disagreements: 1,
            tallies: vec![Tally {
                kind: Kind::Lying,
                paged: true,
                sent: 5,
                dropped: 2,
            }],
            examples: vec![Disagreement {
                packet: 3,
                kind: Kind::Lying,
                linear: None,
                dropped: false,
                frame: "0a0b".to_owned(),
            }],
            ..Storm::default()
        };
        let told = told(Decoder::Prost, &storm);
        for fact in [
            "seed 7",
            "lying_paged_sent 5",
            "lying_paged_to_drop 2",
            "packet_3 0a0b",
        ] {
            assert!(told.contains(&format!("fact {fact}")), "{fact}");
        }
        let fault = [
            "fault the module and prost disagree on a packet",
            "because 100 packets of seed 7: 1 of them",
            "because packet 3 (Lying, linear): the module dropped it, prost says accept",
            "because   0a0b",
            "end",
        ];
        assert!(told.ends_with(&fault.map(str::to_owned)), "{told:#?}");
    }
}

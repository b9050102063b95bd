//! What is learned of refusals: arguments that kernels do not take, and what has been found already.

use std::collections::{BTreeMap, BTreeSet};

use super::argument::Word;
use super::callee::Callee;
use super::program::Program;
use super::way::Way;
use crate::refusal;

/// How often something has to be refused, and never taken, before it is left out.
const ENOUGH: u32 = 2;

/// What is learned. It depends on nothing but the programs and what the kernel said of them, in
/// their order.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    words: BTreeMap<Key, Counts>,
    taken: BTreeSet<(&'static str, &'static str)>,
    found: BTreeSet<usize>,
}

/// A way's type of programs, a kfunc, a parameter's place, and a kind of argument.
type Key = (&'static str, usize, usize, Word);

#[derive(Clone, Debug, Default)]
struct Counts {
    taken: u32,
    refused: u32,
}

impl Learned {
    /// Whether such an argument is not taken.
    pub fn is_refused(&self, way: &Way, callee: usize, place: usize, word: Word) -> bool {
        let counts = self.words.get(&(way.kind, callee, place, word));
        counts.is_some_and(|counts| counts.taken == 0 && counts.refused >= ENOUGH)
    }

    /// Whether a program was taken that is run in this way, or another of its section.
    pub fn has_taken(&self, way: &Way) -> bool {
        self.taken.contains(&(way.kind, way.section))
    }

    /// Whether something is known to be wrong with this kfunc.
    pub fn is_found(&self, callee: usize) -> bool {
        self.found.contains(&callee)
    }

    /// Something is wrong with this kfunc.
    pub fn find(&mut self, callee: usize) {
        self.found.insert(callee);
    }

    /// The kernel took a program.
    pub fn take(&mut self, way: &Way, program: &Program) {
        self.taken.insert((way.kind, way.section));
        for (place, _) in program.calls.iter().enumerate() {
            self.count(way, program, place, |counts| counts.taken += 1);
        }
    }

    /// The kernel refused a program, and said this.
    pub fn refuse(&mut self, way: &Way, program: &Program, callees: &[Callee], log: &str) {
        if let Some(place) = blamed(program, callees, log) {
            self.count(way, program, place, |counts| counts.refused += 1);
        }
    }

    fn count(&mut self, way: &Way, program: &Program, place: usize, add: impl Fn(&mut Counts)) {
        let call = &program.calls[place];
        for (number, argument) in call.arguments.iter().enumerate() {
            let key = (way.kind, call.callee, number, argument.word());
            add(self.words.entry(key).or_default());
        }
    }
}

/// The call that a refusal is about: the last one of its kfunc that the verifier came to. A program
/// of one call has no other.
fn blamed(program: &Program, callees: &[Callee], log: &str) -> Option<usize> {
    if program.calls.len() == 1 {
        return Some(0);
    }
    let called = log.lines().filter_map(refusal::called);
    let mut called = called.filter(|name| callees.iter().any(|callee| callee.name == *name));
    let last = called.next_back()?;
    let is_it = |place: &usize| callees[program.calls[*place].callee].name == last;
    (0..program.calls.len()).rev().find(is_it)
}

//! A program as a list of calls, which is what is generated, kept and made smaller.

use fastrand::Rng;

use super::argument::{Argument, Around, Place};
use super::callee::{Callee, Gives, Part, Role};
use super::learn::Learned;
use super::way::Way;

/// How many calls a program has at most.
const CALLS: usize = 8;

/// How many bytes of the stack arguments of a program take at most. A program has 512, of which the
/// compiler needs some.
const STACK: usize = 320;

/// How many bytes a dynptr takes.
const DYNPTR: usize = 16;

/// How often something else is tried where something does not go here.
const PATIENCE: usize = 12;

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// What it calls, in order. At its end, what it holds is given back, and iterators are ended.
    pub calls: Vec<Call>,
}

/// A call of a kfunc.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The kfunc's place among all.
    pub callee: usize,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

/// What a program has at a place.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Objects, with the names of their structures, and whether each is held.
    pub objects: Vec<(usize, String, bool)>,
    /// Iterators that are open, with the names of their structures.
    pub iterators: Vec<(usize, String)>,
    /// Calls that returned numbers.
    numbers: Vec<usize>,
}

impl Call {
    /// The calls before it that it uses.
    pub fn uses(&self) -> impl Iterator<Item = usize> {
        self.arguments.iter().filter_map(|argument| match argument {
            Argument::Object(of) | Argument::Iterator(of) | Argument::Earlier(of) => Some(*of),
            _ => None,
        })
    }
}

impl State {
    /// What a program has behind these calls.
    pub fn behind(calls: &[Call], callees: &[Callee]) -> State {
        let mut state = State::default();
        for (place, call) in calls.iter().enumerate() {
            state.step(place, call, &callees[call.callee]);
        }
        state
    }

    fn step(&mut self, place: usize, call: &Call, callee: &Callee) {
        match callee.part {
            Part::Releases => {
                let released = call.arguments.iter().find_map(|argument| match argument {
                    Argument::Object(of) => Some(*of),
                    _ => None,
                });
                self.objects.retain(|(of, ..)| Some(*of) != released);
            }
            Part::Begins => {
                let name = callee.structure().unwrap_or_default().to_owned();
                self.iterators.push((place, name));
            }
            Part::Ends => {
                let ended = call.uses().next();
                self.iterators.retain(|(of, _)| Some(*of) != ended);
                // Their elements are gone with them.
                self.objects
                    .retain(|(of, _, is_held)| *is_held || Some(*of) < ended);
            }
            Part::Uses | Part::Acquires | Part::Steps => {}
        }
        match &callee.gives {
            Gives::Number if callee.part == Part::Uses => self.numbers.push(place),
            Gives::Object(name) => {
                let is_held = callee.part == Part::Acquires;
                self.objects.push((place, name.clone(), is_held));
            }
            _ => {}
        }
    }
}

/// What programs are made of.
pub struct Making<'a> {
    /// All kfuncs.
    pub callees: &'a [Callee],
    /// What kernels refuse.
    pub learned: &'a Learned,
    /// How the programs are run.
    pub way: &'a Way,
}

impl Making<'_> {
    /// The kfuncs that programs of the way may call.
    pub fn callable(&self) -> Vec<usize> {
        let may = |callee: &Callee| callee.types.contains(&self.way.kind);
        let all = self.callees.iter().enumerate();
        all.filter(|(_, callee)| may(callee))
            .map(|it| it.0)
            .collect()
    }

    /// A program that calls this kfunc, and before it only what it needs for that.
    pub fn alone(&self, callee: usize, rng: &mut Rng) -> Program {
        let mut calls = Vec::new();
        for _ in 0..PATIENCE {
            if let Some(call) = self.call(&calls, callee, rng) {
                calls.push(call);
                break;
            }
            // Something that gives what it needs.
            let needed = self.givers(callee);
            if needed.is_empty() || calls.len() > 2 {
                break;
            }
            let giver = needed[rng.usize(..needed.len())];
            calls.extend(self.call(&calls, giver, rng));
        }
        Program { calls }.fitted()
    }

    /// The kfuncs that give an object or an iterator that this one takes.
    fn givers(&self, callee: usize) -> Vec<usize> {
        let taker = &self.callees[callee];
        let mut givers = self.callable();
        givers.retain(|other| {
            let giver = &self.callees[*other];
            let is_begun = matches!(taker.part, Part::Steps | Part::Ends)
                && giver.part == Part::Begins
                && giver.structure() == taker.structure();
            let is_given = taker.roles.iter().any(|role| match (role, &giver.gives) {
                (Role::Object(name, _), Gives::Object(other)) => name == other,
                _ => false,
            });
            is_begun || is_given
        });
        givers
    }

    /// Any program.
    pub fn any(&self, rng: &mut Rng) -> Program {
        let callable = self.callable();
        let mut calls: Vec<Call> = Vec::new();
        if callable.is_empty() {
            return Program { calls };
        }
        let wanted = 1 + rng.usize(..CALLS);
        for _ in 0..PATIENCE * wanted {
            if calls.len() == wanted {
                break;
            }
            let callee = callable[rng.usize(..callable.len())];
            // What has been found already stands in the way of what has not.
            if self.learned.is_found(callee) && rng.u8(..8) > 0 {
                continue;
            }
            calls.extend(self.call(&calls, callee, rng));
        }
        match calls.is_empty() {
            true => self.alone(callable[rng.usize(..callable.len())], rng),
            false => Program { calls }.fitted(),
        }
    }

    /// A program with up to three changes: another argument, a call more, or one less; or one that
    /// tries a call of it again and again, each time with another argument.
    pub fn changed(&self, program: &Program, rng: &mut Rng) -> Program {
        if rng.bool()
            && let Some(varied) = self.varied(program, rng)
        {
            return varied;
        }
        let mut changed = program.clone();
        for _ in 0..1 + rng.usize(..3) {
            let count = changed.calls.len();
            match rng.u8(..8) {
                0 if count > 1 => changed = changed.without(rng.usize(..count)),
                1 | 2 if count < CALLS => {
                    let callable = self.callable();
                    let callee = callable[rng.usize(..callable.len())];
                    changed.calls.extend(self.call(&changed.calls, callee, rng));
                }
                _ if count > 0 => {
                    let (before, rest) = changed.calls.split_at_mut(rng.usize(..count));
                    self.change(before, &mut rest[0], rng);
                }
                _ => {}
            }
        }
        match changed.calls.is_empty() {
            true => program.clone(),
            false => changed.fitted(),
        }
    }

    /// What a program does up to one of its calls, and then that call in other words; nothing where
    /// each of its calls takes or gives something.
    fn varied(&self, program: &Program, rng: &mut Rng) -> Option<Program> {
        let is_free = |place: &usize| {
            let callee = &self.callees[program.calls[*place].callee];
            callee.part == Part::Uses && !callee.roles.is_empty()
        };
        let free: Vec<usize> = (0..program.calls.len()).filter(is_free).collect();
        let place = *free.get(rng.usize(..free.len().max(1)))?;
        let mut calls = program.calls[..=place].to_vec();
        while calls.len() < CALLS.max(place + CALLS / 2) {
            let mut call = program.calls[place].clone();
            self.change(&calls, &mut call, rng);
            calls.push(call);
        }
        Some(Program { calls }.fitted())
    }

    /// Puts another argument in the place of one that no other call is concerned by.
    fn change(&self, before: &[Call], call: &mut Call, rng: &mut Rng) {
        let Some(new) = self.call(before, call.callee, rng) else {
            return;
        };
        let is_free =
            |argument: &Argument| !matches!(argument, Argument::Object(_) | Argument::Iterator(_));
        let first = rng.usize(..call.arguments.len().max(1));
        for (number, argument) in new.arguments.into_iter().enumerate().skip(first) {
            let known = &mut call.arguments[number];
            if is_free(known) && is_free(&argument) {
                *known = match known {
                    Argument::Number(near) if rng.u8(..4) == 0 => {
                        Argument::Number(near.wrapping_add(rng.u64(..17)).wrapping_sub(8))
                    }
                    _ => argument,
                };
            }
            // A size goes with the memory before it.
            let next = call.arguments.get(number + 1);
            if !matches!(next, Some(Argument::Size(_))) {
                break;
            }
        }
    }

    /// A call of this kfunc behind those; nothing where there is not what it needs.
    fn call(&self, before: &[Call], callee: usize, rng: &mut Rng) -> Option<Call> {
        let it = &self.callees[callee];
        let state = State::behind(before, self.callees);
        if it.part == Part::Acquires && self.releases(it).is_none() {
            return None;
        }
        if it.part == Part::Begins && self.ends(it).is_none() {
            return None;
        }
        let around = Around {
            way: self.way,
            numbers: &state.numbers,
            objects: &state.objects,
            is_certain: matches!(it.part, Part::Begins | Part::Ends | Part::Releases),
        };
        let mut arguments: Vec<Argument> = Vec::new();
        for (place, role) in it.roles.iter().enumerate() {
            let argument = match role {
                Role::Iterator if it.part == Part::Begins => Argument::Iterator(before.len()),
                Role::Iterator => {
                    let fits = |(_, name): &&(usize, String)| Some(name.as_str()) == it.structure();
                    let open: Vec<_> = state.iterators.iter().filter(fits).collect();
                    Argument::Iterator(open.get(rng.usize(..open.len().max(1)))?.0)
                }
                _ => {
                    let any = |rng: &mut Rng| {
                        let previous = arguments.last();
                        Argument::any(role, it.nullable[place], previous, &around, rng)
                    };
                    let held = |argument: &Argument| match argument {
                        Argument::Object(of) => state
                            .objects
                            .iter()
                            .any(|(object, _, held)| object == of && *held),
                        _ => false,
                    };
                    let needs_held = it.part == Part::Releases && place == 0;
                    let fits = |argument: &Argument| {
                        (!needs_held || held(argument))
                            && !self
                                .learned
                                .is_refused(self.way, callee, place, argument.word())
                    };
                    let mut tries = (0..PATIENCE).map_while(|_| any(rng));
                    tries.find(fits)?
                }
            };
            arguments.push(argument);
        }
        Some(Call { callee, arguments })
    }

    /// The kfunc that takes back what this one gives.
    pub fn releases(&self, giver: &Callee) -> Option<usize> {
        let Gives::Object(name) = &giver.gives else {
            return None;
        };
        self.callable().into_iter().find(|other| {
            let other = &self.callees[*other];
            let is_alone = matches!(&other.roles[..], [Role::Object(of, _)] if of == name);
            other.part == Part::Releases && is_alone
        })
    }

    /// The kfunc that ends the iterators that this one makes.
    pub fn ends(&self, maker: &Callee) -> Option<usize> {
        self.callable().into_iter().find(|other| {
            let other = &self.callees[*other];
            other.part == Part::Ends && other.structure() == maker.structure()
        })
    }
}

impl Program {
    /// It with no more on the stack than fits there: what does not is in a map, and where that cannot
    /// be, the call and those behind it are left out.
    fn fitted(mut self) -> Program {
        let mut left = STACK;
        for place in 0..self.calls.len() {
            for argument in &mut self.calls[place].arguments {
                let needed = match argument {
                    Argument::Memory(memory) if memory.place == Place::Stack => {
                        let needed = (memory.offset + memory.bytes).max(1).next_multiple_of(8);
                        if needed > left {
                            memory.place = Place::Map;
                            continue;
                        }
                        needed
                    }
                    Argument::Dynptr(_) => DYNPTR,
                    _ => 0,
                };
                if needed > left {
                    self.calls.truncate(place);
                    return self;
                }
                left -= needed;
            }
        }
        self
    }

    /// It without a call, and without those that need it.
    pub fn without(&self, gone: usize) -> Program {
        let mut left: Vec<Option<usize>> = Vec::new();
        let mut calls: Vec<Call> = Vec::new();
        for (place, call) in self.calls.iter().enumerate() {
            let mut call = call.clone();
            let mut is_possible = place != gone;
            for argument in &mut call.arguments {
                match argument {
                    Argument::Earlier(of) => match left[*of] {
                        Some(new) => *of = new,
                        None => *argument = Argument::Number(0),
                    },
                    Argument::Iterator(of) if *of == place => *of = calls.len(),
                    Argument::Object(of) | Argument::Iterator(of) => match left[*of] {
                        Some(new) => *of = new,
                        None => is_possible = false,
                    },
                    _ => {}
                }
            }
            left.push(is_possible.then_some(calls.len()));
            calls.extend(is_possible.then_some(call));
        }
        Program { calls }
    }

    /// It with other arguments, each simpler than what stands in its place.
    pub fn simpler(&self, callees: &[Callee]) -> Vec<Program> {
        let mut simpler = Vec::new();
        for (place, call) in self.calls.iter().enumerate() {
            let roles = &callees[call.callee].roles;
            for (number, argument) in call.arguments.iter().enumerate() {
                for other in argument.simpler(&roles[number]) {
                    let mut program = self.clone();
                    program.calls[place].arguments[number] = other;
                    simpler.push(program.fitted());
                }
            }
        }
        simpler
    }
}

#[cfg(test)]
mod tests {
    use super::super::argument::{Dynptr, Memory, Of};
    use super::*;

    fn call(arguments: &[Argument]) -> Call {
        Call {
            callee: 0,
            arguments: arguments.to_vec(),
        }
    }

    #[test]
    fn what_does_not_fit_on_the_stack_is_in_a_map_or_left_out() {
        let memory = Memory {
            place: Place::Stack,
            offset: 3,
            bytes: 64,
            content: Vec::new(),
        };
        let dynptr = Dynptr {
            of: Of::Nothing,
            bytes: 8,
            trimmed: None,
        };
        let calls = vec![call(&[Argument::Memory(memory)]); 8];
        let program = Program { calls }.fitted();
        let places = program.calls.iter().map(|call| match &call.arguments[0] {
            Argument::Memory(memory) => memory.place,
            other => panic!("{other:?}"),
        });
        let places: Vec<Place> = places.collect();
        assert_eq!(places, [[Place::Stack; 4], [Place::Map; 4]].concat());
        let calls = vec![call(&[Argument::Dynptr(dynptr)]); 30];
        assert_eq!(Program { calls }.fitted().calls.len(), 20);
    }

    #[test]
    fn what_needs_a_call_goes_with_it() {
        let program = Program {
            calls: vec![
                call(&[Argument::Number(1)]),
                call(&[]),
                call(&[Argument::Object(0)]),
                call(&[Argument::Object(1), Argument::Earlier(0)]),
            ],
        };
        let left = program.without(0);
        let last = call(&[Argument::Object(0), Argument::Number(0)]);
        assert_eq!(left.calls, [call(&[]), last]);
    }
}

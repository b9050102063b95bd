//! What an argument can be, as a parameter's role lets.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::callee::Role;
use super::value::Width;
use super::way::{Trigger, Way};

/// How much memory there is on the stack and in a sample for one argument, and of global data.
const STACK: usize = 64;
const SAMPLE: usize = 128;
pub const DATA: usize = 4096;

/// How much of a packet is read at most; the shortest frame has it.
const PACKET: usize = 48;

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Argument {
    /// This number.
    Number(u64),
    /// What an earlier call returned, a number.
    Earlier(usize),
    /// So many bytes of the memory before it.
    Size(usize),
    /// Memory.
    Memory(Memory),
    /// A string that does not change.
    Text(Vec<u8>),
    /// NULL.
    Null,
    /// The program's context.
    Context,
    /// A map.
    Map,
    /// What an earlier call gave.
    Object(usize),
    /// The task that runs.
    Task,
    /// A dynptr.
    Dynptr(Dynptr),
    /// The iterator that this call began, or begins.
    Iterator(usize),
}

/// Memory of a program's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Memory {
    /// Where it is.
    pub place: Place,
    /// How far behind an address that 8 divides it begins.
    pub offset: usize,
    /// How many bytes of it there are from there on.
    pub bytes: usize,
    /// What it begins with; the rest is the last byte of it, again and again.
    pub content: Vec<u8>,
}

/// Where memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// On the stack.
    Stack,
    /// In a map.
    Map,
    /// In a sample of a ring buffer.
    Sample,
    /// In the packet.
    Packet,
}

/// A dynptr, and what of it is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dynptr {
    /// What it is of.
    pub of: Of,
    /// How many bytes it has at first.
    pub bytes: usize,
    /// From where to where it is trimmed, where it is.
    pub trimmed: Option<(usize, usize)>,
}

/// What a dynptr is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Of {
    /// Memory of a map.
    Map,
    /// A sample of a ring buffer.
    Sample,
    /// The packet.
    Packet,
    /// Nothing: it could not be made.
    Nothing,
}

/// What there is for arguments at a place in a program.
pub struct Around<'a> {
    /// How the program is run.
    pub way: &'a Way,
    /// Numbers that calls have returned.
    pub numbers: &'a [usize],
    /// The objects that are there, with the names of their structures, and whether each is held.
    pub objects: &'a [(usize, String, bool)],
    /// Whether nothing may keep the call from being made.
    pub is_certain: bool,
}

/// A word for a kind of argument, which is learned to be refused or accepted.
pub type Word = &'static str;

impl Argument {
    /// Whether it can be one of a parameter of the call at this place in a program.
    pub fn fits(&self, role: &Role, is_nullable: bool, place: usize) -> bool {
        match (self, role) {
            (Argument::Null, Role::Memory(_) | Role::Ignored) => true,
            (Argument::Null, _) => is_nullable,
            (
                Argument::Number(_),
                Role::Number(..) | Role::Constant(_) | Role::Size(_) | Role::Ignored,
            )
            | (Argument::Text(_), Role::Text)
            | (Argument::Context, Role::Context(_))
            | (Argument::Map, Role::Map)
            | (Argument::Task, Role::Object(..)) => true,
            (Argument::Size(bytes), Role::Size(_)) => *bytes <= DATA + 1,
            (Argument::Earlier(of), Role::Number(..))
            | (Argument::Object(of), Role::Object(..)) => *of < place,
            (Argument::Iterator(of), Role::Iterator) => *of <= place,
            (Argument::Memory(memory), Role::Memory(_) | Role::Object(..)) => {
                memory.offset < 8 && memory.bytes + memory.offset <= DATA
            }
            (Argument::Dynptr(dynptr), Role::Dynptr) => dynptr.bytes <= DATA,
            _ => false,
        }
    }

    /// Its kind.
    pub fn word(&self) -> Word {
        match self {
            Argument::Number(_) | Argument::Earlier(_) => "number",
            Argument::Size(_) => "size",
            Argument::Memory(memory) => match (memory.place, memory.bytes) {
                (_, 0) => "no memory",
                (Place::Stack, _) => "stack",
                (Place::Map, _) => "map value",
                (Place::Sample, _) => "sample",
                (Place::Packet, _) => "packet",
            },
            Argument::Text(_) => "text",
            Argument::Null => "null",
            Argument::Context => "context",
            Argument::Map => "map",
            Argument::Object(_) => "object",
            Argument::Task => "task",
            Argument::Dynptr(dynptr) => match (dynptr.of, dynptr.trimmed) {
                (Of::Map, None) => "dynptr of a map value",
                (Of::Map, _) => "trimmed dynptr of a map value",
                (Of::Sample, None) => "dynptr of a sample",
                (Of::Sample, _) => "trimmed dynptr of a sample",
                (Of::Packet, None) => "dynptr of a packet",
                (Of::Packet, _) => "trimmed dynptr of a packet",
                (Of::Nothing, _) => "dynptr of nothing",
            },
            Argument::Iterator(_) => "iterator",
        }
    }

    /// One for a parameter; nothing where there is none here. A size is of the memory `before` it.
    pub fn any(
        role: &Role,
        is_nullable: bool,
        before: Option<&Argument>,
        around: &Around,
        rng: &mut Rng,
    ) -> Option<Argument> {
        if is_nullable && rng.u8(..4) == 0 {
            return Some(Argument::Null);
        }
        Some(match role {
            Role::Number(width, values) => number(*width, values, around, rng),
            Role::Constant(width) => Argument::Number(width.any(rng)),
            Role::Size(width) => match before {
                Some(Argument::Memory(memory)) => Argument::Size(size(memory, rng)),
                Some(Argument::Null) => Argument::Size(0),
                _ => Argument::Number(width.any(rng)),
            },
            // Nothing but a size of 0 goes with NULL, which no trusted argument is.
            Role::Memory(None) if rng.u8(..16) == 0 => Argument::Null,
            Role::Memory(least) => Argument::Memory(Memory::any(*least, around, rng)),
            Role::Text => Argument::Text(content(rng, 24, true)),
            Role::Context(name) => match around.way.contexts.contains(&name.as_str()) {
                true => Argument::Context,
                false => return None,
            },
            Role::Map => Argument::Map,
            Role::Ignored => match rng.bool() {
                true => Argument::Null,
                false => Argument::Number(rng.u64(..)),
            },
            Role::Dynptr => Argument::Dynptr(Dynptr::any(around, rng)),
            Role::Object(name, plain) => object(name, *plain, around, rng)?,
            Role::Iterator | Role::Unknown(_) => return None,
        })
    }
}

fn number(width: Width, values: &[i64], around: &Around, rng: &mut Rng) -> Argument {
    if !around.numbers.is_empty() && rng.u8(..6) == 0 {
        return Argument::Earlier(around.numbers[rng.usize(..around.numbers.len())]);
    }
    match values.is_empty() || rng.u8(..4) == 0 {
        true => Argument::Number(width.any(rng)),
        false => Argument::Number(width.cut(values[rng.usize(..values.len())] as u64)),
    }
}

/// All of it, none of it, a byte less or any part; once in a while a byte more, which the verifier
/// has to see.
fn size(memory: &Memory, rng: &mut Rng) -> usize {
    match rng.u8(..32) {
        0..3 => 0,
        3 => memory.bytes + 1,
        4..8 => memory.bytes.saturating_sub(1),
        8..12 => rng.usize(..=memory.bytes),
        _ => memory.bytes,
    }
}

fn object(name: &str, plain: Option<usize>, around: &Around, rng: &mut Rng) -> Option<Argument> {
    let fits =
        |(_, of, is_held): &&(usize, String, bool)| of == name && (*is_held || !around.is_certain);
    let objects: Vec<usize> = around.objects.iter().filter(fits).map(|it| it.0).collect();
    let known = match objects.is_empty() {
        true => None,
        false => Some(Argument::Object(objects[rng.usize(..objects.len())])),
    };
    let memory = |rng: &mut Rng| Argument::Memory(Memory::any(plain, around, rng));
    match known {
        Some(known) if plain.is_none() || rng.u8(..8) > 0 => Some(known),
        _ if plain.is_some() => Some(memory(rng)),
        _ if name == "task_struct" => Some(Argument::Task),
        _ => None,
    }
}

impl Memory {
    fn any(least: Option<usize>, around: &Around, rng: &mut Rng) -> Memory {
        let needed = least.unwrap_or(0);
        let mut place = match rng.u8(..8) {
            0..3 => Place::Stack,
            3..5 => Place::Map,
            5..6 if !around.is_certain && needed <= SAMPLE => Place::Sample,
            6..8 if !around.is_certain && around.way.has_packet && needed <= PACKET => {
                Place::Packet
            }
            _ => Place::Map,
        };
        if place == Place::Stack && needed > STACK {
            place = Place::Map;
        }
        let most = match place {
            Place::Stack => STACK,
            Place::Map => DATA,
            Place::Sample => SAMPLE,
            Place::Packet => PACKET,
        };
        let offset = match rng.bool() {
            true => 0,
            false => rng.usize(..8).min(most.saturating_sub(needed)),
        };
        let bytes = match least {
            Some(least) => least,
            None => length(most - offset, rng),
        };
        Memory {
            place,
            offset,
            bytes,
            content: match place {
                Place::Packet => Vec::new(),
                _ => content(rng, bytes.min(16), false),
            },
        }
    }
}

/// A length up to this, at an edge more often than not.
fn length(most: usize, rng: &mut Rng) -> usize {
    let edge = 1 << rng.u32(..=12);
    match rng.u8(..6) {
        0 => most,
        1..4 => (edge + rng.usize(..3)).saturating_sub(1).clamp(1, most),
        4 => rng.usize(1..=most.min(16)),
        _ => rng.usize(1..=most),
    }
}

/// Bytes: none, those of a text that repeats itself, or any. Without a NUL, unless it is there by
/// chance; a text that the verifier is to know has none.
fn content(rng: &mut Rng, most: usize, is_text: bool) -> Vec<u8> {
    let length = match rng.u8(..6) {
        0 => 0,
        1 => most,
        _ => rng.usize(..=most),
    };
    let kind = rng.u8(..if is_text { 3 } else { 6 });
    let byte = |rng: &mut Rng| match kind {
        0 => b'a',
        1 => b'a' + rng.u8(..2),
        2 => rng.u8(0x20..0x7f),
        3 => 0xff,
        4 => rng.u8(..),
        _ => 0,
    };
    (0..length).map(|_| byte(rng)).collect()
}

impl Dynptr {
    fn any(around: &Around, rng: &mut Rng) -> Dynptr {
        let has_packet = matches!(around.way.trigger, Trigger::Frame | Trigger::Arrival);
        let of = match rng.u8(..8) {
            0 => Of::Nothing,
            1..4 if has_packet => Of::Packet,
            4..6 => Of::Sample,
            _ => Of::Map,
        };
        let most = match of {
            Of::Map => DATA,
            _ => SAMPLE,
        };
        let bytes = match of {
            Of::Packet => PACKET,
            Of::Nothing => 8,
            _ => length(most, rng),
        };
        let trim = |rng: &mut Rng| {
            let from = rng.usize(..=bytes);
            let to = match rng.bool() {
                true => from,
                false => rng.usize(from..=bytes),
            };
            (from, to)
        };
        Dynptr {
            of,
            bytes,
            trimmed: (of != Of::Nothing && rng.u8(..3) == 0).then(|| trim(rng)),
        }
    }
}

impl Argument {
    /// Simpler ones of the same kind, the simplest first.
    pub fn simpler(&self, role: &Role) -> Vec<Argument> {
        match (self, role) {
            (
                Argument::Number(number),
                Role::Number(width, _) | Role::Constant(width) | Role::Size(width),
            ) => {
                let simpler = width.simpler(*number).into_iter();
                simpler.map(Argument::Number).collect()
            }
            (Argument::Earlier(_), Role::Number(..)) => {
                vec![Argument::Number(0), Argument::Number(1)]
            }
            (Argument::Memory(memory), _) => {
                memory.simpler().into_iter().map(Argument::Memory).collect()
            }
            (Argument::Text(text), _) => {
                let simpler = [Vec::new(), b"a".to_vec(), vec![b'a'; text.len()]];
                let simpler = simpler.into_iter().filter(|it| it < text);
                simpler.map(Argument::Text).collect()
            }
            (Argument::Dynptr(dynptr), _) => {
                let plain = Dynptr {
                    of: Of::Map,
                    bytes: 8,
                    trimmed: None,
                };
                let whole = Dynptr {
                    trimmed: None,
                    ..dynptr.clone()
                };
                let simpler = [plain, whole].into_iter().filter(|it| it != dynptr);
                simpler.map(Argument::Dynptr).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Memory {
    fn simpler(&self) -> Vec<Memory> {
        let whole = Memory {
            place: Place::Map,
            offset: 0,
            bytes: self.bytes,
            content: Vec::new(),
        };
        let stack = Memory {
            place: Place::Stack,
            ..whole.clone()
        };
        let empty = Memory {
            content: Vec::new(),
            ..self.clone()
        };
        let aligned = Memory {
            offset: 0,
            ..self.clone()
        };
        let mut simpler = vec![whole, empty, aligned];
        if self.bytes <= STACK {
            simpler.insert(0, stack);
        }
        simpler.retain(|other| other != self && other.cost() < self.cost());
        simpler
    }

    /// How far from simple it is.
    fn cost(&self) -> (usize, usize, Place) {
        (self.content.len(), self.offset, self.place)
    }
}

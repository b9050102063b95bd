//! A kfunc as its BTF and its flags describe it: what each of its parameters is, and what it gives.

use super::argument::DATA;
use super::value::Width;
use crate::btf::{Parameter, Signature, Type};
use crate::kfuncs::Kfunc;

/// A kfunc that programs are to call.
#[derive(Clone, Debug)]
pub struct Callee {
    /// Its name.
    pub name: String,
    /// What it takes and returns.
    pub signature: Signature,
    /// The kinds of its types, for those that have no better words.
    pub shape: crate::btf::Shape,
    /// What its parameters are.
    pub roles: Vec<Role>,
    /// Which of them may be NULL.
    pub nullable: Vec<bool>,
    /// What it gives.
    pub gives: Gives,
    /// What it does with what it takes or gives.
    pub part: Part,
    /// The types of programs that may call it.
    pub types: Vec<&'static str>,
}

/// What a parameter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A number, and the values that have a name.
    Number(Width, Vec<i64>),
    /// A number that the verifier knows.
    Constant(Width),
    /// The size of the memory before it.
    Size(Width),
    /// Memory, of at least this size or of that of the next parameter.
    Memory(Option<usize>),
    /// A string that the verifier knows.
    Text,
    /// The context of the program, a structure of this name.
    Context(String),
    /// A map.
    Map,
    /// What the verifier does not look at.
    Ignored,
    /// A dynptr.
    Dynptr,
    /// An iterator on the stack.
    Iterator,
    /// An object of the kernel's, a structure of this name. Where it is made of numbers alone,
    /// memory of its size will do, if there is so much.
    Object(String, Option<usize>),
    /// What no program of this room has, in C.
    Unknown(String),
}

/// What a kfunc gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Nothing that is of use.
    Nothing,
    /// A number.
    Number,
    /// An object, a structure of this name.
    Object(String),
    /// Memory of this size.
    Memory(usize),
}

/// What a kfunc does with what it takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It uses what it takes.
    Uses,
    /// It gives an object that has to be given back.
    Acquires,
    /// It takes an object back.
    Releases,
    /// It makes an iterator.
    Begins,
    /// It takes a step of an iterator.
    Steps,
    /// It ends an iterator.
    Ends,
}

const CONTEXTS: [&str; 6] = [
    "__sk_buff",
    "sk_buff",
    "xdp_md",
    "xdp_buff",
    "pt_regs",
    "user_pt_regs",
];

const DYNPTRS: [&str; 2] = ["bpf_dynptr", "bpf_dynptr_kern"];

impl Callee {
    /// Has numbers without a name be these, more often than not.
    pub fn know(&mut self, numbers: &[i64]) {
        for role in &mut self.roles {
            if let Role::Number(_, values) = role
                && values.is_empty()
            {
                *values = numbers.to_vec();
            }
        }
    }

    /// The kfunc; nothing where BTF does not have it.
    pub fn of(kfunc: &Kfunc, types: &[&'static str]) -> Option<Callee> {
        let signature = kfunc.signature.clone()?;
        let flags = kfunc.flags().unwrap_or_default();
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        let part = [
            ("KF_ITER_NEW", Part::Begins),
            ("KF_ITER_NEXT", Part::Steps),
            ("KF_ITER_DESTROY", Part::Ends),
            ("KF_ACQUIRE", Part::Acquires),
            ("KF_RELEASE", Part::Releases),
        ];
        let part = part.iter().find(|(flag, _)| has(flag));
        let part = part.map_or(Part::Uses, |(_, part)| *part);
        let parameters = &signature.parameters;
        let mut roles: Vec<Role> = parameters.iter().map(role).collect();
        for place in 1..roles.len() {
            let is_memory =
                |role: &Role| matches!(role, Role::Memory(_) | Role::Object(_, Some(_)));
            if matches!(roles[place], Role::Size(_)) && is_memory(&roles[place - 1]) {
                roles[place - 1] = Role::Memory(None);
            }
        }
        for place in 0..roles.len() {
            let has_size = matches!(roles.get(place + 1), Some(Role::Size(_)));
            if roles[place] == Role::Memory(None) && !has_size {
                roles[place] = Role::Unknown("memory of no size".to_owned());
            }
        }
        if matches!(part, Part::Begins | Part::Steps | Part::Ends) && !roles.is_empty() {
            roles[0] = Role::Iterator;
        }
        let nullable = parameters.iter().map(|parameter| {
            let name = parameter.name.as_str();
            ["__nullable", "__opt"].iter().any(|it| name.ends_with(it))
        });
        Some(Callee {
            name: kfunc.name.clone(),
            nullable: nullable.collect(),
            shape: kfunc.shape.clone()?,
            gives: gives(&signature.result),
            signature,
            roles,
            part,
            types: types.to_vec(),
        })
    }

    /// The structure that it takes back, or that an iterator is.
    pub fn structure(&self) -> Option<&str> {
        let of = &self.signature.parameters.first()?.of;
        match of {
            Type::Pointer(to) => match &**to {
                Type::Struct { name, .. } => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

fn role(parameter: &Parameter) -> Role {
    let name = parameter.name.as_str();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&["__ign"]) {
        return Role::Ignored;
    }
    match &parameter.of {
        Type::Int { bytes, is_signed } if *bytes <= 8 => {
            let width = Width {
                bytes: *bytes,
                is_signed: *is_signed,
            };
            match () {
                () if ends(&["__sz", "__szk"]) => Role::Size(width),
                () if ends(&["__k"]) => Role::Constant(width),
                () => Role::Number(width, Vec::new()),
            }
        }
        Type::Enum { bytes, values } => {
            let width = Width {
                bytes: *bytes,
                is_signed: false,
            };
            Role::Number(width, values.clone())
        }
        Type::Pointer(_) if ends(&["__uninit", "__alloc"]) => {
            Role::Unknown("what the verifier makes".to_owned())
        }
        Type::Pointer(_) if ends(&["__map"]) => Role::Map,
        Type::Pointer(_) if ends(&["__str"]) => Role::Text,
        Type::Pointer(to) => pointer(to),
        Type::Struct { name, .. } => Role::Unknown(format!("a `struct {name}` by value")),
        _ => Role::Unknown("neither a number of at most 8 bytes nor a pointer".to_owned()),
    }
}

fn pointer(to: &Type) -> Role {
    match to {
        Type::Struct { name, .. } if DYNPTRS.contains(&name.as_str()) => Role::Dynptr,
        Type::Struct { name, .. } if CONTEXTS.contains(&name.as_str()) => {
            Role::Context(name.clone())
        }
        Type::Struct {
            name,
            bytes,
            is_plain,
        } => Role::Object(
            name.clone(),
            Some(*bytes).filter(|it| *is_plain && *it <= DATA),
        ),
        Type::Int { bytes, .. } | Type::Enum { bytes, .. } => Role::Memory(Some(*bytes)),
        Type::Void => Role::Memory(None),
        Type::Pointer(_) => Role::Unknown("a pointer to a pointer".to_owned()),
        _ => Role::Unknown("a pointer to a function or something else".to_owned()),
    }
}

fn gives(result: &Type) -> Gives {
    match result {
        Type::Int { .. } | Type::Enum { .. } => Gives::Number,
        Type::Pointer(to) => match &**to {
            Type::Struct { name, .. } => Gives::Object(name.clone()),
            Type::Int { bytes, .. } => Gives::Memory(*bytes),
            _ => Gives::Nothing,
        },
        _ => Gives::Nothing,
    }
}

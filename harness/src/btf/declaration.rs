//! What functions look like in C.

use anyhow::{Context, Result, bail};

use super::raw::{kind, word};
use super::{Btf, DEPTH};

/// The types that a [`Shape`] is made of, in C.
pub const SHAPES: &str = "\
struct some { int member; };
union some_union { int member; };
enum some_enum { SOME };
struct elsewhere;
";

/// The types of a function, as C names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The type of its result.
    pub result: String,
    /// The types of its arguments.
    pub arguments: Vec<String>,
}

impl Btf {
    /// A function as C declares it: `u64 bpf_gcd(u64 a, u64 b)`.
    ///
    /// # Errors
    /// No function has this id, or a type of it is damaged.
    pub fn prototype(&self, id: u32) -> Result<String> {
        self.declare(self.raw(id)?.of, self.function(id)?, DEPTH)
    }

    /// A function's types by their kinds alone, which is all that libbpf compares of a kfunc's
    /// declaration (bpf_core_types_are_compat). They are declared in [`SHAPES`].
    ///
    /// # Errors
    /// No function has this id, or a type of it is damaged.
    pub fn shape(&self, id: u32) -> Result<Shape> {
        self.function(id)?;
        self.shape_of(self.raw(id)?.of, DEPTH)
    }

    fn shape_of(&self, prototype: u32, depth: usize) -> Result<Shape> {
        let raw = self.raw(prototype)?;
        let arguments = raw.behind.chunks_exact(8).map(|argument| {
            let of = word(argument, 4)?;
            self.kinds(of, depth)
        });
        Ok(Shape {
            result: self.kinds(raw.of, depth)?,
            arguments: arguments.collect::<Result<_>>()?,
        })
    }

    /// The name of a type that is made of the same kinds.
    fn kinds(&self, id: u32, depth: usize) -> Result<String> {
        let depth = depth.checked_sub(1).context("a type without an end")?;
        if id == 0 {
            return Ok("void".to_owned());
        }
        let raw = self.raw(id)?;
        Ok(match raw.kind {
            kind::INT => "int".to_owned(),
            kind::STRUCT => "struct some".to_owned(),
            kind::UNION => "union some_union".to_owned(),
            kind::FWD => "struct elsewhere".to_owned(),
            kind::ENUM | kind::ENUM64 => "enum some_enum".to_owned(),
            kind::PTR => format!("__typeof__({}) *", self.kinds(raw.of, depth)?),
            kind::ARRAY => {
                let (of, count) = (word(raw.behind, 0)?, word(raw.behind, 8)?);
                format!(
                    "__typeof__(__typeof__({})[{count}])",
                    self.kinds(of, depth)?
                )
            }
            kind::FUNC_PROTO => {
                let Shape { result, arguments } = self.shape_of(id, depth)?;
                format!("__typeof__({result}({}))", listed(&arguments))
            }
            kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::RESTRICT | kind::TYPE_TAG => {
                self.kinds(raw.of, depth)?
            }
            other => bail!("kind {other} in a declaration"),
        })
    }

    /// A declaration of something of this type; what is declared stands in it already.
    fn declare(&self, id: u32, what: String, depth: usize) -> Result<String> {
        let depth = depth.checked_sub(1).context("a type without an end")?;
        let with = |words: &str| spaced(words, &what);
        if id == 0 {
            return Ok(with("void"));
        }
        let raw = self.raw(id)?;
        let named = |keyword: &str| -> Result<String> {
            let name = self.name(raw.name)?;
            let name = if name.is_empty() { "{…}" } else { &name };
            Ok(with(&format!("{keyword}{name}")))
        };
        match raw.kind {
            kind::INT | kind::FLOAT | kind::TYPEDEF => named(""),
            kind::STRUCT => named("struct "),
            kind::UNION => named("union "),
            kind::FWD if raw.flag => named("union "),
            kind::FWD => named("struct "),
            kind::ENUM | kind::ENUM64 => named("enum "),
            kind::PTR => {
                let binds = matches!(self.kind_of(raw.of)?, kind::ARRAY | kind::FUNC_PROTO);
                let pointer = match binds {
                    true => format!("(*{what})"),
                    false => format!("*{what}"),
                };
                self.declare(raw.of, pointer, depth)
            }
            kind::CONST => self.qualify("const", raw.of, what, depth),
            kind::VOLATILE => self.qualify("volatile", raw.of, what, depth),
            kind::RESTRICT => self.qualify("restrict", raw.of, what, depth),
            kind::TYPE_TAG => self.declare(raw.of, what, depth),
            kind::ARRAY => {
                let (of, count) = (word(raw.behind, 0)?, word(raw.behind, 8)?);
                self.declare(of, format!("{what}[{count}]"), depth)
            }
            kind::FUNC_PROTO => {
                let mut arguments = Vec::new();
                for argument in raw.behind.chunks_exact(8) {
                    let (name, of) = (word(argument, 0)?, word(argument, 4)?);
                    arguments.push(match (name, of) {
                        (0, 0) => "...".to_owned(),
                        _ => self.declare(of, self.name(name)?, depth)?,
                    });
                }
                self.declare(raw.of, format!("{what}({})", listed(&arguments)), depth)
            }
            other => bail!("kind {other} in a declaration"),
        }
    }

    /// A qualifier stands before what it qualifies, and behind the star of a pointer.
    fn qualify(&self, word: &str, id: u32, what: String, depth: usize) -> Result<String> {
        match self.kind_of(id)? {
            kind::PTR => self.declare(id, spaced(word, &what), depth),
            _ => Ok(format!("{word} {}", self.declare(id, what, depth)?)),
        }
    }
}

/// Arguments between their parentheses.
pub fn listed(arguments: &[String]) -> String {
    match arguments.is_empty() {
        true => "void".to_owned(),
        false => arguments.join(", "),
    }
}

/// Two words of C; a star needs no space behind it.
fn spaced(words: &str, what: &str) -> String {
    match what.is_empty() {
        true => words.to_owned(),
        false => format!("{words} {what}"),
    }
}

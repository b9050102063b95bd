//! Steps, as the host sees them, one file a step: how a scenario file asks for one, what a
//! transcript tells of it, and whether its outcome can be believed.

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use kassay_guest::{Command, Fact, Outcome, Step, for_each_step};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};

use crate::excerpt::bounded;

pub use drive::fresh_seed;
pub use open::check_path;
pub use udp::has_datagram;
pub use write_sysctl::{Setting, sysctl};

/// A step that a scenario asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What the guest does.
    pub step: Step,
    /// What the transcript calls its parts: for `udp`, the packets' names.
    pub names: Vec<String>,
    /// Whether its seed is left to chance.
    pub is_random: bool,
}

impl<S: Into<Step>> From<S> for Asked {
    fn from(step: S) -> Asked {
        Asked {
            step: step.into(),
            names: Vec::new(),
            is_random: false,
        }
    }
}

/// Why the outcome of a step is no pass.
#[derive(Debug)]
pub struct Doubt {
    /// What is wrong, without what differs from run to run.
    pub title: String,
    /// Why it is.
    pub reason: String,
}

/// What goes with a step in a scenario file.
struct Beside<'a> {
    /// `ready = "attached"`, beside `run` with a command.
    ready: Option<String>,
    /// The directory of the file.
    directory: &'a Path,
}

/// A kind of step.
trait Kind {
    /// What a scenario file gives for it.
    type File: DeserializeOwned;
    /// What comes of it.
    type Outcome;
    /// How a file asks for it, and what it then does, for people.
    const FORMS: &'static [(&'static str, &'static str)];

    /// The step, checked.
    fn asked(file: Self::File, beside: Beside) -> Result<Asked>;

    /// What it is called, beside the name of its kind.
    fn title(&self, name: &str) -> String {
        name.to_owned()
    }

    /// What came of it, for a transcript, after its title. Its parts have these names.
    fn tell(&self, came: &Self::Outcome, names: &[String]) -> String;

    /// Whether it was done and yet failed.
    fn has_failed(_came: &Self::Outcome) -> bool {
        false
    }

    /// Sees that its outcome can be believed, beside the other facts.
    fn check(&self, _came: &Self::Outcome, _facts: &[Fact]) -> Result<(), Doubt> {
        Ok(())
    }
}

macro_rules! steps {
    ($($name:ident: $Step:ident => $Outcome:ident,)*) => {
        $(mod $name;)*

        /// The keys of a `[[step]]`.
        const KEYS: &[&str] = &[$(stringify!($name),)* READY];

        /// What a `[[step]]` asks for.
        enum Form {
            $($Step(<kassay_guest::$Step as Kind>::File),)*
        }

        impl Form {
            /// The value of a key.
            fn read<'de, M: MapAccess<'de>>(key: &str, map: &mut M) -> Result<Form, M::Error> {
                match key {
                    $(stringify!($name) => map.next_value().map(Form::$Step),)*
                    _ => Err(M::Error::unknown_field(key, KEYS)),
                }
            }

            fn asked(self, beside: Beside) -> Result<Asked> {
                match self {
                    $(Form::$Step(file) => kassay_guest::$Step::asked(file, beside),)*
                }
            }
        }

        /// How scenario files ask for steps, and what those then do, for people.
        pub fn forms() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
            [$(<kassay_guest::$Step as Kind>::FORMS),*].into_iter().flatten()
        }

        impl Asked {
            /// What is done, and with what.
            pub fn title(&self) -> String {
                match &self.step {
                    $(Step::$Step(step) => step.title(stringify!($name)),)*
                }
            }

            /// What came of the step, for a transcript, after its title.
            fn told(&self, came: &Outcome) -> String {
                match (&self.step, came) {
                    $((Step::$Step(step), Outcome::$Step(came)) => step.tell(came, &self.names),)*
                    _ => ": an outcome of another step".to_owned(),
                }
            }

            /// Sees that the outcome can be believed, beside the other facts.
            ///
            /// # Errors
            /// Why it cannot.
            pub fn check(&self, came: &Outcome, facts: &[Fact]) -> Result<(), Doubt> {
                match (&self.step, came) {
                    $((Step::$Step(step), Outcome::$Step(came)) => step.check(came, facts),)*
                    _ => Err(Doubt {
                        title: "a step has the outcome of another one".to_owned(),
                        reason: self.told(came),
                    }),
                }
            }
        }

        /// Whether a step was done and yet failed.
        pub fn has_failed(came: &Outcome) -> bool {
            match came {
                $(Outcome::$Step(came) => kassay_guest::$Step::has_failed(came),)*
            }
        }
    };
}

for_each_step!(steps);

/// A name for a line of a transcript.
fn plain_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.contains(char::is_control) {
        let name = bounded(name).escape_debug().to_string();
        bail!("`{name}` names no line of a transcript: it is empty, or has a control character");
    }
    Ok(())
}

/// The key that goes with `run`.
const READY: &str = "ready";

impl Asked {
    /// What came of the step, for a transcript.
    pub fn tell(&self, outcome: &Result<Outcome, String>) -> String {
        let told = outcome.as_ref().map(|came| self.told(came));
        let told = told.unwrap_or_else(|error| format!(": failed: {error}"));
        format!("{}{told}", self.title())
    }

    /// How a command ended that had been ready, for a transcript.
    pub fn tell_end(&self, command: &Command) -> String {
        format!("{}{}", self.title(), run::end(command))
    }
}

/// A `[[step]]` of a scenario file.
pub struct FileStep {
    forms: Vec<(&'static str, Form)>,
    ready: Option<String>,
}

impl FileStep {
    /// The step, checked. A command is run in `directory`.
    ///
    /// # Errors
    /// It is none of the steps, or has what such a step cannot have.
    pub fn asked(mut self, directory: &Path) -> Result<Asked> {
        if let [(one, _), (other, _), ..] = self.forms[..] {
            bail!("a `[[step]]` is one step, and this has both `{one}` and `{other}`");
        }
        let Some((_, form)) = self.forms.pop() else {
            let names: Vec<_> = KEYS.iter().filter(|key| **key != READY).collect();
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let (last, others) = names.split_last().map_or(("", &[][..]), |(a, b)| (a, b));
            let others = others.join(", ");
            bail!("a `[[step]]` says none of the steps, which are {others} and {last}");
        };
        let is_command = matches!(&form, Form::Run(run::File::Command(_)));
        if self.ready.is_some() && !is_command {
            bail!("`ready` is the line to wait for of a command that `run` gives");
        }
        let ready = self.ready;
        form.asked(Beside { ready, directory })
    }
}

/// A key of a `[[step]]`.
struct Key(&'static str);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        let text = String::deserialize(from)?;
        let known = KEYS.iter().find(|key| **key == text);
        let known = known.ok_or_else(|| D::Error::unknown_field(&text, KEYS))?;
        Ok(Key(known))
    }
}

impl<'de> Deserialize<'de> for FileStep {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<FileStep, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = FileStep;

            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("a table with a step")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<FileStep, M::Error> {
                let (mut forms, mut ready) = (Vec::new(), None);
                while let Some(Key(key)) = map.next_key()? {
                    match key {
                        READY => ready = Some(map.next_value()?),
                        key => forms.push((key, Form::read(key, &mut map)?)),
                    }
                }
                Ok(FileStep { forms, ready })
            }
        }
        from.deserialize_map(Table)
    }
}

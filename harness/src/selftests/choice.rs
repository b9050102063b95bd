//! Which sources the chosen tests are built of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::farm::stems;
use super::read;

/// The sources of all tests and of all their programs.
pub struct Sources {
    /// The text of each file of tests, by its name without `.c`.
    files: BTreeMap<String, String>,
    /// What all of them may include.
    headers: String,
    /// The text of each program, likewise.
    programs: BTreeMap<String, String>,
    /// What their Makefile says.
    makefile: String,
}

/// Some of them, by their names without `.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Files of tests.
    pub files: BTreeSet<String>,
    /// Programs.
    pub programs: BTreeSet<String>,
}

impl Sources {
    /// Reads them.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(folder: &Path) -> Result<Sources> {
        let (tests, programs) = (folder.join("prog_tests"), folder.join("progs"));
        let headers: Result<Vec<String>> = stems(&tests, ".h")?
            .into_iter()
            .filter(|name| name != "tests")
            .map(|name| read(&tests.join(name + ".h")))
            .collect();
        Ok(Sources {
            files: texts(&tests)?,
            headers: headers?.concat(),
            programs: texts(&programs)?,
            makefile: read(&folder.join("Makefile"))?,
        })
    }

    /// The names of all tests, each with its file.
    pub fn tests(&self) -> impl Iterator<Item = (String, &str)> {
        self.files.iter().flat_map(|(file, text)| {
            let names = text.lines().filter_map(name_of_test);
            names.map(move |name| (name.to_owned(), file.as_str()))
        })
    }

    /// What these files take: their programs and those that the Makefile names, with what either
    /// includes. Where a file puts a name together, nobody knows which it takes, and that is all.
    pub fn choose(&self, files: BTreeSet<String>) -> Chosen {
        let files = self.with_callees(files);
        let texts = files.iter().filter_map(|file| self.files.get(file));
        let texts: Vec<&str> = texts
            .map(String::as_str)
            .chain([self.headers.as_str(), &self.makefile])
            .collect();
        let of_tests = &texts[..texts.len() - 1];
        if of_tests.iter().any(|text| puts_together(text)) {
            let programs = self.programs.keys().cloned().collect();
            return Chosen { files, programs };
        }
        let mut left: Vec<&str> = texts;
        let mut programs = BTreeSet::new();
        while let Some(text) = left.pop() {
            for word in words(text) {
                if let Some((name, text)) = self.programs.get_key_value(word)
                    && programs.insert(name.clone())
                {
                    // A program's words are those of C; what it includes is all that counts.
                    left.extend(text.lines().filter(|line| line.starts_with("#include \"")));
                }
            }
        }
        Chosen { files, programs }
    }

    /// These files, and those with functions that they call.
    fn with_callees(&self, mut files: BTreeSet<String>) -> BTreeSet<String> {
        let mut defined: BTreeMap<&str, &String> = BTreeMap::new();
        for (file, text) in &self.files {
            defined.extend(text.lines().filter_map(defined_by).map(|name| (name, file)));
        }
        let mut left: Vec<String> = files.iter().cloned().collect();
        while let Some(file) = left.pop() {
            let text = self.files.get(&file).map_or("", String::as_str);
            for other in words(text).filter_map(|word| defined.get(word)) {
                if files.insert((*other).clone()) {
                    left.push((*other).clone());
                }
            }
        }
        files
    }

    /// Whether a file of tests takes a program.
    pub fn takes(&self, file: &str, program: &str) -> bool {
        let text = self.files.get(file).map_or("", String::as_str);
        words(text).any(|word| word == program) || puts_together(text)
    }
}

/// The texts of the C files of a folder, by their names without `.c`.
fn texts(folder: &Path) -> Result<BTreeMap<String, String>> {
    let names = stems(folder, ".c")?.into_iter();
    let pair = |name: String| Ok((name.clone(), read(&folder.join(name + ".c"))?));
    names.map(pair).collect()
}

/// The name of the test that a line of C begins, as the Makefile looks for it.
fn name_of_test(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("void ")?;
    let rest = rest.strip_prefix("serial_").unwrap_or(rest);
    let (name, rest) = rest.strip_prefix("test_")?.split_once('(')?;
    let is_name = words(name).eq([name]);
    (is_name && (rest.starts_with(')') || rest.starts_with("void)"))).then_some(name)
}

/// The function that a line of C begins to define for other files, but for tests.
fn defined_by(line: &str) -> Option<&str> {
    let is_code = line.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_own = ["static", "extern", "typedef"]
        .iter()
        .any(|word| line.starts_with(word));
    if !is_code || is_own || line.ends_with(';') || name_of_test(line).is_some() {
        return None;
    }
    words(line.split_once('(')?.0).skip(1).last()
}

/// Whether names of objects are put together of pieces.
fn puts_together(text: &str) -> bool {
    let mut before = text.match_indices(".bpf.o").map(|(at, _)| &text[..at]);
    before.any(|before| {
        let rest = before.trim_end_matches(is_of_word);
        rest.len() == before.len() || rest.ends_with('%')
    })
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter| !is_of_word(letter))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(test: &str) -> Sources {
        let all = |pairs: &[(&str, &str)]| {
            let pair = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
            pairs.iter().map(pair).collect()
        };
        Sources {
            files: all(&[
                ("a", test),
                (
                    "b",
                    "static int within(void)\nint helper(void)\n{\nvoid serial_test_b(void)\n{",
                ),
            ]),
            headers: String::new(),
            programs: all(&[
                ("one", "#include \"two.c\"\n"),
                ("two", ""),
                ("three", ""),
                ("all", ""),
            ]),
            makefile: "LSKELS := all.c\n".to_owned(),
        }
    }

    fn chosen(test: &str) -> Vec<String> {
        let chosen = sources(test).choose(BTreeSet::from(["a".to_owned()]));
        chosen.programs.into_iter().collect()
    }

    #[test]
    fn tests_are_told_by_their_functions() {
        let sources = sources("void test_a1(void)\n{\nvoid test_a2()\nvoid test_no(int x)\n");
        let names: Vec<_> = sources.tests().map(|(name, file)| name + file).collect();
        assert_eq!(names, ["a1a", "a2a", "bb"]);
    }

    #[test]
    fn a_test_takes_its_programs_and_what_they_include() {
        assert_eq!(chosen("#include \"one.skel.h\"\n"), ["all", "one", "two"]);
        assert_eq!(chosen("open(\"./three.bpf.o\");"), ["all", "three"]);
    }

    #[test]
    fn a_function_of_another_file_takes_that() {
        let files = |test: &str| sources(test).choose(BTreeSet::from(["a".to_owned()])).files;
        assert_eq!(files("extern int helper(void);\nhelper();").len(), 2);
        assert_eq!(files("other(); within();").len(), 1);
    }

    #[test]
    fn where_a_name_is_put_together_it_takes_all() {
        for test in ["open(NAME \".bpf.o\");", "snprintf(s, n, \"%s.bpf.o\");"] {
            assert_eq!(chosen(test).len(), 4, "{test}");
        }
    }
}

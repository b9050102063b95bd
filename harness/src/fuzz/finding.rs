//! What is kept of something that went wrong: a folder that `kassay repro` runs again, with a scenario
//! and its program that a user may commit.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::batch::{self, Target};
use super::minimise::Smallest;
use super::way::Way;
use crate::case::{Case, Setting};
use crate::compile;
use crate::kit::Kit;
use crate::outcome::{End, Outcome};
use crate::progress;
use crate::project::Project;
use crate::run;
use crate::scenario::{Expect, Part, Scenario, snapshots};
use crate::verdict::{Fault, Verdict};

/// Something that went wrong.
pub struct Finding {
    /// What it came to.
    pub verdict: Verdict,
    /// Its title.
    pub title: String,
    /// Where it is kept.
    pub folder: PathBuf,
    /// Its programs, and how they are run.
    pub smallest: Smallest,
    /// How they are triggered.
    pub way: &'static Way,
    /// How often it was seen.
    pub seen: u32,
    /// After how many machines it was seen first.
    pub after: u32,
}

impl Finding {
    /// How many calls its programs have.
    pub fn calls(&self) -> usize {
        let programs = self.smallest.programs.iter();
        programs.map(|program| program.calls.len()).sum()
    }

    /// A line on it.
    pub fn line(&self) -> String {
        let programs = match self.smallest.programs.len() {
            1 => String::new(),
            count => format!(" in {count} programs"),
        };
        let calls = match self.calls() {
            1 => "1 call".to_owned(),
            count => format!("{count} calls"),
        };
        let again = match self.smallest.is_again {
            true => "",
            false => ", seen once and not again",
        };
        format!(
            "{}: {} ({}, {calls}{programs}{again})",
            self.verdict, self.title, self.way.kind
        )
    }
}

/// The titles of a finding, the one that it is named after first.
fn titles(fault: &Fault, smallest: &Smallest) -> Vec<String> {
    let own = std::iter::once(&fault.title);
    own.chain(&smallest.others).cloned().collect()
}

/// The expectation of such a verdict.
fn expect(verdict: Verdict, titles: Vec<String>) -> Option<Expect> {
    let titles = titles.into();
    Some(match verdict {
        Verdict::Report => Expect::Report(titles),
        Verdict::Panic => Expect::Panic(titles),
        Verdict::Hang => Expect::Hang(titles),
        Verdict::Oom => Expect::Oom(titles),
        Verdict::Leak => Expect::Leak(titles),
        Verdict::Lost => Expect::Lost(titles),
        _ => return None,
    })
}

/// A name of a file for a title.
pub fn slug(title: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_lowercase(),
        false => '_',
    };
    let words: String = title.chars().map(letter).collect();
    let words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("_");
    slug.truncate(120);
    slug
}

/// Keeps a finding in a folder that is made anew.
pub struct Keep<'a> {
    /// Where it was found.
    pub target: &'a Target<'a>,
    /// The project that it is kept in.
    pub project: &'a Project,
    /// How to find it again.
    pub origin: &'a str,
}

impl Keep<'_> {
    /// Writes program and scenario, has them run once more, and keeps what that leaves, too. What was
    /// seen only once, or is `hasty`, is not run: of that, it keeps what was seen first.
    ///
    /// # Errors
    /// The folder cannot be written, or an interruption by the user.
    pub fn write(
        &self,
        folder: &Path,
        way: &Way,
        fault: &Fault,
        smallest: &Smallest,
        is_hasty: bool,
        console: &str,
    ) -> Result<()> {
        let name = slug(&fault.title);
        let directory = tempfile::tempdir().context("make a directory for a finding")?;
        let Smallest { programs, form, .. } = smallest;
        let mut scenario = self
            .target
            .scenario(directory.path(), &name, way, programs, *form)?;
        scenario.about = format!("{}: {}", fault.verdict, fault.title);
        scenario.expect = expect(fault.verdict, titles(fault, smallest));
        scenario.path = directory.path().join(format!("{name}.toml"));
        scenario.snapshots = snapshots(&scenario.path, self.project);
        let text = self.text(&scenario, way, fault, smallest, folder)?;
        fs::write(&scenario.path, &text)
            .with_context(|| format!("write `{}`", scenario.path.display()))?;
        let ran = match smallest.is_again && !is_hasty {
            true => self.run(&scenario, folder),
            false => first_seen(folder, fault, console),
        };
        fs::create_dir_all(folder).with_context(|| format!("make `{}`", folder.display()))?;
        for file in [format!("{name}.bpf.c"), format!("{name}.toml")] {
            let to = folder.join(&file);
            fs::copy(directory.path().join(&file), &to)
                .with_context(|| format!("write `{}`", to.display()))?;
        }
        ran
    }

    /// Runs the scenario as `kassay run` would, and keeps what it leaves. Where the kernel lives on,
    /// its transcript is the snapshot.
    fn run(&self, scenario: &Scenario, folder: &Path) -> Result<()> {
        let setting = Setting {
            keep: true,
            ..self.target.setting.clone()
        };
        let artifacts = compile::build(&setting.cache, self.target.kernel, scenario)?;
        let case = || Case {
            place: Box::new(|_, _| Some(folder.to_owned())),
            ..Case::of(self.target.kernel, scenario, &artifacts)
        };
        let mut outcome = run::built(&setting, &case())?;
        if let Outcome {
            end: End::Ran(judged),
            ..
        } = &outcome
            && judged.is_comparison
            && let Some((snapshot, transcript)) = &judged.transcript
        {
            snapshot.accept(&scenario.about, transcript)?;
            outcome = run::built(&setting, &case())?;
        }
        if outcome.verdict() != Verdict::Pass {
            // A scenario expects one verdict, and one mistake may come to several.
            let (verdict, title) = (outcome.verdict(), outcome.title());
            progress::note(format!(
                "the scenario of it does not pass by itself: {verdict}: {title}"
            ));
        }
        Ok(())
    }

    /// The scenario's file.
    fn text(
        &self,
        scenario: &Scenario,
        way: &Way,
        fault: &Fault,
        smallest: &Smallest,
        folder: &Path,
    ) -> Result<String> {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let modules = self
            .target
            .parts
            .iter()
            .map(|part| quoted(&asked(part, &self.project.modules, folder)));
        let modules: Vec<String> = modules.collect();
        let name = &scenario.name;
        let mut text = format!(
            "# Found by {}\nabout = {}\nmodules = [{}]\nbpf = [\"./{name}.bpf.c\"]\ncpus = 2\n",
            self.origin,
            quoted(&scenario.about),
            modules.join(", ")
        );
        if let Some(timeout) = scenario.timeout {
            let _ = writeln!(text, "timeout = {}", timeout.as_secs());
        }
        if !scenario.sysctl.is_empty() {
            let one = |(name, value): &(String, String)| format!("{} = {value}", quoted(name));
            let all: Vec<String> = scenario.sysctl.iter().map(one).collect();
            let _ = writeln!(text, "sysctl = {{ {} }}", all.join(", "));
        }
        text.push_str("allow = [\"no_kfuncs\", \"failed_step\"]\n");
        if scenario.expect.is_some() {
            let titles: Vec<String> = titles(fault, smallest)
                .iter()
                .map(|it| quoted(it))
                .collect();
            let said = match &titles[..] {
                [title] => title.clone(),
                titles => format!("[{}]", titles.join(", ")),
            };
            let _ = writeln!(text, "expect = {{ {} = {said} }}", fault.verdict);
        }
        let unattached: Vec<String> = scenario.attach.keys().cloned().collect();
        if !unattached.is_empty() {
            let one = |name: &String| format!("{name} = \"none\"");
            let all: Vec<String> = unattached.iter().map(one).collect();
            let _ = writeln!(text, "attach = {{ {} }}", all.join(", "));
        }
        text.push_str(&batch::written(
            way,
            smallest.programs.len(),
            smallest.form,
        )?);
        Ok(text)
    }
}

/// Keeps what was seen at first of what was not seen again.
fn first_seen(folder: &Path, fault: &Fault, console: &str) -> Result<()> {
    let kit = Kit::new(folder)?;
    kit.text("reason", &format!("{}\n\n{}", fault.title, fault.reason))?;
    kit.text("console", console)
}

/// How a scenario in the folder asks for a module: the way that leads there.
fn asked(part: &Part, modules: &Path, folder: &Path) -> String {
    let absolute = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // By its name one of the project is found from wherever the scenario is put.
    if absolute(&part.path) == absolute(&modules.join(&part.name)) {
        return part.name.clone();
    }
    let (to, from) = (absolute(&part.path), absolute_of(folder));
    let common = to.components().zip(from.components());
    let common = common.take_while(|(one, other)| one == other).count();
    if common < 2 {
        return to.display().to_string();
    }
    let up = from.components().skip(common).map(|_| "..");
    let mut path: PathBuf = up.collect();
    path.extend(to.components().skip(common));
    path.display().to_string()
}

/// A folder that may not be there yet.
fn absolute_of(folder: &Path) -> PathBuf {
    let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent.exists() => {
            let parent = fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned());
            parent.join(name)
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_a_name_of_a_file() {
        assert_eq!(
            slug("KASAN: slab-out-of-bounds Read in f"),
            "kasan_slab_out_of_bounds_read_in_f"
        );
        assert!(slug(&"long ".repeat(99)).len() <= 120);
    }

    #[test]
    fn a_module_is_asked_for_from_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let part = Part {
            name: "m".to_owned(),
            path: root.join("modules/m"),
            ..Part::default()
        };
        fs::create_dir_all(&part.path).unwrap();
        let asked = |modules: &str| asked(&part, &root.join(modules), &root.join("target/found"));
        assert_eq!(asked("others"), "../../modules/m");
        assert_eq!(asked("modules"), "m");
    }
}

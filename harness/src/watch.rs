//! Waits for files to be saved, and knows which scenarios a file belongs to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::cache::is_scratch;
use crate::interrupt;
use crate::project::Project;
use crate::scenario::Scenario;

/// For how long nothing may be saved before what was saved counts as all: an editor, or git,
/// writes several files in a row.
const QUIET: Duration = Duration::from_millis(20);

/// How often a wait looks whether the user wants to stop.
const TICK: Duration = Duration::from_millis(100);

/// Folders that are being watched.
pub struct Watch {
    events: Receiver<notify::Result<Event>>,
    folders: Vec<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches folders and all in them, as far as they exist.
    ///
    /// # Errors
    /// A folder cannot be watched, such as when the user's inotify watches are used up.
    pub fn on(folders: impl IntoIterator<Item = PathBuf>) -> Result<Watch> {
        let (sender, events) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(sender).context("watch files")?;
        let folders: BTreeSet<PathBuf> = folders
            .into_iter()
            .filter_map(|folder| folder.canonicalize().ok())
            .collect();
        for folder in &folders {
            watcher
                .watch(folder, RecursiveMode::Recursive)
                .with_context(|| format!("watch `{}`", folder.display()))?;
        }
        Ok(Watch {
            events,
            folders: folders.into_iter().collect(),
            _watcher: watcher,
        })
    }

    /// The folders, with no symbolic link in their paths.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Waits until files are saved, moved or removed, and returns their paths; the folders
    /// themselves where the system has lost track.
    ///
    /// # Errors
    /// The watch has ended, or the user interrupts.
    pub fn next(&self) -> Result<BTreeSet<PathBuf>> {
        let mut saved = BTreeSet::new();
        loop {
            let patience = if saved.is_empty() { TICK } else { QUIET };
            match self.events.recv_timeout(patience) {
                Ok(event) => saved.extend(self.saved(event.context("watch files")?)),
                Err(RecvTimeoutError::Timeout) if !saved.is_empty() => return Ok(saved),
                Err(RecvTimeoutError::Timeout) => interrupt::check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(anyhow!("watch files: it ended"));
                }
            }
        }
    }

    /// The files of an event that says that something was saved.
    fn saved(&self, event: Event) -> Vec<PathBuf> {
        if event.need_rescan() {
            return self.folders.clone();
        }
        let is_done = matches!(
            event.kind,
            EventKind::Create(_)
                | EventKind::Remove(_)
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Access(AccessKind::Close(AccessMode::Write))
        );
        let mut paths = event.paths;
        paths.retain(|path| is_done && !is_scratch(path));
        paths
    }
}

/// Whether a scenario is made of a file, which has no symbolic link in its path. A
/// scenario is made of its parts wherever they lie, and one outside of the project may be made of
/// all that lies beside it.
pub fn is_of(scenario: &Scenario, path: &Path, project: &Project) -> bool {
    let same = |other: &Path| fs::canonicalize(other).is_ok_and(|other| other == path);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    if path.parent() == fs::canonicalize(&scenario.snapshots).ok().as_deref() {
        let name = file.strip_suffix(".snap").unwrap_or_default();
        return name.split('@').next() == Some(&scenario.name);
    }
    let mut drivers = scenario
        .drivers
        .iter()
        .filter_map(|part| part.path.canonicalize().ok());
    // Cargo's own target directory is none of a driver's sources.
    let is_source =
        |driver: &PathBuf| path.starts_with(driver) && !path.starts_with(driver.join("target"));
    if drivers.any(|driver| is_source(&driver)) {
        return true;
    }
    let is_others = file.ends_with(".toml") || file.ends_with(".snap");
    let mut own = parts(scenario).filter_map(|part| part.canonicalize().ok());
    if !is_others && own.any(|part| path.starts_with(part)) {
        return true;
    }
    if !path.starts_with(&project.root) {
        let folder = scenario
            .path
            .parent()
            .and_then(|folder| folder.join(".").canonicalize().ok());
        let is_beside = folder.is_some_and(|folder| path.starts_with(folder));
        return same(&scenario.path) || (is_beside && !is_others);
    }
    let first = |folder: &Path| {
        let mut inside = path.strip_prefix(folder).ok()?.iter();
        let first = inside.next().unwrap_or_default();
        Some(first.to_string_lossy().into_owned())
    };
    if let Some(name) = first(&project.modules) {
        let is_shared = ["", "include"].contains(&&*name) && !scenario.modules.is_empty();
        return is_shared || scenario.modules.iter().any(|module| module.name == name);
    }
    if let Some(name) = first(&project.programs) {
        return match name.strip_suffix(".bpf.c") {
            Some(name) => scenario.bpf.iter().any(|object| object.name == name),
            None => !scenario.bpf.is_empty(),
        };
    }
    same(&scenario.path)
}

/// The files and folders that a scenario names, wherever they lie.
pub fn parts(scenario: &Scenario) -> impl Iterator<Item = &Path> {
    let modules = scenario.modules.iter();
    let modules = modules.flat_map(|part| std::iter::once(&part.path).chain(&part.with));
    let others = scenario.bpf.iter().chain(&scenario.drivers);
    let others = others.map(|part| &part.path);
    modules.chain(others).map(PathBuf::as_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with one scenario, which uses the module `m` and the program `p`.
    fn repository() -> (tempfile::TempDir, PathBuf, Scenario) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for folder in [
            "modules/m",
            "modules/n",
            "bpf",
            "guest",
            "tests/scenarios",
            "tests/snapshots",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("modules/m/Kbuild"), "").unwrap();
        fs::write(root.join("bpf/p.bpf.c"), "").unwrap();
        let file = root.join("tests/scenarios/case.toml");
        fs::write(&file, "about = 'x'\nmodules = ['m']\nbpf = ['p']\n").unwrap();
        let scenario = Scenario::read(&file, &Project::of(&root).unwrap()).unwrap();
        (dir, root, scenario)
    }

    #[test]
    fn a_scenario_is_made_of_its_files_and_no_others() {
        let (_dir, root, scenario) = repository();
        let is_of = |path: &str| is_of(&scenario, &root.join(path), &Project::of(&root).unwrap());
        let its = "modules/m/m.c modules/include/a.h bpf/p.bpf.c bpf/a.h \
                   tests/scenarios/case.toml tests/snapshots/case.snap tests/snapshots/case@6.1.snap";
        let others = "modules/n/n.c bpf/q.bpf.c tests/scenarios/other.toml tests/snapshots/other.snap \
                      tests/snapshots/case.snap.new README.md";
        for path in its.split_whitespace() {
            assert!(is_of(path), "{path}");
        }
        for path in others.split_whitespace() {
            assert!(!is_of(path), "{path}");
        }
    }

    #[test]
    fn a_scenario_elsewhere_is_made_of_what_lies_beside_it_and_of_its_parts() {
        let (_dir, root, scenario) = repository();
        let is_of = |path: &str| {
            is_of(
                &scenario,
                &root.join(path),
                &Project::of(Path::new("/elsewhere")).unwrap(),
            )
        };
        for path in ["tests/scenarios/case.toml", "tests/scenarios/m/m.c"] {
            assert!(is_of(path), "{path}");
        }
        // Nor do its parts have to.
        for path in ["modules/m/m.c", "bpf/p.bpf.c"] {
            assert!(is_of(path), "{path}");
        }
        for path in [
            "tests/scenarios/other.toml",
            "tests/snapshots/other.snap",
            "modules/n/n.c",
            "bpf/q.bpf.c",
        ] {
            assert!(!is_of(path), "{path}");
        }
    }

    #[test]
    fn what_is_saved_together_comes_at_once_and_scratch_files_never() {
        let (_dir, root, _) = repository();
        let watch = Watch::on([root.join("modules"), root.join("none")]).unwrap();
        let file = |name: &str| root.join("modules/m").join(name);
        fs::read(file("Kbuild")).unwrap();
        for name in [".a.c.swp", "a.c~", "a.c"] {
            fs::write(file(name), "").unwrap();
        }
        fs::rename(file("a.c"), file("b.c")).unwrap();
        assert_eq!(watch.next().unwrap(), [file("a.c"), file("b.c")].into());
    }
}

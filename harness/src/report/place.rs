//! Where a report goes: a file, or a folder, which is whole or not there.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::plain;

/// The page of a folder, and the folder beside it.
pub const PAGE: &str = "index.html";
pub const FILES: &str = "cases";

/// What a page of ours has in its head. What has it not is not replaced.
pub const MARK: &str = "<meta name=\"generator\" content=\"kassay\">";

/// A file in [`FILES`] that says whose that folder is.
const OURS: &str = ".kassay";

/// Where a report goes.
#[derive(Clone, Debug)]
pub struct Place {
    /// As the user named it.
    asked: PathBuf,
    /// Without links and detours.
    path: PathBuf,
    is_folder: bool,
}

impl Place {
    /// The place that a user names.
    ///
    /// # Errors
    /// There is no working directory.
    pub fn of(asked: &Path, is_folder: bool) -> Result<Place> {
        let told = || format!("find `{}`", asked.display());
        Ok(Place {
            asked: asked.to_owned(),
            path: resolved(asked).with_context(told)?,
            is_folder,
        })
    }

    /// Sees that each of these places is outside of all others.
    ///
    /// # Errors
    /// Two are the same, or one is inside another.
    pub fn check_apart(places: &[Place]) -> Result<()> {
        for (at, one) in places.iter().enumerate() {
            for other in &places[at + 1..] {
                let (a, b) = (one.asked.display(), other.asked.display());
                if one.path == other.path {
                    bail!("two reports go to one place, `{a}` and `{b}`: name two");
                }
                if one.path.starts_with(&other.path) || other.path.starts_with(&one.path) {
                    bail!("of the reports `{a}` and `{b}` one is inside the other: part them");
                }
            }
        }
        Ok(())
    }

    /// Sees that none of these files is lost where the report is written.
    ///
    /// # Errors
    /// One is; there is no working directory.
    pub fn spares(&self, files: &[PathBuf]) -> Result<()> {
        for file in files {
            let path = resolved(file)?;
            let is_lost = match self.is_folder {
                true => path.starts_with(self.path.join(FILES)),
                false => path == self.path,
            };
            if is_lost {
                let (asked, file) = (self.asked.display(), file.display());
                bail!("the report `{asked}` would take the place of `{file}`: name another path");
            }
        }
        Ok(())
    }

    /// Makes the folders above, and sees that the report can be written.
    ///
    /// # Errors
    /// It cannot, or what is there is no report.
    pub fn prepare(&self) -> Result<()> {
        let told = || format!("write the report `{}`", self.asked.display());
        self.look().with_context(told)?;
        self.staged().map(drop).with_context(told)
    }

    /// Sees that nothing is there but what may be replaced.
    fn look(&self) -> Result<()> {
        let found = plain::metadata(&self.path)?;
        match (found, self.is_folder) {
            (Some(found), false) if found.is_dir() => bail!("it is a folder; name a file"),
            (Some(found), false) if !found.is_file() => bail!("it is no plain file"),
            (Some(found), true) if !found.is_dir() => bail!("it is no folder"),
            (Some(_), true) => {}
            _ => return Ok(()),
        }
        let page = self.path.join(PAGE);
        if plain::metadata(&page)?.is_some() && !is_ours(&page)? {
            bail!("`{PAGE}` in it is no report of kassay; name another folder");
        }
        let files = self.path.join(FILES);
        if plain::metadata(&files)?.is_some() && !plain::is_file(&files.join(OURS))? {
            bail!("`{FILES}` in it is no part of a report of kassay; name another folder");
        }
        Ok(())
    }

    /// The folder that a report is made in, and the folder in it where it is made.
    fn staged(&self) -> Result<tempfile::TempDir> {
        let folder = match self.is_folder {
            true => &*self.path,
            false => self.path.parent().unwrap_or(Path::new("/")),
        };
        let made = fs::create_dir_all(folder);
        made.with_context(|| format!("make the folder `{}`", folder.display()))?;
        let mut staged = tempfile::Builder::new();
        Ok(staged.prefix(".kassay-").tempdir_in(folder)?)
    }

    /// Writes the file, whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, text: &str) -> Result<()> {
        let write = || -> Result<()> {
            let staged = self.staged()?;
            let file = staged.path().join("report");
            let mut open = File::create_new(&file)?;
            open.write_all(text.as_bytes())?;
            Ok(fs::rename(file, &self.path)?)
        };
        write().with_context(|| format!("write the report `{}`", self.asked.display()))
    }

    /// Writes the folder: the page that `fill` makes, and what it lays into the folder beside it.
    /// The page goes first and comes last.
    ///
    /// # Errors
    /// As `fill`; it cannot be written.
    pub fn write_folder(&self, fill: impl FnOnce(&Path) -> Result<String>) -> Result<()> {
        let write = || -> Result<()> {
            self.look()?;
            let staged = self.staged()?;
            let new = |name: &str| staged.path().join(name);
            let own = |name: &str| self.path.join(name);
            fs::create_dir(new(FILES))?;
            fs::write(new(FILES).join(OURS), "")?;
            fs::write(new(PAGE), fill(&new(FILES))?)?;
            if plain::metadata(&own(PAGE))?.is_some() {
                fs::remove_file(own(PAGE))?;
            }
            if plain::metadata(&own(FILES))?.is_some() {
                fs::rename(own(FILES), new("old"))?;
            }
            fs::rename(new(FILES), own(FILES))?;
            Ok(fs::rename(new(PAGE), own(PAGE))?)
        };
        write().with_context(|| format!("write the report `{}`", self.asked.display()))
    }
}

/// A path from the root on without links, `.` and `..`, as far as it is there.
fn resolved(path: &Path) -> Result<PathBuf> {
    let mut at = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => drop(at.pop()),
            part => at.push(part),
        }
        if let Ok(real) = at.canonicalize() {
            at = real;
        }
    }
    Ok(at)
}

/// Whether a page is one of ours, by its beginning.
fn is_ours(page: &Path) -> Result<bool> {
    let mut start = Vec::new();
    plain::open(page)?.take(1024).read_to_end(&mut start)?;
    Ok(String::from_utf8_lossy(&start).contains(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The places of these paths in a folder; what ends with `/` is a folder.
    fn places(folder: &Path, paths: &[&str]) -> Vec<Place> {
        let place = |path: &&str| Place::of(&folder.join(path), path.ends_with('/')).unwrap();
        paths.iter().map(place).collect()
    }

    #[test]
    fn one_place_is_one_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("a")).unwrap();
        symlink(path("a"), path("b")).unwrap();
        symlink("a/x", path("y")).unwrap();
        fs::write(path("a/x"), "").unwrap();
        for (paths, is_apart) in [
            (["a/x", "b/x"], false),
            (["a/x", "y"], false),
            (["new/x", "new/../new/./x"], false),
            (["a/page/", "b/page/x"], false),
            (["a/page", "a/page/x"], false),
            (["a/page/x", "a/page/"], false),
            (["page/", "page/"], false),
            (["a/x", "a/xy"], true),
            (["a/", "c/"], true),
        ] {
            let checked = Place::check_apart(&places(folder.path(), &paths));
            assert_eq!(checked.is_ok(), is_apart, "{paths:?}");
        }
    }

    #[test]
    fn nothing_but_a_report_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("page")).unwrap();
        fs::write(path("page/index.html"), "<html>").unwrap();
        fs::create_dir_all(path("other/cases")).unwrap();
        fs::write(path("file"), "").unwrap();
        for (name, why) in [
            ("page/", "`index.html` in it is no report of kassay"),
            ("other/", "`cases` in it is no part of a report"),
            ("file/", "it is no folder"),
            ("page", "it is a folder"),
            ("file/x", "make the folder `"),
            ("../../../../../../../dev/null", "it is no plain file"),
        ] {
            let place = &places(folder.path(), &[name])[0];
            let error = format!("{:#}", place.prepare().unwrap_err());
            assert!(error.contains(why), "{name}: {error}");
        }
    }

    #[test]
    fn a_report_is_replaced_whole_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let names = |name: &str| {
            let entries = fs::read_dir(folder.path().join(name)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let [file, page] = &places(folder.path(), &["deep/x", "page/"])[..] else {
            panic!("there are two");
        };
        for text in ["a", "b"] {
            file.prepare().unwrap();
            file.write(text).unwrap();
            page.prepare().unwrap();
            let fill = |files: &Path| {
                fs::write(files.join(text), text)?;
                Ok(format!("{MARK}{text}"))
            };
            page.write_folder(fill).unwrap();
        }
        assert_eq!(
            fs::read_to_string(folder.path().join("deep/x")).unwrap(),
            "b"
        );
        assert_eq!(names("deep"), ["x"]);
        assert_eq!(names("page"), ["cases", "index.html"]);
        assert_eq!(names("page/cases"), [".kassay", "b"]);
    }

    #[test]
    fn a_page_that_cannot_be_made_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let page = &places(folder.path(), &["page/"])[0];
        page.write_folder(|_| Ok(MARK.to_owned())).unwrap();
        page.write_folder(|_| bail!("no")).unwrap_err();
        let left = fs::read_to_string(folder.path().join("page/index.html"));
        assert_eq!(left.unwrap(), MARK);
    }
}

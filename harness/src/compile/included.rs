//! What an expanded source was made of, so that clang need not expand it again as long as all of
//! that is as it was.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What was written so shortly before may be written again unnoticed: file systems count time in
/// steps, the longest of which is two seconds.
const UNSURE: Duration = Duration::from_secs(2);

/// The folders in which clang looks for headers whatever it is told.
const OWN: [&str; 2] = ["/usr/local/include", "/usr/include"];

/// Files, and the folders in which a file that comes would be found instead of one of them, each
/// with what tells it from another: a line each.
pub struct Included<'a> {
    lines: String,
    /// Where nothing changes, but may be removed: the cache, whose entries are named by what is in
    /// them, and are touched when they are used.
    kept: &'a Path,
}

impl Included<'_> {
    /// What a text was made of that clang expanded since `began`, which looked for headers in
    /// these folders; nothing where some of it may have changed meanwhile.
    pub fn of<'a>(
        text: &str,
        folders: &[&Path],
        began: SystemTime,
        kept: &'a Path,
    ) -> Option<Included<'a>> {
        let files = files(text)?;
        let folders = folders.iter().copied().chain(OWN.map(Path::new));
        let folders: BTreeSet<&Path> = folders
            .chain(files.iter().filter_map(|file| file.parent()))
            .collect();
        let below = |folder: &Path| {
            let parents = files.iter().filter_map(|file| file.parent());
            let inside = parents.filter_map(|parent| parent.strip_prefix(folder).ok());
            inside.map(Path::to_owned).collect::<Vec<_>>()
        };
        let relative: BTreeSet<PathBuf> = folders
            .iter()
            .flat_map(|folder| below(folder))
            .flat_map(|inside| inside.ancestors().map(Path::to_owned).collect::<Vec<_>>())
            .collect();
        let looked_in = folders
            .iter()
            .flat_map(|folder| relative.iter().map(|inside| folder.join(inside)));
        let paths: BTreeSet<PathBuf> = looked_in.chain(files.iter().cloned()).collect();
        let lines = paths.iter().map(|path| {
            let name = path.to_str().filter(|name| !name.contains('\n'))?;
            let is_sure = path.starts_with(kept) || is_older(path, began - UNSURE);
            is_sure.then(|| format!("{} {name}\n", stamp(path, kept)))
        });
        let lines = lines.collect::<Option<_>>()?;
        Some(Included { lines, kept })
    }

    /// What [`Included::text`] wrote.
    pub fn parse<'a>(text: &str, kept: &'a Path) -> Included<'a> {
        let lines = text.to_owned();
        Included { lines, kept }
    }

    /// A line for each.
    pub fn text(&self) -> &str {
        &self.lines
    }

    /// Whether all of it is as it was.
    pub fn is_same(&self) -> bool {
        let mut lines = self.lines.lines();
        lines.all(|line| {
            let parts = line.split_once(' ');
            parts.is_some_and(|(stamp_then, path)| stamp(Path::new(path), self.kept) == stamp_then)
        })
    }
}

/// The files that an expanded text names in lines such as `# 1 "/usr/include/stdint.h" 1 3`; none
/// where a source gives itself another name.
fn files(text: &str) -> Option<BTreeSet<PathBuf>> {
    let names = text.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("# ")?.split_once(" \"")?;
        Some(rest.rsplit_once('"')?.0)
    });
    // In brackets stand such as `<built-in>`.
    let names = names.filter(|name| !name.starts_with('<'));
    let paths = names.map(|name| Path::new(name).is_absolute().then(|| name.into()));
    paths.collect()
}

/// What tells a file or folder from what it was before, or that there is none.
fn stamp(path: &Path, kept: &Path) -> String {
    match fs::metadata(path) {
        Ok(_) if path.starts_with(kept) => "kept".to_owned(),
        Ok(meta) => format!(
            "{}:{}:{}.{}:{}.{}",
            meta.ino(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec()
        ),
        Err(_) => "none".to_owned(),
    }
}

/// Whether nothing was written at that path since a moment.
fn is_older(path: &Path, than: SystemTime) -> bool {
    let since = than.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_secs() as i64);
    let is_old = |meta: fs::Metadata| meta.mtime() < since && meta.ctime() < since;
    fs::metadata(path).map_or(true, is_old)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// A cache that is not there.
    static KEPT: LazyLock<PathBuf> = LazyLock::new(|| "/no/cache".into());

    /// A folder with headers that are old enough, and what a text is made of that includes one.
    fn of_two_folders() -> (tempfile::TempDir, Included<'static>) {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["first/sub", "then/sub"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let header = dir.path().join("then/sub/a.h");
        fs::write(&header, "1").unwrap();
        let text = format!(
            "# 1 \"<built-in>\" 3\n# 1 \"{}\" 1 3\nint a;\n",
            header.display()
        );
        let folders = [dir.path().join("first"), dir.path().join("then")];
        let folders = folders.each_ref().map(PathBuf::as_path);
        assert!(Included::of(&text, &folders, SystemTime::now(), &KEPT).is_none());
        let later = SystemTime::now() + Duration::from_secs(4);
        let included = Included::of(&text, &folders, later, &KEPT).unwrap();
        (dir, included)
    }

    #[test]
    fn what_was_included_is_the_same_until_it_is_written() {
        let (dir, included) = of_two_folders();
        assert!(Included::parse(included.text(), &KEPT).is_same());
        fs::write(dir.path().join("then/sub/a.h"), "2").unwrap();
        assert!(!included.is_same());
    }

    #[test]
    fn a_header_that_comes_before_another_of_its_name_is_seen() {
        let (dir, included) = of_two_folders();
        fs::write(dir.path().join("first/sub/a.h"), "2").unwrap();
        assert!(!included.is_same());
    }

    #[test]
    fn a_source_with_another_name_is_not_known() {
        assert!(files("# 1 \"/a.c\"\n# 3 \"grammar.y\"\nint a;\n").is_none());
        assert!(files("# 1 \"/a.c\"\n# 1 \"<built-in>\" 1\n").is_some());
    }

    #[test]
    fn a_header_that_is_gone_is_seen() {
        let (dir, included) = of_two_folders();
        fs::remove_file(dir.path().join("then/sub/a.h")).unwrap();
        assert!(!included.is_same());
    }
}

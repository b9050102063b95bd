//! The database's file: opened, made, and set aside where it is damaged.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::cache::Cache;
use crate::progress;

/// The name of the file in the cache.
const FILE: &str = "history.sqlite";

/// What SQLite keeps beside it: writes that are not in it yet, and an index of these.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// How long a write of another kassay is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many runs are kept of all cases together.
const MOST: u32 = 200_000;

/// The number of this form of the tables. Another kassay may know a later one.
const FORM: i64 = 1;

const TABLES: &str = "
CREATE TABLE cases (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    kernel TEXT NOT NULL,
    scenario TEXT NOT NULL,
    UNIQUE (project, kernel, scenario)
);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    case_id INTEGER NOT NULL REFERENCES cases (id),
    at_ms INTEGER NOT NULL,
    release TEXT NOT NULL,
    verdict TEXT NOT NULL,
    unmarked TEXT NOT NULL,
    title TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    accelerator TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    restored INTEGER NOT NULL,
    host TEXT NOT NULL,
    ci INTEGER NOT NULL,
    marked_until TEXT
);
CREATE INDEX runs_of_case ON runs (case_id, id);
PRAGMA user_version = 1;
";

/// Why there is no database.
#[derive(Debug)]
pub enum Trouble {
    /// A newer kassay has made it.
    Newer(PathBuf),
    /// Anything else.
    Other(anyhow::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Newer(path) => write!(
                f,
                "the history `{}` is of a newer kassay, and is left alone",
                path.display()
            ),
            Trouble::Other(error) => write!(f, "keep a history: {}", words(error)),
        }
    }
}

/// An error up to SQLite's own words, which say the same once more below.
fn words(error: &anyhow::Error) -> String {
    let mut words = Vec::new();
    for cause in error.chain() {
        words.push(cause.to_string());
        if cause.is::<rusqlite::Error>() {
            break;
        }
    }
    words.join(": ")
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Trouble {
        Trouble::Other(error)
    }
}

/// The files of a cache's history that are there.
pub fn files(cache: &Cache) -> Vec<PathBuf> {
    let names = [FILE.to_owned(), damaged(FILE)];
    let with = |name: &String| {
        let beside = BESIDE.iter().map(|end| format!("{name}{end}"));
        [name.clone()].into_iter().chain(beside).collect::<Vec<_>>()
    };
    let names = names.iter().flat_map(with);
    let paths = names.map(|name| cache.root().join(name));
    paths.filter(|path| path.is_file()).collect()
}

/// Opens a cache's history, which is made if absent. One that is damaged is set aside.
///
/// # Errors
/// It is a newer kassay's; it cannot be read or made.
pub fn open(cache: &Cache) -> Result<Connection, Trouble> {
    let path = cache.root().join(FILE);
    match open_at(&path) {
        Err(Trouble::Other(error)) if error.downcast_ref().is_some_and(is_damage) => {
            renew(cache, &error)
        }
        opened => opened,
    }
}

fn open_at(path: &Path) -> Result<Connection, Trouble> {
    let connection = tables(path).with_context(|| format!("open `{}`", path.display()))?;
    if form(&connection).context("read its version")? > FORM {
        return Err(Trouble::Newer(path.to_owned()));
    }
    trim(&connection).with_context(|| format!("trim `{}`", path.display()))?;
    Ok(connection)
}

fn form(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// A connection to a file that has its tables.
fn tables(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    if form(&connection)? != 0 {
        return Ok(connection);
    }
    // Readers need not wait for a writer. A file system that cannot do this keeps a journal.
    let _ = connection.pragma_update(None, "journal_mode", "wal");
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another kassay may have made them meanwhile.
    if form(&begun)? == 0 {
        begun.execute_batch(TABLES)?;
    }
    begun.commit()?;
    Ok(connection)
}

/// Whether an error comes of a file that is no database, or one whose content is broken.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Sets a damaged database aside, in the place of one that was set aside before, and opens a new
/// one.
///
/// # Errors
/// As [`open`]; the file cannot be renamed.
pub fn renew(cache: &Cache, why: &anyhow::Error) -> Result<Connection, Trouble> {
    let _lock = cache.lock("history", FILE, "the history")?;
    let path = cache.root().join(FILE);
    // Another kassay may have done this while we waited.
    if let Ok(connection) = open_at(&path)
        && is_sound(&connection)
    {
        return Ok(connection);
    }
    let aside = cache.root().join(damaged(FILE));
    for end in ["", BESIDE[0], BESIDE[1]] {
        let (from, to) = (with_end(&path, end), with_end(&aside, end));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let _ = fs::remove_file(to);
            }
            done => done.with_context(|| format!("rename `{}`", from.display()))?,
        }
    }
    progress::note(format!(
        "the history is damaged ({}): it is `{}` now, and a new one is begun",
        words(why),
        aside.display()
    ));
    open_at(&path)
}

fn is_sound(connection: &Connection) -> bool {
    let check = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
    check.is_ok_and(|said| said == "ok")
}

fn damaged(name: &str) -> String {
    format!("{name}.damaged")
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Forgets the oldest runs of all cases where there are too many, and cases without any.
fn trim(connection: &Connection) -> rusqlite::Result<()> {
    let too_many =
        "DELETE FROM runs WHERE id <= (SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET ?1)";
    if connection.execute(too_many, [MOST])? > 0 {
        connection.execute(
            "DELETE FROM cases WHERE id NOT IN (SELECT case_id FROM runs)",
            [],
        )?;
    }
    Ok(())
}

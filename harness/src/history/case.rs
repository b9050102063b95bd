//! What is known of a case: when it last passed and failed, how often, and how long it takes.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::rate::Rate;

/// How many of its last runs say how a case does now.
const RECENT: usize = 100;

/// What tells a case from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The project's folder, or that of a scenario from elsewhere.
    pub project: String,
    /// The kernel's name.
    pub kernel: String,
    /// The scenario's name.
    pub scenario: String,
}

/// What is known of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The project's folder, or that of a scenario from elsewhere.
    pub project: PathBuf,
    /// The kernel's name.
    pub kernel: String,
    /// The scenario's name.
    pub scenario: String,
    /// How many of its recent runs were no pass.
    pub failed: Rate,
    /// How long the recent ones that passed took, the median.
    pub median: Option<Duration>,
    /// Its last run.
    pub last: Last,
    /// The last one that passed.
    pub last_pass: Option<Last>,
    /// The last one that was no pass.
    pub last_failure: Option<Last>,
}

/// A run that was the last of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// When it ended.
    pub at: Timestamp,
    /// The kernel's release.
    pub release: String,
    /// The verdict's name.
    pub verdict: String,
    /// The verdict's title; empty for a pass.
    pub title: String,
}

impl Last {
    /// Whether it passed.
    pub fn is_pass(&self) -> bool {
        self.verdict == "pass"
    }

    fn of(row: &Row) -> rusqlite::Result<Last> {
        Ok(Last {
            // A clock that was wrong may have said anything.
            at: Timestamp::from_millisecond(row.get("at_ms")?).unwrap_or(Timestamp::UNIX_EPOCH),
            release: row.get("release")?,
            verdict: row.get("verdict")?,
            title: row.get("title")?,
        })
    }
}

/// The number of a case, if it is known.
pub fn find(connection: &Connection, key: &Key) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM cases WHERE project = ?1 AND kernel = ?2 AND scenario = ?3";
    let key = params![key.project, key.kernel, key.scenario];
    connection.query_row(sql, key, |row| row.get(0)).optional()
}

/// The number of a case, which is known from now on.
pub fn make(transaction: &Transaction, key: &Key) -> rusqlite::Result<i64> {
    if let Some(id) = find(transaction, key)? {
        return Ok(id);
    }
    let sql = "INSERT INTO cases (project, kernel, scenario) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![key.project, key.kernel, key.scenario])?;
    Ok(transaction.last_insert_rowid())
}

/// The runs of a case, the last one first. That it was skipped is a row of its own, and no run.
const RUNS: &str =
    "SELECT * FROM runs WHERE case_id = ?1 AND verdict != 'skipped' ORDER BY id DESC";

/// Its last run.
pub fn last(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Last>> {
    let Some(id) = find(connection, key)? else {
        return Ok(None);
    };
    let sql = format!("{RUNS} LIMIT 1");
    connection.query_row(&sql, [id], Last::of).optional()
}

/// How long it takes: no time if it was last skipped, else by those of its recent runs that passed.
pub fn usual(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Duration>> {
    let Some(id) = find(connection, key)? else {
        return Ok(None);
    };
    let last = "SELECT verdict = 'skipped' FROM runs WHERE case_id = ?1 ORDER BY id DESC LIMIT 1";
    let is_skipped = connection
        .query_row(last, [id], |row| row.get(0))
        .optional()?;
    if is_skipped == Some(true) {
        return Ok(Some(Duration::ZERO));
    }
    let sql = format!("SELECT duration_ms FROM ({RUNS} LIMIT ?2) WHERE verdict = 'pass'");
    let mut runs = connection.prepare(&sql)?;
    let took = runs.query_map(params![id, RECENT as i64], |row| row.get(0))?;
    Ok(median(took.collect::<rusqlite::Result<_>>()?))
}

/// What is known of all cases, in the order of their names.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<Past>> {
    let sql = "SELECT * FROM cases ORDER BY project, kernel, scenario";
    let mut cases = connection.prepare(sql)?;
    let mut runs = connection.prepare(RUNS)?;
    let past = |row: &Row| {
        let found = runs.query_map([row.get::<_, i64>("id")?], |run| {
            Ok((Last::of(run)?, run.get("duration_ms")?))
        })?;
        past(row, found.collect::<rusqlite::Result<_>>()?)
    };
    let found = cases.query_map([], past)?;
    Ok(found
        .collect::<rusqlite::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

/// What the runs of a case say, the last one first, each with its milliseconds.
fn past(case: &Row, runs: Vec<(Last, i64)>) -> rusqlite::Result<Option<Past>> {
    let Some((last, _)) = runs.first() else {
        return Ok(None);
    };
    let recent = &runs[..runs.len().min(RECENT)];
    let failed = recent.iter().filter(|(run, _)| !run.is_pass()).count();
    let passed = recent.iter().filter(|(run, _)| run.is_pass());
    let first = |is_pass: bool| {
        let found = runs.iter().find(|(run, _)| run.is_pass() == is_pass);
        found.map(|(run, _)| run.clone())
    };
    Ok(Some(Past {
        project: case.get::<_, String>("project")?.into(),
        kernel: case.get("kernel")?,
        scenario: case.get("scenario")?,
        failed: Rate {
            hits: failed as u64,
            of: recent.len() as u64,
        },
        median: median(passed.map(|(_, ms)| *ms).collect()),
        last: last.clone(),
        last_pass: first(true),
        last_failure: first(false),
    }))
}

/// The median of milliseconds; of an even number, the higher one in the middle.
pub fn median(mut ms: Vec<i64>) -> Option<Duration> {
    ms.sort_unstable();
    let middle = *ms.get(ms.len() / 2)?;
    Some(Duration::from_millis(middle.try_into().unwrap_or(0)))
}

//! What one run of a case came to, and what the last ones say together.

use std::fs;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use super::case::{self, Key, median};
use crate::case::Setting;
use crate::outcome::Outcome;

/// How many runs are kept of a case.
const MOST: i64 = 1000;

/// The longest title that is kept, in characters.
const TITLE: usize = 300;

/// How many runs in a row have to be slow for a case to have become slow.
const SLOW: usize = 3;

/// How many earlier runs say what is usual, at least and at most.
const USUAL: (usize, usize) = (5, 50);

/// How many times as long as usual is slow.
const TIMES: u32 = 2;

/// What one run of a case came to.
#[derive(Debug, Clone)]
pub struct Run {
    pub at: Timestamp,
    pub release: String,
    pub verdict: &'static str,
    /// The verdict that there would be without a mark.
    pub unmarked: &'static str,
    pub title: String,
    pub duration: Duration,
    pub accelerator: String,
    pub jobs: usize,
    pub restored: bool,
    /// The machine that QEMU ran on.
    pub host: String,
    pub is_on_ci: bool,
    /// The last day of its mark.
    pub marked_until: Option<String>,
}

/// A case that has become slow: how long its last runs took, and what is usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    /// The last ones, the newest first.
    pub last: Vec<Duration>,
    /// The median of earlier ones.
    pub usual: Duration,
}

impl Run {
    /// What has just ended.
    pub fn of(setting: &Setting, outcome: &Outcome) -> Run {
        let marked = outcome.marked();
        Run {
            at: Timestamp::now(),
            release: outcome.release.clone(),
            verdict: outcome.verdict().name(),
            unmarked: marked.map_or(outcome.verdict(), |it| it.verdict).name(),
            title: outcome.title().chars().take(TITLE).collect(),
            duration: outcome.duration(),
            accelerator: setting.accelerator_of(&outcome.case.kernel).to_string(),
            jobs: setting.jobs,
            restored: outcome.judged().is_some_and(|judged| judged.restored),
            host: host(),
            is_on_ci: is_on_ci(),
            marked_until: marked.map(|marked| marked.mark.until.to_string()),
        }
    }
}

/// Whether this is a service's machine, as such services say.
pub fn is_on_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// What shapes how fast a machine is: its processor, and how many there are.
fn host() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or_default()
        .trim_start_matches([' ', '\t', ':']);
    let count = thread::available_parallelism().map_or(1, usize::from);
    format!("{count} × {model}")
}

/// Keeps a run, and no more of its case than there may be.
pub fn insert(connection: &mut Connection, key: &Key, run: &Run) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let id = case::make(&transaction, key)?;
    // That it is skipped is known once, and is known no longer when it is run.
    let sql = "DELETE FROM runs WHERE case_id = ?1 AND verdict = 'skipped'";
    transaction.execute(sql, [id])?;
    let sql = "INSERT INTO runs (case_id, at_ms, release, verdict, unmarked, title, duration_ms, \
               accelerator, jobs, restored, host, ci, marked_until) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    let values = params![
        id,
        run.at.as_millisecond(),
        run.release,
        run.verdict,
        run.unmarked,
        run.title,
        run.duration.as_millis() as i64,
        run.accelerator,
        run.jobs as i64,
        run.restored,
        run.host,
        run.is_on_ci,
        run.marked_until,
    ];
    transaction.execute(sql, values)?;
    let old = "SELECT id FROM runs WHERE case_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2";
    let sql = format!("DELETE FROM runs WHERE case_id = ?1 AND id <= ({old})");
    transaction.execute(&sql, params![id, MOST])?;
    transaction.commit()
}

/// How often a case has last passed in a row on CI, with a mark of this last day. What could not be
/// judged does not count.
pub fn passed_in_a_row(connection: &Connection, key: &Key, until: &str) -> rusqlite::Result<usize> {
    let Some(id) = case::find(connection, key)? else {
        return Ok(0);
    };
    let sql = "SELECT unmarked = 'pass' FROM runs WHERE case_id = ?1 AND ci AND marked_until = ?2 \
               AND unmarked NOT IN ('infra', 'lost', 'skipped') ORDER BY id DESC";
    let mut runs = connection.prepare(sql)?;
    let runs = runs.query_map(params![id, until], |row| row.get::<_, bool>(0))?;
    let passed = runs.take_while(|run| !matches!(run, Ok(false)));
    Ok(passed.collect::<rusqlite::Result<Vec<_>>>()?.len())
}

/// How much slower a case has become, where its last runs all took more than twice as long as the
/// earlier ones that were run alike.
pub fn slowed(connection: &Connection, key: &Key, like: &Run) -> rusqlite::Result<Option<Slow>> {
    let Some(id) = case::find(connection, key)? else {
        return Ok(None);
    };
    let sql = "SELECT duration_ms FROM runs WHERE case_id = ?1 AND unmarked = 'pass' \
               AND duration_ms > 0 AND accelerator = ?2 AND jobs = ?3 AND restored = ?4 \
               AND host = ?5 ORDER BY id DESC LIMIT ?6";
    let most = (SLOW + USUAL.1) as i64;
    let alike = params![
        id,
        like.accelerator,
        like.jobs as i64,
        like.restored,
        like.host,
        most
    ];
    let mut runs = connection.prepare(sql)?;
    let took = runs.query_map(alike, |row| row.get::<_, i64>(0))?;
    let took = took.collect::<rusqlite::Result<Vec<_>>>()?;
    if took.len() < SLOW + USUAL.0 {
        return Ok(None);
    }
    let (last, earlier) = took.split_at(SLOW);
    let last = last
        .iter()
        .map(|ms| Duration::from_millis((*ms).try_into().unwrap_or(0)));
    let last: Vec<Duration> = last.collect();
    let usual = median(earlier.to_vec()).unwrap_or_default();
    let is_slow = last.iter().all(|took| *took > usual * TIMES);
    Ok(is_slow.then_some(Slow { last, usual }))
}

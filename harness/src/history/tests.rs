use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::case::Key;
use super::run::Run;
use super::*;
use crate::outcome::{Judged, Marked, Unbuilt};
use crate::vm::Accelerator;

/// A history of its own, of a project in its folder.
struct Fixture {
    folder: tempfile::TempDir,
    cache: Cache,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kassay.toml"), "").unwrap();
        fs::create_dir(folder.path().join("scenarios")).unwrap();
        let cache = Cache::at(&folder.path().join("cache")).unwrap();
        Fixture { folder, cache }
    }

    fn open(&self) -> History {
        let project = Project::of(self.folder.path()).unwrap();
        History::open(&self.cache, &project, false)
    }

    fn scenario(&self, path: &str) -> Scenario {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Scenario {
            path,
            ..Scenario::new("case")
        }
    }

    fn own(&self) -> Scenario {
        self.scenario("scenarios/case.toml")
    }

    fn setting(&self) -> Setting {
        Setting::new(self.cache.clone(), crate::vm::Accelerator::Tcg)
    }

    fn note(&self, history: &History, scenario: &Scenario, outcome: &Outcome) {
        history.note(&self.setting(), scenario, outcome);
    }

    fn file(&self) -> PathBuf {
        self.cache.root().join("history.sqlite")
    }
}

fn ended(verdict: Verdict, seconds: u64) -> Outcome {
    let title = if verdict == Verdict::Pass {
        ""
    } else {
        "title"
    };
    let judged = Judged {
        title: title.to_owned(),
        duration: Duration::from_secs(seconds),
        ..Judged::new(verdict)
    };
    Outcome::new(
        "6.1",
        Accelerator::Tcg,
        &Scenario::new("case"),
        End::Ran(Box::new(judged)),
    )
}

fn verdict(history: &History, scenario: &Scenario) -> Option<String> {
    Some(history.last("6.1", scenario)?.verdict)
}

fn key() -> Key {
    Key {
        project: "p".to_owned(),
        kernel: "k".to_owned(),
        scenario: "s".to_owned(),
    }
}

fn run(verdict: Verdict) -> Run {
    Run {
        at: Timestamp::now(),
        release: String::new(),
        verdict: verdict.name(),
        unmarked: verdict.name(),
        title: String::new(),
        duration: Duration::from_secs(1),
        accelerator: "tcg".to_owned(),
        jobs: 1,
        restored: true,
        host: "host".to_owned(),
        is_on_ci: true,
        marked_until: Some("2027-03-01".to_owned()),
    }
}

/// A database with these runs of one case.
fn database(runs: impl IntoIterator<Item = Run>) -> Connection {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    let mut connection = database::open(&cache).unwrap();
    for run in runs {
        run::insert(&mut connection, &key(), &run).unwrap();
    }
    connection
}

#[test]
fn what_a_case_came_to_is_known_afterwards() {
    let fixture = Fixture::new();
    let (history, own) = (fixture.open(), fixture.own());
    assert_eq!(verdict(&history, &own), None);
    for outcome in [
        ended(Verdict::Leak, 9),
        ended(Verdict::Pass, 2),
        ended(Verdict::Pass, 4),
    ] {
        fixture.note(&history, &own, &outcome);
    }
    drop(history);
    let cases = fixture.open().cases(false);
    let [past] = &cases[..] else {
        panic!("{cases:?}")
    };
    assert_eq!((past.failed.hits, past.failed.of), (1, 3));
    assert_eq!(past.median, Some(Duration::from_secs(4)));
    assert!(past.last.is_pass() && past.last_pass.is_some());
    let failure = past.last_failure.as_ref().unwrap();
    assert_eq!((&*failure.verdict, &*failure.title), ("leak", "title"));
}

#[test]
fn what_was_not_run_is_not_kept() {
    let fixture = Fixture::new();
    let (history, own) = (fixture.open(), fixture.own());
    for end in [End::Skipped("why".to_owned()), End::Unchanged] {
        fixture.note(
            &history,
            &own,
            &Outcome::new("6.1", Accelerator::Tcg, &own, end),
        );
    }
    assert_eq!(verdict(&history, &own), None);
    let end = End::Unbuilt(Unbuilt::new("build m: no"));
    fixture.note(
        &history,
        &own,
        &Outcome::new("6.1", Accelerator::Tcg, &own, end),
    );
    assert_eq!(verdict(&history, &own).as_deref(), Some("infra"));
}

#[test]
fn a_case_that_was_skipped_takes_no_time_until_it_is_run() {
    let fixture = Fixture::new();
    let (history, own) = (fixture.open(), fixture.own());
    let skipped = || End::Skipped("why".to_owned());
    let skipped = || Outcome::new("6.1", Accelerator::Tcg, &own, skipped());
    let usual = || history.usual("6.1", &own).map(|took| took.as_secs());
    fixture.note(&history, &own, &ended(Verdict::Pass, 3));
    fixture.note(&history, &own, &skipped());
    fixture.note(&history, &own, &skipped());
    assert_eq!(usual(), Some(0));
    let connection = Connection::open(fixture.file()).unwrap();
    let count = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0));
    assert_eq!(count, Ok(2));
    assert_eq!(history.cases(false)[0].failed.of, 1);
    assert_eq!(verdict(&history, &own).as_deref(), Some("pass"));
    fixture.note(&history, &own, &ended(Verdict::Pass, 3));
    assert_eq!(usual(), Some(3));
}

#[test]
fn scenarios_of_one_name_are_told_apart_by_their_folders() {
    let fixture = Fixture::new();
    let history = fixture.open();
    let (own, other) = (fixture.own(), fixture.scenario("other/case.toml"));
    fixture.note(&history, &own, &ended(Verdict::Pass, 1));
    assert_eq!(verdict(&history, &other), None);
    fixture.note(&history, &other, &ended(Verdict::Leak, 1));
    assert_eq!(verdict(&history, &own).as_deref(), Some("pass"));
    assert_eq!(history.last("6.12", &own), None);
    assert_eq!(history.cases(false).len(), 2);
}

#[test]
fn another_projects_cases_are_shown_if_asked() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    fixture.note(&fixture.open(), &fixture.own(), &ended(Verdict::Pass, 1));
    let project = Project::of(other.folder.path()).unwrap();
    let history = History::open(&fixture.cache, &project, false);
    assert_eq!(
        (history.cases(false).len(), history.cases(true).len()),
        (0, 1)
    );
}

#[test]
fn two_may_write_at_once() {
    let fixture = Fixture::new();
    let write = || {
        let (history, own) = (fixture.open(), fixture.own());
        for _ in 0..50 {
            fixture.note(&history, &own, &ended(Verdict::Pass, 1));
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(write))));
    assert_eq!(fixture.open().cases(false)[0].failed.of, 100);
    let connection = Connection::open(fixture.file()).unwrap();
    let count = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0));
    assert_eq!(count, Ok(200));
}

#[test]
fn no_more_runs_of_a_case_are_kept_than_there_may_be() {
    let connection = database((0..1003).map(|_| run(Verdict::Pass)));
    let ids = connection.query_row("SELECT count(*), max(id) FROM runs", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    assert_eq!(ids, Ok((1000, 1003)));
}

#[test]
fn what_is_no_database_is_set_aside() {
    let fixture = Fixture::new();
    fs::write(fixture.file(), "anything else ".repeat(1000)).unwrap();
    let (history, own) = (fixture.open(), fixture.own());
    fixture.note(&history, &own, &ended(Verdict::Pass, 1));
    assert_eq!(verdict(&history, &own).as_deref(), Some("pass"));
    let aside = fs::read_to_string(fixture.cache.root().join("history.sqlite.damaged"));
    assert!(aside.unwrap().starts_with("anything else"));
}

/// Breaks pages of a history that has a run, and returns what is known of the case after another.
fn broken(pages: std::ops::Range<usize>) -> Option<String> {
    let fixture = Fixture::new();
    let own = fixture.own();
    fixture.note(&fixture.open(), &own, &ended(Verdict::Pass, 1));
    let mut bytes = fs::read(fixture.file()).unwrap();
    bytes[pages.start * 4096..pages.end * 4096].fill(0x5a);
    fs::write(fixture.file(), bytes).unwrap();
    let history = fixture.open();
    fixture.note(&history, &own, &ended(Verdict::Leak, 1));
    assert!(fixture.cache.root().join("history.sqlite.damaged").exists());
    verdict(&history, &own)
}

#[test]
fn a_database_that_is_broken_is_set_aside() {
    // When it is opened, and when a case is looked for, by the index on the third page.
    assert_eq!(broken(1..5).as_deref(), Some("leak"));
    assert_eq!(broken(2..3).as_deref(), Some("leak"));
}

#[test]
fn a_newer_kassays_is_left_alone() {
    let fixture = Fixture::new();
    drop(fixture.open());
    let connection = Connection::open(fixture.file()).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let before = fs::read(fixture.file()).unwrap();
    let history = fixture.open();
    fixture.note(&history, &fixture.own(), &ended(Verdict::Pass, 1));
    assert!(!history.is_on());
    assert_eq!(fs::read(fixture.file()).unwrap(), before);
}

#[test]
fn what_cannot_be_opened_is_no_history_and_no_error() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.file()).unwrap();
    let history = fixture.open();
    fixture.note(&history, &fixture.own(), &ended(Verdict::Pass, 1));
    assert!(!history.is_on() && history.cases(true).is_empty());
}

#[test]
fn passes_in_a_row_are_those_on_ci_with_the_same_mark() {
    let passed = |runs: &[Run]| {
        let connection = database(runs.iter().cloned());
        run::passed_in_a_row(&connection, &key(), "2027-03-01").unwrap()
    };
    let pass = || run(Verdict::Pass);
    let elsewhere = Run {
        is_on_ci: false,
        ..pass()
    };
    let other = Run {
        marked_until: None,
        ..pass()
    };
    let unstable = Run {
        verdict: "unstable",
        ..run(Verdict::Leak)
    };
    // That a steady case's mark has to go ends no row.
    let steady = Run {
        verdict: "mismatch",
        ..pass()
    };
    assert_eq!(passed(&[pass(), steady, elsewhere, other, pass()]), 3);
    assert_eq!(passed(&[pass(), unstable, pass(), pass()]), 2);
    assert_eq!(passed(&[pass(), run(Verdict::Lost), pass()]), 2);
}

#[test]
fn a_case_is_slow_when_all_its_last_runs_are() {
    let slow = |seconds: &[u64], change: fn(&mut Run)| {
        let run = |seconds: &u64| Run {
            duration: Duration::from_secs(*seconds),
            ..run(Verdict::Pass)
        };
        let connection = database(seconds.iter().map(run));
        let mut like = run(&0);
        change(&mut like);
        run::slowed(&connection, &key(), &like).unwrap()
    };
    let as_it_is = |_: &mut Run| {};
    let found = slow(&[1, 2, 9, 2, 2, 5, 6, 7], as_it_is).unwrap();
    let seconds = |took: &Duration| took.as_secs();
    assert_eq!(
        found.last.iter().map(seconds).collect::<Vec<_>>(),
        [7, 6, 5]
    );
    assert_eq!(found.usual.as_secs(), 2);
    assert_eq!(slow(&[2, 2, 2, 2, 2, 5, 4, 7], as_it_is), None);
    assert_eq!(slow(&[2, 2, 2, 2, 5, 6, 7], as_it_is), None);
    let others: [fn(&mut Run); 4] = [
        |run| run.jobs = 2,
        |run| run.restored = false,
        |run| run.accelerator = "kvm".to_owned(),
        |run| run.host = "another".to_owned(),
    ];
    for other in others {
        assert_eq!(slow(&[2, 2, 2, 2, 2, 5, 6, 7], other), None);
    }
}

#[test]
fn a_marked_case_is_kept_with_what_it_came_to_by_itself() {
    let fixture = Fixture::new();
    let mut outcome = ended(Verdict::Unstable, 1);
    let End::Ran(judged) = &mut outcome.end else {
        panic!()
    };
    judged.marked = Some(Marked {
        mark: toml::from_str("reason = 'x'\nuntil = '2027-03-01'").unwrap(),
        verdict: Verdict::Leak,
    });
    let run = Run::of(&fixture.setting(), &outcome);
    assert_eq!((run.verdict, run.unmarked), ("unstable", "leak"));
    assert_eq!(run.marked_until.as_deref(), Some("2027-03-01"));
}

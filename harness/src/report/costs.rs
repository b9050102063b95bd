//! What programs take, in the columns of veristat 0.5 (tools/testing/selftests/bpf/veristat.c),
//! which reads what is written here and writes what is read here.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::table::aligned;
use crate::plain;
use crate::scenario::budget::is_over;
use crate::trial::costs::Tried;

/// One program. A number that was not counted is 0, as veristat has it; what is compared is missing
/// in a file that lacks the column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The object's file.
    pub file_name: String,
    /// The program's function; empty where the whole object was refused.
    pub prog_name: String,
    /// Whether the kernel took it.
    pub verdict: Verdict,
    /// What the verifier took, in microseconds.
    #[serde(default)]
    pub duration: u64,
    /// Instructions that it went through.
    pub total_insns: Option<u64>,
    /// States that it kept.
    pub total_states: Option<u64>,
    /// States at once, at most.
    #[serde(default)]
    pub peak_states: u64,
    /// States of one instruction, at most.
    #[serde(default)]
    pub max_states_per_insn: u64,
    /// The longest way back to mark what was read.
    #[serde(default)]
    pub max_mark_read_len: u64,
    /// The program's own instructions.
    #[serde(default)]
    pub prog_size: u64,
    /// Bytes of machine code.
    #[serde(default)]
    pub prog_size_jited: u64,
    /// Its type, by libbpf's name.
    #[serde(default)]
    pub prog_type: String,
    /// What it is to be attached to, likewise.
    #[serde(default)]
    pub attach_type: String,
    /// Bytes of stack, of all its functions.
    #[serde(default)]
    pub stack_depth: u64,
    /// MiB of memory that the verifier took. It is not measured here, for which veristat has -1; it
    /// compares only files of the same columns.
    #[serde(default)]
    pub mem_peak: i64,
    /// Why it was refused; veristat has no column for it.
    #[serde(skip)]
    pub refusal: Option<String>,
}

/// What the kernel said to a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is loaded.
    Success,
    /// It was refused.
    #[default]
    Failure,
}

impl Row {
    /// A program of an object, in the folder of its scenario if it is of one.
    pub fn of(scenario: Option<&str>, tried: &Tried) -> Row {
        let cost = tried.cost.clone().unwrap_or_default();
        let folder = Path::new(scenario.unwrap_or_default());
        let file = folder.join(format!("{}.bpf.o", tried.object));
        Row {
            file_name: file.to_string_lossy().into_owned(),
            prog_name: tried.program.clone().unwrap_or_default(),
            verdict: match tried.refusal {
                None => Verdict::Success,
                Some(_) => Verdict::Failure,
            },
            duration: cost.time_us,
            total_insns: Some(cost.insns),
            total_states: Some(cost.states),
            peak_states: cost.peak_states,
            max_states_per_insn: cost.states_per_insn,
            max_mark_read_len: cost.mark_read,
            prog_size: cost.size,
            prog_size_jited: cost.jited,
            prog_type: cost.kind,
            attach_type: cost.attach_kind,
            stack_depth: cost.stack.iter().sum(),
            mem_peak: -1,
            refusal: tried.refusal.clone(),
        }
    }
}

/// Rows as a table for people, with the reason of each refusal.
pub fn table(rows: &[Row]) -> Vec<String> {
    const HEAD: [&str; 9] = [
        "object", "program", "verdict", "insns", "states", "peak", "stack", "size", "jited",
    ];
    let cells = |row: &Row| {
        let numbers = [
            row.total_insns.unwrap_or_default(),
            row.total_states.unwrap_or_default(),
            row.peak_states,
            row.stack_depth,
            row.prog_size,
            row.prog_size_jited,
        ];
        let names = [row.file_name.as_str(), row.program(), row.verdict.word()];
        let names = names.map(str::to_owned).into_iter();
        let numbers = numbers.map(|number| number.to_string());
        let why = row.refusal.iter().cloned();
        names
            .chain(numbers)
            .chain([why.collect()])
            .collect::<Vec<String>>()
    };
    let head = HEAD.iter().copied().chain([""]).map(str::to_owned);
    let rows = [head.collect()].into_iter().chain(rows.iter().map(cells));
    aligned(&rows.collect::<Vec<_>>())
}

/// Rows as veristat writes and reads them, which knows no object without a program.
///
/// # Errors
/// None is expected.
pub fn csv(rows: &[Row]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows.iter().filter(|row| !row.prog_name.is_empty()) {
        writer.serialize(row).context("write CSV")?;
    }
    let bytes = writer.into_inner().context("write CSV")?;
    Ok(String::from_utf8(bytes)?)
}

/// Rows that were written so, by kassay or veristat.
///
/// # Errors
/// The file cannot be read, or is none of theirs.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text = plain::text(path, plain::TEXT);
    let parse = |text: String| {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = reader.deserialize().collect::<Result<Vec<Row>, _>>();
        let rows = rows
            .context("it is not what `kassay verify --format csv` or `veristat -o csv` writes")?;
        match rows.is_empty() {
            true => bail!("it has no programs to compare with"),
            false => Ok(rows),
        }
    };
    text.map_err(anyhow::Error::from)
        .and_then(parse)
        .with_context(|| format!("read `{}`", path.display()))
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Success => "success",
            Verdict::Failure => "failure",
        }
    }
}

impl Row {
    /// Whether it is loaded, and nobody knows what it took.
    pub fn is_uncounted(&self) -> bool {
        self.verdict == Verdict::Success && self.total_insns == Some(0)
    }

    fn program(&self) -> &str {
        match self.prog_name.as_str() {
            "" => "-",
            name => name,
        }
    }

    fn name(&self) -> String {
        format!("{}: {}", self.file_name, self.program())
    }

    fn is_same(&self, other: &Row) -> bool {
        (&self.file_name, &self.prog_name) == (&other.file_name, &other.prog_name)
    }
}

/// How rows compare with those of before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// A line for each program that differs.
    pub lines: Vec<String>,
    /// The programs that are worse by more than was allowed.
    pub worse: Vec<String>,
    /// How many programs there are on either side.
    pub programs: usize,
}

/// What is said where no program is on both sides, so that nothing can be compared.
pub fn apart(before: &[Row], now: &[Row]) -> Option<String> {
    let is_there = |row: &Row| before.iter().any(|old| old.is_same(row));
    if now.iter().any(is_there) {
        return None;
    }
    let first = |rows: &[Row]| rows.first().map_or("none".to_owned(), Row::name);
    Some(format!(
        "nothing was compared: no program has its object and its name on both sides, of which the \
         first is {} before and {} now; try what was tried before, named in the same way",
        first(before),
        first(now)
    ))
}

/// Compares rows with those of before. A program is worse that was taken and is refused now, or
/// takes more instructions or states by more than `threshold` percent. How far the verifier came
/// with one that it refused is no measure.
pub fn compare(before: &[Row], now: &[Row], threshold: f64) -> Comparison {
    let mut comparison = Comparison::default();
    let mut rows = vec![
        ["object", "program", "verdict", "insns", "states"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in now {
        let Some(old) = before.iter().find(|old| old.is_same(row)) else {
            rows.push(difference(None, Some(row)));
            continue;
        };
        let pairs = [
            old.total_insns.zip(row.total_insns),
            old.total_states.zip(row.total_states),
        ];
        let grown = |(old, new): (u64, u64)| is_over(old, new, threshold);
        let is_worse = match (old.verdict, row.verdict) {
            (Verdict::Success, Verdict::Success) => pairs.into_iter().flatten().any(grown),
            (Verdict::Success, Verdict::Failure) => true,
            (Verdict::Failure, _) => false,
        };
        if is_worse {
            comparison.worse.push(row.name());
        }
        let differ = |(old, new): (u64, u64)| old != new;
        if old.verdict != row.verdict || pairs.into_iter().flatten().any(differ) {
            rows.push(difference(Some(old), Some(row)));
        }
    }
    let gone = before
        .iter()
        .filter(|old| !now.iter().any(|row| row.is_same(old)));
    comparison.programs = now.len() + gone.clone().count();
    rows.extend(gone.map(|old| difference(Some(old), None)));
    if rows.len() > 1 {
        comparison.lines = aligned(&rows);
    }
    comparison
}

/// The line of a program that differs; on one side it may be missing.
fn difference(old: Option<&Row>, new: Option<&Row>) -> Vec<String> {
    let Some(named) = new.or(old) else {
        return Vec::new();
    };
    let verdict = |row: Option<&Row>| row.map_or("-", |row| row.verdict.word());
    let verdict = match (verdict(old), verdict(new)) {
        (old, new) if old == new => old.to_owned(),
        (old, new) => format!("{old} -> {new}"),
    };
    let number = |of: fn(&Row) -> Option<u64>| changed(old.and_then(of), new.and_then(of));
    vec![
        named.file_name.clone(),
        named.program().to_owned(),
        verdict,
        number(|row| row.total_insns),
        number(|row| row.total_states),
    ]
}

fn changed(old: Option<u64>, new: Option<u64>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old == new => old.to_string(),
        (Some(old), Some(new)) if old > 0 => {
            let percent = (new as f64 / old as f64 - 1.0) * 100.0;
            format!("{old} -> {new} ({percent:+.1} %)")
        }
        (old, new) => {
            let word = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
            format!("{} -> {}", word(old), word(new))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(program: &str, insns: u64, verdict: Verdict) -> Row {
        Row {
            file_name: "a.bpf.o".to_owned(),
            prog_name: program.to_owned(),
            verdict,
            total_insns: Some(insns),
            total_states: Some(0),
            ..Row::default()
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let rows = [
            row("p", 12, Verdict::Success),
            row("q", 0, Verdict::Failure),
        ];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("costs.csv");
        std::fs::write(&path, csv(&rows).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("it is not what `kassay verify"), "{error}");
    }

    #[test]
    fn what_is_loaded_took_an_instruction_at_least() {
        assert!(row("p", 0, Verdict::Success).is_uncounted());
        assert!(!row("p", 1, Verdict::Success).is_uncounted());
        assert!(!row("p", 0, Verdict::Failure).is_uncounted());
    }

    #[test]
    fn fewer_columns_and_others_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("costs.csv");
        let text = "file_name,prog_name,verdict,total_insns,mem_peak\na.bpf.o,p,success,7,0\n";
        std::fs::write(&path, text).unwrap();
        let known = Row {
            total_states: None,
            ..row("p", 7, Verdict::Success)
        };
        let before = read(&path).unwrap();
        assert_eq!(before, std::slice::from_ref(&known));
        let now = Row {
            total_states: Some(99),
            ..known
        };
        assert_eq!(compare(&before, &[now], 0.0).lines, [""; 0]);
        std::fs::write(&path, "file_name,prog_name,verdict\n").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(
            error.ends_with("it has no programs to compare with"),
            "{error}"
        );
    }

    #[test]
    fn a_program_is_worse_by_more_than_the_threshold() {
        let before = [row("p", 100, Verdict::Success)];
        let worse = |insns, verdict, threshold| {
            let comparison = compare(&before, &[row("p", insns, verdict)], threshold);
            (comparison.worse.len(), comparison.lines.len())
        };
        assert_eq!(worse(100, Verdict::Success, 0.0), (0, 0));
        assert_eq!(worse(90, Verdict::Success, 0.0), (0, 2));
        assert_eq!(worse(110, Verdict::Success, 10.0), (0, 2));
        assert_eq!(worse(111, Verdict::Success, 10.0), (1, 2));
        assert_eq!(worse(100, Verdict::Failure, 10.0), (1, 2));
        let refused = [row("p", 1, Verdict::Failure)];
        let taken = compare(&refused, &before, 0.0);
        assert_eq!((taken.worse.len(), taken.lines.len()), (0, 2));
    }

    #[test]
    fn a_program_on_one_side_alone_is_shown_and_no_worse() {
        let comparison = compare(
            &[row("old", 1, Verdict::Success)],
            &[row("new", 1, Verdict::Success)],
            0.0,
        );
        assert!(comparison.worse.is_empty());
        assert_eq!((comparison.lines.len(), comparison.programs), (3, 2));
    }

    #[test]
    fn nothing_in_common_is_nothing_compared() {
        let [old, new] = ["old", "new"].map(|program| row(program, 1, Verdict::Success));
        let both = [new.clone(), old.clone()];
        let said = apart(std::slice::from_ref(&old), &[new]).unwrap();
        let names = "the first is a.bpf.o: old before and a.bpf.o: new now";
        assert!(said.contains(names), "{said}");
        assert_eq!(apart(&[old], &both), None);
        assert!(apart(&[], &both).unwrap().contains("none before"));
    }
}

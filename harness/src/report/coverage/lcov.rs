//! The tracefile of lcov, which genhtml, editors and services read.

use lcov::Report;
use lcov::report::section::{Key, Value, branch, function, line};

use crate::coverage::{File, Files};

/// All files as a tracefile.
pub(super) fn tracefile(files: &Files) -> String {
    let mut report = Report::new();
    for (path, file) in files {
        let key = Key {
            test_name: String::new(),
            source_file: path.into(),
        };
        report.sections.insert(key, section(file));
    }
    let records = report.into_records();
    records.map(|record| format!("{record}\n")).collect()
}

fn section(file: &File) -> Value {
    let mut section = Value::default();
    for (name, of) in &file.functions {
        let value = function::Value {
            start_line: Some(of.line),
            count: of.calls,
        };
        let key = function::Key { name: name.clone() };
        section.functions.insert(key, value);
    }
    for (number, of) in &file.lines {
        let value = line::Value {
            count: of.runs,
            checksum: None,
        };
        section.lines.insert(line::Key { line: *number }, value);
        for (branch, taken) in (0..).zip(&of.branches) {
            let key = branch::Key {
                line: *number,
                block: 0,
                branch,
            };
            // A condition that was never come to is told apart from one that never held.
            let taken = (of.runs > 0).then_some(*taken);
            section.branches.insert(key, branch::Value { taken });
        }
    }
    section
}

#[cfg(test)]
mod tests {
    use lcov::Reader;

    use super::*;
    use crate::coverage::{Function, Line};

    #[test]
    fn a_tracefile_has_what_was_counted() {
        let line = |runs, branches: &[u64]| Line {
            runs,
            branches: branches.to_vec(),
        };
        let file = File {
            functions: [("f".to_owned(), Function { line: 1, calls: 2 })].into(),
            lines: [(2, line(2, &[2, 0])), (3, line(0, &[0, 0]))].into(),
        };
        let text = tracefile(&[("m.c".to_owned(), file.clone())].into());
        let read = Report::from_reader(Reader::new(text.as_bytes())).unwrap();
        let (key, found) = read.sections.first_key_value().unwrap();
        assert_eq!(key.source_file.to_str(), Some("m.c"));
        assert_eq!(*found, section(&file));
        let ends = ["FNF:1\nFNH:1", "BRF:4\nBRH:1", "LF:2\nLH:1\nend_of_record"];
        assert!(ends.iter().all(|end| text.contains(end)), "{text}");
    }
}

//! A console or a kernel log. Titles are what scenarios expect, so that they
//! have to be the same on each run.
#![no_main]

use std::time::{Duration, Instant};

use kassay::kernel_report::{brief, find};
use libfuzzer_sys::fuzz_target;

/// How long a text may take to be read, with the fuzzer's counters in the code:
/// what takes longer for these few bytes does not take a time that is linear.
const PATIENCE: Duration = Duration::from_secs(2);

fuzz_target!(|bytes: &[u8]| {
    let log = String::from_utf8_lossy(bytes);
    check(&log);
    // The same again and again, up to a size at which a square would show.
    if bytes.last() == Some(&b'!') {
        let times = (1 << 18) / log.len();
        let began = Instant::now();
        check(&log.repeat(times));
        check(&format!("{log}\n").repeat(times));
        assert!(began.elapsed() < 4 * PATIENCE, "{:?}", began.elapsed());
    }
});

fn check(log: &str) {
    let reports = find(log);
    let brief = brief(log);
    assert_eq!(reports, find(log));
    // A line may have messages inside, each of which has a time in brackets.
    assert!(brief.len() <= log.lines().count() + log.matches('[').count());
    assert!(reports.is_empty() || !brief.is_empty());
    for report in &reports {
        let title = &report.title;
        assert!(
            !title.is_empty() && title.chars().count() <= 300,
            "{title:?}"
        );
        assert!(!title.contains(char::is_control), "{title:?}");
        assert!(
            !title
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(is_address),
            "{title:?}"
        );
        assert!(!report.text.is_empty() || log.contains("cut here"));
    }
    // Whatever is a report is one in the transcript, too. Of stalls, the title that
    // comes first in the alphabet is that of all.
    let has_stall = ["lockup", "LOCKUP", "stall", "INFO: task"]
        .iter()
        .any(|word| log.contains(word));
    let is_shown = |title: &String| brief.iter().any(|line| line == title);
    assert!(has_stall || reports.iter().all(|report| is_shown(&report.title)));
}

/// Whether a word is an address, as `%px` and the registers have it.
fn is_address(word: &str) -> bool {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let is_hexadecimal = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    is_hexadecimal && (digits.len() < word.len() || digits.len() == 16)
}

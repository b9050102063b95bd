//! A reviewed snapshot, and a transcript that is compared with it.
#![no_main]

use std::fs;

use kassay::normalise::visible;
use kassay::snapshot::{Comparison, Snapshot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (file, transcript) = input;
    // No transcript has other control characters.
    let transcript = &visible(transcript);
    let directory = std::env::temp_dir().join(format!("kassay-fuzz-{}", std::process::id()));
    let name = "case".to_owned();
    let snapshot = Snapshot { name, directory };
    fs::create_dir_all(&snapshot.directory).unwrap();
    fs::write(snapshot.path(), file).unwrap();
    if let Ok(comparison) = snapshot.compare(transcript) {
        assert_ne!(comparison, Comparison::Missing);
    }
    // What was accepted is the same from then on.
    let about = file.lines().next().unwrap_or_default();
    snapshot.accept(about, transcript).unwrap();
    assert_eq!(
        snapshot.compare(transcript).unwrap(),
        Comparison::Same,
        "{transcript:?}"
    );
    fs::remove_dir_all(&snapshot.directory).unwrap();
});

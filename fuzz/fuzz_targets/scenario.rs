//! A scenario file. What is accepted satisfies what is said of scenarios.
#![no_main]

use std::path::Path;

use kassay::repository;
use kassay::scenario::Scenario;
use kassay_guest::Step;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let root = repository();
    let scenario = match Scenario::parse(text, Path::new("case.toml"), &root) {
        Ok(scenario) => scenario,
        Err(error) => return assert!(!format!("{error:#}").is_empty()),
    };
    assert_eq!(scenario.steps.len(), scenario.packet_names.len());
    for name in scenario.modules.iter().chain(&scenario.bpf) {
        assert!(!name.contains(['/', '.', '\0']), "{name:?}");
    }
    for (step, names) in scenario.steps.iter().zip(&scenario.packet_names) {
        let Step::Udp { packets } = step else {
            continue;
        };
        assert_eq!(packets.len(), names.len());
        assert!(packets.len() < 25_000);
        assert!(packets.iter().all(|packet| packet.payload.len() <= 1472));
    }
    if let Some(bound) = &scenario.requires.kernel {
        let _ = bound.holds((6, 11));
    }
});

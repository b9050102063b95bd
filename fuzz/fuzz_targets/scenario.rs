//! A scenario file. What is accepted satisfies what is said of scenarios.
#![no_main]

use std::path::Path;
use std::time::Duration;

use kassay::project::Project;
use kassay::scenario::Scenario;
use kassay::step::Asked;
use kassay_guest::{Bind, Send, Step, Udp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let project = Project::of(root).unwrap();
    let scenario = match Scenario::parse(text, Path::new("case.toml"), &project) {
        Ok(scenario) => scenario,
        Err(error) => return assert!(!format!("{error:#}").is_empty()),
    };
    for part in &scenario.bpf {
        assert!(is_plain(&part.name), "{part:?}");
    }
    for part in scenario
        .modules
        .iter()
        .chain(&scenario.bpf)
        .chain(&scenario.drivers)
    {
        assert!(part.path.exists(), "{part:?}");
    }
    for (name, _) in &scenario.sysctl {
        assert!(name.split('.').all(is_plain), "{name:?}");
    }
    assert_ne!(scenario.timeout, Some(Duration::ZERO));
    for Asked { step, names, .. } in &scenario.steps {
        match step {
            Step::Udp(Udp { packets, .. }) => {
                assert_eq!(packets.len(), names.len());
                assert!(packets.len() < 25_000);
                assert!(packets.iter().all(|packet| packet.payload.len() <= 1472));
            }
            Step::Send(Send { frame, .. }) => {
                assert!((14..=1514).contains(&frame.len()));
            }
            Step::Bind(Bind { at, .. }) => assert_ne!(at.port(), 0),
            _ => {}
        }
    }
    if let Some(bound) = &scenario.requires.kernel {
        let _ = bound.holds((6, 11));
    }
});

/// Whether a name is no path, in the guest and here.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '.', '\0'])
}

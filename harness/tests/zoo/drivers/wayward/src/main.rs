//! A driver that does what its argument says, and no more.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("status") => {
            eprintln!("wayward: this is why");
            println!("end");
            return ExitCode::from(3);
        }
        Some("word") => println!("pass\nend"),
        Some("late") => println!("end\ntell more"),
        Some("orphan") => {
            // It has this stdout for longer than the case may take.
            let orphan = Command::new("/proc/self/exe").arg("sleep").spawn();
            return orphan.map_or(ExitCode::FAILURE, |_| ExitCode::SUCCESS);
        }
        Some("sleep") => loop {
            std::thread::park();
        },
        Some("flood") => loop {
            println!("fact flood {}", "x".repeat(1000));
        },
        Some("fault_status") => {
            println!("fault the oracle says otherwise\nbecause of this\nend");
            return ExitCode::from(3);
        }
        Some("fault") => println!("fault the oracle says otherwise\nbecause of this\nend"),
        // It ends without a word.
        _ => {}
    }
    ExitCode::SUCCESS
}

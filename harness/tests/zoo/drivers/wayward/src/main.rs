//! A driver that does what its argument says, and no more.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("status") => {
            eprintln!("wayward: this is why");
            println!("end");
            return ExitCode::from(3);
        }
        Some("word") => println!("pass\nend"),
        Some("late") => println!("end\ntell more"),
        Some("fault") => println!("fault the oracle says otherwise\nbecause of this\nend"),
        // It ends without a word.
        _ => {}
    }
    ExitCode::SUCCESS
}

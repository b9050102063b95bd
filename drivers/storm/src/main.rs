//! A driver of kassay. It sends generated packets, most of them hostile, over a veth pair with
//! the classifier of `kfunc_dropme` at its receiving end, and compares what arrives with what
//! an independent decoder says of each packet. [`driver`] has the protocol that it talks.

mod asked;
mod check;
mod driver;
mod ends;
mod generator;
mod oracle;
mod packet;
mod packet_socket;
mod report;
mod storm;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Error, Result};

use asked::Asked;
use driver::Driver;

/// The status where the arguments or the environment are wrong, and of any other failure.
const MISUSED: u8 = 2;
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let asked = match Asked::of(&arguments, |name| std::env::var_os(name)) {
        Ok(asked) => asked,
        Err(error) => return failure(MISUSED, &error),
    };
    match run(&asked, Driver::new(io::stdin().lock(), io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(FAILED, &error),
    }
}

/// Tells a person. A stderr that is closed would make `eprintln!` panic.
fn failure(status: u8, error: &Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "storm: {error:#}");
    ExitCode::from(status)
}

fn run<R: BufRead, W: Write>(asked: &Asked, mut driver: Driver<R, W>) -> Result<()> {
    let storm = storm::run(asked, &mut driver)?;
    report::tell(asked, &storm, driver)
}

//! kassay.
<<<<<<< HEAD
fn main() {}
=======

use clap::Parser;
use kassay::{cli, interrupt};

#[derive(Parser)]
enum Command {
    Kernel(cli::kernel::KernelArgs),
}

fn main() -> std::process::ExitCode {
    let result = interrupt::install().and_then(|()| match Command::parse() {
        Command::Kernel(args) => cli::kernel::run(&args),
    });
    let Err(error) = result else { return 0.into() };
    if interrupt::requested() {
        return 130.into();
    }
    eprintln!("error: {error:#}");
    125.into()
}
>>>>>>> kernel-room

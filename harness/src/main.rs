//! kassay.

use clap::Parser;
use kassay::{cli, interrupt};

#[derive(Parser)]
enum Command {
    Kernel(cli::kernel::KernelArgs),
    Setup(cli::setup::SetupArgs),
}

fn main() -> std::process::ExitCode {
    let result = interrupt::install().and_then(|()| match Command::parse() {
        Command::Kernel(args) => cli::kernel::run(&args),
        Command::Setup(args) => cli::setup::run(&args),
    });
    let Err(error) = result else { return 0.into() };
    if interrupt::requested() {
        return 130.into();
    }
    eprintln!("error: {error:#}");
    125.into()
}

//! `kassay repro`: a failed case again, from the folder that it left.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::error::{Error, Result};
use super::print;
use super::run::Aids;
use super::session::Store;
use crate::case::Setting;
use crate::kit::{Kept, Unfit};
use crate::outcome::Outcome;
use crate::progress;
use crate::report::{self, Format, json, pretty};
use crate::run::{self};
use crate::vm::accelerator::Wish;

/// The arguments of `kassay repro`.
#[derive(Args)]
pub struct ReproArgs {
    /// The folder, such as target/kassay/KERNEL/SCENARIO
    folder: PathBuf,
    /// What executes the guest's instructions [default: what it was]
    #[arg(long, value_enum)]
    accel: Option<Wish>,
    /// How long the virtual machine may take, in seconds [default: as long as it could]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Boot the virtual machine, where it was restored from a saved state
    #[arg(long)]
    cold: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    aids: Aids,
}

/// Runs the case with the same modules, programs, guest program and plan on the same kernel, and
/// says whether it comes to the same.
///
/// # Errors
/// A slip where nothing in the folder can be run; the kernel is gone; an interrupt.
pub fn run(args: &ReproArgs) -> Result<u8> {
    let store = Store::open()?;
    let kept = Kept::read(&args.folder).map_err(|unfit| match unfit {
        Unfit::NoKit(why) => Error::Slip(why),
        Unfit::Broken(error) => error.into(),
    })?;
    let as_it_was = Wish::from_str(kept.accelerator(), false).map_err(|why| anyhow!(why))?;
    let timeout = args.timeout.or(kept.timeout());
    let setting = Setting {
        timeout: timeout.map(Duration::from_secs),
        cold: args.cold || !kept.restored(),
        ..store.setting(args.accel.unwrap_or(as_it_was))?
    };
    let setting = args.aids.add_to(setting, args.timeout);
    let outcome = run::built(&setting, &kept.case())?;
    print(&match args.format {
        Format::Pretty => pretty::painted(&pretty::case(&outcome)),
        Format::Json => json::line(&outcome),
    })?;
    compare(&kept, &outcome);
    Ok(report::exit_code(&[outcome]))
}

/// Says whether the outcome is the one that was kept.
fn compare(kept: &Kept, outcome: &Outcome) {
    let (verdict, title) = kept.verdict();
    // A pass has no title.
    let kept = [verdict, title].join(": ");
    let kept = kept.trim_end_matches(": ");
    progress::note(
        if (verdict, title) == (outcome.verdict().name(), outcome.title()) {
            format!("the same as kept: {kept}")
        } else {
            format!("not the same as kept, which was {kept}")
        },
    );
}

//! `kassay cache`: what the cache holds, and clearing it up.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use indicatif::{BinaryBytes, HumanDuration};
use serde_json::json;

use super::error::Result;
use super::print;
use super::session::{Store, limit};
use crate::cache::Cache;
use crate::inventory::{self, Entry};
use crate::report::Format;

/// The arguments of `kassay cache`.
#[derive(Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show what is in the cache, each kind by its last use
    List {
        /// How the list is written
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove what has been replaced, and what is over the limit
    Prune {
        /// Remove all that takes a minute at most to make again; kernels, their sources, bisects and the history stay
        #[arg(long)]
        all: bool,
    },
}

/// Runs `kassay cache`.
///
/// # Errors
/// A limit that is no size; an entry that cannot be removed; an interrupt while waiting for
/// another kassay.
pub fn run(args: &CacheArgs) -> Result<()> {
    let limit = limit()?;
    let Store { cache, .. } = &Store::as_it_is()?;
    match args.action {
        Action::List { format } => match format {
            Format::Json => objects(cache)?,
            Format::Pretty => list(cache, limit)?,
        },
        Action::Prune { all } => {
            cache.wait_until_alone()?;
            let gone = inventory::evict(cache, if all { 0 } else { limit })?;
            gone.iter()
                .try_for_each(|entry| print(&format!("removed {}", line(entry))))?;
            print(&format!("{} removed", BinaryBytes(bytes(&gone, |_| true))))?;
        }
    }
    Ok(())
}

/// An entry in words, with its size.
pub fn line(entry: &Entry) -> String {
    let size = BinaryBytes(entry.bytes).to_string();
    format!("{:<9} {size:>10}  {}", entry.kind, entry.what)
}

fn objects(cache: &Cache) -> anyhow::Result<()> {
    inventory::entries(cache).iter().try_for_each(|entry| {
        let used = entry.used.duration_since(SystemTime::UNIX_EPOCH)?;
        let object = json!({
            "kind": entry.kind,
            "key": entry.key,
            "what": entry.what,
            "bytes": entry.bytes,
            "used": used.as_secs(),
            "limited": entry.is_cheap(),
        });
        print(&object.to_string())
    })
}

fn list(cache: &Cache, limit: u64) -> anyhow::Result<()> {
    let entries = inventory::entries(cache);
    for entry in &entries {
        let unused = entry.used.elapsed().unwrap_or_default();
        let line = line(entry);
        print(&format!("{line}, last used {} ago", HumanDuration(unused)))?;
    }
    print(&format!(
        "{} in `{}`; kernels and sources aside {}, of {} allowed",
        BinaryBytes(bytes(&entries, |_| true)),
        cache.root().display(),
        BinaryBytes(bytes(&entries, Entry::is_cheap)),
        BinaryBytes(limit),
    ))
}

fn bytes(entries: &[Entry], counts: fn(&Entry) -> bool) -> u64 {
    let counted = entries.iter().filter(|entry| counts(entry));
    counted.map(|entry| entry.bytes).sum()
}

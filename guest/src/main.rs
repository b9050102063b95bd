//! PID 1 of a kassay virtual machine: mounts what a Linux program expects,
//! inserts the modules that the initramfs carries, and answers the guest-agent
//! calls that vmtest makes. The plan itself runs in a child process, so that a
//! crash there leaves somebody to tell of it.

mod agent;
mod bpf;
mod capability;
mod capture;
mod facts;
mod follower;
mod gcov;
mod hook;
mod host_root;
mod kallsyms;
mod kcov;
mod kmemleak;
mod live;
mod module;
mod net;
mod packet;
mod packet_socket;
mod picture;
mod plan;
mod port;
mod process;
mod rtnl;
mod share;
mod show;
mod slots;
mod socket;
mod step;
mod system;
mod terminal;
mod value;
mod watch;

use std::convert::Infallible;
use std::fs;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use kassay_guest::{COMMAND_PORT, EXEC, FOLLOW, POWER_OFF, SAVE, SHARE, SWITCH_ROOT};

use crate::agent::{AGENT_PORT, Gate};
use crate::capture::Trace;
use crate::follower::Follower;
use crate::kallsyms::Kallsyms;
use crate::picture::Picture;
use crate::plan::Ready;

fn main() {
    if std::env::args().next().as_deref() == Some(EXEC) {
        return;
    }
    match word().as_deref() {
        Some(POWER_OFF) => system::power_off(),
        Some(FOLLOW) => {
            system::mount_all();
            system::count_runs();
            plan::prepare();
            let stdout = std::io::stdout().as_fd().try_clone_to_owned();
            let ready = stdout.map(|stdout| Ready {
                port: stdout.into(),
                kallsyms: None,
                trace: None,
                picture: None,
            });
            std::process::exit(ready.map_or(1, plan::run));
        }
        Some(SWITCH_ROOT) => {
            let Err(error) = switch_root();
            system::log(&format!("kassay-guest: {error:#}"));
            system::power_off();
        }
        _ => {}
    }
    if let Err(error) = serve() {
        system::log(&format!("kassay-guest: {error:#}"));
    }
    system::power_off();
}

/// What the host tells the guest program to do, if it is one of the things that it can be told. A
/// kernel hands its init also what it does not know of its own arguments, such as `no5lvl`, and
/// before all else.
fn word() -> Option<String> {
    let words = [POWER_OFF, FOLLOW, SWITCH_ROOT, SAVE];
    std::env::args()
        .skip(1)
        .find(|word| words.contains(&word.as_str()))
}

fn switch_root() -> Result<Infallible> {
    system::mount_all();
    module::insert_carried()?;
    system::switch_root()
}

fn serve() -> Result<()> {
    system::mount_all();
    system::count_runs();
    module::insert_carried()?;
    fs::create_dir_all(SHARE).with_context(|| format!("make directory `{SHARE}`"))?;
    let agent = port::find(AGENT_PORT)?;
    let is_saved = word().as_deref() == Some(SAVE);
    let follower = Follower::start(|| get_ready(is_saved))?;
    if is_saved {
        system::clear_free_memory()?;
    }
    let gate = Gate::pass()?;
    agent::serve(agent.open()?, follower, gate)
}

/// What can be had before there is a plan: of a machine whose state is saved, all of it.
fn get_ready(is_saved: bool) -> Result<Ready> {
    plan::prepare();
    let mut ready = Ready {
        port: port::find(COMMAND_PORT)?.open()?,
        kallsyms: None,
        trace: Trace::open().ok(),
        picture: None,
    };
    if is_saved {
        ready.kallsyms = Some(Kallsyms::open_ahead()?);
        // A kernel without BTF has nothing to copy.
        let _ = system::quicken_btf();
        #[cfg(feature = "static")]
        bpf::kernel_btf::parse_ahead();
        ready.picture = Some(Picture::now());
    }
    Ok(ready)
}

//! PID 1 of a kassay virtual machine: mounts what a Linux program expects,
//! inserts the modules that the initramfs carries, and answers the guest-agent
//! calls that vmtest makes. The plan itself runs in a child process, so that a
//! crash there leaves somebody to tell of it.

mod agent;
mod bpf;
mod capture;
mod facts;
mod module;
mod net;
mod packet;
mod plan;
mod process;
mod step;
mod system;

use anyhow::Result;
use kassay_guest::{FOLLOW, POWER_OFF};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some(POWER_OFF) => system::power_off(),
        Some(FOLLOW) => {
            system::mount_all();
            std::process::exit(plan::run());
        }
        _ => {}
    }
    if let Err(error) = serve() {
        system::log(&format!("kassay-guest: {error:#}"));
    }
    system::power_off();
}

fn serve() -> Result<()> {
    system::mount_all();
    module::insert_carried()?;
    agent::wait_at_gate()?;
    agent::serve(agent::open_port(agent::AGENT_PORT)?)
}

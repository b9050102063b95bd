//! What the harness asks, and what the guest program reports.

mod fact;
mod plan;
mod step;

pub use fact::{
    Allocation, Code, Cost, During, Fact, Line, ListedModule, ListedProgram, Record, Standing,
    Stayed, Thing, Why,
};
pub use plan::{Attach, Entry, Family, Global, Live, NONE, Plan, Program, Show};
pub use step::*;

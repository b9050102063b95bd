//! kassay.
pub mod cache;
pub mod cli {
    //! The command line.
    pub mod kernel;
    pub mod setup;
}
pub mod interrupt;
pub mod kernel;
pub mod progress;
pub mod tool;

//! kassay.
pub mod cache;
pub mod interrupt;
pub mod progress;
pub mod tool;

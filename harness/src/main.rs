//! kassay.
fn main() {}

//! kassay.
fn main(){}

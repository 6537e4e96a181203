//! halb.
fn main() {}

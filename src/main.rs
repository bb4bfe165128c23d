//! gt
fn main() {}

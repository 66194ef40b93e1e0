//! The `bluescope` executable.
fn main() {}

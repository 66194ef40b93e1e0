//! What the queue promises, asked of both queues by the same suite, and what each one promises on top.
#![expect(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

extern crate bluescope_storage as storage;

mod broker;
mod kafka;
mod log;
mod suite;

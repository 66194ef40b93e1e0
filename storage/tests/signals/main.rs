//! What the stream of signals promises, asked of the embedded log and of a Kafka topic by the same suite, and what each
//! one promises on top.
#![expect(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

extern crate bluescope_storage as storage;

#[path = "../queue/broker.rs"]
mod broker;
mod kafka;
mod log;
mod suite;

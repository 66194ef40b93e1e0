//! End-to-end tests of the real executable: real dumps, the real log and Kafka, the real ClickHouse engine, real
//! sockets. Each test starts its own service on its own port and folder.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it measured"
)]

#[path = "end_to_end/support.rs"]
mod support;

#[path = "end_to_end/acts.rs"]
mod acts;
#[path = "end_to_end/bad_input.rs"]
mod bad_input;
#[path = "end_to_end/command_line.rs"]
mod command_line;
#[path = "end_to_end/drill.rs"]
mod drill;
#[path = "end_to_end/evaluate.rs"]
mod evaluate;
#[path = "end_to_end/gate.rs"]
mod gate;
#[path = "end_to_end/kafka.rs"]
mod kafka;
#[path = "end_to_end/killed.rs"]
mod killed;
#[path = "end_to_end/outages.rs"]
mod outages;
#[path = "end_to_end/outbox.rs"]
mod outbox;
#[path = "end_to_end/pipeline.rs"]
mod pipeline;
#[path = "end_to_end/reblame.rs"]
mod reblame;
#[path = "end_to_end/samples.rs"]
mod samples;
#[path = "end_to_end/silence.rs"]
mod silence;
#[path = "end_to_end/symbols.rs"]
mod symbols;

#[path = "../analyzer/tests/true_stacks"]
#[expect(dead_code, reason = "the analyzer's own tests use all of it")]
mod true_stacks {
    pub(crate) mod cases;
    pub(crate) mod dumps;
}

//! The intake on a real socket, in front of the real embedded log.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

extern crate bluescope_ingest as ingest;

mod accepted;
mod hostile;
mod refused;
mod server;
mod told;

//! A simulated fleet with ground truth: machines, their crashes, an outage among them, uploads over HTTP.
//!
//! Never links the server's crates: what it knows of the server is its HTTP interface, like any other client.
#![forbid(unsafe_code)]

mod catalogue;
mod crash;
mod machines;
mod plan;
mod random;
mod stack;

pub use catalogue::{Driver, FALCON};
pub use crash::{Cause, Crash, describe};
pub use machines::{Fleet, FleetConfig, Machine};
pub use plan::{PlanConfig, Upload, Way, plan};

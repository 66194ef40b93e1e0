//! A simulated fleet with ground truth: machines, their crashes, an outage among them, uploads over HTTP.
//!
//! Never links the server's crates: what it knows of the server is its HTTP interface, like any other client.
#![forbid(unsafe_code)]

mod catalogue;
mod client;
mod clock;
mod crash;
pub mod drill;
pub mod evaluate;
mod frame;
pub mod load;
mod machines;
mod outages;
pub mod pages;
mod plan;
mod progress;
mod random;
pub mod receiver;
pub mod scenario;
pub mod send;
mod stack;
#[cfg(test)]
mod stand_in;
pub mod symbols;
pub mod world;

pub use catalogue::Driver;
pub use client::{Incident, Ledger, Shared};
pub use crash::{Cause, Crash, describe};
pub use machines::{Fleet, FleetConfig, Machine};
pub use outages::{Architecture, Culprit, Outage, OutageCrash, OutageDriver, Trigger, outage, outages};
pub use plan::{PlanConfig, Upload, Way, plan};

//! Crashes and heartbeats in, incidents out: which driver is taking machines down, since when, what the affected
//! machines share, and when it is over.
//!
//! Pure: no clock, no I/O, no randomness. Time is what the ticks say. The whole state is one value that can be written
//! down and taken up again, and the same input gives the same incidents.
#![forbid(unsafe_code)]

pub mod attribution;
mod case;
pub mod config;
pub mod engine;
mod excursion;
pub mod incident;
mod index;
pub mod input;
pub mod limits;
pub mod names;
pub mod rollout;
mod seen;
mod series;
pub mod silence;
mod stats;
mod tempo;
mod tenant;

pub use config::DetectorConfig;
pub use engine::{Detector, History, RestoreError};
pub use incident::{Incident, Severity, State, Step, Subject, Transition};
pub use input::{Act, ActKind, Beat, Change, Crash, Install, Module, Version, machine_number};

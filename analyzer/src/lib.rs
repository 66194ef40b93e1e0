//! Dump bytes to a verdict: `analyze` is pure; the worker loop around it is the only I/O.
#![forbid(unsafe_code)]

pub mod analysis;
mod analyze;
mod code;
pub mod deep;
mod hex;
mod kernel;
mod limits;
mod module_symbols;
mod os;
pub mod render;
mod text;
mod unreadable;
mod user;
mod worker;

pub use analysis::Analysis;
pub use analyze::{SourceError, analyze, analyze_source};
pub use blame::{Owners, OwnersConfig, OwnersError};
pub use dump::Source;
pub use limits::Limits;
pub use unreadable::Unreadable;
pub use worker::{Metrics, Stage, Worker, WorkerConfig, WorkerError, with_verdict};

/// Version of the report and of the rules: a newer one wins over an older row of the same crash.
pub const ANALYZER_VERSION: u32 = 1 + blame::RULES_VERSION;

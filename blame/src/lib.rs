//! Facts of a crash to a verdict: who is to blame, how sure that is, why, and the bucket id that Windows gives it.
//!
//! Pure and synchronous: no clock, no network, no dump. What bug checks mean is `dump`'s table; how each is judged is
//! `data/blame.toml`; who may be blamed is `data/drivers.json`. The rules are the functions in `kernel` and `user`.
#![forbid(unsafe_code)]

mod bucket;
mod engine;
mod facts;
mod kernel;
mod names;
mod owners;
mod plumbing;
mod scene;
mod schema;
mod table;
mod text;
mod user;
mod verdict;

pub use bucket::{hash, module_name};
pub use engine::{judge, symbol_name};
pub use facts::{
    Access, Exception, FACTS_VERSION, Facts, FactsError, Fault, Frame, HardwareError, Kind, Lead, Led,
    Module, Number, Origin, Place, Trust,
};
pub use names::fast_fail_name;
pub use owners::{Driver, Owner, Owners, OwnersConfig, OwnersError, is_kernel, known, unnamed};
pub use scene::always_live;
pub use schema::{facts_schema, schema_document, verdict_schema};
pub use text::is_deceptive;
pub use user::is_runtime;
pub use verdict::{Confidence, Culprit, HardwareSign, Rule, RunnerUp, Verdict};

/// Version of the rules and tables: it rises with every change that can move a verdict.
pub const RULES_VERSION: u32 = 2;

//! The project's own tables, compiled in: what each bug check and its parameters mean, which drivers are known and how
//! far they may be blamed. Parsed once, at first use. Owns lookups only; every opinion is in `blame`.

mod bugchecks;
mod drivers;
mod status;

pub(crate) use bugchecks::{BugCheck, Role, Strategy, bugcheck};
pub(crate) use drivers::{KnownDriver, Rank, driver, is_kernel};
pub(crate) use status::{fast_fail_name, status_name};

//! The project's own tables, compiled in: which drivers are known and how far they may be blamed, and names of codes.
//! Parsed once, at first use. Owns lookups only; every opinion is in `blame`. What bug checks mean is in `dump`.

mod drivers;
mod status;

pub(crate) use drivers::{KnownDriver, Rank, driver, is_kernel};
pub(crate) use status::fast_fail_name;

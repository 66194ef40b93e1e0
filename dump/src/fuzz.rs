//! What this crate promises of any bytes, as functions that panic where it does not hold: for fuzzers, which look for
//! such bytes, and for tests, which replay those that were found. The one place of the crate where an assertion is
//! the purpose; nothing else calls it.

mod facts;
mod identity;
mod parse;
mod slim;
mod sparse;

pub use facts::facts;
pub use identity::identity;
pub use parse::parse;
pub use slim::slim;
pub use sparse::{MOST_BYTES, expand, pack, piece};

/// All promises.
pub fn fuzz_one(bytes: &[u8]) {
    identity(bytes);
    parse(bytes);
    slim(bytes);
}

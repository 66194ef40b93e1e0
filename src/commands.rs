//! One file per command of the executable: arguments in, words out. Logic lives in the crates.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod drill;
pub(crate) mod explain;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod up;

//! Dump bytes to a verdict: `analyze` is pure; the worker loop around it is the only I/O.
#![forbid(unsafe_code)]

pub mod analysis;

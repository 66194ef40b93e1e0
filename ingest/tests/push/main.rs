//! Symbol files over HTTP: what is filed, what is refused, and whose it is, with a store and a database of their own.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail and speak as tests do")]

extern crate bluescope_ingest as ingest;

mod filed;
mod fixture;
mod refused;

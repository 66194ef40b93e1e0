//! Synthetic dumps: what each shape must say, and whole reports.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "synthetic/blame.rs"]
mod blame;
#[path = "synthetic/details.rs"]
mod details;
#[path = "synthetic/machine.rs"]
mod machine;
#[path = "synthetic/reports.rs"]
mod reports;

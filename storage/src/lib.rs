//! Everything that outlives a process: the queue, the blobs, ClickHouse's schema, rows and one file per question
//! asked of it. The only crate that names Kafka, ClickHouse, SQL and blob keys; it serves no HTTP and has no
//! opinion about blame.
#![forbid(unsafe_code)]

pub mod alert_store;
pub mod bench;
pub mod blobs;
pub mod database;
pub mod message;
pub mod questions;
pub mod queue;
pub mod reblame;
pub mod rows;
pub mod signals;
mod sqlite;
pub mod store_error;
pub mod symbols;

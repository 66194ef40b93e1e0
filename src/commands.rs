//! One file per command of the executable: arguments in, words out. Logic lives in the crates.

pub(crate) mod alerts;
pub(crate) mod bench;
pub(crate) mod blame;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod detector;
pub(crate) mod drill;
pub(crate) mod explain;
pub(crate) mod reblame;
pub(crate) mod receive;
pub(crate) mod schema;
pub(crate) mod send;
pub(crate) mod symbols;
pub(crate) mod up;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;

/// An address of this machine's own whose port was free a moment ago.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}

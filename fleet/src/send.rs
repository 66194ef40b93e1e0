//! Uploads real dumps, as a machine's own agent would: patiently, one answer for each.

use std::path::Path;

use anyhow::{Context, Result};

use crate::client::{Answer, Client};

/// Where to send to, and on whose behalf.
#[derive(Clone)]
pub struct Sender {
    client: Client,
    machine: Option<String>,
}

/// How one upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Durable at the server, as this crash.
    Accepted(String),
    /// Refused for good, and why.
    Rejected(String),
}

impl Sender {
    /// Uploads to the server at `url`; without a machine the server derives one.
    pub fn new(url: &str, token: Option<&str>, machine: Option<String>) -> Result<Self> {
        Ok(Self { client: Client::new(url, token, 1)?, machine })
    }

    /// Uploads one file.
    pub async fn send(&self, file: &Path) -> Result<Sent> {
        let dump = tokio::fs::read(file).await.with_context(|| format!("cannot read {}", file.display()))?;
        Ok(match self.client.upload_own(self.machine.as_deref(), dump.into()).await? {
            Answer::Accepted(accepted) => Sent::Accepted(accepted.crash_id),
            Answer::Rejected(reason) => Sent::Rejected(reason),
        })
    }
}

#[cfg(test)]
mod tests;

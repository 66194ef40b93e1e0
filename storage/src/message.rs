//! What travels through the queue: the dump itself, zstd-compressed, and one versioned JSON header about it.
//! Owns the header's shape across versions; never looks inside the dump.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version that this build writes. Every older one must still load: `tests/messages/`.
pub const META_VERSION: u32 = 1;

/// Everything known about one accepted upload apart from its bytes.
///
/// Unknown fields are ignored on purpose: during a rolling upgrade a new ingest meets an old analyzer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// [`META_VERSION`] of the writer.
    pub version: u32,
    /// Identity of the crash (not of the upload): a retry, a form and a slim copy share it.
    pub crash_id: Uuid,
    /// Who the token belongs to; empty in a single-tenant installation.
    pub tenant: String,
    /// The machine as it calls itself; the message key.
    pub machine: String,
    /// Rollout ring, empty where unknown.
    #[serde(default)]
    pub ring: String,
    /// Site (office, shop, data centre), empty where unknown.
    #[serde(default)]
    pub site: String,
    /// Network that the machine uploads from, as `192.0.2.0/24` or `2001:db8:1::/48`: the site of machines that name none.
    /// Empty where unknown. Headers written before there was one have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub network: String,
    /// Everything else the client said, capped by ingest.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When the last byte arrived, milliseconds since 1970 UTC.
    pub received_at_ms: i64,
    /// Length of the dump once inflated, in bytes.
    pub raw_len: u64,
    /// Where the bytes are.
    pub content: Content,
}

impl Meta {
    /// Reads a header. A newer version is read as far as this build knows it; one that lacks what every version has
    /// is malformed.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Malformed> {
        let meta: Self = serde_json::from_slice(bytes)
            .map_err(|error| Malformed { reason: format!("the header is not one of ours: {error}") })?;
        if meta.version == 0 {
            return Err(Malformed { reason: "the header says version 0, which never was".to_owned() });
        }
        Ok(meta)
    }

    /// Writes the header.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// A message whose header could not be read: somebody else wrote into the queue, or it is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// Why, in words.
    pub reason: String,
}

/// Where a message's dump is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The message value is the zstd-compressed dump.
    Inline,
    /// Too large for the queue: zstd-compressed in the blob store under this key.
    Blob(String),
}

/// One accepted upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The header.
    pub meta: Meta,
    /// The zstd-compressed dump where `meta.content` is inline, else empty.
    pub value: Bytes,
}

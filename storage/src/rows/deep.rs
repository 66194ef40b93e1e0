//! Rows of the deep path: analyses with symbols, and symbol files that arrived.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One analysis with symbols. The newest of a crash counts; it speaks for every crash of its fault site, which are the
/// seven fields from `tenant` to `bucket` as the crash's row has them.
#[derive(Debug, Clone, Default, PartialEq, Row, Serialize, Deserialize)]
pub struct DeepRow {
    /// Whose dump it was.
    #[serde(with = "clickhouse::serde::uuid")]
    pub crash_id: Uuid,
    /// The dump's own time, ms since 1970.
    pub crashed_at: i64,
    /// When the analysis began, ms since 1970: before it asked for the first file, so that one that arrives meanwhile
    /// counts as later.
    pub analysed_at: i64,
    /// Tenant.
    pub tenant: String,
    /// `kernel`, `live`, `user`.
    pub kind: String,
    /// Blamed driver or module.
    pub driver: String,
    /// Its PE timestamp.
    pub driver_timestamp: u32,
    /// Its PE size.
    pub driver_size: u32,
    /// Offset of the fault inside it.
    pub fault_offset: u64,
    /// Bucket id without symbols.
    pub bucket: String,
    /// Version of the analyzer's rules.
    pub analyzer_version: u32,
    /// Bucket id with symbols: `AV_csagent!Function`.
    pub deep_bucket: String,
    /// Its hash.
    pub deep_bucket_hash: String,
    /// `high`, `medium`, `low`, `none`.
    pub deep_confidence: String,
    /// The whole analysis as JSON.
    pub report: String,
    /// Canonical ids (`name/key`, lower case) of files that were wanted and not found.
    pub missing: Vec<String>,
    /// Beside each of them `image` or `pdb`.
    pub missing_kinds: Vec<String>,
    /// When to analyse again because a source did not answer, ms since 1970; 0: only when a file arrives.
    pub retry_at: i64,
}

/// A symbol file that somebody pushed.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SymbolFileRow {
    /// Tenant of the token.
    pub tenant: String,
    /// Canonical id: `crash.pdb/3249d99d0c4049318610f4e4fb0b69361`.
    pub id: String,
    /// `image`, `pdb`, `sym`.
    pub kind: String,
    /// Name of the file itself.
    pub file_name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was there to be fetched, ms since 1970.
    pub arrived_at: i64,
}

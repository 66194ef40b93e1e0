//! The rows as ClickHouse holds them. Field order and names are the table's own; `schema/` has the columns.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod deep;

pub use self::deep::{DeepRow, SymbolFileRow};

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Read and blamed.
    Analysed,
    /// Accepted, but the bytes are no dump that can be read; `problem` says why.
    Unreadable,
    /// Given up on (damaged in the queue, blob gone, the analysis itself failed); also in the dead-letter topic.
    DeadLetter,
}

impl Outcome {
    /// The column's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Analysed => "analysed",
            Self::Unreadable => "unreadable",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// One crash, keyed by `(crashed_at, crash_id)`: inserting it twice leaves one row.
#[derive(Debug, Clone, Default, PartialEq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CrashRow {
    /// Identity of the crash.
    #[serde(with = "clickhouse::serde::uuid")]
    pub crash_id: Uuid,
    /// The dump's own time, ms since 1970; 0 where it has none. A function of the crash alone, never of the upload.
    pub crashed_at: i64,
    /// When the upload arrived, ms since 1970.
    pub received_at: i64,
    /// When it became a row, ms since 1970: later than its arrival where the analyzer is behind.
    pub stored_at: i64,
    /// Tenant of the token.
    pub tenant: String,
    /// Machine.
    pub machine: String,
    /// Ring.
    pub ring: String,
    /// Site.
    pub site: String,
    /// Other things the client said.
    pub tags: Vec<(String, String)>,
    /// [`Outcome::as_str`].
    pub outcome: String,
    /// Why it could not be (fully) read; empty when all went well.
    pub problem: String,
    /// `kernel`, `live` (live kernel dump, the machine kept running) or `user`; empty when unreadable.
    pub kind: String,
    /// Bug check code, masked to its documented value; 0 for user-mode.
    pub bugcheck: u32,
    /// `DRIVER_IRQL_NOT_LESS_OR_EQUAL`; the exception's name for user-mode.
    pub bugcheck_name: String,
    /// The four parameters (kernel) or the exception's information words (user).
    pub parameters: Vec<u64>,
    /// NTSTATUS of the exception where one is known, else 0.
    pub exception_code: u32,
    /// What is blamed: `driver`, `module` (user-mode), `hardware`, `process`, `manual`, `unknown`.
    pub culprit: String,
    /// Base name of the blamed driver or module, lower case; empty when `culprit` is none of those.
    pub driver: String,
    /// PE timestamp of the blamed image.
    pub driver_timestamp: u32,
    /// PE size of the blamed image.
    pub driver_size: u32,
    /// Offset of the fault inside the blamed image.
    pub fault_offset: u64,
    /// Bucket id in WinDbg's grammar.
    pub bucket: String,
    /// `FAILURE_ID_HASH`, `{...}` form.
    pub bucket_hash: String,
    /// `high`, `medium`, `low`, `none`.
    pub confidence: String,
    /// Name of the rule that decided.
    pub rule: String,
    /// Image name of the current process.
    pub process: String,
    /// OS build (19041).
    pub os_build: u32,
    /// OS update build revision, 0 where unknown.
    pub os_ubr: u32,
    /// `x64`, `arm64`, `x86`.
    pub arch: String,
    /// Processor name.
    pub cpu: String,
    /// System vendor from SMBIOS.
    pub vendor: String,
    /// System model from SMBIOS.
    pub model: String,
    /// BIOS version from SMBIOS.
    pub bios: String,
    /// Seconds since boot at the crash.
    pub uptime_s: u64,
    /// Loaded drivers, lower-case base names, in load order.
    pub drivers: Vec<String>,
    /// Their PE timestamps.
    pub driver_timestamps: Vec<u32>,
    /// Their PE sizes.
    pub driver_sizes: Vec<u32>,
    /// Those of them that are not Windows' own, at most 96.
    pub third_party: Vec<String>,
    /// Their PE timestamps.
    pub third_party_timestamps: Vec<u32>,
    /// Their PE sizes.
    pub third_party_sizes: Vec<u32>,
    /// Modules on the stack, lower-case base names, each once, as far down as the report lists it. Empty in rows from
    /// before there was such a column.
    pub stack_modules: Vec<String>,
    /// The whole analysis as JSON.
    pub report: String,
    /// What the verdict was decided on, as JSON: changed rules are replayed on it. Empty where nothing was analysed, and
    /// in rows from before there was such a column.
    pub facts: String,
    /// What the crash by itself says about the hardware: empty, `machine check`, `memory` or `single bit`.
    pub hardware_sign: String,
    /// Version of the analyzer's rules.
    pub analyzer_version: u32,
    /// Inflated size of the dump.
    pub raw_len: u64,
    /// Key of the kept dump in the blob store; empty where it was not kept.
    pub blob: String,
    /// Which form of one crash wins: newer rules first, then the larger dump.
    pub revision: u64,
    /// Which queue delivered it: the ledger counts deliveries by queue, partition and offset.
    pub queue_id: String,
    /// Partition.
    pub queue_partition: i32,
    /// Offset.
    pub queue_offset: i64,
}

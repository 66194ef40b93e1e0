//! The stream that the detector reads: verdicts, signs of life, inventories and changes, in the order in which they
//! came in. One small enum over an embedded log and a Kafka topic. Owns the stream's durability and its shape; never
//! keeps a reader's position, which the detector stores beside the state that it belongs to.

mod kafka;
mod log;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::message::Malformed;
pub use crate::queue::{BatchLimits, KafkaConfig};
use crate::store_error::StoreError;

/// Why the stream did not do what it was asked.
pub type SignalsError = StoreError;

/// What the stream is called in errors.
const STORE: &str = "the stream of signals";

/// Third-party images that a [`CrashSignal`] names at most. Real dumps have 18 of them on average and 70 at most; each costs
/// 40 bytes.
pub const MOST_MODULES: usize = 96;

/// Something the detector is told. Whoever makes one has capped its strings already.
///
/// The values that are stored carry a version, and unknown fields are ignored: during a rolling upgrade a new analyzer
/// meets an old detector. So fields are only ever added, each with a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Analysed crashes.
    Crashes(Vec<CrashSignal>),
    /// Signs of life.
    Beats(Vec<BeatSignal>),
    /// What machines run.
    Installs(Vec<InstallSignal>),
    /// Something was changed on purpose.
    Change(ChangeSignal),
}

/// One analysed crash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashSignal {
    /// Identity of the crash: it may come more than once.
    pub crash_id: Uuid,
    /// Whose machine; empty in a single-tenant installation.
    pub tenant: String,
    /// The machine as it calls itself.
    pub machine: String,
    /// When it happened by the machine's own clock, ms since 1970; 0 where unknown.
    pub crashed_at_ms: i64,
    /// When the upload arrived.
    pub arrived_at_ms: i64,
    /// Base name of the blamed image, lower case; empty where nobody is blamed.
    pub driver: String,
    /// Its PE timestamp.
    pub timestamp: u32,
    /// Its PE size.
    pub size: u32,
    /// Where in it.
    pub fault_offset: u64,
    /// Bug check code.
    pub bugcheck: u32,
    /// Build of Windows.
    pub os_build: u32,
    /// Bucket id.
    pub bucket: String,
    /// Model of the machine.
    pub model: String,
    /// BIOS version.
    pub bios: String,
    /// Rollout ring; empty where unknown.
    pub ring: String,
    /// Site; empty where unknown.
    pub site: String,
    /// Network that it was uploaded from; empty where unknown.
    pub network: String,
    /// `kernel`.
    pub kind: String,
    /// `high`, `medium`, `low`, `none`.
    pub confidence: String,
    /// Third-party images that were loaded: name, PE timestamp, PE size. The blamed one is among them. At most
    /// [`MOST_MODULES`].
    pub modules: Vec<(String, u32, u32)>,
}

/// A machine says that it lives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BeatSignal {
    /// Whose machine.
    pub tenant: String,
    /// Which.
    pub machine: String,
    /// When it arrived, ms since 1970.
    pub at_ms: i64,
    /// It is going down on purpose.
    pub farewell: bool,
}

/// What a machine is and runs, in full: it replaces what was known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstallSignal {
    /// Whose machine.
    pub tenant: String,
    /// Which.
    pub machine: String,
    /// When it arrived, ms since 1970.
    pub at_ms: i64,
    /// Site.
    pub site: String,
    /// Ring.
    pub ring: String,
    /// Model.
    pub model: String,
    /// Build of Windows.
    pub os_build: u32,
    /// Drivers that it loads.
    pub drivers: Vec<DriverSignal>,
}

/// A driver of an inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriverSignal {
    /// Base name, lower case.
    pub name: String,
    /// Version as its file says; empty where not told.
    pub version: String,
    /// PE timestamp; 0 where not told.
    pub timestamp: u32,
    /// PE size; 0 where not told.
    pub size: u32,
}

/// Something that was changed on purpose: a rollout, a content update, a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeSignal {
    /// Identity: told twice it is one.
    pub id: Uuid,
    /// Whose fleet.
    pub tenant: String,
    /// When it began, ms since 1970.
    pub at_ms: i64,
    /// What: a driver's base name, or any name that people know.
    pub what: String,
    /// Its version in the owner's words.
    pub version: String,
    /// PE timestamp of the new image, where known; else 0.
    pub timestamp: u32,
    /// Which ring; empty for all.
    pub ring: String,
    /// Who makes it.
    pub vendor: String,
}

/// Where the stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalsConfig {
    /// A log of its own in this folder; one process at a time.
    Log {
        /// Folder; created when missing.
        dir: PathBuf,
        /// The oldest are dropped when it holds more than this.
        keep_bytes: u64,
        /// They are dropped when they are older than this.
        keep_ms: i64,
    },
    /// The topic `<topic>.signals` beside the queue's; created when missing.
    Kafka(KafkaConfig),
}

impl SignalsConfig {
    /// How long signals are kept by default: a detector that was away over a long weekend still sees it.
    pub const KEEP_MS: i64 = 3 * 86_400_000;
    /// How much of them.
    pub const KEEP_BYTES: u64 = 2 << 30;

    /// A log in a folder, with the usual limits.
    pub fn log(dir: PathBuf) -> Self {
        Self::Log { dir, keep_bytes: Self::KEEP_BYTES, keep_ms: Self::KEEP_MS }
    }
}

/// Where a reader stands: the next offset of each partition. Empty: at the oldest that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(pub BTreeMap<i32, i64>);

/// One signal as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// When it was appended, ms since 1970. Does not go back within a partition, unless a clock was set back by hours.
    pub at_ms: i64,
    /// Partition, and the offset behind it.
    pub mark: (i32, i64),
    /// The signal, or why it is none.
    pub signal: Result<Signal, Malformed>,
}

/// A handle on the stream; clones share it.
#[derive(Debug, Clone)]
pub enum Signals {
    /// An embedded log.
    Log(log::SignalLog),
    /// A Kafka topic.
    Kafka(kafka::SignalTopic),
}

impl Signals {
    /// Opens the stream, creating what is missing.
    pub async fn open(config: &SignalsConfig) -> Result<Self, SignalsError> {
        match config {
            SignalsConfig::Log { dir, keep_bytes, keep_ms } => {
                log::SignalLog::open(dir.clone(), *keep_bytes, *keep_ms).await.map(Self::Log)
            }
            SignalsConfig::Kafka(config) => kafka::SignalTopic::open(config).await.map(Self::Kafka),
        }
    }

    /// Appends signals in their order; `Ok` means durable. Concurrent callers share one fsync or one producer's
    /// batches. Large ones are divided: what is read is the same content in more pieces.
    ///
    /// After an error some of them may be there, and all come once more when the call is repeated: readers count
    /// distinct machines, crashes and changes.
    pub async fn append(&self, signals: Vec<Signal>) -> Result<(), SignalsError> {
        let values = wire::encode(&signals)?;
        if values.is_empty() {
            return Ok(());
        }
        match self {
            Self::Log(log) => log.append(values).await,
            Self::Kafka(topic) => topic.append(values).await,
        }
    }

    /// A reader that goes on where `from` says. Any number of them may read; none moves another.
    pub async fn reader(&self, from: &Marks) -> Result<SignalReader, SignalsError> {
        match self {
            Self::Log(log) => log.reader(from).await.map(SignalReader::Log),
            Self::Kafka(topic) => {
                topic.reader(from).await.map(|reader| SignalReader::Kafka(Box::new(reader)))
            }
        }
    }

    /// Finishes what is under way and lets go of the files or connections. Every other handle fails from then on.
    pub async fn close(self) {
        match self {
            Self::Log(log) => log.close().await,
            Self::Kafka(topic) => topic.close().await,
        }
    }
}

/// A reader of the stream. Its position is its own.
#[derive(Debug)]
pub enum SignalReader {
    /// Of an embedded log.
    Log(log::LogReader),
    /// Of a Kafka topic.
    Kafka(Box<kafka::TopicReader>),
}

impl SignalReader {
    /// The next signals in order; empty after `limits.wait` without one. `limits.bytes` counts stored values.
    /// Cancel-safe: a dropped call loses nothing.
    pub async fn next(&mut self, limits: BatchLimits) -> Result<Vec<Received>, SignalsError> {
        match self {
            Self::Log(reader) => reader.next(limits).await,
            Self::Kafka(reader) => reader.next(limits).await,
        }
    }

    /// Where it stands: behind everything that [`Self::next`] has returned.
    pub fn marks(&self) -> Marks {
        match self {
            Self::Log(reader) => reader.marks(),
            Self::Kafka(reader) => reader.marks(),
        }
    }

    /// How many stored values are still before it.
    pub async fn lag(&self) -> Result<u64, SignalsError> {
        match self {
            Self::Log(reader) => reader.lag().await,
            Self::Kafka(reader) => reader.lag().await,
        }
    }
}

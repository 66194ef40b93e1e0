//! The one configuration file: a struct per section, every key optional, each limit with its reason beside it.
//! Owns loading, environment overrides and the list of faults; never opens anything that the config names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use analyzer::{Owners, OwnersConfig};
use bytesize::ByteSize;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

mod access;
mod alerts;
mod faults;
mod load;

pub(crate) use self::access::Access;
pub(crate) use self::alerts::{Alerts, Target};
pub(crate) use self::load::load;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The HTTP port and the data folder.
    pub server: Server,
    /// Who may look, respond and administer.
    pub access: Access,
    /// Logs.
    pub log: Log,
    /// Intake of dumps.
    pub ingest: Ingest,
    /// What lies between intake and analysis.
    pub queue: Queue,
    /// What the detector reads.
    pub signals: Signals,
    /// ClickHouse.
    pub database: Database,
    /// Reading and blaming.
    pub analyzer: Analyzer,
    /// Who may be blamed, beyond what the table of drivers says.
    pub blame: OwnersConfig,
    /// Symbol files: true stacks and function names.
    pub symbols: Symbols,
    /// Detection, and who is told.
    pub alerts: Alerts,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Address of the one port: uploads, pages, API, health, metrics.
    pub listen: SocketAddr,
    /// Folder of everything that outlives the process.
    pub data: PathBuf,
    /// How people reach the pages: the base of links in notifications. Default: `http://` + `listen`.
    pub public_url: Option<String>,
    /// Whoever has it may do what a responder may: a token of before there was `[access]`. Alone, it leaves looking to
    /// everybody.
    pub acts_token: Option<SecretString>,
    /// Connections at once; the next one waits in the kernel's backlog. 4,096 keeps the file table below the usual
    /// limit of 8,192.
    pub max_connections: usize,
    /// How long a client may take to send a request's head: slow-loris clients hold no slot for longer.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub head_timeout: Duration,
    /// How long a stop waits for uploads under way.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub shutdown_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("data"),
            public_url: None,
            acts_token: None,
            max_connections: 4096,
            head_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

impl Server {
    /// The base of every link that leaves this process.
    pub(crate) fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }
}

/// The minidump crate warns of every register set that is newer than it; a fleet's worth of that hides the rest.
const DEFAULT_FILTER: &str = "info,minidump=error,minidump_unwind=error";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people where standard error is a terminal, else JSON.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Look of the lines.
    pub format: LogFormat,
    /// What is logged, as `tracing` filters say it: `info`, `info,analyzer=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: DEFAULT_FILTER.to_owned() }
    }
}

/// One accepted token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// The secret; clients send it as `Authorization: Bearer`.
    pub token: SecretString,
    /// Whose machines these are; empty where there is one fleet.
    #[serde(default)]
    pub tenant: String,
}

/// `[ingest]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ingest {
    /// Who may upload. None: anybody who reaches the port.
    pub tokens: Vec<Token>,
    /// Largest dump, inflated. Small dumps reach 4 MB; the default leaves room for those with much secondary data.
    pub max_dump: ByteSize,
    /// Largest compressed dump that travels inside the queue; Kafka's default message limit is 1 MB.
    pub max_inline: ByteSize,
    /// Memory that all uploads under way may hold together; the next waits shortly, then gets 503. An upload takes 2
    /// to 4 MiB of it (10 where a zstd body asks for the largest window), so the default is some 200 at once.
    pub max_in_flight: ByteSize,
    /// Longest an upload may take in all.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub timeout: Duration,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            max_dump: ByteSize::mib(64),
            max_inline: ByteSize::kib(900),
            max_in_flight: ByteSize::mib(512),
            timeout: Duration::from_secs(120),
        }
    }
}

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum QueueKind {
    /// The durable log in the data folder.
    Embedded,
    /// Apache Kafka.
    Kafka,
}

/// `[queue]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Queue {
    /// Which one.
    pub kind: QueueKind,
    /// The embedded log holds at most this much; then uploads get 503 until the analyzer has caught up.
    pub max_size: ByteSize,
    /// Kafka: `host:port,host:port`.
    pub brokers: String,
    /// Kafka: topic of accepted dumps.
    pub topic: String,
    /// Kafka: topic of those that were given up on. Default: topic + `.dead`.
    pub dead_letter_topic: Option<String>,
    /// Kafka: consumer group of the analyzers.
    pub group: String,
    /// Kafka: partitions where the topic has to be created; the most analyzers that can share the work.
    pub partitions: i32,
    /// Kafka: replicas where the topic has to be created.
    pub replication: i32,
    /// Kafka: further librdkafka settings, such as TLS and SASL.
    pub options: BTreeMap<String, String>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            kind: QueueKind::Embedded,
            max_size: ByteSize::gib(10),
            brokers: String::new(),
            topic: "bluescope.dumps".to_owned(),
            dead_letter_topic: None,
            group: "bluescope-analyzers".to_owned(),
            partitions: 12,
            replication: 1,
            options: BTreeMap::new(),
        }
    }
}

/// `[signals]`: the stream of verdicts, heartbeats and inventories. With Kafka it is the topic `<queue.topic>.signals`, and
/// what is kept is the topic's business.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Signals {
    /// How long they are kept: a detector that was away for less misses nothing.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub keep: Duration,
    /// How much of them. A crash takes 300 to 1,200 bytes, a heartbeat 3 to 100.
    pub max_size: ByteSize,
}

impl Default for Signals {
    fn default() -> Self {
        Self { keep: Duration::from_hours(72), max_size: ByteSize::gib(2) }
    }
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    /// A ClickHouse server, `http(s)://host:8123`. None: the engine inside this process.
    pub url: Option<String>,
    /// Its user.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// Database; created when missing.
    pub database: String,
    /// libchdb.so for the embedded engine. None: `LIBCHDB`, then the usual places.
    pub library: Option<PathBuf>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            user: "default".to_owned(),
            password: SecretString::from(String::new()),
            database: "bluescope".to_owned(),
            library: None,
        }
    }
}

/// `[analyzer]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Analyzer {
    /// Dumps analysed at once. None: one for each core.
    pub threads: Option<usize>,
    /// Dumps kept of each bucket and day; the rest is dropped once its facts are a row.
    pub keep_per_bucket: u32,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self { threads: None, keep_per_bucket: 20 }
    }
}

/// A symbol source: where it is, or that with what it needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Source {
    /// `https://host/path`, `/folder`, `s3://bucket/prefix`.
    Place(String),
    /// The same with settings.
    Settings(SourceSettings),
}

/// A symbol source that needs more than its place.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSettings {
    /// As [`Source::Place`].
    pub url: String,
    /// Sent as `Authorization: Bearer`, to that host only.
    pub token: Option<SecretString>,
    /// Whether it may redirect to private addresses. Its own address may be one in any case.
    #[serde(default)]
    pub allow_private: bool,
    /// Settings of an object store: `aws_endpoint`, `aws_region`, ...
    #[serde(default)]
    pub options: BTreeMap<String, SecretString>,
}

/// `[symbols]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Symbols {
    /// Where to look, in this order, after what was pushed. None: only pushed files are used.
    pub sources: Vec<Source>,
    /// Asks nobody outside of this machine, whatever `sources` says: only folders and pushed files are used.
    pub offline: bool,
    /// How much of what was fetched is kept on disk.
    pub cache: ByteSize,
    /// How much of it is kept loaded in memory.
    pub memory: ByteSize,
    /// Largest symbol file, fetched or pushed. PDBs of the kernel have 20 MB, those of browsers above 1 GB.
    pub max_file: ByteSize,
    /// Dumps analysed with symbols at once: mostly they wait for servers.
    pub threads: usize,
    /// Crashes of a bucket that are analysed with symbols, beside one of each fault site.
    pub per_bucket: u32,
}

impl Default for Symbols {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            offline: false,
            cache: ByteSize::gib(20),
            memory: ByteSize::gib(1),
            max_file: ByteSize::gib(2),
            threads: 4,
            per_bucket: 3,
        }
    }
}

impl Config {
    /// Folder of the embedded queue.
    pub(crate) fn queue_dir(&self) -> PathBuf {
        self.server.data.join("queue")
    }

    /// Folder of the embedded stream of signals.
    pub(crate) fn signals_dir(&self) -> PathBuf {
        self.server.data.join("signals")
    }

    /// Folder of the detector's state and of the outbox.
    pub(crate) fn alerts_dir(&self) -> PathBuf {
        self.server.data.join("alerts")
    }

    /// Folder of the embedded ClickHouse.
    pub(crate) fn clickhouse_dir(&self) -> PathBuf {
        self.server.data.join("clickhouse")
    }

    /// Who may be blamed.
    pub(crate) fn owners(&self) -> anyhow::Result<Owners> {
        // `load` has told every fault of the lists already.
        Owners::new(&self.blame).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("blame: {}", faults.join("; "))
        })
    }

    /// Folder of fetched symbol files.
    pub(crate) fn symbols_dir(&self) -> PathBuf {
        self.server.data.join("symbols")
    }

    /// Folder of large and kept dumps, and of pushed symbol files.
    pub(crate) fn blobs_dir(&self) -> PathBuf {
        self.server.data.join("blobs")
    }
}

/// The file that is read when none is named: `bluescope.toml`, where it exists.
pub(crate) const DEFAULT_FILE: &str = "bluescope.toml";

/// The file to read: the one named, or the default one where it exists.
pub(crate) fn file_to_read(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_path_buf).or_else(|| {
        let default = PathBuf::from(DEFAULT_FILE);
        default.exists().then_some(default)
    })
}

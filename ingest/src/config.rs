//! Every limit of the intake, each with its reason. Owns defaults; reads no file and no environment.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

/// A token and whom it belongs to.
#[derive(Clone)]
pub struct Token {
    /// What the client presents.
    pub token: SecretString,
    /// The tenant its crashes are counted under; empty in a single-tenant installation.
    pub tenant: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// What the intake accepts and how much of it at once.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// Who may upload. Empty: everybody, which makes sense on loopback only.
    pub tokens: Vec<Token>,
    /// Longest dump once inflated, and longest body on the wire.
    pub max_upload_bytes: u64,
    /// Longest compressed dump that travels inside the queue's message; a longer one goes to the blob store.
    pub max_inline_bytes: usize,
    /// Memory that all uploads together may hold. Beyond it they wait for `admission_wait`, then get a 503.
    pub max_in_flight_bytes: usize,
    /// How long an upload waits for its share of that memory.
    pub admission_wait: Duration,
    /// Longest time for one whole body.
    pub body_timeout: Duration,
    /// Longest pause between two parts of a body.
    pub idle_timeout: Duration,
    /// How much longer than its compressed form a body may become.
    pub max_ratio: u64,
}

/// How long a rejected body is read on, so that its sender gets to read the answer: see `body::Incoming::drain`.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(1);
/// A sender that pauses this long waits for the answer.
pub(crate) const DRAIN_PAUSE: Duration = Duration::from_millis(200);
/// And how much of it at most.
pub(crate) const DRAIN_BYTES: u64 = 4 * 1024 * 1024;
/// What a form may hold besides its dump: Crashpad sends some tens of short annotations, Breakpad a log at times.
pub(crate) const FORM_ROOM: u64 = 1024 * 1024;

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            // Kernel small dumps end at 4 MiB; user minidumps with heap reach some tens. A full memory dump is not
            // for this way in.
            max_upload_bytes: 256 * 1024 * 1024,
            // Kafka's usual limit of a message is 1 MiB: dump, header and framing fit below it.
            max_inline_bytes: 900 * 1024,
            // A third of a 2 GiB container; some 300 raw uploads at once, see `admission`.
            max_in_flight_bytes: 512 * 1024 * 1024,
            // Less than a client waits before it calls a server dead, long enough for some uploads to finish.
            admission_wait: Duration::from_secs(2),
            // 4 MiB in two minutes is 35 kB/s: a shop on a telephone line gets through.
            body_timeout: Duration::from_secs(120),
            // A live connection that sends nothing for this long is stuck or hostile.
            idle_timeout: Duration::from_secs(15),
            // Real dumps compress 4 to 20 times, mostly empty ones some 100 times; bombs start at 1000.
            max_ratio: 300,
        }
    }
}

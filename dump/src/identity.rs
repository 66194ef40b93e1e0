//! The identity of a crash: the same for every file that tells of the same crash, so that retries, the kernel's small
//! dump and Windows Error Reporting's shrunk copy count once. Reads the head of a dump only; never its memory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::Bytes;
use crate::header::{self, Header};
use crate::time::FileTime;
use crate::user;

/// How much of a dump [`identify`] may look at.
pub const HEAD_LEN: usize = 64 * 1024;

/// 1990-01-01 and 2100-01-01 in ms since 1970: clocks outside are broken, and such a time says nothing.
const SANE_MS: std::ops::Range<i64> = 631_152_000_000..4_102_444_800_000;

/// Identity of a crash: a UUID (version 8) of the dump's own time in ms since 1970 (48 bits; 0 where it has none or an
/// absurd one) and a hash of the crash's natural key. Ids sort by the time of the crash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashId(pub [u8; 16]);

/// Kind of a dump, as its first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DumpFormat {
    /// A dump of a 64-bit kernel.
    Kernel64,
    /// A dump of a 32-bit kernel.
    Kernel32,
    /// A minidump of a process.
    User,
}

/// What [`identify`] learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Identity of the crash.
    pub id: CrashId,
    /// Kind of the dump.
    pub format: DumpFormat,
    /// Time of the crash, as the dump has it.
    pub time: Option<FileTime>,
    /// The time within the id: ms since 1970, 0 where the dump has none or an absurd one.
    pub crashed_at_ms: i64,
}

/// Why a file is no dump that can be identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifyError {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// The first bytes are none of a dump.
    #[error("not a crash dump: begins with {}", .0.escape_ascii())]
    NotADump(FirstBytes),
    /// A header that is needed ends outside the file.
    #[error("cut short: {len} bytes of at least {needed}")]
    Truncated {
        /// Bytes the headers need.
        needed: u64,
        /// Bytes there are.
        len: u64,
    },
}

/// The first bytes of a file, zeros where it has fewer.
pub type FirstBytes = [u8; 8];

impl IdentifyError {
    /// `empty`, `not_a_dump`, `truncated`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotADump(_) => "not_a_dump",
            Self::Truncated { .. } => "truncated",
        }
    }
}

/// Identifies a crash by the head of its dump.
///
/// `head` is the beginning of the dump (what lies behind [`HEAD_LEN`] is not looked at, so that the answer does not
/// depend on how much was at hand), `digest` the BLAKE3 hash of all of it, `total_len` its length.
///
/// # Errors
/// Where the bytes are no dump, or a header is cut.
pub fn identify(head: &[u8], digest: &[u8; 32], total_len: u64) -> Result<Identity, IdentifyError> {
    let head = Bytes(head.get(..HEAD_LEN).unwrap_or(head));
    if head.0.is_empty() {
        return Err(IdentifyError::Empty);
    }
    if let Some(layout) = header::layout_of(head) {
        let header = header::read(head, layout)
            .ok_or(IdentifyError::Truncated { needed: layout.header.size, len: total_len.min(head.len()) })?;
        return Ok(identify_kernel(&header, digest));
    }
    if head.0.starts_with(&user::SIGNATURE) {
        return identify_user(head, digest, total_len);
    }
    Err(IdentifyError::NotADump(first_bytes(head)))
}

/// The first bytes, zeros where there are fewer.
pub(crate) fn first_bytes(file: Bytes<'_>) -> FirstBytes {
    let mut first = FirstBytes::default();
    for (to, from) in first.iter_mut().zip(file.0) {
        *to = *from;
    }
    first
}

fn identify_kernel(header: &Header, digest: &[u8; 32]) -> Identity {
    let format = if header.bits == 64 { DumpFormat::Kernel64 } else { DumpFormat::Kernel32 };
    let mut key = Key::new(format);
    // Without the upper digit: a full dump has 0x7E where a small one of the same crash has 0x1000007E.
    key.number((header.bugcheck_raw & 0x0FFF_FFFF).into());
    for parameter in header.parameters {
        key.number(parameter);
    }
    key.number(header.ps_loaded_module_list);
    key.number(header.kd_debugger_data_block);
    match header.system_time {
        Some(time) => key.number(time.0),
        // What is left may be the same in two crashes of one machine.
        None => key.bytes(digest),
    }
    key.identity(format, header.system_time)
}

fn identify_user(head: Bytes<'_>, digest: &[u8; 32], total_len: u64) -> Result<Identity, IdentifyError> {
    let facts =
        user::read(head, total_len).map_err(|needed| IdentifyError::Truncated { needed, len: total_len })?;
    let mut key = Key::new(DumpFormat::User);
    key.number(facts.timestamp.into());
    match facts.exception {
        Some(exception) => {
            key.optional(facts.process_id);
            key.optional(facts.process_create_time);
            key.number(exception.code.into());
            key.number(exception.address);
            key.number(exception.thread_id.into());
        }
        None => key.bytes(digest),
    }
    let time = (facts.timestamp != 0).then(|| FileTime::from_unix_seconds(facts.timestamp));
    Ok(key.identity(DumpFormat::User, time))
}

/// The natural key of a crash, hashed field by field in a fixed order.
struct Key(blake3::Hasher);

impl Key {
    fn new(format: DumpFormat) -> Self {
        let mut key = Self(blake3::Hasher::new());
        key.bytes(b"bluescope crash 1 ");
        key.bytes(format.as_str().as_bytes());
        key
    }

    fn number(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn optional(&mut self, value: Option<u32>) {
        // no u32 is this
        self.number(value.map_or(u64::MAX, u64::from));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn identity(self, format: DumpFormat, time: Option<FileTime>) -> Identity {
        let crashed_at_ms = time.map(FileTime::unix_ms).filter(|ms| SANE_MS.contains(ms)).unwrap_or(0);
        Identity {
            id: CrashId::new(crashed_at_ms, *self.0.finalize().as_bytes()),
            format,
            time,
            crashed_at_ms,
        }
    }
}

impl CrashId {
    fn new(ms: i64, hash: [u8; 32]) -> Self {
        let [_, _, t0, t1, t2, t3, t4, t5] = ms.to_be_bytes();
        let [h0, h1, h2, h3, h4, h5, h6, h7, h8, h9, ..] = hash;
        let version_8 = 0x80 | (h0 & 0x0F);
        let variant = 0x80 | (h2 & 0x3F);
        Self([t0, t1, t2, t3, t4, t5, version_8, h1, variant, h3, h4, h5, h6, h7, h8, h9])
    }
}

/// `0198ff2e-6a13-8b6f-9f8c-2d54a1f0c3b7`
impl fmt::Display for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no [`CrashId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a crash id: expected a hyphenated UUID")]
pub struct ParseCrashIdError;

impl FromStr for CrashId {
    type Err = ParseCrashIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = u128::from_str_radix(&text.replace('-', ""), 16).map_err(|_| ParseCrashIdError)?;
        let id = Self(value.to_be_bytes());
        // the one accepted form is the one that is printed
        if text.eq_ignore_ascii_case(&id.to_string()) { Ok(id) } else { Err(ParseCrashIdError) }
    }
}

impl Serialize for CrashId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CrashId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl DumpFormat {
    /// `kernel64`, `kernel32`, `user`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kernel64 => "kernel64",
            Self::Kernel32 => "kernel32",
            Self::User => "user",
        }
    }
}

impl fmt::Display for DumpFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

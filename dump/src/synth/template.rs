//! Many distinct dumps from one: the areas stay, the header's facts of the crash change. As cheap as a copy.

use super::SmallDump;
use super::header::has_boot_id;

/// How far into the file a [`Template`] changes bytes; everything from here on is the same in all its dumps.
pub const PATCHED_BYTES: usize = 0x1058;

/// What makes two dumps of one template two crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// FILETIME.
    pub system_time: u64,
    /// 100 ns since boot.
    pub uptime: u64,
    /// The four parameters.
    pub parameters: [u64; 4],
    /// Boot counter; left out of the debugger engine's form, which has none.
    pub boot_id: u32,
}

/// A dump, ready to be written again with another [`Crash`].
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    is_64_bit: bool,
    has_boot_id: bool,
}

impl Template {
    /// Writes the dump once.
    pub fn new(dump: &SmallDump) -> Self {
        Self { bytes: dump.to_bytes(), is_64_bit: dump.machine().is_64_bit(), has_boot_id: has_boot_id(dump) }
    }

    /// The dump as described.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A whole dump of `crash`.
    pub fn with(&self, crash: &Crash) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        self.patch(&mut bytes, crash);
        bytes
    }

    /// The first [`PATCHED_BYTES`] of a dump of `crash`; the rest is that of [`Self::bytes`].
    pub fn head(&self, crash: &Crash) -> Vec<u8> {
        let mut head = self.bytes[..PATCHED_BYTES].to_vec();
        self.patch(&mut head, crash);
        head
    }

    fn patch(&self, bytes: &mut [u8], crash: &Crash) {
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let (first, word, time, uptime, boot_id) =
            if self.is_64_bit { (0x040, 8, 0xfa8, 0x1030, 0x1054) } else { (0x02c, 4, 0xfc0, 0xfb8, 0x8a4) };
        for (place, parameter) in crash.parameters.into_iter().enumerate() {
            put(first + word * place, &parameter.to_le_bytes()[..word]);
        }
        put(time, &crash.system_time.to_le_bytes());
        put(uptime, &crash.uptime.to_le_bytes());
        if self.has_boot_id {
            put(boot_id, &crash.boot_id.to_le_bytes());
        }
    }
}

//! Many distinct dumps from one: the areas stay, the header's facts of the crash change. As cheap as a copy.

use super::SmallDump;

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
    has_boot_id: bool,
}

impl Template {
    /// Writes the dump once.
    pub fn new(dump: &SmallDump) -> Self {
        Self { bytes: dump.to_bytes(), has_boot_id: dump.writer == super::SynthWriter::Kernel }
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
        let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        for (place, parameter) in crash.parameters.into_iter().enumerate() {
            put(0x040 + 8 * place, parameter);
        }
        put(0xfa8, crash.system_time);
        put(0x1030, crash.uptime);
        if self.has_boot_id {
            bytes[0x1054..0x1058].copy_from_slice(&crash.boot_id.to_le_bytes());
        }
    }
}

//! A growing file image: little-endian values put at an offset or at the end. Knows no format.

/// The bytes of a file under construction.
pub(super) struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// An image of `len` bytes, repeating `pattern`.
    pub(super) fn repeating(pattern: [u8; 4], len: usize) -> Self {
        let mut bytes = pattern.repeat(len.div_ceil(4));
        bytes.truncate(len);
        Self { bytes }
    }

    /// An image of `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        Self { bytes: vec![0; len] }
    }

    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The length as the 32-bit offset that file formats want. A description of 4 GiB is beyond this writer.
    pub(super) fn offset(&self) -> u32 {
        self.bytes.len() as u32
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn fill(&mut self, from: usize, to: usize, byte: u8) {
        self.bytes[from..to].fill(byte);
    }

    pub(super) fn u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// A pointer-sized value: of `bytes` bytes, 4 or 8.
    pub(super) fn word(&mut self, bytes: usize, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes()[..bytes]);
    }

    /// Appends, and says where.
    pub(super) fn append(&mut self, bytes: &[u8]) -> u32 {
        let at = self.offset();
        self.bytes.extend_from_slice(bytes);
        at
    }

    pub(super) fn append_zeros(&mut self, count: usize) -> u32 {
        let at = self.offset();
        self.bytes.resize(self.bytes.len() + count, 0);
        at
    }

    /// Pads with zeros to a multiple of `to`.
    pub(super) fn align(&mut self, to: usize) {
        let len = self.bytes.len().next_multiple_of(to);
        self.bytes.resize(len, 0);
    }
}

/// UTF-16LE without a terminator.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// UTF-16LE with a terminator.
pub(super) fn utf16_z(text: &str) -> Vec<u8> {
    let mut bytes = utf16(text);
    bytes.extend([0, 0]);
    bytes
}

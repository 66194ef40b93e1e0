//! GUIDs as Windows stores them: three little-endian fields, then eight bytes.

use std::fmt;

use serde::Serialize;

/// A GUID, as stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// From the number its text reads as: `0xbc5c008f_1e3a_44d7_988d_86f6884c6758`.
    pub(crate) const fn from_text_order(text: u128) -> Self {
        let [a, b, c, d, e, f, g, h, tail @ ..] = text.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = tail;
        Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }
}

/// `bc5c008f-1e3a-44d7-988d-86f6884c6758`
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, j, k, tail @ ..] = self.0;
        let [l, m, n, o, p, q] = tail;
        write!(f, "{d:02x}{c:02x}{b:02x}{a:02x}-{g:02x}{e:02x}-{i:02x}{h:02x}-{j:02x}{k:02x}-")?;
        write!(f, "{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}{q:02x}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! Text in a dump's memory: `UNICODE_STRING` and bare characters. Owns how long it may be; believes printable text only.

use super::view::View;
use crate::bytes::Bytes;
use crate::text;

/// Longest text that is read, in bytes.
pub(super) const MAX_BYTES: usize = 512;

/// A `UNICODE_STRING` that lies at `va`, with its text.
pub(crate) fn unicode_string(view: &impl View, va: u64) -> Option<String> {
    let len = usize::from(view.u16(va, 0)?);
    let whole = len != 0 && len.is_multiple_of(2) && view.u16(va, 2)? >= view.u16(va, 0)?;
    let buffer = view.pointer(va, view.at(4, 8)).filter(|_| whole)?;
    printable(text::utf16(&view.bytes(buffer, len.min(MAX_BYTES))?))
}

/// Characters that lie at `va` up to their terminator, UTF-16 or single bytes.
pub(crate) fn characters(view: &impl View, va: u64) -> Option<String> {
    let bytes = view.run(va, MAX_BYTES)?;
    let wide = Bytes(&bytes).u8(1) == Some(0) && Bytes(&bytes).u8(0) != Some(0);
    printable(if wide { text::utf16(&bytes) } else { text::narrow(&bytes)? })
}

/// Either of the two: which of them a parameter is, the documentation often leaves open.
pub(crate) fn plain_text(view: &impl View, va: u64) -> Option<String> {
    unicode_string(view, va).or_else(|| characters(view, va))
}

fn printable(text: String) -> Option<String> {
    let printable = |character: char| !character.is_control() && character != char::REPLACEMENT_CHARACTER;
    (text.len() > 1 && text.chars().all(printable)).then_some(text)
}

//! Sparse inputs: a dump without its zeros and its fill. Owns the form in which a fuzzer keeps dumps, of which a
//! hundredth says anything: an input of 1 KB in place of 60 KB, and a corpus that can be kept with the source.
//! Never knows a format of dumps.
//!
//! The form, little-endian: `SPARSE01`, u32 length of the dump, then pieces in any order until the input ends: u32
//! offset, u32 span, u16 length, and that many bytes, repeated until they fill the span. Later pieces win; what lies
//! outside is left out.

use std::borrow::Cow;

use crate::bytes::Bytes;

const MARK: &[u8] = b"SPARSE01";
/// Bytes before the first piece.
const HEAD: u64 = 12;
/// Bytes of a piece before its data.
const PIECE: u64 = 10;
/// No dump that a fuzzer makes is longer: enough for every table and for pages of physical memory.
pub const MOST_BYTES: usize = 512 << 10;
/// Zeros that end a piece: fewer cost less than a new piece.
const GAP: usize = 12;
const ZEROS: [u8; 0x1000] = [0; 0x1000];
/// Headers are filled with this before their fields are written.
const FILL: &[u8; 4] = b"PAGE";
/// Fill that is worth a piece.
const FILLED: usize = 24;

/// The dump that an input stands for; the input itself where it is not sparse, so that a fuzzer takes real dumps too.
pub fn expand(input: &[u8]) -> Cow<'_, [u8]> {
    if !input.starts_with(MARK) {
        return Cow::Borrowed(input);
    }
    let input = Bytes(input);
    let len = input.u32(8).map_or(0, |len| usize::try_from(len).unwrap_or(MOST_BYTES));
    let mut dump = vec![0; len.min(MOST_BYTES)];
    let mut rest = input.from(HEAD);
    // Pieces may cover one another: what they write altogether is bounded, like the dump.
    let mut left = MOST_BYTES;
    while let (Some(offset), Some(span), Some(len)) = (rest.u32(0), rest.u32(4), rest.u16(8)) {
        let data = rest.clip(PIECE, len.into()).unwrap_or_default();
        let target =
            usize::try_from(offset).ok().and_then(|offset| dump.get_mut(offset..)).unwrap_or_default();
        let span = usize::try_from(span).unwrap_or(MOST_BYTES).min(target.len()).min(left);
        left = left.saturating_sub(span);
        if !data.is_empty() {
            for to in target.get_mut(..span).unwrap_or_default().chunks_mut(data.len()) {
                to.copy_from_slice(data.get(..to.len()).unwrap_or_default());
            }
        }
        rest = rest.from(PIECE.saturating_add(len.into()));
    }
    Cow::Owned(dump)
}

/// The sparse form of a dump, of which the first [`MOST_BYTES`] are kept.
pub fn pack(dump: &[u8]) -> Vec<u8> {
    let dump = dump.get(..MOST_BYTES).unwrap_or(dump);
    let mut input = MARK.to_vec();
    input.extend(u32::try_from(dump.len()).unwrap_or(0).to_le_bytes());
    let mut at = 0_usize;
    while let Some(rest) = dump.get(at..).filter(|rest| !rest.is_empty()) {
        // A fuzzer counts every turn of a loop: whole pages of zeros are passed in one.
        let zeros = [0x1000, 0x100, 0x10, 1].into_iter().find(|&len| rest.get(..len) == ZEROS.get(..len));
        if let Some(zeros) = zeros {
            at = at.saturating_add(zeros);
            continue;
        }
        let filled = filled(rest);
        let (span, data) = if filled >= FILLED {
            (filled, rest.get(..FILL.len()).unwrap_or_default())
        } else {
            let len = said(rest);
            (len, rest.get(..len).unwrap_or_default())
        };
        append(&mut input, at, span, data);
        at = at.saturating_add(span);
    }
    input
}

/// A piece to follow those of an input: `data` in place of what was at `offset`.
pub fn piece(offset: usize, data: &[u8]) -> Vec<u8> {
    let data = data.get(..usize::from(u16::MAX)).unwrap_or(data);
    let mut piece = Vec::new();
    append(&mut piece, offset, data.len(), data);
    piece
}

fn append(input: &mut Vec<u8>, offset: usize, span: usize, data: &[u8]) {
    input.extend(u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
    input.extend(u32::try_from(span).unwrap_or(0).to_le_bytes());
    input.extend(u16::try_from(data.len()).unwrap_or(0).to_le_bytes());
    input.extend(data);
}

/// Bytes of fill that `rest` begins with, wherever in the fill that is.
fn filled(rest: &[u8]) -> usize {
    let Some(phase) = FILL.iter().position(|&letter| rest.first() == Some(&letter)) else { return 0 };
    let fill = FILL.iter().cycle().skip(phase);
    rest.iter().zip(fill).take_while(|(byte, letter)| byte == letter).count()
}

/// Length of the piece that `rest` begins with: until zeros or fill.
fn said(rest: &[u8]) -> usize {
    let most = rest.len().min(usize::from(u16::MAX));
    let ends = |&at: &usize| {
        rest.get(at..).is_some_and(|tail| {
            tail.get(..GAP) == ZEROS.get(..GAP) || (tail.first() == FILL.first() && filled(tail) >= FILLED)
        })
    };
    (1..most).find(ends).unwrap_or(most)
}

//! The full record of a function in `.xdata`. Never runs a code.

use super::codes::decode;
use super::function::{Epilog, Function};

/// Reads a record from where it begins; of its epilogs only the one that an instruction may be in, where `exact` says that
/// it can be in one at all.
pub(super) fn read(record: &[u8], passed: u32, exact: bool) -> Option<Function> {
    let (header, rest) = word(record)?;
    let (length, version) = (header & 0x3_FFFF, header >> 18 & 3);
    let is_single = header >> 21 & 1 != 0;
    if version != 0 {
        return None;
    }
    let (epilogs, words, rest) = match (header >> 22 & 0x1F, header >> 27) {
        (0, 0) => {
            let (extension, rest) = word(rest)?;
            (extension & 0xFFFF, extension >> 16 & 0xFF, rest)
        }
        (epilogs, words) => (epilogs, words, rest),
    };
    // a single epilog has no scope: its place is the function's end, and its codes begin where the count would be
    let scopes = if is_single { 0 } else { usize::try_from(epilogs).ok()? };
    let (scopes, rest) = rest.split_at_checked(scopes.checked_mul(4)?)?;
    let codes = rest.get(..usize::try_from(words).ok()?.checked_mul(4)?)?;
    let codes_from = |index: u32| decode(codes.get(usize::try_from(index).ok()?..)?);
    let epilog = if !exact {
        None
    } else if is_single {
        Some(Epilog::at_end(length, codes_from(epilogs)?))
    } else {
        // scopes are sorted, and epilogs do not overlap
        let scopes = scopes.as_chunks().0.iter().map(|scope| u32::from_le_bytes(*scope));
        match scopes.take_while(|scope| scope & 0x3_FFFF <= passed).last() {
            Some(scope) => Some(Epilog { start: scope & 0x3_FFFF, codes: codes_from(scope >> 22)? }),
            None => None,
        }
    };
    Some(Function { length, prolog: decode(codes)?, epilog })
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

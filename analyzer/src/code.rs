//! The machine code around the instruction that failed. Owns how much of it a report has; never reads an instruction.

use std::borrow::Cow;

use crate::analysis::CodeReport;
use crate::hex::{hex, push};

/// Bytes before the instruction: five or six instructions, by which a reader sees where a bad pointer came from.
const BEFORE: u64 = 24;
/// Bytes from the instruction on.
const FROM: usize = 40;

/// The code around `fault`, as far as `read` (an address, and at most how many bytes from there without a hole) has it.
pub(crate) fn around<'m>(
    fault: u64,
    mut read: impl FnMut(u64, usize) -> Option<Cow<'m, [u8]>>,
) -> Option<CodeReport> {
    let from = read(fault, FROM).filter(|bytes| !bytes.is_empty())?;
    // Memory before it may begin anywhere: a page or a saved piece that begins in between still tells the rest.
    let before = (1..=BEFORE).rev().step_by(8).chain([4, 2, 1]).find_map(|back| {
        let len = usize::try_from(back).ok()?;
        let bytes = read(fault.checked_sub(back)?, len).filter(|bytes| bytes.len() == len)?;
        Some((back, bytes))
    });
    let (back, before) = before.unwrap_or((0, Cow::Borrowed(&[])));
    let mut bytes = String::with_capacity(2 * (before.len() + from.len()));
    for byte in before.iter().chain(from.iter()) {
        push(&mut bytes, u64::from(*byte), 2);
    }
    Some(CodeReport { address: hex(fault.saturating_sub(back)), fault: hex(fault), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory from `start` to `start + bytes`, each byte the low byte of its address.
    fn check(start: u64, len: usize, fault: u64, expected: Option<(&str, usize)>) {
        let memory: Vec<u8> = (0..len).map(|at| (start as usize + at) as u8).collect();
        let read = |address: u64, most: usize| {
            let at = usize::try_from(address.checked_sub(start)?).ok()?;
            let rest = memory.get(at..)?;
            Some(Cow::Borrowed(&rest[..most.min(rest.len())]))
        };
        let found = around(fault, read);
        let shown = found.as_ref().map(|code| (code.address.as_str(), code.bytes.len() / 2));
        assert_eq!(shown, expected, "{found:?}");
    }

    #[test]
    fn as_much_as_there_is_without_a_hole() {
        check(0x1000, 0x1000, 0x1100, Some(("0x10e8", 64)));
        check(0x1100, 0x100, 0x1100, Some(("0x1100", 40)));
        check(0x1000, 0x110, 0x1108, Some(("0x10f0", 32)));
        check(0x10fa, 0x100, 0x1100, Some(("0x10fc", 44)));
        check(0x1101, 0x100, 0x1100, None);
        check(0x1000, 0x100, 0x1100, None);
        check(0, 0x100, 3, Some(("0x1", 42)));
    }

    #[test]
    fn bytes_are_written_in_order() {
        let code =
            around(0x10, |_, most| Some(Cow::Owned(vec![0x0f, 0xa0][..most.min(2)].to_vec()))).unwrap();
        assert_eq!((code.bytes.as_str(), code.fault.as_str()), ("0fa00fa0", "0x10"));
    }
}

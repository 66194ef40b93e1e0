//! The bug check as the kernel itself noted it, for dumps whose header does not tell. Never explains it.

use crate::debugger_data::DebuggerData;
use crate::large::Virtual;

/// `KiBugCheckData`: the code, and its four parameters. `None` where the machine did not stop: the kernel's numbers are
/// zero until then.
pub(crate) fn bug_check(memory: Virtual<'_>, data: &DebuggerData) -> Option<(u32, [u64; 4])> {
    let at = data.addresses.ki_bugcheck_data?;
    let number = |index| memory.word(memory.nth_word(at, index)?);
    let code = u32::try_from(number(0)? & 0xFFFF_FFFF).ok().filter(|&code| code != 0)?;
    Some((code, [number(1)?, number(2)?, number(3)?, number(4)?]))
}

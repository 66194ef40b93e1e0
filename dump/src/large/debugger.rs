//! The kernel's debugger data in the memory of a large dump. Owns the difference between missing and encoded; never
//! guesses a key.

use crate::bytes::Bytes;
use crate::debugger_data::DebuggerData;
use crate::header::Header;
use crate::large::Virtual;
use crate::problem::{Damage, Part, Problems};

/// More than any `KDDEBUGGER_DATA64`: 0x340 bytes in Windows 7, 0x380 in 8 to 10, 0x3A0 in 11 24H2.
const MAX_LEN: usize = 0x400;

/// Reads the block that the header leads to. Windows 8 and newer keep it encoded while no debugger is attached, with a
/// key of two random numbers. A crashing kernel decodes it before it writes; a tool that copies memory may not.
pub(crate) fn debugger_data(
    memory: Virtual<'_>,
    header: &Header,
    problems: &mut Problems,
) -> Option<DebuggerData> {
    let address = header.kd_debugger_data_block;
    let bytes = memory.run(address, MAX_LEN);
    let data = bytes.as_ref().and_then(|bytes| DebuggerData::read(Bytes(bytes), memory.width));
    if data.is_none() {
        let zeros = bytes.as_ref().is_some_and(|bytes| bytes.iter().all(|&byte| byte == 0));
        let damage = match bytes {
            None => Damage::Absent { address },
            Some(_) if zeros => Damage::Invalid,
            Some(_) => Damage::Encoded { address },
        };
        problems.add(Part::DebuggerData, damage);
    }
    data
}

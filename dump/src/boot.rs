//! The black box that Windows keeps about its boots. Reads the boot counter, which headers of the debugger engine's
//! dumps lack; nothing of the rest is documented.

use crate::bytes::Bytes;

/// The counter of the boot that crashed, and once more 8 bytes behind. In the dumps whose header has the counter too,
/// all three are equal: `tests/samples.rs`.
const BOOT_ID: u64 = 0x2C;
const BOOT_ID_AGAIN: u64 = 0x34;

/// The boot counter, where the blob's content is understood.
pub(crate) fn boot_id(blob: &[u8]) -> Option<u32> {
    let blob = Bytes(blob);
    let boot_id = blob.u32(BOOT_ID).filter(|&boot_id| boot_id != 0)?;
    (blob.u32(BOOT_ID_AGAIN) == Some(boot_id)).then_some(boot_id)
}

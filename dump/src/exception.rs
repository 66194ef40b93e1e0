//! Exception records, of either width. Never explains a code.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Width};
use crate::layout::Layout;

/// `EXCEPTION_MAXIMUM_PARAMETERS`
const MAX_PARAMETERS: u64 = 15;

/// An exception record; addresses of a 32-bit dump are zero-extended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRecord64 {
    /// NTSTATUS.
    pub code: u32,
    /// `EXCEPTION_*` flags.
    pub flags: u32,
    /// Instruction that raised it.
    pub address: u64,
    /// What the code documents: for an access violation the kind of access and the address. At most 15.
    pub information: Vec<u64>,
}

/// Length of the part before the information.
pub(crate) fn fixed_len(layout: &Layout) -> u64 {
    layout.exception.exception_information
}

/// Reads a record. `None` where bytes are missing, it has no code, or announces more information than there is room for.
pub(crate) fn read(bytes: Bytes<'_>, layout: &Layout) -> Option<ExceptionRecord64> {
    let at = &layout.exception;
    let address_width = layout.width;
    let count = u64::from(bytes.u32(at.number_parameters)?);
    if count > MAX_PARAMETERS {
        return None;
    }
    let information = (0..count)
        .map(|index| {
            let offset = at.exception_information.checked_add(index.checked_mul(at.information_stride)?)?;
            bytes.word(address_width, offset)
        })
        .collect::<Option<Vec<u64>>>()?;
    Some(ExceptionRecord64 {
        code: bytes.u32(at.exception_code).filter(|&code| code != 0)?,
        flags: bytes.u32(at.exception_flags)?,
        address: bytes.word(address_width, at.exception_address)?,
        information,
    })
}

/// Length of a whole record with all its information.
pub(crate) fn full_len(layout: &Layout) -> u64 {
    let parameters = match layout.width {
        Width::W32 => MAX_PARAMETERS.saturating_mul(4),
        Width::W64 => MAX_PARAMETERS.saturating_mul(8),
    };
    fixed_len(layout).saturating_add(parameters)
}

//! What the firmware says of the machine. Reads maker, model, firmware and board; never serial numbers or the UUID,
//! which name a person's machine.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;

/// Before the tables: method, version, revision, u32 length.
const PREFIX_LEN: u64 = 8;
/// Type, length, handle.
const STRUCTURE_HEADER_LEN: u8 = 4;
/// No name of a product is longer.
const MAX_STRING: usize = 256;

/// The machine, as its firmware describes it. Placeholders of careless makers are passed on as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smbios {
    /// Maker of the machine.
    pub vendor: Option<String>,
    /// Name of the machine.
    pub model: Option<String>,
    /// Maker of the firmware.
    pub bios_vendor: Option<String>,
    /// Version of the firmware.
    pub bios_version: Option<String>,
    /// Date of the firmware, as its maker writes it.
    pub bios_date: Option<String>,
    /// Maker of the board.
    pub board_vendor: Option<String>,
    /// Name of the board.
    pub board: Option<String>,
}

/// Reads the content of the SMBIOS blob. `None` where it tells nothing.
pub(crate) fn read(blob: &[u8]) -> Option<Smbios> {
    let mut tables = Bytes(blob).from(PREFIX_LEN).0;
    let mut found = Smbios::default();
    while let Some((structure, rest)) = structure(tables) {
        let string = |field| structure.string(field);
        match structure.kind {
            0 if found.bios_vendor.is_none() => {
                found.bios_vendor = string(4);
                found.bios_version = string(5);
                found.bios_date = string(8);
            }
            1 if found.vendor.is_none() => {
                found.vendor = string(4);
                found.model = string(5);
            }
            2 if found.board_vendor.is_none() => {
                found.board_vendor = string(4);
                found.board = string(5);
            }
            _ => {}
        }
        tables = rest;
    }
    (found != Smbios::default()).then_some(found)
}

/// One structure: its fixed part, then strings, each with a NUL, and a NUL.
struct Structure<'a> {
    kind: u8,
    fixed: Bytes<'a>,
    strings: &'a [u8],
}

impl Structure<'_> {
    /// The string whose number, counted from 1, is the byte at `field`.
    fn string(&self, field: u64) -> Option<String> {
        let number = self.fixed.u8(field)?.checked_sub(1)?;
        let bytes = self.strings.split(|&byte| byte == 0).nth(number.into())?;
        text::narrow(bytes.get(..MAX_STRING).unwrap_or(bytes))
    }
}

/// The structure at the beginning of `tables`, and what follows it.
fn structure(tables: &[u8]) -> Option<(Structure<'_>, &[u8])> {
    let header = Bytes(tables);
    let (kind, len) = (header.u8(0)?, header.u8(1)?);
    if len < STRUCTURE_HEADER_LEN {
        return None;
    }
    let (fixed, rest) = tables.split_at_checked(len.into())?;
    let end = rest.windows(2).position(|pair| pair == [0, 0]).unwrap_or(rest.len());
    let (strings, rest) = rest.split_at_checked(end)?;
    Some((Structure { kind, fixed: Bytes(fixed), strings }, rest.get(2..).unwrap_or_default()))
}

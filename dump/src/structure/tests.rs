//! What is believed of a number; and headers and debugger data for the tests of the structures.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests write structures by hand"
)]

use super::*;
use crate::debugger_data::DebuggerData;
use crate::header;
use crate::layout::{LAYOUT32, LAYOUT64};

/// A header of a kind of machine and a build, of a system that ran for an hour.
pub(crate) fn header(machine: u32, build: u32) -> Header {
    let (layout, at) = match machine {
        0x14C => (&LAYOUT32, [0x020, 0x024, 0xFB8, 0xFC0]),
        _ => (&LAYOUT64, [0x030, 0x034, 0x1030, 0xFA8]),
    };
    let [machine_at, processors_at, uptime_at, time_at] = at;
    let mut bytes = vec![0; 0x2000];
    bytes[0xC..0x10].copy_from_slice(&build.to_le_bytes());
    bytes[machine_at..machine_at + 4].copy_from_slice(&machine.to_le_bytes());
    bytes[processors_at] = 4;
    put(&mut bytes, uptime_at, DAY / 24);
    put(&mut bytes, time_at, 133_767_974_000_000_000);
    header::read(Bytes(&bytes), layout).unwrap()
}

/// Debugger data that tell these places, each of 16 bits.
pub(crate) fn debugger_data(places: &[(usize, u64)]) -> DebuggerData {
    let mut bytes = vec![0; 0x3A0];
    bytes[0x10..0x14].copy_from_slice(b"KDBG");
    bytes[0x14..0x16].copy_from_slice(&0x3A0_u16.to_le_bytes());
    put(&mut bytes, 0x18, 0xFFFF_F803_E920_0000);
    for (offset, place) in places {
        bytes[*offset..offset + 2].copy_from_slice(&u16::try_from(*place).unwrap().to_le_bytes());
    }
    DebuggerData::read(Bytes(&bytes), Width::W64).unwrap()
}

pub(crate) fn put(bytes: &mut [u8], offset: usize, value: u64) {
    bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn only_handles_are_ids() {
    let header = header(0x8664, 19041);
    let ids = [(4_u64, true), (0x4440, true), (0, false), (7, false), (1 << 31, false), (u64::MAX, false)];
    for (id, believed) in ids {
        let bytes = id.to_le_bytes();
        assert_eq!(Structure::new(Bytes(&bytes), &header).id(0).is_some(), believed, "{id}");
    }
}

#[test]
fn a_time_is_one_at_which_the_system_ran() {
    let header = header(0x8664, 19041);
    let end = header.system_time.unwrap().0;
    let times =
        [(end, true), (end - DAY / 24, true), (end - 2 * DAY, false), (end + 2 * DAY, false), (0, false)];
    for (time, believed) in times {
        let mut bytes = vec![0xFF; 32];
        put(&mut bytes, 16, time);
        let found = Structure::new(Bytes(&bytes), &header).time(1..24);
        assert_eq!(found, believed.then_some(FileTime(time)), "{time}");
    }
    let never = Header { uptime: None, ..header };
    assert_eq!(Structure::new(Bytes(&end.to_le_bytes()), &never).time(0..8), None);
}

#[test]
fn halves_of_memory() {
    let (wide, narrow) = (header(0x8664, 19041), header(0x14C, 7601));
    let halves = |header: &Header, va: u64| {
        let bytes = va.to_le_bytes();
        let structure = Structure::new(Bytes(&bytes), header);
        (structure.kernel_pointer(Some(0)).is_some(), structure.user_pointer(Some(0)).is_some())
    };
    assert_eq!(halves(&wide, 0xFFFF_F803_E920_0000), (true, false));
    assert_eq!(halves(&wide, 0x7FFE_7350_D0C4), (false, true));
    assert_eq!(halves(&wide, 0x0080_0000_0000_0000), (false, false), "not canonical");
    assert_eq!(halves(&wide, 0), (false, false));
    assert_eq!(halves(&narrow, 0xE441_F000), (true, false));
    assert_eq!(halves(&narrow, 0x7FFF_E000), (false, true));
}

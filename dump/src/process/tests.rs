//! Processes made by hand.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests write structures by hand"
)]

use super::*;
use crate::structure::tests::{debugger_data, header, put};

const LINK: u64 = 0xFFFF_D20B_0000_1000;

/// An `EPROCESS` of 19041, and what the debugger data tell of it.
fn x64_process(name: &[u8]) -> (Vec<u8>, DebuggerData) {
    let mut bytes = vec![0; 0xA40];
    put(&mut bytes, 0x28, 0x1A_D002);
    put(&mut bytes, 0x440, 3244);
    put(&mut bytes, 0x448, LINK);
    put(&mut bytes, 0x450, LINK);
    put(&mut bytes, 0x468, header(0x8664, 19041).system_time.unwrap().0 - 7);
    put(&mut bytes, 0x540, 3124);
    put(&mut bytes, 0x550, 0x7D_4878_F000);
    bytes[0x5A8..0x5A8 + name.len()].copy_from_slice(name);
    bytes[0x5B7] = 2;
    let data = debugger_data(&[(0x2A8, 0xA40), (0x2AA, 0x550), (0x2AC, 0x540), (0x2AE, 0x28)]);
    (bytes, data)
}

/// An `ETHREAD` that is nothing but its ids.
fn thread_of(process: u64) -> Vec<u8> {
    let mut bytes = vec![0; 0x100];
    put(&mut bytes, 0x40, process);
    put(&mut bytes, 0x48, 4536);
    put(&mut bytes, 0x50, 0x0008_0005);
    put(&mut bytes, 0x58, LINK);
    put(&mut bytes, 0x60, LINK);
    bytes
}

#[test]
fn all_facts_of_a_process() {
    let header = header(0x8664, 19041);
    let (bytes, data) = x64_process(b"notmyfault64.e");
    let expected = Process {
        name: Some("notmyfault64.e".to_owned()),
        id: Some(3244),
        parent_id: Some(3124),
        directory_table_base: Some(0x1A_D002),
        peb: Some(0x7D_4878_F000),
        create_time: Some(FileTime(header.system_time.unwrap().0 - 7)),
    };
    let thread = thread_of(3244);
    assert_eq!(read(Bytes(&bytes), Some(Bytes(&thread)), &header, Some(&data)), Some(expected));
}

/// A build that no row has: the name by its distance from `Peb`, the id by that of the thread's owner.
#[test]
fn an_unknown_build_is_read_by_what_the_debugger_data_tell() {
    let header = header(0x8664, 18970);
    let (bytes, data) = x64_process(b"tool");
    let thread = thread_of(3244);
    let process = read(Bytes(&bytes), Some(Bytes(&thread)), &header, Some(&data)).unwrap();
    assert_eq!((process.name.as_deref(), process.id), (Some("tool"), Some(3244)));
    assert!(process.create_time.is_some());
    // nobody says which number is the id
    let process = read(Bytes(&bytes), None, &header, Some(&data)).unwrap();
    assert_eq!((process.name.as_deref(), process.id, process.create_time), (Some("tool"), None, None));
    // nor where a name is that does not look like one
    assert_eq!(read(Bytes(&bytes), None, &header, None), None);
}

/// A thread that attached to a process has the id of another: then the table and the debugger data decide.
#[test]
fn the_id_of_a_process_that_is_not_the_owner() {
    let header = header(0x8664, 19041);
    let (bytes, data) = x64_process(b"a.exe");
    let id = |thread: &[u8], data| read(Bytes(&bytes), Some(Bytes(thread)), &header, data).unwrap().id;
    assert_eq!(id(&thread_of(88), Some(&data)), Some(3244));
    assert_eq!(id(&thread_of(3244), None), Some(3244));
    assert_eq!(id(&thread_of(88), None), None, "nothing but the table says so");
    let elsewhere = debugger_data(&[(0x2AA, 0x558)]);
    assert_eq!(id(&thread_of(88), Some(&elsewhere)), None, "another structure");
}

/// Rows against the rule that reckons the name from `Peb`: either was found without the other.
#[test]
fn rows_keep_the_distance_that_the_rule_says() {
    let mut checked = 0;
    for row in ROWS.iter().filter(|row| *row.builds.start() >= FIRST_BEHIND_PEB) {
        let machine = match row.machine {
            Machine::X86 => 0x14C,
            Machine::Arm64 => 0xAA64,
            _ => 0x8664,
        };
        let data = debugger_data(&[(0x2AA, row.peb)]);
        for build in [row.builds.start(), row.builds.end()] {
            let header = header(machine, *build);
            let place = behind_peb(Structure::new(Bytes(&[]), &header), &data);
            assert_eq!(place, Some(row.image_file_name), "{:?} {build}", row.machine);
            checked += 1;
        }
    }
    assert_eq!(checked, 2 * (ROWS.len() - 2), "all but those of Windows 7");
}

#[test]
fn garbage_is_no_name() {
    let header = header(0x8664, 19041);
    for garbage in [
        &b"a_name_with_15_"[..],
        b"a\x07b",
        b"a\0b",
        b"\xFF\xFE\xFF\xFE",
        b"....",
        b"a/b",
        b"",
        b"\x80\x90.exe",
        b"\xFC\xFC",
    ] {
        let (bytes, data) = x64_process(garbage);
        let process = read(Bytes(&bytes), None, &header, Some(&data)).unwrap();
        assert_eq!(process.name, None, "{}", garbage.escape_ascii());
    }
}

#[test]
fn letters_of_western_europe_are_letters() {
    let (bytes, data) = x64_process(b"Gr\xFC\xDFe.exe");
    let process = read(Bytes(&bytes), None, &header(0x8664, 19041), Some(&data)).unwrap();
    assert_eq!(process.name.as_deref(), Some("Gr\u{fc}\u{df}e.exe"));
}

/// Memory goes on behind a process that is read through an address: what is there is not its name.
#[test]
fn the_name_is_not_that_of_what_is_behind() {
    let (mut bytes, data) = x64_process(b"");
    bytes.extend_from_slice(b"\0other.exe\0");
    let header = header(0x8664, 19041);
    assert_eq!(read(Bytes(&bytes), None, &header, Some(&data)).unwrap().name, None);
    assert_eq!(read(Bytes(&bytes), None, &header, None).unwrap().name.as_deref(), Some("other.exe"));
}

#[test]
fn any_length_of_any_bytes() {
    let (bytes, data) = x64_process(b"a.exe");
    for header in [header(0x8664, 19041), header(0xAA64, 22000), header(0x14C, 7601)] {
        for len in (0..bytes.len()).step_by(7) {
            let cut = Bytes(&bytes[..len]);
            for found in [read(cut, Some(cut), &header, Some(&data)), read(cut, Some(cut), &header, None)] {
                let name = found.and_then(|process| process.name);
                assert!(name.is_none_or(|name| name == "a.exe"), "{len}");
            }
        }
        for byte in 0..=255 {
            let same = vec![byte; 0xA40];
            let found = read(Bytes(&same), Some(Bytes(&same)), &header, Some(&data));
            assert_eq!(found.and_then(|process| process.name), None, "{byte}");
        }
    }
}

//! Threads made by hand.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests write structures by hand"
)]

use super::*;
use crate::structure::tests::{debugger_data, header, put};

const STACK: u64 = 0xFFFF_A704_EEB6_6000;

/// An `ETHREAD` of 19041, and what the debugger data tell of it.
fn x64_thread() -> (Vec<u8>, DebuggerData) {
    let mut bytes = vec![0; 0x898];
    put(&mut bytes, 0x28, STACK + 0x5FD0);
    put(&mut bytes, 0x30, STACK);
    put(&mut bytes, 0x38, STACK + 0x6000);
    put(&mut bytes, 0x58, STACK + 0x4000);
    put(&mut bytes, 0xB8, 0xFFFF_D20B_FC53_E080);
    bytes[0xC3] = 12;
    put(&mut bytes, 0xF0, 0x7D_4879_0000);
    bytes[0x184] = 2;
    put(&mut bytes, 0x430, header(0x8664, 19041).system_time.unwrap().0 - 5);
    put(&mut bytes, 0x450, 0x7FFE_734C_2690);
    ids(&mut bytes, 0x478);
    put(&mut bytes, 0x4D0, 0x7FF7_27F7_4848);
    let places = [
        (0x29A, 0xF0),
        (0x29C, 0x58),
        (0x29E, 0x28),
        (0x2A0, 0xB8),
        (0x2A2, 0x184),
        (0x2C0, 0x898),
        (0x340, 0x30),
        (0x344, 0x38),
        (0x34C, 0x4B0),
    ];
    (bytes, debugger_data(&places))
}

/// The ids, and the semaphore behind them.
fn ids(bytes: &mut [u8], place: usize) {
    put(bytes, place, 3244);
    put(bytes, place + 8, 4536);
    put(bytes, place + 0x10, 0x0008_0005);
    put(bytes, place + 0x18, 0xFFFF_D20B_FC13_C510);
    put(bytes, place + 0x20, 0xFFFF_D20B_FC13_C510);
}

#[test]
fn all_facts_of_a_thread() {
    let header = header(0x8664, 19041);
    let (bytes, data) = x64_thread();
    let expected = Thread {
        id: Some(4536),
        process_id: Some(3244),
        process: Some(0xFFFF_D20B_FC53_E080),
        start_address: Some(0x7FFE_734C_2690),
        win32_start_address: Some(0x7FF7_27F7_4848),
        create_time: Some(FileTime(header.system_time.unwrap().0 - 5)),
        stack_base: Some(STACK + 0x6000),
        stack_limit: Some(STACK),
        initial_stack: Some(STACK + 0x5FD0),
        kernel_stack: Some(STACK + 0x4000),
        state: Some(ThreadState::Running),
        priority: Some(12),
        teb: Some(0x7D_4879_0000),
    };
    assert_eq!(read(Bytes(&bytes), &header, Some(&data)), Some(expected));
}

#[test]
fn ids_are_found_where_nobody_tells_their_place() {
    let (bytes, _) = x64_thread();
    let thread = read(Bytes(&bytes), &header(0x8664, 19041), None).unwrap();
    assert_eq!((thread.id, thread.process_id), (Some(4536), Some(3244)));
    assert_eq!(thread.start_address, Some(0x7FFE_734C_2690));
    assert_eq!((thread.stack_base, thread.state), (None, None), "only the debugger data tell");
}

/// Windows 7 has a word more before `Win32StartAddress`, and does not tell the ends of the stack.
#[test]
fn windows_7() {
    let header = header(0x8664, 7601);
    let mut bytes = vec![0; 0x4A8];
    put(&mut bytes, 0x28, STACK + 0x5DB0);
    put(&mut bytes, 0x30, STACK);
    put(&mut bytes, 0x278, STACK + 0x6000);
    put(&mut bytes, 0x368, header.system_time.unwrap().0);
    put(&mut bytes, 0x390, 0x7733_1020);
    ids(&mut bytes, 0x3B8);
    put(&mut bytes, 0x410, 0xFFFF_FA80_0000_0000);
    put(&mut bytes, 0x418, 0x7700_0000);
    // the semaphore that suspends a thread, and what is before it
    put(&mut bytes, 0x2D0, 0x0100_0000);
    put(&mut bytes, 0x2D8, 0x0008_0005);
    put(&mut bytes, 0x2E0, STACK);
    put(&mut bytes, 0x2E8, STACK);
    let data = debugger_data(&[(0x29E, 0x28), (0x29C, 0x38)]);
    let thread = read(Bytes(&bytes), &header, Some(&data)).unwrap();
    assert_eq!((thread.id, thread.process_id), (Some(4536), Some(3244)));
    assert_eq!(thread.start_address, Some(0x7733_1020));
    assert_eq!(thread.win32_start_address, Some(0x7700_0000));
    assert_eq!(thread.create_time, header.system_time);
    assert_eq!((thread.stack_limit, thread.stack_base), (Some(STACK), Some(STACK + 0x6000)));
}

#[test]
fn what_makes_no_sense_is_absent() {
    let header = header(0x8664, 19041);
    let (sound, data) = x64_thread();
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = sound.clone();
        change(&mut bytes);
        super::read(Bytes(&bytes), &header, Some(&data)).unwrap()
    };
    // not whole pages, too large, upside down, not in use where it begins
    let stacks = [(0x38, STACK + 0x6008), (0x30, STACK - 0x20_0000), (0x30, STACK + 0x7000), (0x28, 0)];
    for (place, value) in stacks {
        let thread = read(&|bytes| put(bytes, place, value));
        assert_eq!((thread.stack_base, thread.stack_limit, thread.initial_stack), (None, None, None));
    }
    // a list of callbacks where the start address was
    let thread = read(&|bytes| put(bytes, 0x448, 0xFFFF_C582_F8A0_6D40));
    assert_eq!((thread.start_address, thread.id), (None, Some(4536)));
    // no semaphore behind the ids, ids that are none
    for (place, value) in [(0x488, 0x0008_0001), (0x490, 0), (0x478, 3245), (0x480, 0)] {
        let thread = read(&|bytes| put(bytes, place, value));
        assert_eq!((thread.id, thread.process_id, thread.start_address), (None, None, None));
    }
    assert_eq!(read(&|bytes| bytes[0xC3] = 32).priority, None);
    assert_eq!(read(&|bytes| bytes[0x184] = 77).state, Some(ThreadState::Unknown(77)));
    assert_eq!(read(&|bytes| put(bytes, 0xF0, STACK)).teb, None);
}

/// Memory goes on behind a thread that is read through an address: ids there are another's.
#[test]
fn what_is_behind_the_thread_is_not_its_own() {
    let (mut bytes, data) = x64_thread();
    put(&mut bytes, 0x488, 0);
    let mut other = vec![0; 0x100];
    ids(&mut other, 0x40);
    bytes.extend(other);
    let header = header(0x8664, 19041);
    assert_eq!(read(Bytes(&bytes), &header, Some(&data)).unwrap().id, None);
}

#[test]
fn any_length() {
    let (bytes, data) = x64_thread();
    for header in [header(0x8664, 19041), header(0x14C, 7601)] {
        for len in (0..bytes.len()).step_by(7) {
            let cut = Bytes(&bytes[..len]);
            for found in [read(cut, &header, Some(&data)), read(cut, &header, None)] {
                let id = found.and_then(|thread| thread.id);
                assert!(id.is_none_or(|id| id == 4536), "{len}");
            }
        }
    }
}

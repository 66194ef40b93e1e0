//! Control blocks made by hand.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests write structures by hand"
)]

use super::*;
use crate::structure::tests::{debugger_data, header, put};

const THREAD: u64 = 0xFFFF_D20B_FC13_C080;
const IDLE_THREAD: u64 = 0xFFFF_F807_5C93_5A00;
const DPC_STACK: u64 = 0xFFFF_F807_5E67_BFB0;

/// A `KPRCB` of 19041, and what the debugger data tell of it.
fn x64_prcb() -> (Vec<u8>, DebuggerData) {
    let mut bytes = vec![0; 0xAF00];
    put(&mut bytes, 0x08, THREAD);
    put(&mut bytes, 0x18, IDLE_THREAD);
    bytes[0x24] = 3;
    bytes[0x40..0x44].copy_from_slice(&[6, 1, 2, 0xC6]);
    bytes[0x44..0x48].copy_from_slice(&3072_u32.to_le_bytes());
    let registers = [0x8005_0031, 0x029E_7D0A, 0x7108_E000, 0x0005_06F8];
    for (index, register) in registers.into_iter().enumerate() {
        put(&mut bytes, 0x100 + index * 8, register);
    }
    put(&mut bytes, 0x140, 0xFFFF_0FF0);
    put(&mut bytes, 0x148, 0x400);
    put(&mut bytes, 0x1A0, 2);
    bytes[0x312A] = 1;
    bytes[0x8590..0x859C].copy_from_slice(b"GenuineIntel");
    put(&mut bytes, 0x85C0, 0xFFFF_BD01_AC9A_5340);
    put(&mut bytes, 0x3110, DPC_STACK);
    let places = [
        (0x2B2, 0x312A),
        (0x2B4, 0x08),
        (0x2B6, 0x44),
        (0x2B8, 0x40),
        (0x2BA, 0x8590),
        (0x2BE, 0x24),
        (0x2F2, 0x100),
        (0x338, 0x85C0),
        (0x354, 0x3110),
    ];
    (bytes, debugger_data(&places))
}

#[test]
fn all_facts_of_a_processor() {
    let (bytes, data) = x64_prcb();
    let prcb = read(Bytes(&bytes), &header(0x8664, 19041), &data).unwrap();
    let expected = Prcb {
        number: Some(3),
        current_thread: Some(THREAD),
        next_thread: None,
        idle_thread: Some(IDLE_THREAD),
        mhz: Some(3072),
        vendor: Some("GenuineIntel".to_owned()),
        model: Some(CpuModel { family: 6, model: 0xC6, stepping: 2 }),
        special_registers: Some(SpecialRegisters {
            cr0: 0x8005_0031,
            cr2: 0x029E_7D0A,
            cr3: 0x7108_E000,
            cr4: 0x0005_06F8,
            debug_addresses: [0; 4],
            dr6: 0xFFFF_0FF0,
            dr7: 0x400,
            cr8: Some(2),
        }),
        context: Some(0xFFFF_BD01_AC9A_5340),
        dpc_active: Some(true),
        dpc_stack: Some(DPC_STACK),
        isr_stack: None,
    };
    assert_eq!(prcb, expected);
    assert!(!prcb.is_idle());
    assert!(Prcb { idle_thread: Some(THREAD), ..prcb }.is_idle());
    assert!(!Prcb::default().is_idle());
}

#[test]
fn what_makes_no_sense_is_absent() {
    let (mut bytes, data) = x64_prcb();
    // of four processors
    bytes[0x24] = 4;
    // no `CPUID`
    bytes[0x41] = 0;
    bytes[0x47] = 1;
    bytes[0x100] = 0;
    bytes[0x312A] = 7;
    bytes[0x8590] = 0x07;
    put(&mut bytes, 0x85C0, 0x1000);
    let prcb = read(Bytes(&bytes), &header(0x8664, 19041), &data).unwrap();
    let kept = Prcb {
        current_thread: Some(THREAD),
        idle_thread: Some(IDLE_THREAD),
        dpc_stack: Some(DPC_STACK),
        ..Prcb::default()
    };
    assert_eq!(prcb, kept);
}

/// The registers of ARM64 are others, and its `KPRCB` has no `CpuType` byte.
#[test]
fn arm64_has_none_of_what_only_x64_has() {
    let (bytes, data) = x64_prcb();
    let prcb = read(Bytes(&bytes), &header(0xAA64, 22000), &data).unwrap();
    assert_eq!((prcb.special_registers, prcb.model, prcb.vendor), (None, None, None));
    assert_eq!((prcb.number, prcb.mhz), (Some(3), Some(3072)));
}

#[test]
fn any_length() {
    let (bytes, data) = x64_prcb();
    for len in (0..bytes.len()).step_by(3) {
        let found = read(Bytes(&bytes[..len]), &header(0x8664, 19041), &data);
        assert_eq!(found.is_some(), len >= 0x10, "{len}");
    }
}

//! The identity of a crash: what changes it and what must not.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bluescope_dump::synth::{SmallDump, SynthWriter, UserDump, user_minidump};
use bluescope_dump::{CrashId, DumpFormat, HEAD_LEN, IdentifyError, Identity, identify};

const DIGEST: [u8; 32] = [0x5a; 32];

fn of(bytes: &[u8]) -> Identity {
    identify(bytes, &DIGEST, bytes.len() as u64).unwrap()
}

/// Ids outlive a release: rows are keyed by them.
#[test]
fn ids_stay_what_they_are() {
    let kernel = SmallDump {
        bugcheck: 0xd1,
        parameters: [0x28, 2, 0, 0xffff_f800_1234_5678],
        system_time: 133_546_200_861_234_567,
        ps_loaded_module_list: 0xffff_f800_0000_1000,
        kd_debugger_data_block: 0xffff_f800_0000_2000,
        ..SmallDump::example()
    };
    assert_eq!(of(&kernel.to_bytes()).id.to_string(), "018e2cac-7f6b-8030-8143-24bcb8e5350d");
    let user = UserDump {
        process_id: 1,
        process_create_time: 1_700_000_000,
        timestamp: 1_700_000_001,
        thread_id: 2,
        exception_code: 0xc000_0005,
        exception_address: 3,
        ..UserDump::example()
    };
    assert_eq!(of(&user_minidump(&user)).id.to_string(), "018bcfe5-6be8-8a1e-9330-c967f15bd31f");
}

#[test]
fn both_writers_tell_of_one_crash() {
    let kernel = SmallDump::example();
    let shrunk = SmallDump { writer: SynthWriter::DebugEngine, ..kernel.clone() };
    // a full dump of the same crash has no flag on its code
    let full = SmallDump { bugcheck: kernel.bugcheck | 0x1000_0000, filler: 9999, ..kernel.clone() };
    let identity = of(&kernel.to_bytes());
    assert_eq!(identity, of(&shrunk.to_bytes()));
    assert_eq!(identity, of(&full.to_bytes()));
    assert_eq!(identity.format, DumpFormat::Kernel64);
    assert_eq!(identity.time.unwrap().0, kernel.system_time);
    assert_eq!(identity.crashed_at_ms, 1_710_146_486_123);
}

#[test]
fn another_crash_is_another_id() {
    let one = SmallDump::example();
    let others = [
        SmallDump { bugcheck: 0x50, ..one.clone() },
        SmallDump { parameters: [1, 2, 0, 4], ..one.clone() },
        SmallDump { system_time: one.system_time + 1, ..one.clone() },
        SmallDump { ps_loaded_module_list: 8, ..one.clone() },
        SmallDump { kd_debugger_data_block: 8, ..one.clone() },
    ];
    let id = of(&one.to_bytes()).id;
    for other in others {
        assert_ne!(id, of(&other.to_bytes()).id);
    }
}

#[test]
fn an_absurd_clock_gives_no_time_but_an_id() {
    let broken = |system_time| of(&SmallDump { system_time, ..SmallDump::example() }.to_bytes());
    // 1601, 1989-12-31T23:59:59, 2100-01-01, and the fill pattern of a header
    let times = [1, 122_756_255_990_000_000, 157_469_184_000_000_000, u64::from_le_bytes(*b"PAGEPAGE")];
    let ids = times.map(|time| {
        let identity = broken(time);
        assert_eq!(identity.crashed_at_ms, 0, "{time}");
        assert_eq!(identity.id.0[..6], [0; 6]);
        identity.id
    });
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    assert_eq!(broken(122_756_256_000_000_000).crashed_at_ms, 631_152_000_000);
}

#[test]
fn without_a_time_the_bytes_decide() {
    let bytes = SmallDump { system_time: 0, ..SmallDump::example() }.to_bytes();
    let one = identify(&bytes, &[1; 32], bytes.len() as u64).unwrap();
    let two = identify(&bytes, &[2; 32], bytes.len() as u64).unwrap();
    assert_eq!(one.time, None);
    assert_ne!(one.id, two.id);
}

#[test]
fn a_process_is_identified_by_its_exception() {
    let one = UserDump::example();
    let identity = of(&user_minidump(&one));
    assert_eq!(
        (identity.format, identity.crashed_at_ms),
        (DumpFormat::User, i64::from(one.timestamp) * 1000)
    );
    let deeper = UserDump { stack: vec![1; 0x900], ..one.clone() };
    assert_eq!(identity.id, of(&user_minidump(&deeper)).id);
    for other in [
        UserDump { process_id: 1, ..one.clone() },
        UserDump { process_create_time: 1, ..one.clone() },
        UserDump { thread_id: 1, ..one.clone() },
        UserDump { exception_code: 1, ..one.clone() },
        UserDump { exception_address: 1, ..one.clone() },
        UserDump { timestamp: 1, ..one.clone() },
    ] {
        assert_ne!(identity.id, of(&user_minidump(&other)).id);
    }
}

#[test]
fn a_process_without_an_exception_is_identified_by_its_bytes() {
    let mut bytes = user_minidump(&UserDump::example());
    let directory = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let streams = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    for entry in bytes[directory..][..12 * streams].chunks_exact_mut(12) {
        if entry[..4] == 6_u32.to_le_bytes() {
            entry[..4].fill(0);
        }
    }
    let one = identify(&bytes, &[1; 32], bytes.len() as u64).unwrap();
    let two = identify(&bytes, &[2; 32], bytes.len() as u64).unwrap();
    assert_ne!(one.id, two.id);
}

#[test]
fn only_the_head_counts() {
    let bytes = SmallDump::example().to_bytes();
    assert!(bytes.len() > HEAD_LEN);
    let head = identify(&bytes[..HEAD_LEN], &DIGEST, bytes.len() as u64).unwrap();
    assert_eq!(head, of(&bytes));
}

#[test]
fn what_is_no_dump_is_told() {
    let code = |bytes: &[u8]| identify(bytes, &DIGEST, bytes.len() as u64).unwrap_err().code();
    assert_eq!(code(b""), "empty");
    assert_eq!(code(b"MZ"), "not_a_dump");
    assert_eq!(code(b"PAGEDUM"), "not_a_dump");
    assert_eq!(code(b"MDMP"), "truncated");
    let kernel = SmallDump::example().to_bytes();
    assert_eq!(code(&kernel[..0x1fff]), "truncated");
    assert_eq!(
        identify(&kernel[..100], &DIGEST, 100),
        Err(IdentifyError::Truncated { needed: 0x2000, len: 100 }),
    );
    let user = user_minidump(&UserDump::example());
    let directory = u32::from_le_bytes(user[12..16].try_into().unwrap()) as usize;
    assert_eq!(code(&user[..directory + 20]), "truncated");
    assert_eq!(code(&user[..31]), "truncated");
    let message = identify(b"\x7fELF<b>", &DIGEST, 7).unwrap_err().to_string();
    assert_eq!(message, r"not a crash dump: begins with \x7fELF<b>\x00");
}

#[test]
fn ids_are_uuids_and_survive_text() {
    let id = of(&SmallDump::example().to_bytes()).id;
    assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (8, 2));
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(serde_json::from_str::<CrashId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    for text in ["", "018e2ca6", "018e2ca65ae38fb58d11b1bb1d3b3b2d", "+18e2ca6-5ae3-8fb5-8d11-b1bb1d3b3b2d"] {
        assert!(text.parse::<CrashId>().is_err(), "{text}");
    }
}

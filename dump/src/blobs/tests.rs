//! What holds for all readers of secondary data, whatever the bytes.
#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "bytes built by hand")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::{acpi, black_box, cpuid, display, hypervisor, nvidia, pci, recorder, storage, triage_data, wdf};
use crate::bytes::Width;
use crate::guid::Guid;
use crate::{boot, processor, smbios};

/// Asks every reader; the answer is how much they found, in bytes of text, of which there is a bounded number per byte.
fn read_all(blob: &[u8]) -> usize {
    let len = u64::try_from(blob.len()).unwrap();
    let mut printed = Vec::new();
    for width in [Width::W32, Width::W64] {
        printed.push(format!("{:?}", wdf::drivers(blob, width)));
        printed.push(format!("{:?}", wdf::log(blob, width)));
    }
    printed.push(format!("{:?}", acpi::read(blob)));
    printed.push(format!("{:?} {:?}", black_box::ntfs(blob), black_box::pnp(blob)));
    printed.push(format!("{:?} {:?}", black_box::winlogon(blob), black_box::driver(blob)));
    let cpuid = cpuid::read(blob);
    printed.push(format!("{:?}", cpuid.as_ref().map(|cpuid| (cpuid.vendor(), cpuid.brand()))));
    printed.push(format!("{:?}", cpuid.as_ref().map(|cpuid| cpuid.family_model_stepping())));
    printed.push(format!("{:?} {:?}", cpuid.as_ref().and_then(hypervisor::of_cpuid), hypervisor::read(blob)));
    printed.push(format!("{:?} {:?}", display::read(blob, len), nvidia::read(blob, len)));
    printed.push(format!("{:?} {:?}", pci::read(blob), storage::read(blob)));
    printed.push(format!("{:?} {:?}", recorder::log(Guid([0; 16]), blob), recorder::owner(blob)));
    printed.push(format!(
        "{:?} {:?}",
        triage_data::list(blob, &mut 1000),
        triage_data::list_with_content(blob, u64::MAX >> 1, &mut 1000)
    ));
    printed.push(format!("{:?}", boot::read(blob)));
    printed.push(format!("{:?}", processor::read(blob)));
    printed.push(format!("{:?} {:?}", smbios::read(blob), smbios::read_identity(blob)));
    printed.iter().map(String::len).sum()
}

/// Beginnings that readers know, so that bytes behind them are looked at.
const HEADS: [&[u8]; 12] = [
    b"",
    b"DIVH",
    b"DSTP\x60\0\0\0",
    b"PCfg\x7C\0\0\0",
    b"FACP\x24\0\0\0",
    b"NVCD",
    b"\x15\0\0\0\0\0\0\0",
    b"\x01\0\0\0",
    b"\x18\0\0\0\x01\0\x02\0",
    b"\x9d\x4c\x4d\x54\x2c\x94\xd5\x46\xbf\x50\xdf\x5c\xd9\x52\x4a\x50",
    b"\0\0\0\0\0\0\0\0\x16\0\0\0GenuntelineI",
    b"\0\x03\x02\0\0\0\0\0\x11\x5C\0\0",
];

/// Small numbers make lengths and counts that often fit.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(0_u8), 3 => 0..40_u8, 1 => any::<u8>()]
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(head in 0..HEADS.len(), rest in vec(byte(), 0..2000)) {
        let blob = [HEADS[head], &rest].concat();
        let found = read_all(&blob);
        prop_assert!(found < 20_000 + 200 * blob.len(), "{found} from {}", blob.len());
    }

    #[test]
    fn repeated_bytes_are_read_without_harm(piece in vec(byte(), 1..80), times in 1..200_usize) {
        read_all(&piece.repeat(times));
    }
}

/// Counts and lengths that are as large as can be lead nowhere.
#[test]
fn the_largest_numbers_are_read_without_harm() {
    for head in HEADS {
        for len in 0..256 {
            let mut blob = head.to_vec();
            blob.resize(head.len() + len, 0xFF);
            read_all(&blob);
        }
    }
}

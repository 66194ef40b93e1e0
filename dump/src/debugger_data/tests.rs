//! A block made by hand, and what is read of it.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests write structures by hand"
)]

use super::*;

/// As 64-bit Windows 11 writes it, as far as the tests look.
fn block() -> Vec<u8> {
    let mut block = vec![0; 0x3A0];
    let mut put = |offset: usize, bytes: &[u8]| block[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(0x10, b"KDBG");
    put(0x14, &0x3A0_u32.to_le_bytes());
    put(0x18, &0xFFFF_F803_E920_0000_u64.to_le_bytes());
    put(0x36, &0x11_u16.to_le_bytes());
    put(0x208, &0xFFFF_F803_EA1C_21C0_u64.to_le_bytes());
    put(0x2AA, &0x2E0_u16.to_le_bytes());
    put(0x34C, &0x540_u32.to_le_bytes());
    put(0x360, &0xFFFF_D480_0000_0000_u64.to_le_bytes());
    put(0x398, &0x8768_u16.to_le_bytes());
    block
}

#[test]
fn fields_are_where_the_header_has_them() {
    let data = DebuggerData::read(Bytes(&block()), Width::W64).unwrap();
    assert_eq!((data.size, data.kernel_base), (0x3A0, 0xFFFF_F803_E920_0000));
    assert_eq!((data.pae_enabled, data.paging_levels), (true, Some(4)));
    assert_eq!(data.addresses.nt_build_lab, Some(0xFFFF_F803_EA1C_21C0));
    assert_eq!(data.addresses.pte_base, Some(0xFFFF_D480_0000_0000));
    assert_eq!((data.offsets.eprocess_peb, data.offsets.ethread_irp_list), (Some(0x2E0), Some(0x540)));
    assert_eq!(data.offsets.prcb_exception_stack, Some(0x8768));
    assert_eq!(data.offsets.prcb_number, None, "0 is not a place");
}

#[test]
fn what_a_shorter_block_lacks_is_absent_whatever_is_behind_it() {
    let mut older = block();
    older[0x14..0x18].copy_from_slice(&0x340_u32.to_le_bytes());
    let data = DebuggerData::read(Bytes(&older), Width::W64).unwrap();
    assert_eq!(data.offsets.eprocess_peb, Some(0x2E0));
    assert_eq!((data.offsets.ethread_irp_list, data.addresses.pte_base), (None, None));
    // and the same where the file ends
    let data = DebuggerData::read(Bytes(&block()[..0x340]), Width::W64).unwrap();
    assert_eq!((data.offsets.ethread_irp_list, data.addresses.pte_base), (None, None));
}

#[test]
fn addresses_of_32_bit_dumps_are_not_sign_extended() {
    let mut block = block();
    block[0x18..0x20].copy_from_slice(&0xFFFF_FFFF_E441_F000_u64.to_le_bytes());
    assert_eq!(DebuggerData::read(Bytes(&block), Width::W32).unwrap().kernel_base, 0xE441_F000);
}

#[test]
fn a_block_without_its_mark_is_none() {
    let mut unmarked = block();
    unmarked[0x10] = b'k';
    let mut tiny = block();
    tiny[0x14..0x18].copy_from_slice(&0x18_u32.to_le_bytes());
    for bytes in [unmarked, tiny, Vec::new(), block()[..0x14].to_vec()] {
        assert_eq!(DebuggerData::read(Bytes(&bytes), Width::W64), None);
    }
}

#[test]
fn the_lab_is_the_name_of_this_build_or_nothing() {
    let data = DebuggerData::read(Bytes(&block()), Width::W64).unwrap();
    let lab = |memory: &'static [u8]| {
        data.lab(26100, |va, len| {
            assert_eq!((va, len), (0xFFFF_F803_EA1C_21C0, LAB_LEN));
            Some(memory.into())
        })
    };
    assert_eq!(
        lab(b"26100.1.amd64fre.ge_release.240331-1435\0\0").as_deref(),
        Some("26100.1.amd64fre.ge_release.240331-1435")
    );
    for other in [
        &b"19041.1.amd64fre.vb_release.191206-1406\0"[..],
        b"26100.1.amd64fre.ge_rel",
        b"26100\0",
        b"26100.\x01\0",
        b"\0",
        b"",
    ] {
        assert_eq!(lab(other), None, "{}", other.escape_ascii());
    }
    assert_eq!(data.lab(26100, |_, _| None), None);
}

//! Page tables of all machines, by hand.

use super::machine::{Head, open};
use super::{Kind, Machine};
use crate::problem::{Damage, Part, Problem};

/// Address of a list that leads back to itself: what speaks for the page tables.
fn with_list(kind: Kind) -> (Machine, Head) {
    let mut machine = Machine::new(kind);
    let list = kind.kernel() + 0x3008;
    machine.put(list, list);
    machine.put(list + kind.word(), list);
    (machine, Head::of(list, 0))
}

#[test]
fn pages_of_every_machine() {
    for kind in Kind::ALL {
        let (mut machine, head) = with_list(kind);
        let (kernel, user) = (kind.kernel() + 0x5FFE, 0x7FFD_1FFE);
        machine.write(kernel, b"kernel");
        machine.write(user, b"user");
        let file = machine.dump(head);
        let opened = open(&file);
        assert_eq!(opened.problems, [], "{kind:?}");
        let memory = opened.large.memory(&opened.store);
        assert_eq!(memory.read(kernel, 6).as_deref(), Some(b"kernel".as_slice()), "{kind:?}");
        assert_eq!(memory.read(user, 4).as_deref(), Some(b"user".as_slice()), "{kind:?}");
        assert_eq!(memory.run(user, 0x1_0000).map(|run| run.len()), Some(0x1002), "{kind:?}");
        assert_eq!(memory.read(user, 0x1003), None, "{kind:?}");
        assert_eq!(memory.read(kernel + 0x2000, 1), None, "{kind:?}");
    }
}

#[test]
fn large_pages() {
    for (kind, shift) in [
        (Kind::X64, 21),
        (Kind::X64, 30),
        (Kind::X64Large, 30),
        (Kind::Arm64, 21),
        (Kind::Arm64, 30),
        (Kind::Pae, 21),
        (Kind::X86, 22),
    ] {
        let (mut machine, head) = with_list(kind);
        let va = (kind.kernel() + (1 << shift)) & !((1 << shift) - 1);
        let base = 1_u64 << shift >> 12;
        // bit 12 of a large page is no bit of its address on x64
        let flags = if kind == Kind::Arm64 { 0x701 } else { 0x10E3 };
        machine.set(va, shift, base << 12 | flags & if kind.is_64() { u64::MAX } else { 0xFFF });
        for page in [0, 1, 0x123] {
            machine.physical(base + page)[0x10] = page as u8;
        }
        let file = machine.dump(head);
        let opened = open(&file);
        let memory = opened.large.memory(&opened.store);
        for page in [0, 1, 0x123] {
            let byte = memory.read(va + page * 0x1000 + 0x10, 1);
            assert_eq!(byte.as_deref(), Some([page as u8].as_slice()), "{kind:?} {shift} {page}");
        }
        assert_eq!(memory.read(va + 0x2000, 1), None, "{kind:?} {shift}");
        // two pages that follow one another in the file are not copied
        let two = memory.read(va + 0xFF0, 0x20).unwrap();
        assert!(matches!(two, std::borrow::Cow::Borrowed(_)), "{kind:?} {shift}");
    }
}

#[test]
fn pages_in_transition_are_found_and_others_are_not() {
    for kind in Kind::ALL {
        let (mut machine, head) = with_list(kind);
        let va = kind.kernel() + 0x10_0000;
        let page = machine.page();
        machine.physical(page)[0] = 77;
        let swizzled = if kind.is_64() { 1 << 45 } else { 0 };
        for (index, (entry, there)) in [
            (page << 12 | 0x880, true),
            (page << 12 | swizzled | 0x880, true),
            (page << 12 | 0xC80, false),
            (page << 12 | 0x080, false),
        ]
        .into_iter()
        .enumerate()
        {
            let va = va + index as u64 * 0x1000;
            machine.set(va, 12, entry);
            let file = machine.dump(head);
            let opened = open(&file);
            let byte = opened.large.memory(&opened.store).read(va, 1);
            assert_eq!(byte.as_deref(), there.then_some([77].as_slice()), "{kind:?} {index}");
        }
    }
}

#[test]
fn a_table_that_leads_to_itself() {
    for kind in [Kind::X64, Kind::X64Large, Kind::Arm64] {
        let (mut machine, head) = with_list(kind);
        // Windows maps its tables so: every address in there ends in a table
        let flags = if kind == Kind::Arm64 { 0x703 } else { 0x63 };
        let first = if kind == Kind::X64Large { 48 } else { 39 };
        let va = ((kind.kernel() >> first) - 3) << first;
        machine.set(va, first, 0x1A << 12 | flags);
        let file = machine.dump(head);
        let opened = open(&file);
        let memory = opened.large.memory(&opened.store);
        for va in (0..16).map(|index| va + index * 0x4_0201_0080) {
            memory.read(va, 8);
        }
        let index = va >> first & 0x1FF;
        let own = (0..first / 9 + 1).filter(|level| level * 9 + 12 <= first);
        let itself = own.fold(va, |va, level| va & !(0x1FF << (level * 9 + 12)) | index << (level * 9 + 12));
        let entry = memory.read(itself | index << 3, 8).unwrap();
        assert_eq!(*entry, (0x1A_u64 << 12 | flags).to_le_bytes(), "{kind:?}");
    }
}

#[test]
fn addresses_that_no_processor_takes() {
    for (kind, bits) in [(Kind::X64, 48), (Kind::X64Large, 57), (Kind::Arm64, 48)] {
        let (machine, head) = with_list(kind);
        let file = machine.dump(head);
        let opened = open(&file);
        let memory = opened.large.memory(&opened.store);
        assert!(memory.offset_of(head.list).is_some());
        for bit in bits..64 {
            assert_eq!(memory.offset_of(head.list ^ 1 << bit), None, "{kind:?} {bit}");
        }
        assert_eq!(memory.run(u64::MAX - 3, 16), None);
    }
    let (machine, head) = with_list(Kind::Pae);
    let file = machine.dump(head);
    let opened = open(&file);
    // 32-bit dumps have some addresses sign-extended
    let memory = opened.large.memory(&opened.store);
    assert_eq!(memory.word(head.list | 0xFFFF_FFFF_0000_0000), Some(head.list));
}

#[test]
fn the_register_has_flags() {
    for (kind, root_flags) in [(Kind::X64, 0x802), (Kind::Arm64, 0x800), (Kind::X86, 0x18), (Kind::Pae, 0x18)]
    {
        let (machine, head) = with_list(kind);
        let file = machine.dump(Head { root_flags, ..head });
        assert_eq!(open(&file).problems, [], "{kind:?}");
    }
}

#[test]
fn what_the_header_says_of_pae_is_tried_first_and_not_believed() {
    for (kind, pae) in [(Kind::Pae, 0), (Kind::Pae, 1), (Kind::X86, 0), (Kind::X86, 1)] {
        let (machine, head) = with_list(kind);
        let file = machine.dump(Head { pae, ..head });
        let opened = open(&file);
        assert_eq!(opened.problems, [], "{kind:?}");
        let memory = opened.large.memory(&opened.store);
        assert_eq!(memory.word(head.list), Some(head.list), "{kind:?}");
    }
}

#[test]
fn page_tables_that_are_not_there() {
    let (machine, head) = with_list(Kind::X64);
    let file = machine.dump(Head { root_flags: 1 << 30, ..head });
    let opened = open(&file);
    assert_eq!(opened.problems, [Problem { part: Part::PageTables, damage: Damage::Invalid }]);
    assert_eq!(opened.large.memory(&opened.store).read(head.list, 8), None);
}

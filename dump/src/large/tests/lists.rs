//! Lists of drivers and of unloaded drivers: sound, with links that lead astray, and cut off.

use super::machine::{Head, Opened, open};
use super::{Kind, Machine};
use crate::bytes::{Bytes, Width};
use crate::debugger_data::DebuggerData;
use crate::drivers::Driver;
use crate::large::{self, Piece};
use crate::problem::{Damage, Part, Problems};
use crate::time::FileTime;

const COUNT: u64 = 5;

fn list_head(kind: Kind) -> u64 {
    kind.kernel() + 0x100
}

fn entry(kind: Kind, number: u64) -> u64 {
    kind.kernel() + 0x2F80 + number * 0x300
}

/// A machine with a list of five drivers.
fn with_drivers(kind: Kind) -> Machine {
    let mut machine = Machine::new(kind);
    let (word, head) = (kind.word(), list_head(kind));
    for number in 0..COUNT {
        let at = entry(kind, number);
        let next = if number + 1 == COUNT { head } else { entry(kind, number + 1) };
        let previous = if number == 0 { head } else { entry(kind, number - 1) };
        machine.put(at, next);
        machine.put(at + word, previous);
        let offsets: [u64; 9] = if kind.is_64() {
            [0x30, 0x38, 0x40, 0x48, 0x58, 0x68, 0x78, 0x98, 0x9C]
        } else {
            [0x18, 0x1C, 0x20, 0x24, 0x2C, 0x34, 0x40, 0x54, 0x58]
        };
        let [base, start, size, path, name, flags, checksum, not_rounded, timestamp] =
            offsets.map(|offset| at + offset);
        machine.put(base, kind.kernel() + 0x10_0000 * (number + 1));
        machine.put(start, kind.kernel() + 0x10_0000 * (number + 1) + 0x20);
        for (va, value) in [
            (size, 0x5000),
            (flags, 0x4900_4000),
            (checksum, 0x1234),
            (not_rounded, 0x4E00),
            (timestamp, 0x5000_0000),
        ] {
            machine.write(va, &(value + number as u32).to_le_bytes());
        }
        // sizes are those of whole pages
        machine.write(size, &0x5000_u32.to_le_bytes());
        machine.text(path, at + 0x100, &format!("\\SystemRoot\\drivers\\driver{number}.sys"));
        machine.text(name, at + 0x1C0, &format!("driver{number}.sys"));
    }
    machine.put(head, entry(kind, 0));
    machine.put(head + word, entry(kind, COUNT - 1));
    machine
}

fn drivers(opened: &Opened<'_>) -> (Vec<Driver>, Vec<Damage>) {
    let mut problems = Problems::default();
    let memory = opened.large.memory(&opened.store);
    let list = large::drivers(memory, &opened.header, &mut problems).list;
    let problems = problems.into_vec().into_iter();
    (list, problems.filter(|problem| problem.part == Part::Drivers).map(|problem| problem.damage).collect())
}

fn names(machine: &Machine) -> (String, Vec<Damage>) {
    let file = machine.dump(Head::of(list_head(machine.kind), 0));
    let (list, damage) = drivers(&open(&file));
    let numbers = list.iter().map(|driver| driver.name.trim_matches(|c: char| !c.is_ascii_digit()));
    (numbers.collect(), damage)
}

#[test]
fn drivers_of_every_machine() {
    for kind in Kind::ALL {
        let machine = with_drivers(kind);
        let file = machine.dump(Head::of(list_head(kind), 0));
        let (list, damage) = drivers(&open(&file));
        assert_eq!((list.len(), damage), (5, vec![]), "{kind:?}");
        let expected = Driver {
            name: "driver3.sys".into(),
            path: Some("\\SystemRoot\\drivers\\driver3.sys".into()),
            base: kind.kernel() + 0x40_0000,
            size: 0x5000,
            entry_point: kind.kernel() + 0x40_0020,
            timestamp: 0x5000_0003,
            checksum: 0x1237,
            flags: 0x4900_4003,
        };
        assert_eq!(list[3], expected, "{kind:?}");
    }
}

#[test]
fn a_list_that_breaks_is_read_from_its_other_end() {
    for kind in Kind::ALL {
        for target in [0, kind.kernel() + 0xFF_0000, entry(kind, 0), entry(kind, 1)] {
            let mut machine = with_drivers(kind);
            let broken = entry(kind, 1);
            machine.put(broken, target);
            let damage = vec![Damage::Broken { address: broken }];
            assert_eq!(names(&machine), ("01234".into(), damage), "{kind:?} {target:#x}");
        }
        // both links of one entry: its neighbours are reached
        let mut machine = with_drivers(kind);
        machine.put(entry(kind, 2), 0);
        machine.put(entry(kind, 2) + kind.word(), 0);
        assert_eq!(names(&machine).0, "01234", "{kind:?}");
        // an entry that is none
        let mut machine = with_drivers(kind);
        let base = if kind.is_64() { 0x30 } else { 0x18 };
        machine.put(entry(kind, 2) + base, 0x1234);
        assert_eq!(
            names(&machine),
            ("0134".into(), vec![Damage::Broken { address: entry(kind, 1) }]),
            "{kind:?}"
        );
        // neither end
        let mut machine = with_drivers(kind);
        machine.put(list_head(kind), 0);
        machine.put(list_head(kind) + kind.word(), 0);
        let broken = vec![Damage::Broken { address: list_head(kind) }];
        assert_eq!(names(&machine), (String::new(), broken), "{kind:?}");
    }
}

#[test]
fn a_list_that_is_not_there() {
    let machine = with_drivers(Kind::X64);
    let address = 0xFFFF_9000_0000_0000;
    let file = machine.dump(Head::of(address, 0));
    assert_eq!(drivers(&open(&file)), (vec![], vec![Damage::Absent { address }]));
}

#[test]
fn names_that_are_not_there() {
    let kind = Kind::X64;
    let mut machine = with_drivers(kind);
    machine.put(entry(kind, 1) + 0x60, 0xFFFF_9000_0000_0000);
    machine.put(entry(kind, 2) + 0x50, 0xFFFF_9000_0000_0000);
    machine.put(entry(kind, 3) + 0x50, 0);
    machine.put(entry(kind, 3) + 0x60, 0);
    let file = machine.dump(Head::of(list_head(kind), 0));
    let (list, damage) = drivers(&open(&file));
    let seen: Vec<_> = list.iter().map(|driver| (driver.name.as_str(), driver.path.is_some())).collect();
    let expected = [
        ("driver0.sys", true),
        ("driver1.sys", true),
        ("driver2.sys", false),
        ("", false),
        ("driver4.sys", true),
    ];
    assert_eq!(seen, expected);
    assert_eq!(damage, [Damage::EntryUnnamed { entry: 4, count: 5 }]);
}

#[test]
fn the_timestamp_of_an_older_system_is_that_of_the_image() {
    for kind in Kind::ALL {
        let mut machine = with_drivers(kind);
        let not_rounded = if kind.is_64() { 0x98 } else { 0x54 };
        for number in [1, 2, 3] {
            machine.write(entry(kind, number) + not_rounded, &[0; 8]);
        }
        let image = kind.kernel() + 0x20_0000;
        for (image, size) in [(image, 0x4F00_u32), (image + 0x10_0000, 0x9000)] {
            machine.write(image, b"MZ");
            machine.write(image + 0x3C, &0xE8_u32.to_le_bytes());
            machine.write(image + 0xE8, b"PE\0\0");
            machine.write(image + 0xF0, &0x4CE7_929C_u32.to_le_bytes());
            machine.write(image + 0x138, &size.to_le_bytes());
        }
        let file = machine.dump(Head::of(list_head(kind), 0));
        let (list, _) = drivers(&open(&file));
        let timestamps: Vec<_> = list.iter().map(|driver| driver.timestamp).collect();
        assert_eq!(timestamps, [0x5000_0000, 0x4CE7_929C, 0, 0, 0x5000_0004], "{kind:?}");
    }
}

/// Debugger data with these fields: place, width, value.
fn block(fields: &[(usize, usize, u64)]) -> Vec<u8> {
    let mut block = vec![0; 0x3A0];
    block[0x10..0x14].copy_from_slice(b"KDBG");
    block[0x14..0x18].copy_from_slice(&0x3A0_u32.to_le_bytes());
    block[0x18..0x20].copy_from_slice(&0xFFFF_F801_2300_0000_u64.to_le_bytes());
    for &(at, len, value) in fields {
        block[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }
    block
}

fn data(kind: Kind, fields: &[(usize, usize, u64)]) -> DebuggerData {
    let width = if kind.is_64() { Width::W64 } else { Width::W32 };
    DebuggerData::read(Bytes(&block(fields)), width).unwrap()
}

#[test]
fn debugger_data_missing_and_encoded() {
    let kind = Kind::X64;
    let (mut machine, at) = (with_drivers(kind), kind.kernel() + 0x8FF0);
    let read = |machine: &Machine| {
        let file = machine.dump(Head::of(list_head(kind), at));
        let opened = open(&file);
        let mut problems = Problems::default();
        let data = large::debugger_data(opened.large.memory(&opened.store), &opened.header, &mut problems);
        (data.map(|data| data.size), problems.into_vec().first().map(|problem| problem.damage))
    };
    assert_eq!(read(&machine), (None, Some(Damage::Absent { address: at })));
    machine.write(at, &[0x5A; 0x3A0]);
    assert_eq!(read(&machine), (None, Some(Damage::Encoded { address: at })));
    machine.write(at, &block(&[]));
    assert_eq!(read(&machine), (Some(0x3A0), None));
}

#[test]
fn unloaded_drivers_newest_first() {
    for kind in Kind::ALL {
        let mut machine = with_drivers(kind);
        let (word, ring) = (kind.word(), kind.kernel() + 0x6000);
        let (pointer, last) = (kind.kernel() + 0x5000, kind.kernel() + 0x5010);
        let stride = if kind.is_64() { 40 } else { 24 };
        machine.put(pointer, ring);
        machine.write(ring, &vec![0; 50 * stride]);
        // the ring has come round once: 48, 49, 0, 1
        machine.write(last, &2_u32.to_le_bytes());
        for (slot, number) in [(48, 1), (49, 2), (0, 3), (1, 4)] {
            let at = ring + slot * stride as u64;
            machine.text(at, ring + 0x1800 + slot * 0x40, &format!("dump_storport{number}.sys"));
            machine.put(at + word * 2, kind.kernel() + number * 0x1000);
            machine.put(at + word * 3, kind.kernel() + number * 0x1000 + 0x800);
            machine.write(at + word * 4, &(133_000_000_000_000_000 + number).to_le_bytes());
        }
        // one that ends before it begins
        machine.put(ring + 30 * stride as u64 + word * 2, 0x5000);
        let file = machine.dump(Head::of(list_head(kind), 0));
        let opened = open(&file);
        let mut problems = Problems::default();
        let data = data(kind, &[(0x220, 8, pointer), (0x228, 8, last)]);
        let list = large::unloaded(opened.large.memory(&opened.store), &data, &mut problems);
        let names: Vec<_> = list.iter().map(|driver| driver.name.as_str()).collect();
        let expected =
            ["dump_storport4.sys", "dump_storport3.sys", "dump_storport2.sys", "dump_storport1.sys"];
        assert_eq!(names, expected, "{kind:?}");
        let newest = (list[0].start, list[0].end, list[0].time);
        let time = Some(FileTime(133_000_000_000_000_004));
        assert_eq!(newest, (kind.kernel() + 0x4000, kind.kernel() + 0x4800, time), "{kind:?}");
        let damage: Vec<_> = problems.into_vec().iter().map(|problem| problem.damage).collect();
        assert_eq!(damage, [Damage::EntryInvalid { entry: 31, count: 50 }], "{kind:?}");
    }
}

#[test]
fn the_bug_check_as_the_kernel_noted_it() {
    for kind in Kind::ALL {
        let mut machine = with_drivers(kind);
        let at = kind.kernel() + 0x5FF8;
        let data = data(kind, &[(0x88, 8, at)]);
        let read = |machine: &Machine| {
            let file = machine.dump(Head::of(list_head(kind), 0));
            let opened = open(&file);
            large::bug_check(opened.large.memory(&opened.store), &data)
        };
        assert_eq!(read(&machine), None);
        for (index, value) in [0xD1, 1, 2, 3, 4].into_iter().enumerate() {
            machine.put(at + index as u64 * kind.word(), value);
        }
        assert_eq!(read(&machine), Some((0xD1, [1, 2, 3, 4])), "{kind:?}");
        machine.put(at, 0);
        assert_eq!(read(&machine), None, "{kind:?}");
    }
}

/// Two processors; the second one's thread has its stack at 0xE000, its deferred calls theirs below.
fn with_processors(kind: Kind) -> Machine {
    let mut machine = with_drivers(kind);
    let (k, word) = (kind.kernel(), kind.word());
    for number in 0..2 {
        let (prcb, thread, stack) =
            (k + 0x5000 + number * 0x800, k + 0x7000 + number * 0x800, k + 0xA000 + number * 0x2000);
        machine.put(k + 0x4F00 + number * word, prcb);
        machine.put(prcb + 8, thread);
        machine.put(prcb + 0x40, k + 0x1_5000 + number * 0x1000);
        machine.put(prcb + 0x48, k + 0x9000 + number * 0x500);
        let sp = match kind {
            Kind::X64 | Kind::X64Large => 0x98,
            Kind::Arm64 => 0x100,
            Kind::Pae | Kind::X86 => 0xC4,
        };
        let flags = if matches!(kind, Kind::X64 | Kind::X64Large) { 0x30 } else { 0 };
        let context = k + 0x9000 + number * 0x500;
        machine.write(context, &[0; 0x4D0]);
        let value = match kind {
            Kind::X64 | Kind::X64Large => 0x0010_001F_u32,
            Kind::Arm64 => 0x0040_0007,
            Kind::Pae | Kind::X86 => 0x0001_003F,
        };
        machine.write(context + flags, &value.to_le_bytes());
        machine.put(context + sp, k + 0x2_0000 + number * 8);
        machine.put(thread + 0x28, stack + 0x2000 - 0x20);
        machine.put(thread + 0x30, stack);
        machine.put(thread + 0x38, stack + 0x2000);
        machine.put(thread + 0x98, k + 0x1_8000 + number);
    }
    machine
}

fn data_of_processors(kind: Kind, limits: bool) -> DebuggerData {
    let mut fields = vec![
        (0x218, 8, kind.kernel() + 0x4F00),
        (0x29E, 2, 0x28),
        (0x2A0, 2, 0x98),
        (0x2A8, 2, 0xA40),
        (0x2B0, 2, 0xAF00),
        (0x2B4, 2, 8),
        (0x2C0, 2, 0x898),
        (0x338, 2, 0x48),
        (0x354, 2, 0x40),
    ];
    if limits {
        fields.extend([(0x340, 4, 0x30), (0x344, 4, 0x38)]);
    }
    data(kind, &fields)
}

#[test]
fn the_processor_is_the_one_whose_stack_it_is() {
    for kind in Kind::ALL {
        let machine = with_processors(kind);
        let file = machine.dump(Head { processors: 2, ..Head::of(list_head(kind), 0) });
        let opened = open(&file);
        let k = kind.kernel();
        let find = |sp: Option<u64>, limits| {
            let mut problems = Problems::default();
            let memory = opened.large.memory(&opened.store);
            let data = data_of_processors(kind, limits);
            let current = large::current(memory, &opened.header, &data, sp, &mut problems);
            (current, problems.into_vec().first().map(|problem| problem.damage))
        };
        let (current, _) = find(Some(k + 0xD800), true);
        let current = current.unwrap();
        assert_eq!(current.processor, 1, "{kind:?}");
        assert_eq!(current.prcb, Piece { va: k + 0x5800, len: 0xAF00 });
        assert_eq!(current.thread, Some(Piece { va: k + 0x7800, len: 0x898 }));
        assert_eq!(current.process, Some(Piece { va: k + 0x1_8001, len: 0xA40 }));
        assert_eq!(current.stack, Some(Piece { va: k + 0xD800, len: 0x800 }));
        // Windows 7 does not tell where the limits are: its first stack is the one that reaches up to 0xC000
        let (current, _) = find(Some(k + 0xB800), false);
        let current = current.unwrap();
        assert_eq!(
            (current.processor, current.stack),
            (0, Some(Piece { va: k + 0xB800, len: 0x800 })),
            "{kind:?}"
        );
        // on the stack of deferred procedure calls
        let (current, _) = find(Some(k + 0x1_5800), true);
        let current = current.unwrap();
        assert_eq!(
            (current.processor, current.stack),
            (1, Some(Piece { va: k + 0x1_5800, len: 0x800 })),
            "{kind:?}"
        );
        // on no stack that is known, but the one that was saved
        let (current, _) = find(Some(k + 0x2_0008), true);
        let current = current.unwrap();
        assert_eq!((current.processor, current.stack), (1, None), "{kind:?}");
        assert_eq!(find(Some(k + 0x3_0000), true), (None, Some(Damage::Invalid)), "{kind:?}");
        assert_eq!(find(None, true), (None, Some(Damage::Invalid)), "{kind:?}");
    }
}

//! The readers of objects on memory made by hand: whole objects, wrong types, chains without an end, missing pieces.
#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests write memory by hand")]

use std::borrow::Cow;

use super::*;
use crate::bytes::Width;

/// A few blocks of memory, and drivers by range.
struct Memory {
    width: Width,
    blocks: Vec<(u64, Vec<u8>)>,
    drivers: Vec<(u64, u64, &'static str)>,
}

impl View for Memory {
    fn width(&self) -> Width {
        self.width
    }

    fn bytes(&self, va: u64, len: usize) -> Option<Cow<'_, [u8]>> {
        self.run(va, len).filter(|bytes| bytes.len() == len)
    }

    fn run(&self, va: u64, most: usize) -> Option<Cow<'_, [u8]>> {
        self.blocks.iter().find_map(|(start, bytes)| {
            let rest = bytes.get(usize::try_from(va.checked_sub(*start)?).ok()?..)?;
            Some(Cow::Borrowed(rest.get(..most).unwrap_or(rest))).filter(|rest| !rest.is_empty())
        })
    }

    fn location(&self, va: u64) -> Option<Location> {
        let (start, _, name) = self.drivers.iter().find(|(start, end, _)| (*start..*end).contains(&va))?;
        Some(Location::new(va, name, va - start, false))
    }
}

impl Memory {
    fn new(width: Width) -> Self {
        Self { width, blocks: Vec::new(), drivers: Vec::new() }
    }

    fn block(&mut self, va: u64, len: usize) {
        self.blocks.push((va, vec![0; len]));
    }

    /// Writes the low bytes of a number, as many as `len`.
    fn put(&mut self, va: u64, len: usize, value: u64) {
        let fits = |(start, bytes): &&mut (u64, Vec<u8>)| {
            va >= *start && usize::try_from(va - *start).unwrap() + len <= bytes.len()
        };
        let (start, bytes) = self.blocks.iter_mut().find(fits).expect("a block for the number");
        let at = usize::try_from(va - *start).unwrap();
        bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    }

    fn link(&mut self, va: u64, value: u64) {
        let len = if self.width == Width::W32 { 4 } else { 8 };
        self.put(va, len, value);
    }

    /// A `UNICODE_STRING` at `va` with its text in a block of its own.
    fn string(&mut self, va: u64, buffer: u64, text: &str) {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let len = u64::try_from(units.len()).unwrap();
        self.put(va, 2, len);
        self.put(va + 2, 2, len + 2);
        self.link(va + if self.width == Width::W32 { 4 } else { 8 }, buffer);
        self.blocks.push((buffer, units));
    }
}

const DISK: u64 = 0xFFFF_D68F_0000_1000;
const PORT: u64 = 0xFFFF_D68F_0000_2000;
const UPPER: u64 = 0xFFFF_D68F_0000_3000;
const LOWER: u64 = 0xFFFF_D68F_0000_4000;
const IRP: u64 = 0xFFFF_D68F_0000_5000;

/// `disk.sys` attached to a device of `iaStorAC.sys`, on which the device tree has a node.
fn storage() -> Memory {
    let mut memory = Memory::new(Width::W64);
    memory.drivers.push((0xFFFF_F800_1000_0000, 0xFFFF_F800_1010_0000, "disk.sys"));
    memory.drivers.push((0xFFFF_F800_2000_0000, 0xFFFF_F800_2010_0000, "iaStorAC.sys"));
    for (object, start, name) in
        [(DISK, 0xFFFF_F800_1000_0000, "\\Driver\\disk"), (PORT, 0xFFFF_F800_2000_0000, "\\Driver\\iaStorAC")]
    {
        memory.block(object, 0x150);
        memory.put(object, 2, 4);
        memory.link(object + 0x18, start);
        memory.string(object + 0x38, object + 0x800, name);
    }
    for (device, driver) in [(UPPER, DISK), (LOWER, PORT)] {
        memory.block(device, 0x150);
        memory.put(device, 2, 3);
        memory.link(device + 8, driver);
    }
    memory.link(LOWER + 0x18, UPPER);
    let (extension, node) = (LOWER + 0x400, LOWER + 0x600);
    memory.link(LOWER + 0x138, extension);
    memory.block(extension, 0x40);
    memory.put(extension, 2, 13);
    memory.link(extension + 8, LOWER);
    memory.link(extension + 0x28, node);
    memory.block(node, 0x58);
    memory.link(node + 0x20, LOWER);
    memory.string(node + 0x28, node + 0x100, "SCSI\\Disk&Ven_Intel\\4&31e3");
    memory.string(node + 0x38, node + 0x200, "disk");
    memory
}

#[test]
fn a_device_with_its_stack() {
    let device = DeviceObject::read(&storage(), LOWER).unwrap();
    assert_eq!(device.instance.as_deref(), Some("SCSI\\Disk&Ven_Intel\\4&31e3"));
    assert_eq!(device.service.as_deref(), Some("disk"));
    assert_eq!(device.driver.as_ref().unwrap().name.as_deref(), Some("\\Driver\\iaStorAC"));
    assert_eq!(device.attached.len(), 1);
    assert_eq!(device.to_string(), "device of iaStorAC.sys (SCSI\\Disk&Ven_Intel), under disk.sys");
}

#[test]
fn a_node_of_another_device_is_not_believed() {
    let mut memory = storage();
    memory.link(LOWER + 0x600 + 0x20, UPPER);
    let device = DeviceObject::read(&memory, LOWER).unwrap();
    assert_eq!((device.instance, device.service), (None, None));
}

#[test]
fn a_stack_that_is_a_ring_ends() {
    let mut memory = storage();
    memory.link(UPPER + 0x18, LOWER);
    assert_eq!(DeviceObject::read(&memory, LOWER).unwrap().attached.len(), 1);
}

#[test]
fn a_stack_without_an_end_is_cut() {
    let mut memory = Memory::new(Width::W64);
    for number in 0..40 {
        let device = UPPER + number * 0x1000;
        memory.block(device, 0x150);
        memory.put(device, 2, 3);
        memory.link(device + 0x18, device + 0x1000);
    }
    assert_eq!(DeviceObject::read(&memory, UPPER).unwrap().attached.len(), 16);
}

#[test]
fn what_is_of_another_type_is_none() {
    let mut memory = storage();
    assert_eq!(DeviceObject::read(&memory, DISK), None);
    assert_eq!(DriverObject::read(&memory, LOWER), None);
    assert_eq!(Irp::read(&memory, LOWER), None);
    memory.put(DISK, 2, 0);
    let device = DeviceObject::read(&memory, UPPER).unwrap();
    assert_eq!(device.driver, None, "its driver object is overwritten");
    assert_eq!(device.to_string(), format!("device {UPPER:#x}"));
}

fn with_irp(current: u8) -> Memory {
    let mut memory = storage();
    memory.block(IRP, 0xD0 + 3 * 0x48);
    memory.put(IRP, 2, 6);
    memory.put(IRP + 0x42, 1, 3);
    memory.put(IRP + 0x43, 1, current.into());
    memory.link(IRP + 0xB8, IRP + 0xD0 + u64::from(current - 1) * 0x48);
    for (number, device) in [(1, UPPER), (2, UPPER)] {
        let location = IRP + 0xD0 + number * 0x48;
        memory.put(location, 2, 0x0216);
        memory.link(location + 0x28, device);
    }
    memory.link(IRP + 0xD0 + 0x48 + 0x38, 0xFFFF_F800_2000_4930);
    memory.put(IRP + 0xD0 + 0x48 + 0x10, 8, 1);
    memory.put(IRP + 0xD0 + 0x48 + 0x18, 8, 4);
    memory
}

#[test]
fn a_request_and_who_has_it() {
    let irp = Irp::read(&with_irp(2), IRP).unwrap();
    assert_eq!((irp.stack_count, irp.current_location, irp.locations.len()), (3, 2, 2));
    assert_eq!(irp.to_string(), "IRP_MJ_POWER/IRP_MN_SET_POWER at device of disk.sys (D3)");
    assert_eq!(irp.locations[1].power, None, "no state is 0");
    let current = irp.current.unwrap();
    assert_eq!(current.image().unwrap().driver, "disk.sys");
    assert_eq!(current.completion.unwrap().to_string(), "iaStorAC.sys+0x4930");
}

#[test]
fn a_completed_request_is_at_nobody() {
    let irp = Irp::read(&with_irp(4), IRP).unwrap();
    assert_eq!(irp.current, None);
    assert_eq!(irp.to_string(), "request at no driver (location 4 of 3)");
}

#[test]
fn functions_by_name() {
    let location = |major, minor| IrpLocation {
        address: 0,
        major,
        minor,
        device: None,
        driver: None,
        completion: None,
        power: None,
    };
    let check = |major, minor, text: &str| assert_eq!(location(major, minor).function(), text);
    check(0x1B, 0x07, "IRP_MJ_PNP/IRP_MN_QUERY_DEVICE_RELATIONS");
    check(0x1B, 0x0E, "IRP_MJ_PNP/0xe");
    check(0x17, 0x09, "IRP_MJ_SYSTEM_CONTROL/IRP_MN_EXECUTE_METHOD");
    check(0x03, 0, "IRP_MJ_READ");
    check(0x77, 1, "major 0x77/0x1");
}

#[test]
fn a_request_of_32_bits() {
    let (irp, device, driver) = (0x8600_1000, 0x8600_2000, 0x8600_3000);
    let mut memory = Memory::new(Width::W32);
    memory.drivers.push((0x9000_0000, 0x9001_0000, "usbhub.sys"));
    memory.block(irp, 0x70 + 0x24);
    memory.put(irp, 2, 6);
    memory.put(irp + 0x22, 2, 0x0101);
    memory.link(irp + 0x60, irp + 0x70);
    memory.put(irp + 0x70, 2, 0x001B);
    memory.link(irp + 0x70 + 0x14, device);
    memory.block(device, 0xB8);
    memory.put(device, 2, 3);
    memory.link(device + 8, driver);
    memory.block(driver, 0xA8);
    memory.put(driver, 2, 4);
    memory.link(driver + 0x0C, 0x9000_0000);
    memory.string(driver + 0x1C, driver + 0x800, "\\Driver\\usbhub");
    let irp = Irp::read(&memory, irp).unwrap();
    assert_eq!(irp.to_string(), "IRP_MJ_PNP/IRP_MN_START_DEVICE at device of usbhub.sys");
    let driver = irp.current.unwrap().driver.unwrap();
    assert_eq!(driver.name.as_deref(), Some("\\Driver\\usbhub"));
}

#[test]
fn power_requests_under_way() {
    let (triage, head) = (0xFFFF_D007_0000_1000, 0xFFFF_F804_0000_2000);
    let mut memory = with_irp(2);
    memory.block(triage, 0x28);
    memory.put(triage, 4, 0x0002_8000);
    memory.link(triage + 8, head);
    memory.block(head, 0x60);
    // two entries in a ring with the head; the second one's request is not in the dump
    for (at, next) in [(head, head + 0x20), (head + 0x20, head + 0x40), (head + 0x40, head)] {
        memory.link(at, next);
    }
    memory.link(head + 0x30, IRP);
    memory.link(head + 0x38, LOWER);
    memory.link(head + 0x50, 0x7777_0000);
    let triage = power_triage(&memory, triage).unwrap();
    assert_eq!((triage.revision, triage.irps.len()), (2, 2));
    assert_eq!(triage.irps[0].pdo, Some(LOWER));
    assert_eq!(triage.irps[1].current, None);
    assert_eq!(
        triage.to_string(),
        "TRIAGE_9F_POWER: 2 power requests under way, of them \
         IRP_MJ_POWER/IRP_MN_SET_POWER at device of disk.sys (D3)"
    );
    assert_eq!(pnp_triage(&memory, head), None);
}

#[test]
fn devices_waited_for() {
    let (triage, queue) = (0xFFFF_D007_0000_1000, 0xFFFF_F804_0000_2000);
    let mut memory = storage();
    memory.block(triage, 0x28);
    memory.put(triage, 4, 0x0001_8001);
    memory.link(triage + 8, queue);
    memory.block(queue, 0x40);
    memory.link(queue, queue + 0x20);
    memory.link(queue + 0x20, queue + 0x20);
    memory.link(queue + 0x30, LOWER + 0x600);
    let triage = pnp_triage(&memory, triage).unwrap();
    assert_eq!(triage.devices.len(), 1, "an entry that is its own next ends the list");
    assert_eq!(triage.devices[0].device.as_ref().unwrap().service.as_deref(), Some("disk"));
}

#[test]
fn text_in_either_form() {
    let mut memory = Memory::new(Width::W64);
    memory.block(0x1000, 0x10);
    memory.string(0x1000, 0x2000, "\\Driver\\disk");
    memory.blocks.push((0x3000, b"ndis.sys\0rest".to_vec()));
    memory.blocks.push((0x4000, b"n\0d\0i\0s\0\0\0x\0".to_vec()));
    memory.blocks.push((0x5000, b"\x01\x02\x03\x04".to_vec()));
    memory.blocks.push((0x6000, vec![b'a'; 4000]));
    assert_eq!(plain_text(&memory, 0x1000).as_deref(), Some("\\Driver\\disk"));
    assert_eq!(plain_text(&memory, 0x3000).as_deref(), Some("ndis.sys"));
    assert_eq!(characters(&memory, 0x4000).as_deref(), Some("ndis"));
    assert_eq!(plain_text(&memory, 0x5000), None);
    assert_eq!(plain_text(&memory, 0x7000), None, "not in the dump");
    assert_eq!(characters(&memory, 0x6000).unwrap().len(), 512, "no text is longer");
    memory.put(0x1002, 2, 2);
    assert_eq!(unicode_string(&memory, 0x1000), None, "longer than its room");
}

#[test]
fn an_error_record() {
    let record = 0xFFFF_A000_0000_1000;
    let mut memory = Memory::new(Width::W64);
    memory.block(record, 0x200);
    memory.put(record, 4, 0x5245_5043);
    memory.put(record + 0x06, 4, 0xFFFF_FFFF);
    memory.put(record + 0x0A, 2, 1);
    memory.put(record + 0x0C, 4, 1);
    memory.put(record + 0x14, 4, 0x200);
    for (at, half) in [(0x50, 0x4CC5_919C_E8F5_6FFE), (0x58, 0xBB13_49E1_AB65_88BA)] {
        memory.put(record + at, 8, half);
    }
    memory.put(record + 0x60, 8, 0x01DB_0000_1234_5678);
    let section = record + 0x80;
    memory.put(section, 4, 0x100);
    memory.put(section + 0x0C, 4, 1);
    for (at, half) in [(0x10, 0x4557_42F9_8A1E_1D01), (0x18, 0xE8F7_C35C_5E56_339C)] {
        memory.put(section + at, 8, half);
    }
    memory.put(section + 0x30, 4, 1);
    memory.put(record + 0x110, 4, 2);
    memory.put(record + 0x124, 4, 5);
    memory.put(record + 0x128, 8, 0xBE00_0000_0080_0400);
    let found = WheaRecord::read(&memory, record).unwrap();
    assert!(found.sections[0].primary);
    assert_eq!(
        found.to_string(),
        "fatal error (machine check exception): machine check in bank 5 of processor 2, \
         status 0xbe00000000800400"
    );
    memory.put(record + 0x06, 4, 0);
    assert_eq!(WheaRecord::read(&memory, record), None, "half a signature");
}

//! What the reader of a dump would read of its memory on the way from the bug check's parameters to devices, drivers,
//! requests, records and names: exactly that is kept first. Never keeps an answer.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use super::map::Map;
use crate::bytes::{Bytes, Width};
use crate::kernel_dump::KernelDump;
use crate::objects::{self, DeviceObject, DriverObject, Irp, Location, View, WheaRecord};
use crate::parameters::Resolved;

/// As much as the reader takes of an `EPROCESS` or `ETHREAD`.
const MOST_OF_AN_OBJECT: u64 = 0x2000;
/// As much as the reader takes of the name of the build.
const LAB_LEN: u64 = 128;

/// The ranges that were read.
struct Reads<'m, 'a> {
    map: &'m Map<'a>,
    width: Width,
    ranges: RefCell<Vec<Range<u64>>>,
}

/// Ranges of memory that are read to say what the parameters lead to, and which build it was.
pub(super) fn ranges(map: &Map<'_>, dump: &KernelDump<'_>, width: Width) -> Vec<Range<u64>> {
    let reads = Reads { map, width, ranges: RefCell::default() };
    for parameter in dump.header().parameters {
        reads.follow(width.address(parameter));
    }
    let mut ranges = reads.ranges.into_inner();
    let lab = dump.debugger_data().and_then(|data| data.addresses.nt_build_lab);
    ranges.extend(lab.map(|va| va..va.saturating_add(LAB_LEN)));
    for object in dump.parameters().iter().filter_map(|parameter| parameter.resolved.as_ref()) {
        let addresses = match object {
            Resolved::Process(process) => [Some(process.address), None],
            Resolved::Thread(thread) => [Some(thread.address), thread.thread.process],
            _ => [None, None],
        };
        ranges.extend(addresses.into_iter().flatten().map(|va| va..va.saturating_add(MOST_OF_AN_OBJECT)));
    }
    ranges
}

impl Reads<'_, '_> {
    /// As everything that a parameter can be: an object says itself what it is.
    fn follow(&self, va: u64) {
        let _irp = Irp::read(self, va);
        let _device = DeviceObject::read(self, va);
        let _driver = DriverObject::read(self, va);
        let _power = objects::power_triage(self, va);
        let _plug_and_play = objects::pnp_triage(self, va);
        let _record = WheaRecord::read(self, va);
        let _name = objects::plain_text(self, va);
    }
}

impl View for Reads<'_, '_> {
    fn width(&self) -> Width {
        self.width
    }

    fn bytes(&self, va: u64, len: usize) -> Option<Cow<'_, [u8]>> {
        self.run(va, len).filter(|bytes| bytes.len() == len)
    }

    fn run(&self, va: u64, most: usize) -> Option<Cow<'_, [u8]>> {
        let va = self.width.address(va);
        let bytes = self.map.up_to(va, most)?;
        let end = va.saturating_add(Bytes(&bytes).len());
        self.ranges.borrow_mut().push(va..end);
        Some(bytes)
    }

    /// Whose an address is makes no difference to what is read.
    fn location(&self, va: u64) -> Option<Location> {
        Some(Location::new(va, "", 0, false))
    }
}

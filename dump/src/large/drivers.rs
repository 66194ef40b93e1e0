//! The list of loaded drivers in the memory of a large dump. Owns the walk along its links, from both ends where one
//! breaks; never follows a link to what is no driver.

use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::drivers::{Driver, Drivers};
use crate::header::Header;
use crate::large::{Virtual, image};
use crate::physical::PAGE;
use crate::problem::{Damage, Part, Problems};

/// Windows has 150 to 300 drivers.
const MAX_DRIVERS: usize = 4096;

/// What a driver takes without its names: its place in a vector, which while it grows is there three times, and the
/// bytes of its entry where they have to be put together.
const COST: usize = size_of::<Driver>() * 3 + ENTRY64.len + size_of::<u64>() * 3;

/// Where the fields of a `KLDR_DATA_TABLE_ENTRY` are. The list's links are its first two.
struct EntryLayout {
    len: usize,
    dll_base: u64,
    entry_point: u64,
    size_of_image: u64,
    full_dll_name: u64,
    base_dll_name: u64,
    flags: u64,
    check_sum: u64,
    /// From Windows 10 on.
    size_of_image_not_rounded: u64,
    /// From Windows 10 on. A small dump has it elsewhere in its copy of an entry: that is of the user-mode kind.
    time_date_stamp: u64,
}

const ENTRY64: EntryLayout = EntryLayout {
    len: 0xA0,
    dll_base: 0x30,
    entry_point: 0x38,
    size_of_image: 0x40,
    full_dll_name: 0x48,
    base_dll_name: 0x58,
    flags: 0x68,
    check_sum: 0x78,
    size_of_image_not_rounded: 0x98,
    time_date_stamp: 0x9C,
};

const ENTRY32: EntryLayout = EntryLayout {
    len: 0x5C,
    dll_base: 0x18,
    entry_point: 0x1C,
    size_of_image: 0x20,
    full_dll_name: 0x24,
    base_dll_name: 0x2C,
    flags: 0x34,
    check_sum: 0x40,
    size_of_image_not_rounded: 0x54,
    time_date_stamp: 0x58,
};

/// Which of the two links of an entry is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Reads the list, in load order.
pub(crate) fn drivers(memory: Virtual<'_>, header: &Header, problems: &mut Problems) -> Drivers {
    let mut budget = Budget::large(memory.ram.store.size());
    let head = memory.width.address(header.ps_loaded_module_list);
    if memory.word(head).is_none() {
        problems.add(Part::Drivers, Damage::Absent { address: head });
        return Drivers::default();
    }
    let mut walk = Walk { memory, head, seen: Vec::new(), budget: &mut budget };
    let (mut list, end) = walk.follow(Direction::Forward);
    if let Some(damage) = end {
        problems.add(Part::Drivers, damage);
        let (rest, _) = walk.follow(Direction::Backward);
        list.extend(rest.into_iter().rev());
    }
    for (number, driver) in (1..).zip(&list) {
        if driver.name.is_empty() {
            let count = u64::try_from(list.len()).unwrap_or(u64::MAX);
            problems.add(Part::Drivers, Damage::EntryUnnamed { entry: number, count });
        }
    }
    Drivers::new(list, &mut budget, problems)
}

/// The walk along the list.
struct Walk<'s, 'b> {
    memory: Virtual<'s>,
    head: u64,
    /// Addresses of the entries that were read.
    seen: Vec<u64>,
    budget: &'b mut Budget,
}

impl Walk<'_, '_> {
    /// The drivers from the head on that were not yet read, and why there are no more. `None` where the list is whole.
    fn follow(&mut self, direction: Direction) -> (Vec<Driver>, Option<Damage>) {
        let mut drivers = Vec::new();
        let mut at = self.head;
        loop {
            let broken = Some(Damage::Broken { address: at });
            let Some(next) = self.link(at, direction) else { return (drivers, broken) };
            if next == self.head {
                return (drivers, None);
            }
            if self.seen.contains(&next) {
                return (drivers, broken);
            }
            let room = self.seen.len() < MAX_DRIVERS;
            if !room || self.budget.take(COST).is_none() {
                return (drivers, Some(Damage::Budget));
            }
            let Some(driver) = self.driver(next) else { return (drivers, broken) };
            self.seen.push(next);
            drivers.push(driver);
            at = next;
        }
    }

    fn link(&self, entry: u64, direction: Direction) -> Option<u64> {
        let index = match direction {
            Direction::Forward => 0,
            Direction::Backward => 1,
        };
        let link = self.memory.word(self.memory.nth_word(entry, index)?)?;
        Some(self.memory.width.address(link))
    }

    /// `None` for what is no entry: images begin at a page, and have a size.
    fn driver(&mut self, entry: u64) -> Option<Driver> {
        let memory = self.memory;
        let at = match memory.width {
            Width::W32 => &ENTRY32,
            Width::W64 => &ENTRY64,
        };
        let bytes = memory.read(entry, at.len)?;
        let bytes = Bytes(&bytes);
        let base = bytes.word(memory.width, at.dll_base).filter(|&base| base != 0 && base % PAGE == 0)?;
        let size = bytes.u32(at.size_of_image).filter(|&size| size != 0)?;
        let path = memory.text(bytes, at.full_dll_name, self.budget).filter(|path| path.contains('\\'));
        let name = memory.text(bytes, at.base_dll_name, self.budget).filter(|name| !name.is_empty());
        let end_of_path = || Some(path.as_ref()?.rsplit('\\').next()?.to_owned());
        Some(Driver {
            name: name.or_else(end_of_path).unwrap_or_default(),
            base,
            size,
            entry_point: bytes.word(memory.width, at.entry_point)?,
            timestamp: timestamp(memory, bytes, at, (base, size)),
            checksum: bytes.u32(at.check_sum)?,
            flags: bytes.u32(at.flags)?,
            path,
        })
    }
}

/// Windows 10 notes it in the entry: believed where the size beside it agrees with the image's. Else the image tells,
/// if the dump has its first page. 0 where nothing does.
fn timestamp(memory: Virtual<'_>, entry: Bytes<'_>, at: &EntryLayout, (base, size): (u64, u32)) -> u32 {
    let not_rounded = entry.u32(at.size_of_image_not_rounded);
    let agrees = not_rounded.is_some_and(|not_rounded| not_rounded.div_ceil(0x1000) == size.div_ceil(0x1000));
    let noted = entry.u32(at.time_date_stamp).filter(|&timestamp| agrees && timestamp != 0);
    noted.or_else(|| image::timestamp(memory, base, size)).unwrap_or(0)
}

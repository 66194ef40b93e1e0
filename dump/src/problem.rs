//! What was damaged or missing in a dump. Owns the words; never decides what to do about it.

use std::fmt;

use serde::Serialize;

use crate::header::DumpType;

/// How many problems of each part are kept; the rest are counted. A hostile dump has one per entry of every table, and
/// those of one table must not hide those of another.
const KEPT: u64 = 8;

/// One damaged or missing part of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which part.
    pub part: Part,
    /// What is wrong with it.
    pub damage: Damage,
}

/// A part of a kernel dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The file as a whole.
    File,
    /// The context record of the header.
    Context,
    /// The header of a small dump, behind the dump header.
    TriageHeader,
    /// The list of loaded drivers.
    Drivers,
    /// The list of unloaded drivers.
    Unloaded,
    /// The saved stack.
    Stack,
    /// The table of saved memory.
    DataBlocks,
    /// The copy of the kernel's debugger data.
    DebuggerData,
    /// The copy of the current process.
    Process,
    /// The secondary data behind a small dump.
    Blobs,
    /// Where the pages of a large dump are.
    PhysicalMemory,
    /// The page tables of a large dump.
    PageTables,
    /// The processors of a large dump: which of them stopped the machine.
    Processors,
}

/// What is wrong with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The file is shorter than it says.
    Short {
        /// Bytes there are.
        len: u64,
        /// Bytes there should be.
        needed: u64,
    },
    /// All of the part lies outside the file.
    Outside {
        /// Where it should begin.
        offset: u64,
    },
    /// The end of the part lies outside the file.
    Cut {
        /// Where it begins.
        offset: u64,
        /// Bytes there are.
        len: u64,
        /// Bytes there should be.
        needed: u64,
    },
    /// One entry of a table, or what it refers to, lies outside the file.
    EntryOutside {
        /// Which, from 1.
        entry: u64,
        /// Of how many.
        count: u64,
        /// Where it should begin.
        offset: u64,
    },
    /// The end of what an entry of a table refers to lies outside the file.
    EntryCut {
        /// Which, from 1.
        entry: u64,
        /// Of how many.
        count: u64,
        /// Where it begins.
        offset: u64,
    },
    /// One entry of a table has no name, or one that is longer than any name.
    EntryUnnamed {
        /// Which, from 1.
        entry: u64,
        /// Of how many.
        count: u64,
    },
    /// One entry of a table is empty or makes no sense.
    EntryInvalid {
        /// Which, from 1.
        entry: u64,
        /// Of how many.
        count: u64,
    },
    /// A table says it has more entries than there is room for, or than Windows writes.
    Count {
        /// Entries it says.
        count: u64,
        /// Entries that are read.
        read: u64,
    },
    /// The bytes that mark the part are not there.
    Unmarked {
        /// Where they should be.
        offset: u64,
    },
    /// The part is there, its content is not what it should be.
    Invalid,
    /// Reading the part would take more memory than the dump's size allows.
    Budget,
    /// The source failed: its first error is in `KernelDump::source_error`.
    Unreadable,
    /// The dump has not the memory it should be in.
    Absent {
        /// Address of that memory.
        address: u64,
    },
    /// A list of the kernel breaks off: the entry that follows is missing, makes no sense, or came before.
    Broken {
        /// Address of the entry whose link leads nowhere.
        address: u64,
    },
    /// The kernel keeps it encoded, and the dump does not tell the key.
    Encoded {
        /// Its address.
        address: u64,
    },
    /// This form of memory is not read.
    MemoryForm(DumpType),
    /// More problems than are kept.
    More {
        /// How many more.
        count: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.damage)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::File => "file",
            Part::Context => "context record",
            Part::TriageHeader => "small-dump header",
            Part::Drivers => "driver list",
            Part::Unloaded => "unloaded drivers",
            Part::Stack => "call stack",
            Part::DataBlocks => "data blocks",
            Part::DebuggerData => "debugger data",
            Part::Process => "process",
            Part::Blobs => "secondary data",
            Part::PhysicalMemory => "physical memory",
            Part::PageTables => "page tables",
            Part::Processors => "processors",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Damage::Short { len, needed } => write!(f, "{len} bytes are left of {needed}"),
            Damage::Outside { offset } => write!(f, "lies outside the file (offset {offset:#x})"),
            Damage::Cut { offset, len, needed } => {
                write!(f, "only {len} of {needed} bytes lie inside the file (offset {offset:#x})")
            }
            Damage::EntryOutside { entry, count, offset } => {
                write!(f, "entry {entry} of {count} lies outside the file (offset {offset:#x})")
            }
            Damage::EntryCut { entry, count, offset } => {
                write!(f, "entry {entry} of {count} ends outside the file (offset {offset:#x})")
            }
            Damage::EntryUnnamed { entry, count } => {
                write!(f, "entry {entry} of {count} has no readable name")
            }
            Damage::EntryInvalid { entry, count } => write!(f, "entry {entry} of {count} makes no sense"),
            Damage::Count { count, read } => write!(f, "{count} entries announced, {read} read"),
            Damage::Unmarked { offset } => write!(f, "its mark is missing (offset {offset:#x})"),
            Damage::Invalid => f.write_str("its content makes no sense"),
            Damage::Budget => {
                f.write_str("reading all of it would take more memory than the dump's size allows")
            }
            Damage::Unreadable => f.write_str("parts of it cannot be read"),
            Damage::Absent { address } => write!(f, "the dump has not its memory (address {address:#x})"),
            Damage::Broken { address } => write!(f, "the list breaks off (behind address {address:#x})"),
            Damage::Encoded { address } => write!(f, "it is encoded (address {address:#x})"),
            Damage::MemoryForm(dump_type) => write!(f, "the memory of a {dump_type} dump is not read"),
            Damage::More { count } => write!(f, "{count} more problems"),
        }
    }
}

/// Collects problems, the first [`KEPT`] of each part.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    /// How many each part had, in the order in which the parts first had one.
    counts: Vec<(Part, u64)>,
}

impl Problems {
    pub(crate) fn add(&mut self, part: Part, damage: Damage) {
        let count = match self.counts.iter_mut().find(|(counted, _)| *counted == part) {
            Some((_, count)) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                self.counts.push((part, 1));
                1
            }
        };
        if count <= KEPT {
            self.kept.push(Problem { part, damage });
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        let mut problems = self.kept;
        problems.extend(self.counts.into_iter().filter(|(_, count)| *count > KEPT).map(|(part, count)| {
            Problem { part, damage: Damage::More { count: count.saturating_sub(KEPT) } }
        }));
        problems
    }
}

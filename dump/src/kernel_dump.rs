//! A kernel dump of any type and one view of all of them. Owns which part is read when: each at the first question about
//! it, so that a question touches no more of the file than it needs. The parts themselves are read by their own files.

mod lists;
mod machine;
mod memory;

use std::borrow::Cow;
use std::io;
use std::sync::OnceLock;

use crate::blobs::Blob;
use crate::bytes::Bytes;
use crate::debugger_data::DebuggerData;
use crate::drivers::Drivers;
use crate::exception::{self, ExceptionRecord64};
use crate::header::{self, DumpType, Header, Writer};
use crate::identity::{FirstBytes, first_bytes};
use crate::large::{Current, Large};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::problem::{Damage, Part, Problem, Problems};
use crate::registers::{self, Registers};
use crate::source::{Paged, Source, Store};
use crate::triage::{self, Triage};
use crate::unloaded::UnloadedDriver;

/// Small dumps are read whole: real ones have 0.2 to 8 MB. What lies behind this much of one is not read.
const MOST_OF_A_SMALL_DUMP: u64 = 256 << 20;

/// A kernel dump. Parts are read at the first question about them; [`Self::problems`] asks for all.
#[derive(Debug)]
pub struct KernelDump<'a> {
    store: Store<'a>,
    /// The header, where the store is not in memory.
    head: Vec<u8>,
    layout: &'static Layout,
    header: Header,
    context: Option<Registers>,
    body: Body,
    /// What was wrong with the parts that `parse` reads.
    early: Vec<Problem>,
    drivers: OnceLock<Read<Drivers>>,
    unloaded: OnceLock<Read<Vec<UnloadedDriver>>>,
    memory: OnceLock<Memory>,
    blobs: OnceLock<Read<Vec<Blob>>>,
    debugger_data: OnceLock<Read<Option<DebuggerData>>>,
    current: OnceLock<Read<Option<Current>>>,
    problems: OnceLock<Vec<Problem>>,
}

/// What was read of a part, and what was wrong with it.
type Read<T> = (T, Vec<Problem>);

/// What is behind the header.
#[derive(Debug)]
enum Body {
    /// Nothing that can be read.
    Nothing,
    /// A small dump: pieces of virtual memory.
    Small(Triage),
    /// A large dump: physical memory.
    Large(Box<Large>),
}

/// Why nothing of a file can be read as a kernel dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The first bytes are none of a kernel dump.
    #[error("not a kernel dump: begins with {}", .0.escape_ascii())]
    NotAKernelDump(FirstBytes),
    /// The header ends outside the file.
    #[error("header cut short: {len} bytes of at least {needed}")]
    HeaderCut {
        /// Bytes of the header.
        needed: u64,
        /// Bytes there are.
        len: u64,
    },
}

/// Why a [`Source`] cannot be opened as a kernel dump.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is none.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It cannot be read.
    #[error("the dump cannot be read")]
    Read(#[from] io::Error),
}

impl<'a> KernelDump<'a> {
    /// Reads a kernel dump of any type that is in memory. What is damaged is left out and told in [`Self::problems`].
    ///
    /// # Errors
    /// Where nothing is usable: the bytes are no kernel dump, or the header is cut.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::of(Store::Bytes(Cow::Borrowed(bytes)), Vec::new())
    }

    /// Opens a kernel dump of any type: large ones are read by ranges, as questions need them, small ones at once.
    ///
    /// # Errors
    /// Where nothing is usable, as [`Self::parse`], or the source fails.
    pub fn open(source: &'a dyn Source) -> Result<Self, OpenError> {
        let head = read_up_to(source, header::MOST_LEN)?;
        if header::is_small(Bytes(&head)) {
            let bytes = read_up_to(source, MOST_OF_A_SMALL_DUMP)?;
            return Ok(Self::of(Store::Bytes(Cow::Owned(bytes)), Vec::new())?);
        }
        Ok(Self::of(Store::Paged(Paged::new(source)), head)?)
    }

    fn of(store: Store<'a>, head: Vec<u8>) -> Result<Self, ParseError> {
        let file = head_of(&store, &head);
        let layout = header::layout_of(file).ok_or(ParseError::NotAKernelDump(first_bytes(file)))?;
        let mut header = header::read(file, layout)
            .ok_or(ParseError::HeaderCut { needed: layout.header.size, len: store.size() })?;
        if triage::is_by_debug_engine(file, layout, &header) {
            header.writer = Writer::DebugEngine;
        }
        let mut problems = Problems::default();
        let context = header_context(file, layout, &header, &mut problems);
        let body = match header.dump_type {
            DumpType::Triage => {
                triage::read(file, layout, &header, &mut problems).map_or(Body::Nothing, Body::Small)
            }
            DumpType::Header => Body::Nothing,
            DumpType::Unknown(_) => {
                problems.add(Part::PhysicalMemory, Damage::MemoryForm(header.dump_type));
                Body::Nothing
            }
            _ => Large::read(&store, file, layout, &header, &mut problems)
                .map_or(Body::Nothing, |large| Body::Large(Box::new(large))),
        };
        let mut dump = Self {
            store,
            head,
            layout,
            header,
            context,
            body,
            early: problems.into_vec(),
            drivers: OnceLock::new(),
            unloaded: OnceLock::new(),
            memory: OnceLock::new(),
            blobs: OnceLock::new(),
            debugger_data: OnceLock::new(),
            current: OnceLock::new(),
            problems: OnceLock::new(),
        };
        dump.header.service_pack = dump.small().map(|triage| triage.service_pack_build);
        if let Some((code, parameters)) = dump.unwritten_bug_check() {
            dump.header.set_bug_check(code, parameters);
        }
        Ok(dump)
    }

    /// The header, and whatever else is in memory: all of a small dump.
    fn file(&self) -> Bytes<'_> {
        head_of(&self.store, &self.head)
    }

    fn small(&self) -> Option<&Triage> {
        match &self.body {
            Body::Small(triage) => Some(triage),
            Body::Nothing | Body::Large(_) => None,
        }
    }

    fn large(&self) -> Option<&Large> {
        match &self.body {
            Body::Large(large) => Some(large),
            Body::Nothing | Body::Small(_) => None,
        }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Registers of the header's context: for most bug checks those of the caller of `KeBugCheckEx`.
    pub fn context(&self) -> Option<&Registers> {
        self.context.as_ref()
    }

    /// The header's exception record. In every small dump seen it is a breakpoint and tells nothing.
    pub fn exception(&self) -> Option<ExceptionRecord64> {
        let record = self.file().get(self.layout.header.exception, exception::full_len(self.layout))?;
        exception::read(Bytes(record), self.layout)
    }

    /// What was damaged or missing; empty for a sound dump. Reads every part.
    pub fn problems(&self) -> &[Problem] {
        self.problems.get_or_init(|| {
            let mut problems = self.early.clone();
            problems.extend(&self.read_drivers().1);
            problems.extend(&self.read_unloaded().1);
            problems.extend(self.memory_problems());
            if let Some(large) = self.large() {
                problems.extend(&self.read_debugger_data().1);
                problems.extend(&self.read_current(large).1);
            }
            problems.extend(&self.read_blobs().1);
            if self.store.error().is_some() {
                problems.push(Problem { part: Part::File, damage: Damage::Unreadable });
            }
            problems
        })
    }

    /// The first error of the [`Source`], if any: what it could not read looks like memory that the dump does not have.
    pub fn source_error(&self) -> Option<&io::Error> {
        self.store.error()
    }
}

fn read_up_to(source: &dyn Source, most: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(source.size().min(most)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    source.read_at(0, &mut bytes)?;
    Ok(bytes)
}

fn head_of<'s>(store: &'s Store<'_>, head: &'s [u8]) -> Bytes<'s> {
    match store {
        Store::Bytes(bytes) => Bytes(bytes),
        Store::Paged(_) => Bytes(head),
    }
}

fn header_context(
    file: Bytes<'_>,
    layout: &Layout,
    header: &Header,
    problems: &mut Problems,
) -> Option<Registers> {
    let record = file.get(layout.header.context_record, layout.header.context_record_size)?;
    let context = registers::context(Bytes(record), header.machine);
    let unwritten = record.starts_with(b"PAGEPAGE") || record.iter().all(|&byte| byte == 0);
    if context.is_none() && !unwritten {
        problems.add(Part::Context, Damage::Invalid);
    }
    context
}

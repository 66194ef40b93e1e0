//! Questions about what was running: the kernel, the processor, the process, the thread.

use std::borrow::Cow;

use super::{Body, KernelDump, Read};
use crate::bytes::Bytes;
use crate::debugger_data::DebuggerData;
use crate::large::{self, Current, Large, Piece};
use crate::memory_manager::{self, MemoryManager};
use crate::prcb::{self, Prcb};
use crate::problem::Problems;
use crate::process::{self, Process};
use crate::registers::Registers;
use crate::thread::{self, Thread};
use crate::triage::{Area, Triage};

impl KernelDump<'_> {
    pub(super) fn read_debugger_data(&self) -> &Read<Option<DebuggerData>> {
        self.debugger_data.get_or_init(|| {
            let mut problems = Problems::default();
            let data = match &self.body {
                Body::Small(triage) => self
                    .file()
                    .clip(triage.debugger_data_offset, triage.debugger_data_size)
                    .and_then(|bytes| DebuggerData::read(Bytes(bytes), self.layout.width)),
                Body::Large(large) => {
                    large::debugger_data(large.memory(&self.store), &self.header, &mut problems)
                }
                Body::Nothing => None,
            };
            (data, problems.into_vec())
        })
    }

    pub(super) fn read_current(&self, large: &Large) -> &Read<Option<Current>> {
        self.current.get_or_init(|| {
            let mut problems = Problems::default();
            let sp = self.context().map(Registers::sp);
            let memory = large.memory(&self.store);
            let current = self
                .debugger_data()
                .and_then(|data| large::current(memory, &self.header, data, sp, &mut problems));
            (current, problems.into_vec())
        })
    }

    /// A structure of what was running, as a small dump has it, or as it lies in memory.
    fn structure(
        &self,
        area: impl Fn(&Triage) -> Area,
        piece: impl Fn(&Current) -> Option<Piece>,
    ) -> Option<Cow<'_, [u8]>> {
        match &self.body {
            Body::Small(triage) => area(triage).of(self.file()).map(|bytes| Cow::Borrowed(bytes.0)),
            Body::Large(large) => {
                let piece = piece(self.read_current(large).0.as_ref()?)?;
                self.read_run(piece.va, usize::try_from(piece.len).ok()?)
            }
            Body::Nothing => None,
        }
    }

    /// The kernel's debugger data.
    pub fn debugger_data(&self) -> Option<&DebuggerData> {
        self.read_debugger_data().0.as_ref()
    }

    /// The bug check as the kernel noted it in its own memory, where the header does not tell.
    pub(super) fn unwritten_bug_check(&self) -> Option<(u32, [u64; 4])> {
        if self.header.bugcheck_raw != 0 {
            return None;
        }
        large::bug_check(self.large()?.memory(&self.store), self.debugger_data()?)
    }

    /// Address of the kernel image, from the debugger data.
    pub fn kernel_base(&self) -> Option<u64> {
        self.debugger_data().map(|data| data.kernel_base)
    }

    /// The kernel's build laboratory: `19041.1.amd64fre.vb_release.191206-1406`. Only the debugger engine saves it.
    pub fn lab(&self) -> Option<String> {
        self.debugger_data()?.lab(self.header.build, |va, most| self.read_run(va, most))
    }

    /// The control block of the processor that stopped the machine.
    pub fn prcb(&self) -> Option<Prcb> {
        let bytes = self.structure(|triage| triage.prcb, |current| Some(current.prcb))?;
        prcb::read(Bytes(&bytes), &self.header, self.debugger_data()?)
    }

    /// The thread that ran.
    pub fn thread(&self) -> Option<Thread> {
        thread::read(Bytes(&self.raw_thread()?), &self.header, self.debugger_data())
    }

    fn raw_thread(&self) -> Option<Cow<'_, [u8]>> {
        self.structure(|triage| triage.thread, |current| current.thread)
    }

    /// The process in whose memory it ran.
    pub fn process(&self) -> Option<Process> {
        let bytes = self.structure(|triage| triage.process, |current| current.process)?;
        let thread = self.raw_thread();
        process::read(Bytes(&bytes), thread.as_deref().map(Bytes), &self.header, self.debugger_data())
    }

    /// Name of the process, cut to 14 characters by Windows.
    pub fn process_name(&self) -> Option<String> {
        self.process()?.name
    }

    /// What the memory manager noted. The debugger engine does not write it.
    pub fn memory_manager(&self) -> Option<MemoryManager> {
        let bytes = self.small()?.memory_manager.of(self.file())?;
        memory_manager::read(bytes, self.layout.width)
    }
}

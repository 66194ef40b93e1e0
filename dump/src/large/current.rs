//! What ran when the machine stopped: which of the processors brought it down, its thread, and the thread's process and
//! stack. Owns the choice of the processor; the structures are read by their own files.

use crate::bytes::Bytes;
use crate::debugger_data::DebuggerData;
use crate::header::{Header, Machine};
use crate::large::Virtual;
use crate::physical::PAGE;
use crate::problem::{Damage, Part, Problems};
use crate::registers;

/// Windows has at most 2048 processors.
const MAX_PROCESSORS: u32 = 2048;
/// `KERNEL_LARGE_STACK_SIZE`: a kernel stack that has grown.
const LARGE_STACK: u64 = 0x1_2000;
/// Size of the stacks that deferred procedure calls and interrupts have to themselves.
const DPC_STACK: u64 = 0x6000;
/// Longest stack that is believed.
const MAX_STACK: u64 = 0x10_0000;

/// A structure in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) va: u64,
    pub(crate) len: u64,
}

/// What ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Current {
    /// Index of the processor.
    pub(crate) processor: u32,
    /// `KPRCB`
    pub(crate) prcb: Piece,
    /// `ETHREAD`
    pub(crate) thread: Option<Piece>,
    /// `EPROCESS`
    pub(crate) process: Option<Piece>,
    /// From the stack pointer up to where the stack begins.
    pub(crate) stack: Option<Piece>,
}

/// Finds the processor that stopped the machine: the one whose current thread has the context's stack pointer on its
/// stack. Else the one that saved this very stack pointer, or has it on the stack of its deferred procedure calls or its
/// interrupts. A machine with one processor leaves no choice.
pub(crate) fn current(
    memory: Virtual<'_>,
    header: &Header,
    data: &DebuggerData,
    sp: Option<u64>,
    problems: &mut Problems,
) -> Option<Current> {
    let block = data.addresses.ki_processor_block?;
    let count = header.processors.clamp(1, MAX_PROCESSORS);
    let find = Find { memory, data, sp, machine: header.machine };
    let mut best: Option<Found> = None;
    let mut any = false;
    for number in 0..count {
        let prcb = memory.nth_word(block, number.into()).and_then(|at| memory.word(at));
        // a processor that is not started has none
        let Some(prcb) = prcb.filter(|&prcb| prcb != 0) else { continue };
        any = true;
        let (agrees, stack_base) = find.agrees(prcb);
        if best.as_ref().is_none_or(|best| agrees > best.agrees) {
            best = Some(Found { processor: number, prcb, agrees, stack_base });
        }
        if agrees == Agrees::Thread {
            break;
        }
    }
    let best = best.filter(|best| best.agrees != Agrees::Not || count == 1);
    // no processor stopped a machine that went on
    if best.is_none() && !header.live {
        let damage = if any { Damage::Invalid } else { Damage::Absent { address: block } };
        problems.add(Part::Processors, damage);
    }
    best.map(|best| find.describe(&best))
}

/// How well a processor agrees with the stack pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Agrees {
    Not,
    /// It is on a stack of the processor's own.
    OwnStack,
    /// It is in the context that the processor saved.
    Context,
    /// It is on the stack of the current thread.
    Thread,
}

struct Found {
    processor: u32,
    prcb: u64,
    agrees: Agrees,
    /// Where the stack with the stack pointer on it begins.
    stack_base: Option<u64>,
}

struct Find<'s, 'd> {
    memory: Virtual<'s>,
    data: &'d DebuggerData,
    sp: Option<u64>,
    machine: Machine,
}

impl Find<'_, '_> {
    /// The word at a place in a structure that the debugger data tell.
    fn field(&self, structure: u64, offset: Option<u64>) -> Option<u64> {
        self.memory.word(structure.checked_add(offset?)?).filter(|&value| value != 0)
    }

    fn thread(&self, prcb: u64) -> Option<u64> {
        self.field(prcb, self.data.offsets.prcb_current_thread)
    }

    /// Lowest address of a thread's stack, and the first behind it. Windows 7 tells of `InitialStack` only, which lies
    /// in the uppermost page.
    fn stack(&self, thread: u64) -> Option<(u64, u64)> {
        let offsets = &self.data.offsets;
        let limits =
            (self.field(thread, offsets.kthread_stack_limit), self.field(thread, offsets.kthread_stack_base));
        let (low, high) = match limits {
            (Some(low), Some(high)) => (low, high),
            _ => {
                let initial = self.field(thread, offsets.kthread_initial_stack)?;
                let high = initial.checked_next_multiple_of(PAGE)?;
                (high.checked_sub(LARGE_STACK)?, high)
            }
        };
        (low < high && high.checked_sub(low)? <= MAX_STACK).then_some((low, high))
    }

    fn agrees(&self, prcb: u64) -> (Agrees, Option<u64>) {
        let Some(sp) = self.sp else { return (Agrees::Not, None) };
        let on = |(low, high): &(u64, u64)| (*low..*high).contains(&sp);
        let of_thread = self.thread(prcb).and_then(|thread| self.stack(thread)).filter(on);
        if let Some((_, high)) = of_thread {
            return (Agrees::Thread, Some(high));
        }
        let offsets = &self.data.offsets;
        let own = [offsets.prcb_dpc_stack, offsets.prcb_isr_stack];
        let own = own.into_iter().filter_map(|offset| self.field(prcb, offset));
        let own = own.map(|top| (top.saturating_sub(DPC_STACK), top)).find(on).map(|(_, high)| high);
        match own {
            _ if self.saved_sp(prcb) == Some(sp) => (Agrees::Context, own),
            Some(_) => (Agrees::OwnStack, own),
            None => (Agrees::Not, None),
        }
    }

    /// The stack pointer of the context that a processor saved when it was stopped.
    fn saved_sp(&self, prcb: u64) -> Option<u64> {
        let context = self.field(prcb, self.data.offsets.prcb_context)?;
        let len = usize::try_from(registers::context_len(self.machine)).ok()?;
        let bytes = self.memory.read(context, len)?;
        registers::context(Bytes(&bytes), self.machine).map(|registers| registers.sp())
    }

    fn describe(&self, found: &Found) -> Current {
        let offsets = &self.data.offsets;
        let piece = |va: u64, len: Option<u64>| len.map(|len| Piece { va, len });
        let thread = self.thread(found.prcb);
        let process = thread.and_then(|thread| self.field(thread, offsets.kthread_apc_process));
        let stack = self.sp.and_then(|sp| piece(sp, found.stack_base?.checked_sub(sp)));
        Current {
            processor: found.processor,
            prcb: Piece { va: found.prcb, len: offsets.prcb_size.unwrap_or(PAGE) },
            thread: thread.and_then(|va| piece(va, offsets.ethread_size)),
            process: process.and_then(|va| piece(va, offsets.eprocess_size)),
            stack,
        }
    }
}

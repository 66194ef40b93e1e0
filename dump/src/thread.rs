//! The thread that ran when the machine went down, from the raw copy of its `ETHREAD`. Owns the places of its fields:
//! those the kernel's debugger data tell, and those that lie around the thread's ids, where only whole words were ever
//! added. Never uses a table of builds.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Width};
use crate::debugger_data::DebuggerData;
use crate::header::Header;
use crate::structure::Structure;
use crate::time::FileTime;

/// More than any `ETHREAD`.
pub(crate) const MAX_LEN: u64 = 0x1000;

/// `DISPATCHER_HEADER.Type` of a semaphore.
const SEMAPHORE: u8 = 5;
/// Last build whose threads have a quota of processor time, one word before `Win32StartAddress`.
const LAST_WITH_QUOTA: u32 = 7601;
const PAGE: u64 = 0x1000;
/// More than any kernel stack, the large ones of callbacks included.
const MAX_STACK: u64 = 0x10_0000;
const MAX_PRIORITY: u8 = 31;

/// A thread. Each fact is `None` where it is missing or makes no sense.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id.
    pub id: Option<u64>,
    /// Id of the process that owns it.
    pub process_id: Option<u64>,
    /// Address of the `EPROCESS` in whose memory it ran: it may have attached to another than its owner.
    pub process: Option<u64>,
    /// Routine it began in; of a user thread that of the system.
    pub start_address: Option<u64>,
    /// Routine its maker gave.
    pub win32_start_address: Option<u64>,
    /// When it began.
    pub create_time: Option<FileTime>,
    /// Highest address of its kernel stack. It may have run on another, that of interrupts for one.
    pub stack_base: Option<u64>,
    /// Lowest address of its kernel stack.
    pub stack_limit: Option<u64>,
    /// Where its kernel stack begins to be used.
    pub initial_stack: Option<u64>,
    /// How far its kernel stack was used when it last waited.
    pub kernel_stack: Option<u64>,
    /// What it is doing.
    pub state: Option<ThreadState>,
    /// Priority it ran at, 0 to 31.
    pub priority: Option<u8>,
    /// Its block in user mode; none for a thread of the system.
    pub teb: Option<u64>,
}

/// `KTHREAD_STATE`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadState {
    /// 0: has not begun.
    Initialized,
    /// 1: could run.
    Ready,
    /// 2: runs.
    Running,
    /// 3: the next to run on its processor.
    Standby,
    /// 4: has ended.
    Terminated,
    /// 5: waits.
    Waiting,
    /// 6: waits for its stack to be in memory.
    Transition,
    /// 7: could run, on no processor yet.
    DeferredReady,
    /// 8: waits at a gate.
    GateWait,
    /// 9: waits for its process to be in memory.
    WaitingForProcessInSwap,
    /// Any other.
    Unknown(u8),
}

impl ThreadState {
    fn from_raw(raw: u8) -> Self {
        match raw {
            0 => Self::Initialized,
            1 => Self::Ready,
            2 => Self::Running,
            3 => Self::Standby,
            4 => Self::Terminated,
            5 => Self::Waiting,
            6 => Self::Transition,
            7 => Self::DeferredReady,
            8 => Self::GateWait,
            9 => Self::WaitingForProcessInSwap,
            other => Self::Unknown(other),
        }
    }
}

/// `CLIENT_ID` of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientId {
    /// Where in the thread it is.
    place: u64,
    pub(crate) process: u64,
    pub(crate) thread: u64,
}

/// Reads an `ETHREAD`. `None` where nothing in it makes sense.
pub(crate) fn read(
    bytes: Bytes<'_>,
    header: &Header,
    debugger_data: Option<&DebuggerData>,
) -> Option<Thread> {
    let mut found = Thread::default();
    let thread = Structure::new(clip(bytes, debugger_data)?, header);
    let bytes = thread.bytes;
    if let Some(data) = debugger_data {
        let at = &data.offsets;
        found.process = thread.kernel_pointer(at.kthread_apc_process);
        found.teb = thread.user_pointer(at.kthread_teb);
        found.state = at.kthread_state.and_then(|offset| bytes.u8(offset)).map(ThreadState::from_raw);
        found.priority = at.kthread_apc_process.and_then(|offset| priority(thread, offset));
        stack(thread, data, &mut found);
    }
    if let Some(ids) = client_id(bytes, header, debugger_data) {
        found.id = Some(ids.thread);
        found.process_id = Some(ids.process);
        around_ids(thread, ids.place, &mut found);
    }
    let told = found.id.is_some() || found.process.is_some() || found.stack_base.is_some();
    told.then_some(found)
}

/// The thread, without the memory behind it.
fn clip<'a>(bytes: Bytes<'a>, debugger_data: Option<&DebuggerData>) -> Option<Bytes<'a>> {
    let len = debugger_data.and_then(|data| data.offsets.ethread_size).unwrap_or(MAX_LEN);
    bytes.clip(0, len.min(MAX_LEN)).map(Bytes)
}

/// The ids of a thread. Their place is known from that of `IrpList`; without it, they are looked for. Either way a
/// semaphore is behind them, in every Windows since 7, and believed only where its header and list are there.
pub(crate) fn client_id(
    bytes: Bytes<'_>,
    header: &Header,
    debugger_data: Option<&DebuggerData>,
) -> Option<ClientId> {
    let thread = Structure::new(clip(bytes, debugger_data)?, header);
    // semaphore and `ClientSecurity` are between ids and list
    let behind = match thread.width {
        Width::W32 => 0x20,
        Width::W64 => 0x38,
    };
    let told = debugger_data
        .and_then(|data| data.offsets.ethread_irp_list)
        .and_then(|list| list.checked_sub(behind))
        .and_then(|place| client_id_at(thread, place));
    let len = thread.word_len();
    let anywhere = || {
        let words = thread.bytes.len().checked_div(len)?;
        (0..words).find_map(|index| client_id_at(thread, index.checked_mul(len)?))
    };
    told.or_else(anywhere)
}

fn client_id_at(thread: Structure<'_>, place: u64) -> Option<ClientId> {
    let len = thread.word_len();
    let second = place.checked_add(len)?;
    let semaphore = second.checked_add(len)?;
    // size of a semaphore, in units of four bytes
    let size = match thread.width {
        Width::W32 => 5,
        Width::W64 => 8,
    };
    let header = (thread.bytes.u8(semaphore)?, thread.bytes.u8(semaphore.checked_add(2)?)?);
    if header != (SEMAPHORE, size) || !thread.is_list_entry(semaphore.checked_add(8)?) {
        return None;
    }
    Some(ClientId { place, process: thread.id(place)?, thread: thread.id(second)? })
}

/// What lies around the ids. Before them, from Windows 7 on: `ForwardLinkShadow`, `StartAddress`, `TerminationPort`,
/// `ActiveTimerListLock`, `ActiveTimerListHead`. Behind them: the semaphore, `ClientSecurity`, `IrpList`,
/// `TopLevelIrp`, `DeviceToVerify`, then `Win32StartAddress`.
fn around_ids(thread: Structure<'_>, ids: u64, found: &mut Thread) {
    let len = thread.word_len();
    let before = |words: u64| ids.checked_sub(words.checked_mul(len)?);
    // the start address shares its place with a list of callbacks, which begins at the word before: seen in use in a
    // dump of 19041, where that word is 0 in all others
    if before(6).and_then(|offset| thread.word(offset)) == Some(0) {
        found.start_address = code_pointer(thread, before(5));
    }
    let quota = u64::from(thread.header.build <= LAST_WITH_QUOTA);
    let semaphore_words = match thread.width {
        Width::W32 => 5,
        Width::W64 => 4,
    };
    let words = quota.saturating_add(semaphore_words).saturating_add(7);
    found.win32_start_address =
        code_pointer(thread, words.checked_mul(len).and_then(|distance| ids.checked_add(distance)));
    // `CreateTime` is the first field of its own that an `ETHREAD` has: `ExitTime` comes behind it
    found.create_time = thread.time(ids.saturating_sub(0x60)..ids);
}

fn code_pointer(thread: Structure<'_>, offset: Option<u64>) -> Option<u64> {
    thread.kernel_pointer(offset).or_else(|| thread.user_pointer(offset))
}

/// `KTHREAD.Priority` fills the last byte of the `KAPC_STATE`, which has two list heads, the process, and flags.
fn priority(thread: Structure<'_>, process: u64) -> Option<u8> {
    let behind = match thread.width {
        Width::W32 => 7,
        Width::W64 => 11,
    };
    thread.bytes.u8(process.checked_add(behind)?).filter(|&priority| priority <= MAX_PRIORITY)
}

/// The kernel stack, where its ends are whole pages and what is used of it lies between them.
fn stack(thread: Structure<'_>, data: &DebuggerData, found: &mut Thread) {
    let at = &data.offsets;
    let len = thread.word_len();
    let initial_place = at.kthread_initial_stack;
    // Windows 7 does not tell: the limit is behind the initial stack, the base far away
    let limit_place = at.kthread_stack_limit.or_else(|| initial_place?.checked_add(len));
    let base_place = at.kthread_stack_base.or(match thread.width {
        Width::W32 => Some(0x190),
        Width::W64 => Some(0x278),
    });
    let end = |place| thread.kernel_pointer(place).filter(|va| va.is_multiple_of(PAGE));
    let (Some(limit), Some(base)) = (end(limit_place), end(base_place)) else { return };
    if base.checked_sub(limit).is_none_or(|size| size == 0 || size > MAX_STACK) {
        return;
    }
    let inside = |place| thread.kernel_pointer(place).filter(|va| (limit..=base).contains(va));
    if let Some(initial) = inside(initial_place) {
        found.stack_base = Some(base);
        found.stack_limit = Some(limit);
        found.initial_stack = Some(initial);
        found.kernel_stack = inside(at.kthread_kernel_stack);
    }
}

#[cfg(test)]
mod tests;

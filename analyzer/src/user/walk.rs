//! Walks the one thread that failed, with `minidump-unwind` and no symbols: frame pointers and stack scanning. The walk
//! is an async function that waits for nothing here, so it is polled to its end on the spot.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use minidump::{
    MinidumpContext, MinidumpException, MinidumpMemory, MinidumpMiscInfo, MinidumpModuleList,
    MinidumpRawContext, MinidumpSystemInfo, Module, UnifiedMemory,
};
use minidump_unwind::{
    CallStack, FileError, FileKind, FillSymbolError, FrameSymbolizer, FrameTrust, FrameWalker,
    SymbolProvider, SystemInfo, walk_stack,
};

use super::{Dump, frame, memory, threads};
use crate::Limits;
use crate::analysis::Frame;
use crate::hex::hex;

/// What a walk needs.
pub(super) struct Source<'s> {
    pub(super) dump: &'s Dump<'s>,
    pub(super) system: &'s MinidumpSystemInfo,
    pub(super) modules: &'s MinidumpModuleList,
    pub(super) exception: Option<&'s MinidumpException<'s>>,
}

/// What a walk gives.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) frames: Vec<Frame>,
    pub(super) registers: Vec<(String, String)>,
}

/// No symbols: the pure analysis has none and asks nobody. It also ends the walk after enough frames, since the walk
/// itself knows no limit but the stack, and keeps a copy of the module in every frame.
struct NoSymbols {
    frames_left: AtomicUsize,
}

#[async_trait]
impl SymbolProvider for NoSymbols {
    async fn fill_symbol(
        &self,
        _: &(dyn Module + Sync),
        _: &mut (dyn FrameSymbolizer + Send),
    ) -> Result<(), FillSymbolError> {
        Err(FillSymbolError {})
    }

    async fn walk_frame(&self, _: &(dyn Module + Sync), _: &mut (dyn FrameWalker + Send)) -> Option<()> {
        // Asked once per frame that has a module. Never answering stops the walk where it is.
        let left =
            self.frames_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            std::future::pending::<()>().await;
        }
        None
    }

    async fn get_file_path(&self, _: &(dyn Module + Sync), _: FileKind) -> Result<PathBuf, FileError> {
        Err(FileError::NotFound)
    }
}

/// Polls a walk until it is ready. Nothing in it waits for anybody, so once is enough; what is not ready then has been
/// stopped, and its frames so far are in the caller's list.
fn run(walk: impl Future<Output = ()>) {
    let mut context = Context::from_waker(Waker::noop());
    let (Poll::Ready(()) | Poll::Pending) = pin!(walk).poll(&mut context);
}

/// Walks the thread of the exception, or the first one where there is no exception.
pub(super) fn walk(source: &Source<'_>, limits: &Limits, problems: &mut Vec<String>) -> Walked {
    let Source { dump, system, modules, exception } = source;
    let list = threads(dump, limits, problems);
    let wanted = exception.map(|exception| exception.get_crashing_thread_id());
    let thread = list.as_ref().and_then(|list| match wanted {
        Some(id) => list.get_thread(id),
        None => list.threads.first(),
    });
    let misc = dump.get_stream::<MinidumpMiscInfo>().ok();
    let context = exception
        .and_then(|exception| exception.context(system, misc.as_ref()))
        .or_else(|| thread.and_then(|thread| thread.context(system, misc.as_ref())))
        .map(std::borrow::Cow::into_owned);
    let Some(context) = context else {
        problems.push("registers of the failing thread: missing".to_owned());
        return Walked::default();
    };
    let registers = registers(&context);
    let sp = context.get_stack_pointer();
    let regions = memory(dump);
    let stack =
        thread.and_then(|thread| thread.stack_memory(&regions)).and_then(|stack| cap(stack, sp, limits));
    let mut call_stack = CallStack::with_context(context);
    let unified = stack.as_ref().map(UnifiedMemory::Memory);
    let info = system_info(system);
    let symbols = NoSymbols { frames_left: AtomicUsize::new(limits.frames) };
    run(walk_stack(0, (), &mut call_stack, unified, modules, &info, &symbols));
    let frames = call_stack.frames.iter().take(limits.frames).map(|walked| {
        let address =
            if walked.trust == FrameTrust::Context { walked.instruction } else { walked.resume_address };
        frame(address, modules, trust(walked.trust), limits)
    });
    Walked { frames: frames.collect(), registers }
}

/// At most `stack_bytes` of the stack from its pointer upwards: the walk visits every word at worst.
fn cap<'a>(stack: UnifiedMemory<'a, '_>, sp: u64, limits: &Limits) -> Option<MinidumpMemory<'a>> {
    let (base, bytes) = (stack.base_address(), stack.bytes());
    // A red zone or an argument may lie below the pointer; whoever overflowed a stack points below all of it.
    let skip = usize::try_from(sp.saturating_sub(base)).ok().filter(|&skip| skip < bytes.len()).unwrap_or(0);
    let bytes = bytes.get(skip..)?;
    let bytes = bytes.get(..limits.stack_bytes).unwrap_or(bytes);
    let base_address = base.checked_add(u64::try_from(skip).ok()?)?;
    let endian = match stack {
        UnifiedMemory::Memory(memory) => memory.endian,
        UnifiedMemory::Memory64(memory) => memory.endian,
    };
    let size = u64::try_from(bytes.len()).ok()?;
    Some(MinidumpMemory {
        desc: minidump::format::MINIDUMP_MEMORY_DESCRIPTOR::default(),
        base_address,
        size,
        bytes,
        endian,
    })
}

fn system_info(system: &MinidumpSystemInfo) -> SystemInfo {
    SystemInfo {
        os: system.os,
        os_version: None,
        os_build: None,
        cpu: system.cpu,
        cpu_info: None,
        cpu_microcode_version: None,
        cpu_count: system.raw.number_of_processors.into(),
    }
}

fn registers(context: &MinidumpContext) -> Vec<(String, String)> {
    let narrow = matches!(context.raw, MinidumpRawContext::X86(_) | MinidumpRawContext::Arm(_));
    let value = |value: u64| if narrow { hex(value & 0xFFFF_FFFF) } else { hex(value) };
    context.valid_registers().map(|(name, register)| (name.to_owned(), value(register))).collect()
}

fn trust(trust: FrameTrust) -> &'static str {
    match trust {
        FrameTrust::Context => "context",
        FrameTrust::CallFrameInfo | FrameTrust::PreWalked => "unwind-info",
        FrameTrust::FramePointer => "frame-pointer",
        FrameTrust::Scan | FrameTrust::CfiScan | FrameTrust::None => "scan",
    }
}

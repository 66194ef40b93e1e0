//! Walks the one thread that failed, with `minidump-unwind`: by unwind information where symbols were given, else by frame
//! pointers and stack scanning. The walk is an async function that waits for nothing here, so it is polled to its end on
//! the spot.

use std::collections::HashMap;
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
    CallStack, FileError, FileKind, FillSymbolError, FrameSymbolizer, FrameTrust, FrameWalker, StackFrame,
    SymbolProvider, SystemInfo, walk_stack,
};

use super::{Dump, memory, threads};
use symbols::Names;

use crate::Limits;
use crate::hex::hex;
use crate::module_symbols::{CodeSite, ModuleSymbols, Trust, Walked};

/// What a walk needs.
pub(super) struct Source<'s> {
    pub(super) dump: &'s Dump<'s>,
    pub(super) system: &'s MinidumpSystemInfo,
    pub(super) modules: &'s MinidumpModuleList,
    pub(super) exception: Option<&'s MinidumpException<'s>>,
    pub(super) symbols: &'s ModuleSymbols<'s>,
}

/// What a walk gives.
#[derive(Default)]
pub(super) struct Stack {
    pub(super) frames: Vec<Walked>,
    pub(super) registers: Vec<(String, String)>,
}

/// The symbols that the analysis was given, as the walk asks for them. It also ends the walk after enough frames, since
/// the walk itself knows no limit but the stack, and keeps a copy of the module in every frame.
struct Provider<'p> {
    symbols: &'p ModuleSymbols<'p>,
    places: &'p Places<'p>,
    frames_left: AtomicUsize,
}

impl Provider<'_> {
    /// x64 with a PDB and no image: the PDB tells how large the frame is, so the return address has one place to be. In a
    /// prolog or epilog it is not there yet or any more; then nothing is said.
    fn by_frame_size(
        &self,
        module: &symbols::Module,
        offset: u64,
        walker: &mut dyn FrameWalker,
    ) -> Option<()> {
        let Some(Names::Pdb(pdb)) = &module.names else { return None };
        module.image.is_none().then_some(())?;
        let frame = pdb.frame_bytes(u32::try_from(offset).ok()?)?;
        let at = walker.get_callee_register("rsp")?.checked_add(frame.into())?;
        let back = walker.get_register_at_address(at)?;
        let (index, behind) = self.places.site(back)?;
        // In a prolog or epilog an old word may be there: only one that files say a call returns to is believed.
        let known = self.symbols.module(index).is_some_and(|it| it.image.is_some() || it.names.is_some());
        (known && self.symbols.may_return_to(index, behind)).then_some(())?;
        walker.set_cfa(at.checked_add(8)?)?;
        walker.set_ra(back)?;
        // Where the function saved the others is not known.
        for register in ["rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15"] {
            walker.clear_caller_register(register);
        }
        Some(())
    }
}

/// Modules by their base: their list has no numbers of its own, and a hostile one has millions of entries.
struct Places<'m> {
    modules: &'m MinidumpModuleList,
    numbers: HashMap<u64, usize>,
}

impl<'m> Places<'m> {
    fn new(modules: &'m MinidumpModuleList) -> Self {
        let numbers = modules.iter().enumerate().map(|(number, module)| (module.base_address(), number));
        Self { modules, numbers: numbers.collect() }
    }

    /// Number of the module and offset of an address.
    fn site(&self, address: u64) -> Option<(usize, u64)> {
        let base = self.modules.module_at_address(address)?.base_address();
        Some((*self.numbers.get(&base)?, address.checked_sub(base)?))
    }
}

#[async_trait]
impl SymbolProvider for Provider<'_> {
    /// Asked for each frame, and for each word on a stack that may be a return address: one that no call stands before
    /// gets no name, which tells the scan to go on.
    async fn fill_symbol(
        &self,
        _: &(dyn Module + Sync),
        frame: &mut (dyn FrameSymbolizer + Send),
    ) -> Result<(), FillSymbolError> {
        let address = frame.get_instruction();
        let known = self
            .places
            .site(address)
            .and_then(|(index, offset)| Some((index, offset, self.symbols.module(index)?)));
        let Some((index, offset, module)) = known.filter(|(.., it)| it.image.is_some() || it.names.is_some())
        else {
            return Err(FillSymbolError {});
        };
        // A frame's instruction is the last byte of its call.
        if self.symbols.may_return_to(index, offset.saturating_add(1)) {
            let parameters =
                u32::try_from(offset).ok().and_then(|rva| module.parameter_bytes(rva)).unwrap_or(0);
            // Names for people are put in after the walk; the walk only asks whether there is one.
            frame.set_function("known", address, parameters);
        }
        Ok(())
    }

    async fn walk_frame(&self, _: &(dyn Module + Sync), walker: &mut (dyn FrameWalker + Send)) -> Option<()> {
        // Asked once per frame that has a module. Never answering stops the walk where it is.
        let left =
            self.frames_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            std::future::pending::<()>().await;
        }
        let instruction = walker.get_instruction();
        let (index, offset) = self.places.site(instruction)?;
        let module = self.symbols.module(index)?;
        let by_info = module.walk_frame(instruction.checked_sub(offset)?, walker);
        by_info.map(|_either| ()).or_else(|| self.by_frame_size(module, offset, walker))
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
pub(super) fn walk(source: &Source<'_>, limits: &Limits, problems: &mut Vec<String>) -> Stack {
    let Source { dump, system, modules, exception, symbols } = source;
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
        return Stack::default();
    };
    let registers = registers(&context);
    let sp = context.get_stack_pointer();
    let regions = memory(dump);
    let stack =
        thread.and_then(|thread| thread.stack_memory(&regions)).and_then(|stack| cap(stack, sp, limits));
    let mut call_stack = CallStack::with_context(context);
    let unified = stack.as_ref().map(UnifiedMemory::Memory);
    let info = system_info(system);
    let places = Places::new(modules);
    let provider = Provider { symbols, places: &places, frames_left: AtomicUsize::new(limits.frames) };
    run(walk_stack(0, (), &mut call_stack, unified, modules, &info, &provider));
    let frames = call_stack.frames.iter().take(limits.frames);
    let mut frames: Vec<Walked> = frames.map(|frame| walked(frame, &places)).collect();
    if let Some(stack) = stack.as_ref().filter(|_| symbols.asked_for()) {
        let narrow = is_narrow(&call_stack.frames);
        // A call leaves its arguments, or their home, right above its return address.
        let homes: Vec<Option<u64>> = frames.iter().skip(1).map(|next| next.sp).collect();
        for (frame, home) in frames.iter_mut().zip(homes) {
            frame.args = home.map(|home| arguments(stack, home, narrow)).unwrap_or_default();
        }
    }
    Stack { frames, registers }
}

fn is_narrow(frames: &[StackFrame]) -> bool {
    frames.first().is_some_and(|frame| matches!(frame.context.raw, MinidumpRawContext::X86(_)))
}

/// The first four arguments, as far as they were saved.
fn arguments(stack: &MinidumpMemory<'_>, home: u64, narrow: bool) -> Vec<u64> {
    let width = if narrow { 4 } else { 8 };
    let at = |number: u64| home.checked_add(number.checked_mul(width)?);
    let read = |at: u64| match narrow {
        true => stack.get_memory_at_address::<u32>(at).map(u64::from),
        false => stack.get_memory_at_address::<u64>(at),
    };
    (0..4).map_while(|number| read(at(number)?)).collect()
}

fn walked(frame: &StackFrame, places: &Places<'_>) -> Walked {
    let exact = frame.trust == FrameTrust::Context;
    let address = if exact { frame.instruction } else { frame.resume_address };
    Walked {
        address,
        sp: Some(frame.context.get_stack_pointer()),
        trust: trust(frame.trust),
        site: places.site(address).map(|(module, offset)| CodeSite { module, offset, exact }),
        args: Vec::new(),
    }
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

fn trust(trust: FrameTrust) -> Trust {
    match trust {
        FrameTrust::Context => Trust::Context,
        FrameTrust::CallFrameInfo | FrameTrust::PreWalked => Trust::UnwindInfo,
        FrameTrust::FramePointer => Trust::FramePointer,
        FrameTrust::Scan | FrameTrust::CfiScan | FrameTrust::None => Trust::Scan,
    }
}

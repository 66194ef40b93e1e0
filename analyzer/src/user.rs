//! A user-mode minidump to an [`Analysis`], through the `minidump` crates: only the thread that failed is walked. Pure.
//!
//! Hostile input: the crates check counts against the bytes that are there; this module bounds what it asks them for
//! (one thread, a capped stack, capped lists). Their panics are not caught here but at the worker's rim.

mod facts;
mod guard;
mod walk;

use std::borrow::Cow;

use blame::Owners;
use dump::{Access, Identity, status_name};
use minidump::{
    CodeView, Minidump, MinidumpException, MinidumpMemoryList, MinidumpMiscInfo, MinidumpModule,
    MinidumpModuleList, MinidumpSystemInfo, MinidumpThreadList, MinidumpUnloadedModuleList, Module,
    UnifiedMemoryList, system_info,
};
use symbols::{ImageId, PdbId, SymbolSet};
use uuid::Uuid;

use crate::analysis::{
    Analysis, CodeReport, ExceptionReport, Frame, MachineReport, ModuleReport, UnloadedReport, faulting_ip,
    stored,
};
use crate::hex::hex;
use crate::module_symbols::{Ids, ModuleSymbols, Page, Walked};
use crate::text::clean;
use crate::{ANALYZER_VERSION, Limits, Unreadable, code, os};

type Dump<'a> = Minidump<'a, &'a [u8]>;

/// The exception of a user dump in plain words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserException {
    pub(crate) code: u32,
    pub(crate) address: u64,
    pub(crate) access: Option<Access>,
    pub(crate) accessed: Option<u64>,
    /// First word of the information: a fast-fail code, for one.
    pub(crate) detail: Option<u64>,
}

/// Analyses a user dump.
pub(crate) fn analyze(
    bytes: &[u8],
    identity: &Identity,
    symbols: Option<&SymbolSet>,
    owners: &Owners,
    limits: &Limits,
) -> Result<Analysis, Unreadable> {
    let dump = Minidump::read(bytes).map_err(|error| Unreadable::new("damaged", error))?;
    let mut problems = Vec::new();
    let system = stream::<MinidumpSystemInfo>(&dump, "system information", &mut problems);
    let modules = match guard::modules(&dump, bytes) {
        Ok(()) => stream::<MinidumpModuleList>(&dump, "module list", &mut problems).unwrap_or_default(),
        Err(problem) => {
            problems.push(format!("module list: {problem}"));
            MinidumpModuleList::default()
        }
    };
    let exception_stream = stream::<MinidumpException<'_>>(&dump, "exception", &mut problems);
    let exception = exception_stream.as_ref().map(|stream| exception_of(stream, system.as_ref()));
    let regions = memory(&dump);
    let all: Vec<&MinidumpModule> = modules.iter().collect();
    let own = |index: usize, rva| page(&regions, all.get(index)?, rva);
    let symbols = ModuleSymbols::new(symbols, modules.iter().map(|module| ids(module, limits)), &own);
    let stack = system.as_ref().map(|system| {
        let exception = exception_stream.as_ref();
        let source = walk::Source { dump: &dump, system, modules: &modules, exception, symbols: &symbols };
        walk::walk(&source, limits, &mut problems)
    });
    let walk::Stack { frames: walked, registers } = stack.unwrap_or_default();
    let frames = frames(&walked, &all, &symbols, limits);
    let on_stack = || walked.iter().filter_map(|frame| Some(frame.site?.module)).take(MOST_WANTED);
    let listed = all.get(..limits.modules).unwrap_or(&all);
    if all.len() > listed.len() {
        problems.push(format!("modules: {} more are not listed", all.len() - listed.len()));
    }
    let main_module = modules.main_module().map(|module| base_name(&module.name, limits));
    let misc = dump.get_stream::<MinidumpMiscInfo>().ok();
    let machine = machine(system.as_ref(), limits);
    let facts = facts::facts(&facts::Source {
        exception: exception.as_ref(),
        frames: &frames,
        modules: listed,
        process: main_module.as_deref(),
        machine: &machine,
        limits,
    });
    let verdict = blame::judge(&facts, owners);
    let stored = stored(&facts);
    let unloaded = unloaded(&dump, bytes, limits, &mut problems);
    problems.truncate(limits.problems);
    Ok(Analysis {
        analyzer_version: ANALYZER_VERSION,
        crash_id: identity.id.to_string(),
        kind: "user".to_owned(),
        dump_type: "user minidump".to_owned(),
        dump_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        crash_time: identity.time.map(|time| time.to_string()),
        crash_time_ms: identity.time.map(|time| time.unix_ms()),
        uptime_s: uptime(identity, misc.as_ref()),
        bugcheck: None,
        exception: exception.as_ref().map(exception_report),
        faulting_ip: faulting_ip(&facts),
        code: exception.and_then(|exception| code_around(&regions, exception.address)),
        verdict: verdict.into(),
        stack: frames,
        registers,
        machine,
        process: main_module,
        modules: listed.iter().map(|module| module_report(module, limits)).collect(),
        unloaded,
        problems,
        kernel: None,
        facts: stored,
        symbols: symbols.reports(on_stack()),
        wants: symbols.wants(on_stack()),
    })
}

/// Frames whose modules' symbol files are wanted.
const MOST_WANTED: usize = 48;

/// What the list of modules tells of their files.
fn ids(module: &MinidumpModule, limits: &Limits) -> Ids {
    let pdb = match &module.codeview_info {
        Some(CodeView::Pdb70(pdb)) => {
            let name = String::from_utf8_lossy(&pdb.pdb_file_name);
            let guid = &pdb.signature;
            let guid = Uuid::from_fields(guid.data1, guid.data2, guid.data3, &guid.data4);
            PdbId::new(name.trim_end_matches('\0'), guid, pdb.age)
        }
        _ => None,
    };
    Ids {
        name: base_name(&module.name, limits),
        size: module.raw.size_of_image,
        timestamp: module.raw.time_date_stamp,
        image: ImageId::new(&module.name, module.raw.time_date_stamp, module.raw.size_of_image),
        pdb,
    }
}

/// A page of a module's image, where the dump's own memory has it: dumps with all memory do.
fn page(regions: &UnifiedMemoryList<'_>, module: &MinidumpModule, rva: u32) -> Option<Page> {
    let address = module.base_address().checked_add(rva.into())?;
    let region = regions.memory_at_address(address)?;
    let skip = usize::try_from(address.checked_sub(region.base_address())?).ok()?;
    region.bytes().get(skip..)?.first_chunk().copied()
}

/// The code around an address: whoever writes a dump puts what lies around each thread's instruction into it.
fn code_around(regions: &UnifiedMemoryList<'_>, address: u64) -> Option<CodeReport> {
    code::around(address, |address, most| {
        let region = regions.memory_at_address(address)?;
        let skip = usize::try_from(address.checked_sub(region.base_address())?).ok()?;
        let bytes = region.bytes().get(skip..)?;
        Some(Cow::Owned(bytes.get(..most).unwrap_or(bytes).to_vec()))
    })
}

/// The frames of the report.
fn frames(
    walked: &[Walked],
    modules: &[&MinidumpModule],
    symbols: &ModuleSymbols<'_>,
    limits: &Limits,
) -> Vec<Frame> {
    let name = |frame: &Walked| {
        let module = frame.site.and_then(|site| modules.get(site.module));
        module.map(|module| base_name(&module.name, limits)).unwrap_or_default()
    };
    let frames = walked.iter().flat_map(|frame| {
        // Without symbols a frame is its address, its module and how it was found.
        let mut frames = symbols.frames(frame, &name(frame));
        if !symbols.asked_for() {
            frames.iter_mut().for_each(|frame| frame.sp = None);
        }
        frames
    });
    frames.take(limits.frames).collect()
}

/// A stream, or a problem that says why there is none.
fn stream<'a, S: minidump::MinidumpStream<'a>>(
    dump: &'a Dump<'a>,
    what: &str,
    problems: &mut Vec<String>,
) -> Option<S> {
    dump.get_stream::<S>().map_err(|error| problems.push(format!("{what}: {error}"))).ok()
}

/// Base name of a module, cleaned: paths tell user names.
fn base_name(path: &str, limits: &Limits) -> String {
    let base = path.rsplit(['\\', '/']).next().unwrap_or(path);
    clean(base, limits.text).into_owned()
}

fn exception_of(stream: &MinidumpException<'_>, system: Option<&MinidumpSystemInfo>) -> UserException {
    let record = &stream.raw.exception_record;
    // On 32-bit systems addresses arrive sign-extended at times.
    let narrow = system.is_some_and(|it| it.cpu.pointer_width() == system_info::PointerWidth::Bits32);
    let address = |value: u64| if narrow { value & 0xFFFF_FFFF } else { value };
    let count = record.number_parameters;
    let information = |index: u32| {
        let at = usize::try_from(index).ok()?;
        (index < count).then(|| record.exception_information.get(at).copied()).flatten()
    };
    let with_access = matches!(record.exception_code, 0xC000_0005 | 0xC000_0006);
    let access = information(0).filter(|_| with_access).map(|kind| match kind {
        0 => Access::Read,
        8 => Access::Execute,
        _ => Access::Write,
    });
    UserException {
        code: record.exception_code,
        address: address(record.exception_address),
        access,
        accessed: information(1).filter(|_| with_access).map(address),
        detail: information(0),
    }
}

fn exception_report(exception: &UserException) -> ExceptionReport {
    ExceptionReport {
        code: exception.code,
        name: status_name(exception.code).unwrap_or_default().to_owned(),
        address: hex(exception.address),
        access: exception.access.map(|access| access.as_str().to_owned()),
        accessed: exception.accessed.map(hex),
    }
}

/// Seconds from the process's start to the crash, both from the dump.
fn uptime(identity: &Identity, misc: Option<&MinidumpMiscInfo>) -> Option<f64> {
    let started = i64::from(*misc?.raw.process_create_time()?);
    let crashed = identity.time?.unix_ms() / 1000;
    let seconds = u32::try_from(crashed.checked_sub(started)?).ok()?;
    (started > 0).then_some(f64::from(seconds))
}

fn machine(system: Option<&MinidumpSystemInfo>, limits: &Limits) -> MachineReport {
    let Some(system) = system else { return MachineReport::default() };
    let windows = system.os == system_info::Os::Windows;
    // VER_NT_WORKSTATION is 1; everything else is some server.
    let server = system.raw.product_type > 1;
    MachineReport {
        os: if windows {
            os::name(system.raw.build_number, server)
        } else {
            system.os.long_name().into_owned()
        },
        build: system.raw.build_number,
        arch: match system.cpu {
            system_info::Cpu::X86_64 => "x64".to_owned(),
            system_info::Cpu::X86 => "x86".to_owned(),
            system_info::Cpu::Arm64 => "arm64".to_owned(),
            other => other.to_string(),
        },
        processors: system.raw.number_of_processors.into(),
        cpu: system.cpu_info().map(|cpu| clean(&cpu, limits.text).into_owned()),
        product: match system.raw.product_type {
            1 => Some("workstation".to_owned()),
            2 => Some("domain controller".to_owned()),
            3 => Some("server".to_owned()),
            _ => None,
        },
        ..MachineReport::default()
    }
}

fn module_report(module: &MinidumpModule, limits: &Limits) -> ModuleReport {
    let name = base_name(&module.name, limits);
    let inbox = blame::is_runtime(&name);
    ModuleReport {
        base: hex(module.base_address()),
        size: module.raw.size_of_image,
        timestamp: module.raw.time_date_stamp,
        version: module.version().map(|version| clean(&version, limits.text).into_owned()),
        vendor: if inbox { "Microsoft" } else { "" }.into(),
        inbox,
        name,
        // of a process it may name a person's folder
        path: None,
    }
}

fn unloaded(
    dump: &Dump<'_>,
    bytes: &[u8],
    limits: &Limits,
    problems: &mut Vec<String>,
) -> Vec<UnloadedReport> {
    if let Err(problem) = guard::unloaded(dump, bytes) {
        problems.push(format!("unloaded modules: {problem}"));
        return Vec::new();
    }
    let Ok(list) = dump.get_stream::<MinidumpUnloadedModuleList>() else { return Vec::new() };
    let report = |module: &minidump::MinidumpUnloadedModule| UnloadedReport {
        name: base_name(&module.name, limits),
        start: hex(module.base_address()),
        end: hex(module.base_address().saturating_add(module.size())),
        time: None,
    };
    list.iter().take(limits.unloaded).map(report).collect()
}

/// The dump's memory, whichever list it has.
fn memory<'a>(dump: &'a Dump<'a>) -> UnifiedMemoryList<'a> {
    dump.get_memory().unwrap_or(UnifiedMemoryList::Memory(MinidumpMemoryList::new()))
}

/// Threads, unless there are absurdly many.
fn threads<'a>(
    dump: &'a Dump<'a>,
    limits: &Limits,
    problems: &mut Vec<String>,
) -> Option<MinidumpThreadList<'a>> {
    let list = stream::<MinidumpThreadList<'a>>(dump, "thread list", problems)?;
    if list.threads.len() > limits.threads {
        problems.push(format!("thread list: {} threads are more than any process has", list.threads.len()));
        return None;
    }
    Some(list)
}

//! Facts and verdict to the report. Owns the words of the report, never a judgement.

use std::borrow::Cow;

use dump::{DumpType, Identity, KernelDump, Machine, Product, Registers, Smbios, Writer, status_name};

use super::found::{Fault, Found, Image, Owner};
use super::gather::Gathered;
use super::{details, owned};
use crate::analysis::{
    Analysis, BugCheckReport, ExceptionReport, Frame, MachineReport, ModuleReport, ParameterReport,
    UnloadedReport, faulting_ip, stored,
};
use crate::hex::hex;
use crate::module_symbols::{ModuleSymbols, Walked};
use crate::{ANALYZER_VERSION, Limits, code, os, text};

/// What the report is made from besides facts and verdict.
pub(super) struct Source<'s> {
    pub(super) dump: &'s KernelDump<'s>,
    pub(super) identity: &'s Identity,
    pub(super) dump_bytes: u64,
    pub(super) symbols: &'s ModuleSymbols<'s>,
    pub(super) facts: &'s blame::Facts<'s>,
    pub(super) limits: &'s Limits,
}

/// Writes the report.
pub(super) fn write(source: &Source<'_>, gathered: &Gathered<'_>, verdict: blame::Verdict) -> Analysis {
    let Source { dump, identity, limits, .. } = source;
    let header = dump.header();
    let facts = &gathered.found;
    let firmware = dump.smbios();
    let walked = gathered.walked.as_deref();
    let on_stack =
        || walked.into_iter().flatten().filter_map(|frame| Some(frame.site?.module)).take(MOST_WANTED);
    Analysis {
        analyzer_version: ANALYZER_VERSION,
        crash_id: identity.id.to_string(),
        kind: if facts.live { "live" } else { "kernel" }.to_owned(),
        dump_type: dump_type(header.dump_type, header.writer),
        dump_bytes: source.dump_bytes,
        crash_time: header.system_time.map(|time| time.to_string()),
        crash_time_ms: header.system_time.map(|time| time.unix_ms()),
        uptime_s: header.uptime.map(|uptime| seconds(uptime.0)),
        bugcheck: Some(bug_check(gathered, header.bugcheck_raw, limits)),
        exception: exception(facts),
        faulting_ip: faulting_ip(source.facts),
        code: facts
            .fault
            .filter(Fault::is_exact)
            .and_then(|fault| code::around(fault.address, |address, most| dump.read_run(address, most))),
        verdict: verdict.into(),
        stack: match walked {
            Some(walked) => walked_frames(source, facts, walked),
            None => frames(facts, limits.frames.min(MOST_SCANNED)),
        },
        registers: registers(gathered),
        machine: machine(dump, firmware.as_ref(), limits),
        process: facts.process.map(str::to_owned),
        modules: modules(dump, facts, limits),
        unloaded: unloaded(dump, facts),
        problems: problems(dump, limits),
        symbols: source.symbols.reports(on_stack()),
        wants: source.symbols.wants(on_stack()),
        facts: stored(source.facts),
        kernel: limits.details.then(|| Box::new(details::gather(dump, firmware, gathered, limits))),
    }
}

/// 100 ns units to seconds; milliseconds are enough for an uptime.
fn seconds(ticks: u64) -> f64 {
    std::time::Duration::from_millis(ticks / 10_000).as_secs_f64()
}

fn dump_type(form: DumpType, writer: Writer) -> String {
    let form = match form {
        DumpType::Full | DumpType::BitmapFull | DumpType::RangesFull => "kernel complete dump",
        DumpType::Summary | DumpType::BitmapKernel | DumpType::RangesKernel | DumpType::Automatic => {
            "kernel dump"
        }
        DumpType::RangesActive => "kernel active dump",
        DumpType::Header => "kernel header-only dump",
        DumpType::Triage => "kernel small dump",
        DumpType::Unknown(value) => return format!("kernel dump of unknown type {value}"),
    };
    let writer = match writer {
        Writer::Kernel => "written by the kernel",
        Writer::DebugEngine => "written by Windows Error Reporting or a debugger",
    };
    format!("{form} ({writer})")
}

fn bug_check(gathered: &Gathered<'_>, raw_code: u32, limits: &Limits) -> BugCheckReport {
    let facts = &gathered.found;
    let parameter = |parameter: &dump::Parameter| ParameterReport {
        value: hex(parameter.value),
        meaning: parameter.meaning.to_string(),
        resolved: parameter
            .resolved
            .as_ref()
            .map(|resolved| text::clean(&resolved.to_string(), limits.text).into_owned())
            .unwrap_or_default(),
    };
    BugCheckReport {
        code: facts.code,
        raw_code,
        name: facts.entry.map_or("UNKNOWN", |entry| entry.name).to_owned(),
        parameters: gathered.parameters.iter().map(parameter).collect(),
    }
}

fn exception(facts: &Found<'_>) -> Option<ExceptionReport> {
    let exception = facts.exception.filter(|exception| exception.code != 0)?;
    Some(ExceptionReport {
        code: exception.code,
        name: status_name(exception.code).unwrap_or_default().to_owned(),
        address: hex(exception.address),
        access: exception.access.map(|access| access.as_str().to_owned()),
        accessed: exception.accessed.map(hex),
    })
}

/// Scanned words that are listed. One in four or five is a return address: further down they help nobody.
const MOST_SCANNED: usize = 64;

fn frames(facts: &Found<'_>, most: usize) -> Vec<Frame> {
    let first = facts.fault.map(|Fault { address, owner, .. }| {
        let (module, offset) = match owner {
            Owner::Loaded(site) => (facts.name(site).to_owned(), site.offset),
            Owner::Unloaded(index, offset) => {
                (facts.unloaded.get(index).copied().unwrap_or_default().to_owned(), offset)
            }
            Owner::Nobody => (String::new(), 0),
        };
        Frame { address: hex(address), module, offset, trust: "context".to_owned(), ..Frame::default() }
    });
    let rest = facts.stack.iter().map(|hit| Frame {
        address: hex(hit.address),
        module: facts.name(hit.site).to_owned(),
        offset: hit.site.offset,
        trust: "scan".to_owned(),
        ..Frame::default()
    });
    first.into_iter().chain(rest).take(most).collect()
}

/// Frames whose modules' symbol files are wanted. What is below has no part in blame or bucket, and a stack that was
/// guessed would ask for files of drivers that are not on it.
const MOST_WANTED: usize = 48;

fn walked_frames(source: &Source<'_>, facts: &Found<'_>, walked: &[Walked]) -> Vec<Frame> {
    let name =
        |frame: &Walked| frame.site.and_then(|site| facts.images.get(site.module)).map_or("", |it| it.name);
    let frames = walked.iter().flat_map(|frame| source.symbols.frames(frame, name(frame)));
    frames.take(source.limits.frames).collect()
}

fn registers(gathered: &Gathered<'_>) -> Vec<(String, String)> {
    gathered.registers.as_ref().map(named).unwrap_or_default()
}

/// Registers by name, in the debugger's order.
pub(super) fn named(registers: &Registers) -> Vec<(String, String)> {
    registers.named().into_iter().map(|(name, value)| (name.to_owned(), hex(value))).collect()
}

fn machine(dump: &KernelDump<'_>, smbios: Option<&Smbios>, limits: &Limits) -> MachineReport {
    let header = dump.header();
    let of_smbios = |value: Option<Option<String>>| owned(value.flatten(), limits);
    let server = matches!(header.product, Some(Product::Server | Product::DomainController));
    MachineReport {
        os: os::name(header.build, server),
        build: header.build,
        ubr: header.ubr,
        arch: match header.machine {
            Machine::X64 => "x64".to_owned(),
            Machine::Arm64 => "arm64".to_owned(),
            Machine::X86 => "x86".to_owned(),
            Machine::Unknown(value) => format!("0x{value:x}"),
        },
        processors: header.processors,
        cpu: owned(dump.processor().and_then(|processor| processor.name), limits)
            .map(|name| name.split_whitespace().collect::<Vec<_>>().join(" ")),
        vendor: of_smbios(smbios.map(|it| it.vendor.clone())),
        model: of_smbios(smbios.map(|it| it.model.clone())),
        bios: of_smbios(smbios.map(|it| it.bios_version.clone())),
        product: header.product.map(|product| match product {
            Product::Workstation => "workstation".to_owned(),
            Product::Server => "server".to_owned(),
            Product::DomainController => "domain controller".to_owned(),
            Product::Unknown(value) => format!("unknown {value}"),
        }),
        boot_id: dump.boot_id(),
    }
}

fn modules(dump: &KernelDump<'_>, facts: &Found<'_>, limits: &Limits) -> Vec<ModuleReport> {
    let path = |driver: &dump::Driver| owned(driver.path.clone(), limits);
    let module = |(driver, image): (&dump::Driver, &Image<'_>)| ModuleReport {
        name: image.name.to_owned(),
        base: hex(driver.base),
        size: driver.size,
        timestamp: driver.timestamp,
        version: None,
        vendor: image.known.map(|known| Cow::Borrowed(known.vendor.as_str())).unwrap_or_default(),
        inbox: image.known.is_some_and(|known| known.inbox),
        path: if image.known.is_some_and(|known| known.inbox) { None } else { path(driver) },
    };
    dump.drivers().iter().zip(&facts.images).map(module).collect()
}

fn unloaded(dump: &KernelDump<'_>, facts: &Found<'_>) -> Vec<UnloadedReport> {
    let report = |(driver, name): (&dump::UnloadedDriver, &&str)| UnloadedReport {
        name: (*name).to_owned(),
        start: hex(driver.start),
        end: hex(driver.end),
        time: driver.time.map(|time| time.to_string()),
    };
    dump.unloaded().iter().zip(&facts.unloaded).map(report).collect()
}

fn problems(dump: &KernelDump<'_>, limits: &Limits) -> Vec<String> {
    let all = dump.problems();
    let mut listed: Vec<String> = all
        .iter()
        .take(limits.problems)
        .map(|problem| text::clean(&problem.to_string(), limits.text).into_owned())
        .collect();
    if let Some(error) = dump.source_error() {
        listed.push(text::clean(&format!("file: {error}"), limits.text).into_owned());
    }
    let mut note = |total: usize, listed_of: usize, what: &str| {
        if total > listed_of {
            listed.push(format!("{what}: {} more are not listed", total - listed_of));
        }
    };
    note(all.len(), limits.problems, "problems");
    note(dump.drivers().len(), limits.modules, "drivers");
    note(dump.unloaded().len(), limits.unloaded, "unloaded drivers");
    listed
}

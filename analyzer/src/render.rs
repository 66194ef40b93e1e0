//! Analysis to text for a terminal. Pure; owns no verdict and trusts no string that came out of a dump: everything is
//! cleaned again here, whoever made the analysis.

mod page;

use std::borrow::Cow;

use self::page::{Page, Paint};
use crate::analysis::{Analysis, BugCheckReport, Frame, ModuleReport, Verdict};
use crate::bucket::module_name;
use crate::tables::is_kernel;
use crate::text::clean;

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub colour: bool,
}

/// Frames printed; the rest is counted. The whole list is in the JSON form.
const FRAMES: usize = 40;
/// Longest string printed.
const LONGEST: usize = 300;

/// What `bluescope explain` prints: the verdict in one line, then why, then the facts under WinDbg's names.
pub fn text(analysis: &Analysis, style: Style) -> String {
    let mut page = Page::new(style.colour);
    headline(&mut page, &analysis.verdict);
    if let Some(bugcheck) = &analysis.bugcheck {
        bug_check(&mut page, bugcheck);
    }
    exception(&mut page, analysis);
    failure(&mut page, analysis);
    machine(&mut page, analysis);
    stack(&mut page, &analysis.stack);
    registers(&mut page, &analysis.registers);
    modules(&mut page, analysis);
    unloaded(&mut page, analysis);
    problems(&mut page, &analysis.problems);
    page.finish()
}

fn shown(text: &str) -> Cow<'_, str> {
    clean(text, LONGEST)
}

/// `0x7e` as WinDbg prints it: `7e`.
fn bare(hex: &str) -> Cow<'_, str> {
    shown(hex.strip_prefix("0x").unwrap_or(hex))
}

fn headline(page: &mut Page, verdict: &Verdict) {
    let name = shown(&verdict.name);
    let who = match verdict.culprit.as_str() {
        "driver" | "module" => format!("{name} is to blame"),
        "hardware" => "The hardware is to blame".to_owned(),
        "process" if name.is_empty() => "A critical process ended".to_owned(),
        "process" => format!("The process {name} ended"),
        "manual" => "Nobody is to blame: the crash was asked for".to_owned(),
        _ => "Nobody can be blamed from this dump".to_owned(),
    };
    let paint = match verdict.confidence.as_str() {
        "high" => Paint::Red,
        "medium" => Paint::Yellow,
        _ => Paint::Bold,
    };
    let mut evidence = verdict.evidence.iter();
    let first = evidence.next().map(|why| shown(why)).unwrap_or_default();
    let confidence = match verdict.confidence.as_str() {
        "none" => String::new(),
        confidence => format!(" ({} confidence)", shown(confidence)),
    };
    page.painted(paint, &format!("{who}{confidence}"));
    page.line(&format!(": {first}"));
    for why in evidence {
        page.line(&format!("  {}", shown(why)));
    }
    page.line(&format!("  Rule: {}.", shown(&verdict.rule)));
}

fn bug_check(page: &mut Page, bugcheck: &BugCheckReport) {
    page.blank();
    page.painted(Paint::Bold, &format!("{} ({:x})", shown(&bugcheck.name), bugcheck.code));
    page.end_line();
    let raw = match bugcheck.raw_code {
        raw if raw == bugcheck.code => String::new(),
        raw => format!("  (in the header: {raw:x})"),
    };
    page.field("BUGCHECK_CODE", &format!("{:x}{raw}", bugcheck.code));
    for (number, parameter) in (1..).zip(&bugcheck.parameters) {
        let resolved = match parameter.resolved.as_str() {
            "" => String::new(),
            resolved => format!(" = {}", shown(resolved)),
        };
        let meaning = shown(&parameter.meaning);
        let line = format!("{:<16} {meaning}{resolved}", bare(&parameter.value));
        page.field(&format!("BUGCHECK_P{number}"), line.trim_end());
    }
}

fn exception(page: &mut Page, analysis: &Analysis) {
    let Some(exception) = &analysis.exception else { return };
    page.blank();
    page.field("EXCEPTION_CODE", format!("{:08x} {}", exception.code, shown(&exception.name)).trim_end());
    page.field("FAULTING_IP", &bare(&exception.address));
    if let (Some(access), Some(accessed)) = (&exception.access, &exception.accessed) {
        let name = match access.as_str() {
            "read" => "READ_ADDRESS",
            "write" => "WRITE_ADDRESS",
            _ => "EXECUTE_ADDRESS",
        };
        page.field(name, &bare(accessed));
    }
}

fn failure(page: &mut Page, analysis: &Analysis) {
    let verdict = &analysis.verdict;
    page.blank();
    page.optional("PROCESS_NAME", analysis.process.as_deref().map(shown));
    if matches!(verdict.culprit.as_str(), "driver" | "module") {
        let image = shown(&verdict.name);
        page.field("MODULE_NAME", &module_name(&image, is_kernel(&image.to_ascii_lowercase())));
        page.field("IMAGE_NAME", &image);
        page.optional(
            "DEBUG_FLR_IMAGE_TIMESTAMP",
            verdict.timestamp.map(|timestamp| format!("{timestamp:x}").into()),
        );
        page.optional("IMAGE_SIZE", verdict.size.map(|size| format!("{size:x}").into()));
        page.optional("FAULT_OFFSET", verdict.offset.map(|offset| format!("{offset:x}").into()));
    }
    page.field("FAILURE_BUCKET_ID", &shown(&verdict.bucket));
    page.field("FAILURE_ID_HASH", &shown(&verdict.bucket_hash));
}

/// `1 d 02:03:04`.
fn uptime(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds).map_or(0, |uptime| uptime.as_secs());
    let (days, rest) = (whole / 86_400, whole % 86_400);
    format!("{days} d {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

fn machine(page: &mut Page, analysis: &Analysis) {
    let machine = &analysis.machine;
    page.blank();
    page.optional("CRASH_TIME", analysis.crash_time.as_deref().map(shown));
    page.optional("UPTIME", analysis.uptime_s.map(|seconds| uptime(seconds).into()));
    let ubr = machine.ubr.map(|ubr| format!(".{ubr}")).unwrap_or_default();
    let product =
        machine.product.as_deref().map(|product| format!(", {}", shown(product))).unwrap_or_default();
    page.field(
        "OS",
        &format!("{} build {}{ubr} ({}{product})", shown(&machine.os), machine.build, shown(&machine.arch)),
    );
    let model: Vec<Cow<'_, str>> =
        [&machine.vendor, &machine.model].into_iter().flatten().map(|part| shown(part)).collect();
    page.optional("MACHINE", (!model.is_empty()).then(|| model.join(" ").into()));
    page.optional("BIOS", machine.bios.as_deref().map(shown));
    let processors = match machine.processors {
        0 => String::new(),
        count => format!("{count} x "),
    };
    page.optional(
        "PROCESSOR",
        machine.cpu.as_deref().map(|cpu| format!("{processors}{}", shown(cpu)).into()),
    );
    page.optional("BOOT_ID", machine.boot_id.map(|boot| boot.to_string().into()));
    page.field("DUMP", &format!("{}, {} bytes", shown(&analysis.dump_type), analysis.dump_bytes));
    page.field("CRASH_ID", &shown(&analysis.crash_id));
}

fn stack(page: &mut Page, frames: &[Frame]) {
    if frames.is_empty() {
        return;
    }
    page.heading("STACK_TEXT", "without symbols; frames found by scan are guesses");
    for frame in frames.iter().take(FRAMES) {
        let image = shown(&frame.module);
        let place = if image.is_empty() {
            String::new()
        } else {
            let module = module_name(&image, is_kernel(&image.to_ascii_lowercase()));
            format!("{module}+0x{:x}", frame.offset)
        };
        page.line(format!("{:>16} : {place:<40} {}", bare(&frame.address), shown(&frame.trust)).trim_end());
    }
    if frames.len() > FRAMES {
        page.line(&format!("{:>16} : {} more", "...", frames.len() - FRAMES));
    }
}

fn registers(page: &mut Page, registers: &[(String, String)]) {
    if registers.is_empty() {
        return;
    }
    page.heading("REGISTERS", "");
    for row in registers.chunks(3) {
        let cells: Vec<String> =
            row.iter().map(|(name, value)| format!("{:>6}={:>16}", shown(name), bare(value))).collect();
        page.line(&cells.join(" "));
    }
}

fn module_line(page: &mut Page, module: &ModuleReport, blamed: &str) {
    let mark = if module.name == blamed { '*' } else { ' ' };
    let version = module.version.as_deref().map(|version| format!(" {}", shown(version))).unwrap_or_default();
    let vendor = shown(&module.vendor);
    let line = format!(
        "{mark} {:>16} {:>8x} {:08x} {}{version}  {vendor}",
        bare(&module.base),
        module.size,
        module.timestamp,
        shown(&module.name)
    );
    page.line(line.trim_end());
}

fn modules(page: &mut Page, analysis: &Analysis) {
    let blamed = if analysis.verdict.culprit == "process" { "" } else { analysis.verdict.name.as_str() };
    let (inbox, others): (Vec<_>, Vec<_>) = analysis.modules.iter().partition(|module| module.inbox);
    let groups = [("THIRD-PARTY OR UNKNOWN", others), ("PART OF WINDOWS", inbox)];
    for (title, group) in groups.iter().filter(|(_, group)| !group.is_empty()) {
        page.heading(&format!("{title}: {}", group.len()), "base, size, timestamp, name");
        for module in group {
            module_line(page, module, blamed);
        }
    }
}

fn unloaded(page: &mut Page, analysis: &Analysis) {
    if analysis.unloaded.is_empty() {
        return;
    }
    page.heading(
        &format!("UNLOADED: {}", analysis.unloaded.len()),
        "newest first; Windows cuts names to 12 characters",
    );
    for module in &analysis.unloaded {
        page.line(&format!("{:>16} {:>16} {}", bare(&module.start), bare(&module.end), shown(&module.name)));
    }
}

fn problems(page: &mut Page, problems: &[String]) {
    if problems.is_empty() {
        return;
    }
    page.heading("PROBLEMS OF THIS DUMP", "");
    for problem in problems {
        page.line(&format!("- {}", shown(problem)));
    }
}

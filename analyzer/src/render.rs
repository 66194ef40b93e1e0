//! Analysis to text for a terminal. Pure; owns no verdict and trusts no string that came out of a dump: everything is
//! cleaned again here, whoever made the analysis.

mod kernel;
mod lists;
mod page;
mod secondary;
mod stack;
mod system;

use std::borrow::Cow;

use self::page::{Page, Paint};
use crate::analysis::{Analysis, BugCheckReport, ExceptionRecordDetails, KernelDetails, Verdict};
use crate::text::clean;
use dump::status_name;

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub colour: bool,
}

/// Longest string printed.
const LONGEST: usize = 300;

/// What `bluescope explain` prints: the verdict in one line, then the facts under WinDbg's names as far as they tell why,
/// then why, then everything else, long lists last.
pub fn text(analysis: &Analysis, style: Style) -> String {
    let mut page = Page::new(style.colour);
    let details = analysis.kernel.as_deref();
    headline(&mut page, &analysis.verdict);
    if let Some(bugcheck) = &analysis.bugcheck {
        bug_check(&mut page, bugcheck, details);
    }
    exception(&mut page, analysis);
    process(&mut page, analysis);
    stack::print(&mut page, analysis);
    failure(&mut page, &analysis.verdict);
    why(&mut page, &analysis.verdict);
    system::print(&mut page, analysis);
    lists::registers(&mut page, "REGISTERS", "", &analysis.registers);
    if let Some(details) = details {
        kernel::print(&mut page, analysis, details);
        secondary::print(&mut page, details);
    }
    lists::modules(&mut page, analysis);
    lists::unloaded(&mut page, analysis);
    lists::problems(&mut page, &analysis.problems);
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
        "memory" => "Memory was damaged, by a memory module or by a driver that left no trace".to_owned(),
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
    let confidence = match verdict.confidence.as_str() {
        "none" => String::new(),
        confidence => format!(" ({} confidence)", shown(confidence)),
    };
    page.painted(paint, &format!("{who}{confidence}"));
    page.end_line();
}

/// Why, in plain words: the deciding sentence first, whom else the rules saw last.
fn why(page: &mut Page, verdict: &Verdict) {
    page.blank();
    page.heading("WHY", &format!("rule {}", shown(&verdict.rule)));
    for sentence in &verdict.evidence {
        page.line(&format!("  {}", shown(sentence)));
    }
    if let Some(sign) = &verdict.hardware_sign {
        page.line(&format!("  It says something of the machine itself: {}.", shown(sign)));
    }
    for other in &verdict.runners_up {
        let (name, rule) = (shown(&other.image_name), other.rule.as_str());
        page.line(&format!("  Also in sight: {name} ({rule}). {}", shown(&other.why)));
    }
}

fn bug_check(page: &mut Page, bugcheck: &BugCheckReport, details: Option<&KernelDetails>) {
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
    let Some(details) = details else { return };
    page.known("BUGCHECK_DRIVER", &details.bugcheck_driver);
    page.known("BROKEN_DRIVER", &details.broken_driver);
}

fn exception(page: &mut Page, analysis: &Analysis) {
    let details = analysis.kernel.as_deref();
    let records = details.map(|details| details.records.as_slice()).unwrap_or_default();
    if analysis.exception.is_none() && records.is_empty() {
        return;
    }
    page.blank();
    if let Some(exception) = &analysis.exception {
        page.field("EXCEPTION_CODE", format!("{:08x} {}", exception.code, shown(&exception.name)).trim_end());
        if let (Some(access), Some(accessed)) = (&exception.access, &exception.accessed) {
            let name = match access.as_str() {
                "read" => "READ_ADDRESS",
                "write" => "WRITE_ADDRESS",
                _ => "EXECUTE_ADDRESS",
            };
            page.field(name, &bare(accessed));
        }
    }
    for record in records {
        let command = match record.kind.as_str() {
            "EXCEPTION_RECORD" => ".exr",
            "CONTEXT" => ".cxr",
            "TRAP_FRAME" => ".trap",
            _ => continue,
        };
        let (address, parameter) = (bare(&record.address), record.parameter);
        page.field(
            &shown(&record.kind),
            &format!("{address} -- ({command} 0x{address}), parameter {parameter}"),
        );
        if let Some(exception) = details.and_then(|details| details.exception_record.as_ref())
            && command == ".exr"
        {
            exception_record(page, exception);
        }
    }
}

/// As `.exr` prints it.
fn exception_record(page: &mut Page, record: &ExceptionRecordDetails) {
    let name = status_name(record.code).unwrap_or_default();
    page.line(&format!("  ExceptionAddress: {}", bare(&record.address)));
    page.line(format!("     ExceptionCode: {:08x} {name}", record.code).trim_end());
    page.line(&format!("    ExceptionFlags: {:08x}", record.flags));
    page.line(&format!("  NumberParameters: {}", record.information.len()));
    for (number, information) in record.information.iter().enumerate() {
        page.line(&format!("      Parameter[{number}]: {}", bare(information)));
    }
}

fn process(page: &mut Page, analysis: &Analysis) {
    page.blank();
    page.optional("PROCESS_NAME", analysis.process.as_deref().map(shown));
    page.optional("FAULTING_IP", analysis.faulting_ip.as_deref().map(shown));
    if let Some(details) = analysis.kernel.as_deref() {
        kernel::who(page, details);
    }
}

fn failure(page: &mut Page, verdict: &Verdict) {
    page.blank();
    if !verdict.symbol.is_empty() {
        page.field("SYMBOL_NAME", &shown(&verdict.symbol));
    }
    if !verdict.module.is_empty() {
        page.field("MODULE_NAME", &shown(&verdict.module));
    }
    if matches!(verdict.culprit.as_str(), "driver" | "module") {
        page.field("IMAGE_NAME", &shown(&verdict.name));
        page.optional("IMAGE_TIMESTAMP", verdict.timestamp.map(|timestamp| format!("{timestamp:x}").into()));
        page.optional("IMAGE_SIZE", verdict.size.map(|size| format!("{size:x}").into()));
        page.optional("FAULT_OFFSET", verdict.offset.map(|offset| format!("{offset:x}").into()));
    }
    page.field("FAILURE_BUCKET_ID", &shown(&verdict.bucket));
    page.field("FAILURE_ID_HASH", &shown(&verdict.bucket_hash));
    page.optional("UNREFINED_BUCKET_ID", verdict.unrefined_bucket.as_deref().map(shown));
}

//! `STACK_TEXT`: as the debugger prints it where the stack was walked, else the addresses found, each with how it was found.

use super::page::{Page, Paint};
use super::{bare, shown};
use crate::analysis::{Analysis, Frame, SymbolReport};

/// Frames printed; the rest is counted. The whole list is in the JSON form.
const FRAMES: usize = 40;
/// Arguments in a row.
const ARGUMENTS: usize = 4;

pub(super) fn print(page: &mut Page, analysis: &Analysis) {
    let frames = &analysis.stack;
    if frames.is_empty() {
        return;
    }
    if frames.iter().any(|frame| frame.sp.is_some()) {
        walked(page, frames, analysis.machine.arch == "x86");
    } else {
        scanned(page, frames);
    }
    if frames.len() > FRAMES {
        page.line(&format!("{:>16} : {} more", "...", frames.len() - FRAMES));
    }
    missing(page, &analysis.symbols);
}

fn scanned(page: &mut Page, frames: &[Frame]) {
    page.heading("STACK_TEXT", "without symbols; frames found by scan are guesses");
    for frame in frames.iter().take(FRAMES) {
        let place = call_site(frame, "");
        page.line(format!("{:>16} : {place:<40} {}", bare(&frame.address), shown(&frame.trust)).trim_end());
    }
}

/// `nt!KeBugCheckEx+0x107`, `csagent+0xe14ed`, or the bare address.
pub(super) fn call_site(frame: &Frame, address: &str) -> String {
    let image = shown(&frame.module);
    if image.is_empty() {
        return address.to_owned();
    }
    let module = blame::module_name(&image);
    match (&frame.function, frame.function_offset) {
        (Some(function), Some(0) | None) => format!("{module}!{}", shown(function)),
        (Some(function), Some(offset)) => format!("{module}!{}+0x{offset:x}", shown(function)),
        (None, _) => format!("{module}+0x{:x}", frame.offset),
    }
}

/// As the debugger writes addresses: in two halves with a backtick between them, on x86 in one.
fn wide(hex: &str, narrow: bool) -> String {
    let digits = bare(hex);
    if narrow {
        return format!("{digits:0>8}");
    }
    let padded = format!("{digits:0>16}");
    match padded.split_at_checked(8) {
        Some((high, low)) => format!("{high}`{low}"),
        None => padded,
    }
}

fn walked(page: &mut Page, frames: &[Frame], narrow: bool) {
    page.heading(
        "STACK_TEXT",
        "Child-SP, RetAddr : Args to Child : Call Site (how the frame was found; a scan is a guess)",
    );
    let none = if narrow { "--------" } else { "--------`--------" };
    for (depth, frame) in frames.iter().enumerate().take(FRAMES) {
        let back = frames.iter().skip(depth + 1).find(|next| next.address != frame.address);
        let (sp, back) = if frame.inlined {
            ("(Inline Function)".to_owned(), none.to_owned())
        } else {
            let back = back.map_or("0", |next| &next.address);
            (wide(frame.sp.as_deref().unwrap_or("0"), narrow), wide(back, narrow))
        };
        let args = frame.args.iter().filter(|_| !frame.inlined).map(|arg| wide(arg, narrow));
        let args: Vec<String> = args.chain(std::iter::repeat(none.to_owned())).take(ARGUMENTS).collect();
        page.painted(Paint::Dim, &format!("{sp} {back} : {} : ", args.join(" ")));
        let place = call_site(frame, &wide(&frame.address, narrow));
        let guessed = frame.trust == "scan";
        page.painted(if guessed { Paint::Dim } else { Paint::Bold }, &place);
        page.line(&format!("{}  ({})", source(frame), shown(&frame.trust)));
    }
}

/// ` [c:\src\driver.c @ 35]`
fn source(frame: &Frame) -> String {
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!(" [{} @ {line}]", shown(file)),
        (Some(file), None) => format!(" [{}]", shown(file)),
        (None, _) => String::new(),
    }
}

/// Files that would make the stack better.
fn missing(page: &mut Page, reports: &[SymbolReport]) {
    let wanted = |status: &str| !matches!(status, "found" | "in the dump" | "not needed" | "unknown");
    let lines: Vec<String> = reports
        .iter()
        .flat_map(|report| {
            let image =
                report.image_id.as_ref().filter(|_| wanted(&report.image)).map(|id| (id, &report.image));
            let names =
                report.names_id.as_ref().filter(|_| wanted(&report.names)).map(|id| (id, &report.names));
            image.into_iter().chain(names)
        })
        .map(|(id, status)| format!("{} ({})", shown(id), shown(status)))
        .collect();
    if lines.is_empty() {
        return;
    }
    let asked = reports.iter().any(|report| report.image != "not asked" || report.names == "found");
    if !asked {
        page.heading("SYMBOLS", "");
        page.line(
            "None were given: --symbols PATH|URL makes the stack exact and gives functions their names.",
        );
        return;
    }
    page.heading("MISSING SYMBOLS", "with these files the stack would be exact and its functions have names");
    for line in &lines {
        page.line(line);
    }
}

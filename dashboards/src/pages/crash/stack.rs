//! The stack on a crash's page: with names where an analysis of the fault site has them, and which files it lacked.

use maud::{Markup, html};

use crate::gather::crash::{Crash, Deep};
use crate::layout;
use crate::report::Frame;
use crate::{link, text};

/// The stack with names, beside it the one that this dump gave without; or that one alone.
pub(in crate::pages) fn cards(crash: &Crash) -> Markup {
    let plain = &crash.read.stack;
    match crash.deep.as_ref().filter(|deep| !deep.read.stack.is_empty()) {
        Some(deep) => html! {
            section.card {
                h2 { "Stack" }
                (source(deep))
                (table(&deep.read.stack))
                (missing(deep))
            }
            @if !deep.own && !plain.is_empty() {
                details.card {
                    summary { h2 { "Stack of this dump, without symbols" } }
                    (table(plain))
                }
            }
        },
        None => html! {
            @if !plain.is_empty() {
                section.card {
                    h2 { "Stack" }
                    p.quiet { "Innermost first, without symbols. A frame found by " em { "scan" } " is a word on the stack that looks like a return address." }
                    (table(plain))
                    @if let Some(deep) = &crash.deep { (missing(deep)) }
                }
            }
        },
    }
}

/// Whose analysis the names are from.
fn source(deep: &Deep) -> Markup {
    html! {
        p.quiet {
            @if deep.own {
                "Innermost first, analysed with symbols at " (text::time(deep.analysed_at_ms)) "."
            } @else {
                "Named by the analysis of crash "
                a href=(link::crash(deep.crash_id)) { (deep.crash_id) }
                " of the same fault site, at " (text::time(deep.analysed_at_ms)) ": addresses are that crash's."
            }
            @if deep.read.stack.iter().any(|frame| frame.trust == "scan") {
                " A frame found by " em { "scan" } " is a word on the stack that looks like a return address."
            }
        }
    }
}

fn table(frames: &[Frame]) -> Markup {
    let sources = frames.iter().any(|frame| frame.file.is_some());
    let walked = frames.iter().any(|frame| frame.sp.is_some());
    html! {
        div.scroll tabindex="0" role="region" aria-label="Stack" {
            table.frames {
                thead {
                    tr {
                        th { span.said { "Number" } } th { "Frame" }
                        @if sources { th { "Source" } }
                        @if walked { th { "Stack pointer" } }
                        th { "Address" } th { "Found by" }
                    }
                }
                tbody {
                    @for (index, frame) in frames.iter().enumerate() {
                        tr.weak[frame.trust == "scan"] {
                            td.quiet { (index) }
                            td.mono { (place(frame)) }
                            @if sources { td.mono.quiet { (line(frame)) } }
                            @if walked { td.mono.quiet { @if !frame.inlined { (text::visible(frame.sp.as_deref().unwrap_or(""))) } } }
                            td.mono.quiet { @if frame.inlined { "inlined" } @else { (text::visible(&frame.address)) } }
                            td.quiet.nowrap { (text::visible(&frame.trust)) }
                        }
                    }
                }
            }
        }
    }
}

/// `csagent!Function+0x1f`, `csagent.sys+0xe14ed`, or nothing that is known.
fn place(frame: &Frame) -> Markup {
    html! {
        @if let Some(function) = &frame.function {
            @if !frame.module.is_empty() { span.quiet { (text::name(stem(&frame.module))) "!" } }
            (text::name(function))
            @if let Some(offset) = frame.function_offset.filter(|offset| *offset != 0) {
                span.quiet { "+0x" (format!("{offset:x}")) }
            }
        } @else if frame.module.is_empty() {
            span.none { "no module" }
        } @else {
            (text::name(&frame.module)) "+0x" (format!("{:x}", frame.offset))
        }
    }
}

/// `driver.cpp:35`; the whole path is its title.
fn line(frame: &Frame) -> Markup {
    html! {
        @if let Some(file) = &frame.file {
            span title=(text::visible(file)) {
                (text::name(file.rsplit(['\\', '/']).next().unwrap_or(file)))
                @if let Some(line) = frame.line { ":" (line) }
            }
        }
    }
}

/// As the debugger writes a module before `!`.
fn stem(module: &str) -> &str {
    module.rsplit_once('.').map_or(module, |(stem, _)| if stem.is_empty() { module } else { stem })
}

fn missing(deep: &Deep) -> Markup {
    html! {
        @if !deep.missing.is_empty() {
            div.hint {
                p { (text::counted(deep.missing.len() as u64, "symbol file")) " missing; " a href="/symbols" { "how to push" } ":" }
                ul.mono {
                    @for file in deep.missing.iter().take(20) { li { (layout::symbol_id(&file.id)) } }
                    @if deep.missing.len() > 20 { li.quiet { "and " (deep.missing.len() - 20) " more" } }
                }
            }
        }
    }
}

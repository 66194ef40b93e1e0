//! The instructions around the fault.

use maud::{Markup, html};

use crate::disassembly::Line;
use crate::report::Report;
use crate::text;

/// The lines, the one that failed marked; where there are none, why.
pub(in crate::pages) fn card(lines: &[Line], report: &Report) -> Markup {
    html! {
        section.card {
            h2 { "Instructions at the fault" }
            @if lines.is_empty() {
                p.none { (why_none(report)) }
            } @else {
                div.scroll {
                    table.code {
                        thead { tr { th { span.said { "Faulting" } } th { "Place" } th { "Instruction" } th { "Bytes" } } }
                        tbody {
                            @for line in lines {
                                tr.fault[line.fault] {
                                    td { @if line.fault { span title="This one failed" { "▶" } } }
                                    td.mono.quiet {
                                        @if line.place.is_empty() { (line.address) } @else { (text::name(&line.place)) }
                                    }
                                    td.mono { (line.text) }
                                    td.mono.quiet { (line.bytes) }
                                }
                            }
                        }
                    }
                }
                @if lines.first().is_some_and(|line| !line.fault) {
                    p.quiet { "Code cannot be read backwards with certainty: the first lines may be wrong." }
                }
            }
        }
    }
}

fn why_none(report: &Report) -> &'static str {
    match (&report.code, report.machine.arch.as_str()) {
        (Some(_), "arm64") => "The dump holds them, but ARM64 code is not read here.",
        (Some(_), _) => "The dump holds bytes there, but they are no instructions.",
        (None, _) => "The dump holds no code there. Small dumps seldom do; a kernel dump has it.",
    }
}

//! What was loaded, who had left, and what drivers put into the dump.

use maud::{Markup, html};

use crate::gather::crash::Crash;
use crate::report::{Module, Report};
use crate::{link, text};

/// Loaded drivers, third party first, narrowed to those whose name or vendor has the words that were asked for.
pub(super) fn loaded(crash: &Crash, wanted: &str) -> Markup {
    let (modules, kind) = (&crash.read.modules, crash.crash.kind.as_str());
    let words = if kind == "user" { "modules" } else { "drivers" };
    let wanted = wanted.trim().to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let mut shown: Vec<&Module> =
        modules.iter().filter(|module| has(&module.name) || has(&module.vendor)).collect();
    shown.sort_by_key(|module| module.inbox);
    html! {
        details.card id="drivers" open[!wanted.is_empty()] {
            summary { h2 { (text::number(modules.len() as u64)) " loaded " (words) ", third party first" } }
            form.filter method="get" action=(format!("{}#drivers", link::crash(crash.crash.crash_id))) {
                label { "Name or vendor" input type="search" name="drivers" maxlength="100" value=(text::visible(&wanted)); }
                button type="submit" { "Find" }
                @if !wanted.is_empty() { a href=(link::crash(crash.crash.crash_id)) { "Show all" } }
            }
            @if shown.is_empty() { p.none { "None of them has that in its name or vendor." } }
            @else { (table(&shown, kind)) }
        }
    }
}

fn table(modules: &[&Module], kind: &str) -> Markup {
    let versions = modules.iter().any(|module| module.version.is_some());
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "Name" } th { "Vendor" }
                        @if versions { th { "Version" } }
                        th { "Timestamp" } th { "Size" } th { "Base" }
                    }
                }
                tbody {
                    @for module in modules {
                        tr {
                            td {
                                @if module.inbox || kind == "user" { (text::name(&module.name)) }
                                @else { a href=(link::driver(&module.name.to_lowercase())) { (text::name(&module.name)) } }
                            }
                            td.quiet { @if module.inbox { "Windows" } @else { (text::visible(&module.vendor)) } }
                            @if versions { td { (text::visible(module.version.as_deref().unwrap_or_default())) } }
                            td.nowrap { (text::version(module.timestamp)) }
                            td.mono { (format!("0x{:x}", module.size)) }
                            td.mono.quiet { (text::visible(&module.base)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn unloaded(report: &Report) -> Markup {
    let times = report.unloaded.iter().any(|module| module.time.is_some());
    html! {
        details.card {
            summary { h2 { (report.unloaded.len()) " unloaded before the crash, newest first" } }
            div.scroll {
                table {
                    thead { tr { th { "Name" } @if times { th { "When" } } th { "From" } th { "To" } } }
                    tbody {
                        @for module in &report.unloaded {
                            tr {
                                td { (text::name(&module.name)) }
                                @if times { td.nowrap { (text::visible(module.time.as_deref().unwrap_or_default())) } }
                                td.mono.quiet { (text::visible(&module.start)) }
                                td.mono.quiet { (text::visible(&module.end)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The secondary data: which drivers saved something, and how much.
pub(super) fn blobs(report: &Report) -> Markup {
    let blobs = report.kernel.as_ref().map(|kernel| kernel.secondary_data.as_slice()).unwrap_or_default();
    html! {
        @if !blobs.is_empty() {
            details.card {
                summary { h2 { (text::counted(blobs.len() as u64, "blob")) " that drivers put into the dump" } }
                div.scroll {
                    table {
                        thead { tr { th { "Known as" } th { "GUID" } th.n { "Size" } } }
                        tbody {
                            @for blob in blobs {
                                tr {
                                    td { (text::name(blob.name.as_deref().unwrap_or_default())) }
                                    td.mono.quiet { (text::visible(&blob.guid)) }
                                    td.n { (text::bytes(blob.size)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

//! `/crashes/{id}`: one crash: the verdict and why, then the facts.

pub(super) mod code;
mod drivers;
mod more;
pub(super) mod stack;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use maud::{Markup, html};
use serde::Deserialize;
use storage::rows::CrashRow;

use super::Answer;
use crate::app::App;
use crate::gather::crash::{Crash, Deep, for_page};
use crate::gather::hardware::effective;
use crate::layout::{self, Here};
use crate::report::{Exception, Report, Verdict};
use crate::{disassembly, link, text};

/// The query string: what the page is narrowed to, and what was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CrashQuery {
    /// Loaded drivers with this in their name.
    drivers: String,
    /// Somebody has just asked that it be analysed again.
    queued: Option<String>,
}

/// `GET /crashes/{id}`
pub(crate) async fn page(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<CrashQuery>, QueryRejection>,
) -> Answer {
    let (id, query) = (id?.0, query?.0);
    let crash = for_page(&app, &id).await?;
    let title = match crash.crash.driver.as_str() {
        "" => "Crash".to_owned(),
        driver => format!("Crash in {driver}"),
    };
    let body = render(&crash, &query);
    Ok(Html(layout::page(&title, Here::Search, None, &body).into_string()))
}

fn render(crash: &Crash, query: &CrashQuery) -> Markup {
    let (row, report) = (&crash.crash, &crash.read);
    html! {
        (verdict(crash))
        @if let Some(error) = &crash.unread {
            section.card.notice { p { "The report of this crash cannot be read: " (text::visible(error)) } }
        }
        (bugcheck(report))
        @if let Some(exception) = &report.exception { (exception_card(exception)) }
        (stack::cards(crash))
        @if report.code.is_some() { (code::card(&disassembly::of_report(report), report)) }
        (machine(row, report))
        @if !report.registers.is_empty() { (registers(report)) }
        @if !report.modules.is_empty() { (drivers::loaded(crash, &query.drivers)) }
        @if !report.unloaded.is_empty() { (drivers::unloaded(report)) }
        (drivers::blobs(report))
        (problems(row, report))
        (more::forms(crash))
        (more::dump(crash, query.queued.is_some()))
        (more::facts(crash))
        p.ledger { a href=(format!("/api/v1/crashes/{}", row.crash_id)) { "All of it as JSON" } }
    }
}

fn verdict(crash: &Crash) -> Markup {
    let (row, verdict) = (&crash.crash, &crash.read.verdict);
    html! {
        section.card {
            div.head {
                h1 {
                    @if row.outcome != "analysed" { "Not analysed" }
                    @else if row.driver.is_empty() { (culprit(&row.culprit)) }
                    @else {
                        a href=(link::driver(&row.driver)) { (text::name(&row.driver)) }
                        @if row.fault_offset != 0 { span.mono.quiet { "+0x" (format!("{:x}", row.fault_offset)) } }
                    }
                }
                @if !crash.effective_confidence.is_empty() && crash.effective_confidence != "none" {
                    span class="badge" { (text::name(&crash.effective_confidence)) " confidence" }
                }
            }
            (lowered(crash))
            @if row.outcome != "analysed" {
                p { (text::visible(&row.problem)) }
            }
            @if !verdict.evidence.is_empty() {
                ul.evidence { @for line in &verdict.evidence { li { (text::visible(line)) } } }
            }
            dl {
                @if row.bugcheck != 0 || !row.bugcheck_name.is_empty() {
                    dt { "Stopped with" } dd { (layout::bugcheck(row.bugcheck, &row.bugcheck_name)) }
                }
                dt { "Machine" } dd { a href=(link::machine(&row.tenant, &row.machine)) { (text::name(&row.machine)) } }
                @if row.driver_timestamp != 0 {
                    dt { "Version" } dd { (text::version(row.driver_timestamp)) ", size " code { (format!("0x{:x}", row.driver_size)) } }
                }
                dt { "Crashed" } dd { (text::time(row.crashed_at)) }
                dt { "Arrived" } dd { (text::time(row.received_at)) }
                @if !row.bucket.is_empty() {
                    dt { "Bucket" }
                    dd.mono {
                        @let tenant = Some(row.tenant.as_str()).filter(|tenant| !tenant.is_empty());
                        a href=(link::bucket(tenant, &row.bucket)) { (text::name(&row.bucket)) }
                        div { span.quiet data-copy=(text::visible(&row.bucket_hash)) { (text::name(&row.bucket_hash)) } }
                    }
                }
                @if let Some(deep) = &crash.deep { (refined(crash, deep)) }
                @if !row.rule.is_empty() { dt { "Rule" } dd { code { (text::visible(&row.rule)) } } }
                @if let Some(sign) = &verdict.hardware_sign {
                    dt { "Sign of the machine" } dd { (text::visible(sign)) }
                }
            }
            (others(verdict))
        }
    }
}

/// Whom other rules would have named.
pub(super) fn others(verdict: &Verdict) -> Markup {
    html! {
        @if !verdict.runners_up.is_empty() {
            p.quiet { "Also in sight:" }
            ul.evidence.quiet {
                @for other in &verdict.runners_up {
                    li { b { (text::name(&other.image_name)) } " (" (text::visible(&other.rule)) "): " (text::visible(&other.why)) }
                }
            }
        }
    }
}

/// Why the confidence is less than the dump alone would give it.
fn lowered(crash: &Crash) -> Markup {
    let (row, left) = (&crash.crash, crash.effective_confidence.as_str());
    let Some(hardware) = &crash.machine_hardware else {
        return html! {};
    };
    html! {
        div.hint {
            p {
                @if left != row.confidence {
                    "Confidence " (text::visible(&row.confidence)) ", lowered to " (left) ": "
                }
                a href=(link::machine(&row.tenant, &row.machine)) { "this machine" } " is suspect hardware."
            }
            @for reason in &hardware.reasons { p { (reason) } }
        }
    }
}

/// What an analysis with symbols says otherwise.
pub(super) fn refined(crash: &Crash, deep: &Deep) -> Markup {
    let row = &crash.crash;
    let confidence = effective("driver", &deep.deep_confidence, crash.machine_suspect && row.kind != "user");
    let verdict = &deep.read.verdict;
    html! {
        @if !deep.deep_bucket.is_empty() && deep.deep_bucket != row.bucket {
            dt { "With symbols" }
            dd.mono { (text::name(&deep.deep_bucket)) div.quiet { (text::name(&deep.deep_bucket_hash)) } }
        }
        @if !verdict.name.is_empty() && !verdict.name.eq_ignore_ascii_case(&row.driver) {
            dt { "Blamed with symbols" }
            dd {
                (text::name(&verdict.name)) ", " (text::name(confidence)) " confidence"
                ul.evidence { @for line in &verdict.evidence { li { (text::visible(line)) } } }
            }
        }
    }
}

pub(super) fn culprit(culprit: &str) -> &'static str {
    match culprit {
        "hardware" => "Hardware",
        "memory" => "Damaged memory",
        "process" => "A process",
        "manual" => "A crash on purpose",
        _ => "No culprit found",
    }
}

pub(super) fn bugcheck(report: &Report) -> Markup {
    html! {
        @if let Some(bugcheck) = &report.bugcheck {
            section.card {
                h2 { "Bug check " (layout::bugcheck(bugcheck.code, &bugcheck.name)) }
                @if bugcheck.raw_code != bugcheck.code {
                    p.quiet { "In the header as " code { (format!("0x{:08X}", bugcheck.raw_code)) } "." }
                }
                div.scroll {
                    table {
                        thead { tr { th { span.said { "Number" } } th { "Parameter" } th { "Meaning" } th { "Is" } } }
                        tbody {
                            @for (index, parameter) in bugcheck.parameters.iter().enumerate() {
                                tr {
                                    td.quiet { (index + 1) }
                                    td.mono { (text::visible(&parameter.value)) }
                                    td { (text::visible(&parameter.meaning)) }
                                    td.mono { (text::visible(&parameter.resolved)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn exception_card(exception: &Exception) -> Markup {
    html! {
        section.card {
            h2 { "Exception" }
            dl {
                dt { "Code" } dd { code { (format!("0x{:08X}", exception.code)) } " " (layout::caps(&exception.name)) }
                dt { "At" } dd.mono { (text::visible(&exception.address)) }
                @if let (Some(access), Some(accessed)) = (&exception.access, &exception.accessed) {
                    dt { "Access" } dd { (text::visible(access)) " of " code { (text::visible(accessed)) } }
                }
            }
        }
    }
}

fn machine(row: &CrashRow, report: &Report) -> Markup {
    let machine = &report.machine;
    let line = |words: &str, value: &str| {
        html! { @if !value.is_empty() { dt { (words) } dd { (text::name(value)) } } }
    };
    let or = |value: &Option<String>| value.clone().unwrap_or_default();
    let os = format!("{} {}", machine.os, text::build(row.os_build, row.os_ubr));
    let processors = match machine.processors {
        0 => row.cpu.clone(),
        n => format!("{n} × {}", if row.cpu.is_empty() { row.arch.as_str() } else { row.cpu.as_str() }),
    };
    html! {
        section.card {
            h2 { "Machine" }
            dl.two {
                (line("Name", &row.machine))
                (line("Tenant", &row.tenant))
                (line("Site", &row.site))
                (line("Ring", &row.ring))
                (line("Windows", os.trim()))
                (line("Product", &or(&machine.product)))
                (line("Model", format!("{} {}", row.vendor, row.model).trim()))
                (line("BIOS", &row.bios))
                (line("Processors", &processors))
                (line("Process", &row.process))
                @if row.uptime_s > 0 { dt { "Up for" } dd { (text::length_s(i64::try_from(row.uptime_s).unwrap_or(0))) } }
                @for (name, value) in &row.tags { dt { (text::name(name)) } dd { (text::name(value)) } }
                dt { "Dump" } dd { (text::visible(&report.dump_type)) " " span.quiet { (text::bytes(row.raw_len)) } }
            }
        }
    }
}

pub(super) fn registers(report: &Report) -> Markup {
    html! {
        details.card {
            summary { h2 { "Registers" } }
            div.registers {
                @for (name, value) in &report.registers {
                    span { b { (text::visible(name)) } " " (text::visible(value)) }
                }
            }
        }
    }
}

fn problems(row: &CrashRow, report: &Report) -> Markup {
    html! {
        @if !report.problems.is_empty() || (row.outcome == "analysed" && !row.problem.is_empty()) {
            section.card {
                h2 { "What was damaged or missing in the dump" }
                ul {
                    @if report.problems.is_empty() { li { (text::visible(&row.problem)) } }
                    @for problem in &report.problems { li { (text::visible(problem)) } }
                }
            }
        }
    }
}

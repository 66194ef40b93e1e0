//! What can be done with a crash and what else there is of it: its dump, the forms in which it came, the raw facts.

use maud::{Markup, html};
use serde_json::Value;

use crate::access::{self, Role, csrf_field};
use crate::gather::crash::Crash;
use crate::{link, text};

/// The dump, and the button that has it analysed again.
pub(super) fn dump(crash: &Crash, queued: bool) -> Markup {
    let id = crash.crash.crash_id;
    let may = access::current().is_some_and(|visit| visit.may(Role::Responder));
    html! {
        section.card {
            h2 { "Dump" }
            @if queued {
                p.hint role="status" { "It is in the queue. What comes of it is here within seconds: load the page again." }
            }
            @if let (Some(dump), false) = (crash.dump, may) {
                p.quiet {
                    "Kept, " (text::bytes(dump.bytes)) ". Responders may download it and have it analysed again."
                    @if let Some(link) = access::sign_in_link() { " " a href=(link) { "Sign in" } }
                }
            } @else if let Some(dump) = crash.dump {
                p {
                    a href=(format!("/crashes/{id}/dump")) download { "Download the dump" }
                    span.quiet { " " (text::bytes(dump.bytes)) ". It holds what was in the machine's memory." }
                }
                form.filter method="post" action=(link::analyse(id)) {
                    (csrf_field())
                    button type="submit" { "Analyse again" }
                }
                p.quiet { "By the present rules, and with the symbols that are there now. No count changes." }
            } @else {
                p.none { "Not kept: of each bucket and fault site the first few dumps of a day are." }
            }
        }
    }
}

/// The same crash as it came before or besides.
pub(super) fn forms(crash: &Crash) -> Markup {
    html! {
        @if crash.forms.len() > 1 {
            section.card {
                h2 { "The same crash in other forms" }
                p.quiet { "One crash, counted once: the first line is what this page shows. Older forms are merged away in time." }
                div.scroll {
                    table {
                        thead {
                            tr {
                                th { "Analysed" } th { "Arrived" } th.n { "Size" } th.n { "Rules" } th { "Bucket" }
                                th { "Outcome" } th { "Dump" }
                            }
                        }
                        tbody {
                            @for form in &crash.forms {
                                tr {
                                    td.nowrap { (text::time(form.stored_at_ms)) }
                                    td.nowrap { (text::time(form.received_at_ms)) }
                                    td.n { (text::bytes(form.raw_len)) }
                                    td.n { (form.analyzer_version) }
                                    td.mono { a href=(link::bucket(None, &form.bucket)) { (text::name(&form.bucket)) } }
                                    td { (text::visible(&form.outcome.replace('_', " "))) }
                                    td { @if form.kept { "kept" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the rules judged, as they had it.
pub(super) fn facts(crash: &Crash) -> Markup {
    let json = serde_json::to_string_pretty(&crash.facts).unwrap_or_default();
    html! {
        @if crash.facts != Value::Null {
            details.card {
                summary { h2 { "Raw facts" } }
                p.quiet {
                    "What the rules judged; " code { "bluescope blame" } " reads it. "
                    a href=(format!("/api/v1/crashes/{}/facts", crash.crash.crash_id)) { "As JSON" }
                }
                pre { code { (text::lines(&json)) } }
            }
        }
    }
}

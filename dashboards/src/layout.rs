//! The frame around every page, and the few pieces that several pages share.

use maud::{DOCTYPE, Markup, html};
use storage::questions::{IncidentSummary, Suspicion};

use crate::access;
use crate::assets::LOADED;
use crate::gather::named::CrashLine;
use crate::range::Span;
use crate::{link, text};

/// Which entry of the navigation is the present page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Fleet,
    Incidents,
    Search,
    Symbols,
    Targets,
    Status,
    Nowhere,
}

const NAVIGATION: [(Here, &str, &str); 6] = [
    (Here::Fleet, "/", "Fleet"),
    (Here::Incidents, "/incidents", "Incidents"),
    (Here::Search, "/search", "Search"),
    (Here::Symbols, "/symbols", "Symbols"),
    (Here::Targets, "/targets", "Targets"),
    (Here::Status, "/status", "Status"),
];

/// Browsers without scripts load a page that lives again after so many seconds.
const RELOAD_S: u32 = 10;
/// Nothing that stands in a page may be run, and no style may be put into it.
const HTMX: &str =
    r#"{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyEnabled":false}"#;

/// How an open page comes to show what is new.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Renew<'a> {
    /// The parts with these ids, when something has changed.
    Parts(&'a [&'a str]),
    /// All of it, after so many seconds.
    After(u32),
}

/// A whole page.
pub(crate) fn page(title: &str, here: Here, renew: Option<Renew<'_>>, body: &Markup) -> Markup {
    let parts = match renew {
        Some(Renew::Parts(parts)) => {
            Some(parts.iter().map(|part| format!("#{part}")).collect::<Vec<_>>().join(","))
        }
        Some(Renew::After(_)) | None => None,
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @match renew {
                    Some(Renew::Parts(_)) => noscript { meta http-equiv="refresh" content=(RELOAD_S); },
                    Some(Renew::After(seconds)) => meta http-equiv="refresh" content=(seconds);,
                    None => {}
                }
                meta name="htmx-config" content=(HTMX);
                title { (text::visible(title)) " · Bluescope" }
                link rel="icon" type="image/svg+xml" href="/favicon.svg";
                @for sheet in &LOADED.sheets { link rel="stylesheet" href=(sheet); }
                @for script in &LOADED.scripts { script src=(script) defer {} }
            }
            body {
                a.skip href="#main" { "To the content" }
                header.top {
                    a.brand href="/" { span.mark aria-hidden="true" {} "Bluescope" }
                    nav aria-label="Pages" {
                        @for (entry, address, name) in NAVIGATION {
                            a href=(address) aria-current=[(entry == here).then_some("page")] { (name) }
                        }
                    }
                    (search())
                    (access::signed_in())
                }
                @if let Some(parts) = &parts {
                    main #main tabindex="-1" data-live="" hx-get="" hx-trigger="live from:body" hx-swap="none"
                        hx-select-oob=(parts) hx-sync="this:drop" { (body) }
                } @else {
                    main #main tabindex="-1" { (body) }
                }
                footer {
                    span data-zone="" { "All times are UTC." }
                    " " a href="/api" { "API" }
                    @if parts.is_some() { " " span #live .badge role="status" { "as loaded" } }
                }
            }
        }
    }
}

/// From every page to any crash.
fn search() -> Markup {
    html! {
        form.finder action="/search" method="get" role="search" aria-label="Crashes" {
            label for="find" { "Search crashes" }
            input #find type="search" name="q" placeholder="driver:csagent.sys build:19045" autocomplete="off"
                spellcheck="false" data-complete="/api/v1/search/complete";
        }
    }
}

/// The links between `1h`, `24h` and `7d` of one page.
pub(crate) fn ranges(path: &str, present: Span) -> Markup {
    html! {
        nav.ranges aria-label="Range" {
            @for span in Span::ALL {
                a href=(link::with_query(path, &[("range", span.name())]))
                    aria-current=[(span == present).then_some("true")] { (span.name()) }
            }
        }
    }
}

/// One large figure with what it is.
pub(crate) fn figure(value: &Markup, label: &str) -> Markup {
    html! { div.figure { div.value { (value) } div.label { (label) } } }
}

/// A bar behind a share, for tables. Drawn as SVG, because no inline style is allowed.
pub(crate) fn share(part: u64, whole: u64) -> Markup {
    let permille = part.saturating_mul(1000).checked_div(whole).unwrap_or(0).min(1000);
    html! {
        span.share {
            svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                rect.rail width="1000" height="10" {}
                rect.bar width=(permille) height="10" {}
            }
            span { (text::share(part, whole)) }
        }
    }
}

/// A table of things by machines: name, machines, share.
pub(crate) fn shares(title: &str, column: &str, rows: &[(Markup, u64)], whole: u64) -> Markup {
    html! {
        section.card {
            h2 { (title) }
            @if rows.is_empty() {
                p.none { "Nothing known." }
            } @else {
                div.scroll {
                    table {
                        thead { tr { th { (column) } th.n { "Machines" } th { "Share" } } }
                        tbody {
                            @for (name, machines) in rows {
                                tr {
                                    td { (name) }
                                    td.n { (text::number(*machines)) }
                                    td { (share(*machines, whole)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How to upload a first dump.
pub(crate) fn upload_hint(upload_url: &str) -> Markup {
    let url = upload_url.trim_end_matches('/');
    html! {
        p { "Upload a first dump; it shows up here within seconds:" }
        pre {
            code {
                "curl -H 'X-Bluescope-Machine: pc-0001' \\\n     --data-binary @dump.dmp \\\n     "
                (text::visible(url)) "/v1/crashes"
            }
        }
        p.quiet { "Windows keeps small dumps in " code { "C:\\Windows\\Minidump" } ", one file for each crash." }
    }
}

/// The state of an incident as a coloured word.
pub(crate) fn state(state: &str) -> Markup {
    let class = match state {
        "open" => "badge bad",
        "acknowledged" => "badge warn",
        "resolved" | "delivered" => "badge good",
        "pending" => "badge warn",
        "failed" => "badge bad",
        _ => "badge",
    };
    html! { span class=(class) { (text::visible(state)) } }
}

/// How loud an incident is; nothing where that was not recorded.
pub(crate) fn severity(severity: &str) -> Markup {
    let name = severity_name(severity);
    let class = if name == "SEV1" { "badge bad" } else { "badge warn" };
    html! { @if !name.is_empty() { span class=(class) { (name) } } }
}

/// The same as a word.
pub(crate) fn severity_name(severity: &str) -> &'static str {
    match severity {
        "sev1" => "SEV1",
        "sev2" => "SEV2",
        _ => "",
    }
}

/// How sure it is that a machine's hardware is bad.
pub(crate) fn suspicion(suspicion: Suspicion) -> Markup {
    match suspicion {
        Suspicion::Strong => html! { span class="badge bad" { "strong" } },
        Suspicion::Likely => html! { span class="badge warn" { "likely" } },
        Suspicion::None => html! {},
    }
}

/// A bug check as people write it.
pub(crate) fn bugcheck(code: u32, name: &str) -> Markup {
    html! {
        @if code != 0 { code { (format!("0x{code:X}")) } " " }
        @if !name.is_empty() { (caps(name)) }
        @if code == 0 && name.is_empty() { span.none { "unknown" } }
    }
}

/// A constant's name, which may break after each underscore.
pub(crate) fn caps(name: &str) -> Markup {
    let name: String = text::visible(name).chars().take(96).collect();
    html! {
        span.caps {
            @for (index, part) in name.split('_').enumerate() {
                @if index > 0 { "_" wbr; }
                (part)
            }
        }
    }
}

/// A list of crashes.
pub(crate) fn crashes(rows: &[CrashLine]) -> Markup {
    html! {
        div.scroll {
            table.crashes {
                thead {
                    tr { th { "Arrived" } th { "Machine" } th { "Blamed" } th { "Bug check" } th { "Build" } th { span.said { "Outcome" } } }
                }
                tbody {
                    @for (line, row) in rows.iter().map(|line| (line, &line.summary)) {
                        tr {
                            td.nowrap { a href=(link::crash(row.crash_id)) { (text::time(row.received_at_ms)) } }
                            td { a href=(link::machine(&row.tenant, &row.machine)) { (text::name(&row.machine)) } }
                            td { (blamed(line)) }
                            td { (bugcheck(row.bugcheck, &row.bugcheck_name)) }
                            td.nowrap { (text::build(row.os_build, row.os_ubr)) }
                            td {
                                @if row.outcome != "analysed" {
                                    span class="badge warn" { (text::visible(&row.outcome.replace('_', " "))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A symbol file's id: the key is long, and may break from the name.
pub(crate) fn symbol_id(id: &str) -> Markup {
    let (name, key) = id.split_once('/').unwrap_or((id, ""));
    html! { (text::name(name)) @if !key.is_empty() { span.quiet { "/" wbr; (text::visible(key)) } } }
}

/// What a crash is blamed on, and where in it.
pub(crate) fn blamed(line: &CrashLine) -> Markup {
    let row = &line.summary;
    html! {
        @if row.driver.is_empty() {
            span.none { (if row.culprit.is_empty() { "nothing" } else { row.culprit.as_str() }) }
        } @else {
            a href=(link::driver(&row.driver)) { (text::name(&row.driver)) }
            @if row.fault_offset != 0 { span.quiet.mono { "+0x" (format!("{:x}", row.fault_offset)) } }
        }
        @if let Some(bucket) = &line.deep_bucket { (function(bucket, &row.driver)) }
    }
}

/// The function that a bucket with symbols names: `csagent!Function` of `AV_csagent!Function`.
pub(crate) fn function(bucket: &str, driver: &str) -> Markup {
    let stem = driver.rsplit_once('.').map_or(driver, |(stem, _)| stem);
    let place = format!("{}!", stem.to_ascii_lowercase());
    let begin = match stem {
        "" => None,
        _ => bucket.to_ascii_lowercase().find(&place),
    };
    let shown = begin.and_then(|begin| bucket.get(begin..)).unwrap_or(bucket);
    html! { div.mono.quiet { (text::name(shown)) } }
}

/// A list of incidents.
pub(crate) fn incidents(rows: &[IncidentSummary], now_ms: i64) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "State" } th { "Severity" } th { "What" } th.n { "Machines" } th { "Since" } th { "Lasted" }
                        th { "Tenant" }
                    }
                }
                tbody { @for row in rows { (incident(row, now_ms)) } }
            }
        }
    }
}

fn incident(row: &IncidentSummary, now_ms: i64) -> Markup {
    let lasted_ms = row.resolved_at_ms.unwrap_or(now_ms).saturating_sub(row.opened_at_ms);
    html! {
        tr {
            td { (state(&row.state)) }
            td { (severity(&row.severity)) }
            td {
                a href=(link::incident(row.incident_id)) { (text::name(&row.driver)) }
                @if !row.sentence.is_empty() { div.quiet { (text::visible(&row.sentence)) } }
            }
            td.n {
                (text::number(row.machines))
                @if let Some(exposed) = row.exposed.filter(|exposed| *exposed > 0) {
                    div.quiet { (text::share(row.machines.min(exposed), exposed)) }
                }
            }
            td.nowrap { (text::time(row.opened_at_ms)) }
            td.nowrap { (text::length_s(lasted_ms / 1000)) }
            td { @if !row.tenant.is_empty() { (text::name(&row.tenant)) } }
        }
    }
}

//! `/search?q=`: every fact is a filter. What was asked, how many, when, what they have in common, and which.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use storage::questions::Facet;

use crate::app::App;
use crate::gather::crashes::CrashesQuery;
use crate::gather::named::CrashLine;
use crate::gather::search::{FacetLine, FacetLines, Refused, Search, SearchQuery, gather};
use crate::layout::{self, Here};
use crate::query::{self, Key, QueryFault};
use crate::respond::Fault;
use crate::{chart, link, text};

/// Stretches of time with one click.
const TIMES: [&str; 5] = ["1h", "24h", "7d", "30d", "90d"];
/// What people ask first.
const EXAMPLES: [&str; 4] = [
    "driver:csagent.sys -ring:canary",
    "bugcheck:0x50,0x7e build:19045 time:24h",
    "module:tcpip.sys uptime:<10m",
    "model:\"Latitude 5440\" confidence:high",
];

/// `GET /search`
pub(crate) async fn page(
    State(app): State<App>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Response, crate::respond::PageFault> {
    let asked = query?.0;
    let (status, body) = match gather(&app, asked.clone()).await {
        Ok(search) => (StatusCode::OK, render(&search, &asked, &app.upload_url)),
        Err(Refused::Query { query, fault }) => (StatusCode::BAD_REQUEST, wrong(&query, &fault)),
        Err(Refused::Other(fault)) => return Err(fault.into()),
    };
    Ok((status, Html(layout::page("Search", Here::Search, None, &body).into_string())).into_response())
}

/// `GET /crashes`: where the list used to be. What it was filtered by becomes a query.
pub(crate) async fn of_old(query: Result<Query<CrashesQuery>, QueryRejection>) -> Response {
    let Ok(Query(asked)) = query else {
        return Fault::BadRequest("The address has a parameter that cannot be read.".to_owned()).page();
    };
    let terms: Vec<String> = [
        (Key::Driver, asked.driver),
        (Key::Machine, asked.machine),
        (Key::Tenant, asked.tenant),
        (Key::Outcome, asked.outcome),
        (Key::Bucket, asked.bucket),
        (Key::Site, asked.site),
        (Key::Ring, asked.ring),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(query::written(false, key, &value.filter(|value| !value.is_empty())?)))
    .collect();
    Redirect::permanent(&link::query(&terms.join(" "))).into_response()
}

fn render(search: &Search, asked: &SearchQuery, upload_url: &str) -> Markup {
    html! {
        section.card {
            div.head { h1 { "Search" } (times(search)) }
            (form(&search.query))
            (when(search))
        }
        @if search.totals.crashes == 0 && search.crashes.is_empty() {
            section.card { (nothing(search, upload_url)) }
        } @else {
            @if !search.series.is_empty() { (summary(search)) }
            div.found {
                @if !search.facets.is_empty() { (facets(search)) }
                (crashes(search, asked))
            }
        }
    }
}

fn form(query: &str) -> Markup {
    html! {
        form.search method="get" action="/search" role="search" aria-label="This query" {
            label for="q" { "Query" }
            input id="q" type="search" name="q" value=(query) autocomplete="off" autocapitalize="off" spellcheck="false"
                placeholder="driver:csagent.sys build:19045 -ring:canary" data-complete="/api/v1/search/complete";
            button type="submit" { "Search" }
        }
        details.help {
            summary { "What can be asked" }
            p.quiet {
                "Terms all have to hold. A minus leaves out, commas are or, stars at either end stand for any text, \
                 quotes hold spaces. Words without a key are looked for in drivers, machines and buckets."
            }
            ul { @for example in EXAMPLES { li { a href=(link::query(example)) { code { (example) } } } } }
            dl { @for key in Key::all() { dt { code { (key.name()) ":" } } dd { (key.hint()) } } }
        }
    }
}

/// Links to the same query over other stretches of time.
fn times(search: &Search) -> Markup {
    let Ok(query) = query::Query::parse(&search.query) else { return html! {} };
    html! {
        nav.ranges aria-label="Time" {
            @for time in TIMES {
                @let chosen = query.asks_for(Key::Time, time) || (!search.says_when && time == "7d");
                a href=(link::query(&query.over(time))) aria-current=[chosen.then_some("true")] { (time) }
            }
        }
    }
}

fn when(search: &Search) -> Markup {
    html! {
        p.quiet {
            "From " (text::time(search.between.from_ms)) " to " (text::time(search.between.to_ms))
            @if !search.says_when { ": the last seven days, as long as the query names no " code { "time:" } }
            ". By the time of the crash."
        }
    }
}

fn summary(search: &Search) -> Markup {
    let count = |number: u64| html! { (text::number(number)) };
    html! {
        section.card {
            div.figures {
                (layout::figure(&count(search.totals.machines), "machines"))
                (layout::figure(&count(search.totals.crashes), "crashes"))
            }
            (chart::machines("Machines that crashed", &search.series, search.step_words()))
        }
    }
}

fn facets(search: &Search) -> Markup {
    html! {
        section.card.facets aria-labelledby="facets" {
            h2 id="facets" { "In common" }
            p.quiet {
                "Machines of each; a click adds or removes it."
                @if search.facets_one_in > 1 {
                    " Estimated from one machine in " (text::number(search.facets_one_in)) "."
                }
            }
            @for facet in &search.facets { (values(facet)) }
        }
    }
}

fn values(facet: &FacetLines) -> Markup {
    html! {
        h3 { (title(facet.facet)) }
        ul {
            @for line in &facet.values {
                li {
                    a.value href=(link::query(&line.toggle)) aria-current=[line.chosen.then_some("true")] {
                        (shown(facet.facet, line))
                    }
                    span.n { (text::number(line.machines)) }
                    @if !line.chosen {
                        a.minus href=(link::query(&line.exclude)) aria-label=(format!("Leave out {}", text::visible(&line.name))) {
                            "\u{2212}"
                        }
                    }
                }
            }
        }
    }
}

fn title(facet: Facet) -> &'static str {
    match facet {
        Facet::Driver => "Driver",
        Facet::Version => "Version",
        Facet::Bugcheck => "Bug check",
        Facet::Bucket => "Bucket",
        Facet::Build => "Windows build",
        Facet::Model => "Model",
        Facet::Ring => "Ring",
        Facet::Site => "Site",
        Facet::Kind => "Kind",
        Facet::Confidence => "Confidence",
    }
}

fn shown(facet: Facet, line: &FacetLine) -> Markup {
    html! {
        @match facet {
            Facet::Bugcheck => {
                @if line.name != line.value { code { (text::visible(&line.value)) } " " }
                (layout::caps(&line.name))
            },
            Facet::Bucket => span.mono { (text::name(&line.name)) },
            _ => (text::name(&line.name)),
        }
    }
}

fn crashes(search: &Search, asked: &SearchQuery) -> Markup {
    html! {
        section.card {
            div.head {
                h2 { "Crashes" }
                p.quiet {
                    "Export: "
                    a href=(export(search, "csv")) download { "CSV" } " "
                    a href=(export(search, "json")) download { "JSON" }
                }
            }
            @if search.crashes.is_empty() { p.none { "That was all." } } @else { (table(&search.crashes)) }
            p.pages {
                @if asked.before.as_deref().is_some_and(|before| !before.is_empty()) {
                    a.more href=(link::query(&search.query)) { "Newest" }
                    " "
                }
                @if let Some(next) = &search.next {
                    a.more href=(link::with_query("/search", &[("q", &search.query), ("before", next)])) { "Older" }
                }
            }
        }
    }
}

fn export(search: &Search, format: &str) -> String {
    link::with_query("/api/v1/search/export", &[("q", &search.query), ("format", format)])
}

fn table(rows: &[CrashLine]) -> Markup {
    html! {
        div.scroll {
            table.crashes {
                thead {
                    tr {
                        th { "Crashed" } th { "Machine" } th { "Blamed" } th { "Bug check" } th { "Build" } th { "Outcome" }
                    }
                }
                tbody {
                    @for (line, row) in rows.iter().map(|line| (line, &line.summary)) {
                        tr {
                            td.nowrap { a href=(link::crash(row.crash_id)) { (text::time(row.happened_at_ms)) } }
                            td.who { a href=(link::machine(&row.tenant, &row.machine)) { (text::name(&row.machine)) } }
                            td { (layout::blamed(line)) }
                            td { (layout::bugcheck(row.bugcheck, &row.bugcheck_name)) }
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

fn nothing(search: &Search, upload_url: &str) -> Markup {
    let wider = query::Query::parse(&search.query).map(|query| query.over("90d"));
    html! {
        div.empty {
            @if search.query.is_empty() {
                h2 { "No crash in these seven days" }
                (layout::upload_hint(upload_url))
            } @else {
                h2 { "No crash is like that" }
                p { "Leave out a term, or look further back." }
            }
            @if let Ok(wider) = wider { p { a.more href=(link::query(&wider)) { "Look through 90 days" } } }
        }
    }
}

/// The query with its wrong part marked.
fn wrong(query: &str, fault: &QueryFault) -> Markup {
    let part = |from: usize, length: usize| {
        text::visible(&query.chars().skip(from).take(length).collect::<String>())
    };
    html! {
        section.card {
            h1 { "Search" }
            (form(&text::visible(query)))
            div.wrong-query role="alert" {
                p.mono.asked {
                    (part(0, fault.at))
                    mark { (part(fault.at, fault.length)) }
                    (part(fault.at + fault.length, usize::MAX))
                }
                p { (text::visible(&fault.message)) }
                @if let Some(meant) = &fault.suggestion {
                    p { "Did you mean " a.mono href=(link::query(meant)) { (text::visible(meant)) } "?" }
                }
            }
        }
    }
}

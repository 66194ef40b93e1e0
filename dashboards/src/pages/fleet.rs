//! `/`: is anything wrong, how wrong, and which driver.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::{IncidentSummary, MachineHealth, NewBucket, NewDriver};

use super::Answer;
use crate::app::App;
use crate::gather::fleet::{DriverLine, Fleet};
use crate::gather::hardware::{Hardware, Suspects};
use crate::gather::ledger::Ledger;
use crate::layout::{self, Here, Renew};
use crate::range::{RangeQuery, Span};
use crate::{chart, link, text};

/// The parts that are renewed while the page is open.
const PARTS: &[&str] = &["incidents", "now", "drivers", "nobody", "new", "suspects", "health"];

/// Suspect machines on the page; the API has all.
const MOST_SUSPECTS: usize = 10;

/// `GET /`
pub(crate) async fn page(State(app): State<App>, query: Result<Query<RangeQuery>, QueryRejection>) -> Answer {
    let fleet = app.fleet(query?.range).await?;
    let body = render(&fleet, &app.upload_url);
    Ok(Html(layout::page("Fleet", Here::Fleet, Some(Renew::Parts(PARTS)), &body).into_string()))
}

pub(crate) fn render(fleet: &Fleet, upload_url: &str) -> Markup {
    html! {
        (open_incidents(fleet))
        (now(fleet, upload_url))
        div #drivers { @if !fleet.drivers.is_empty() { (drivers(fleet)) } }
        div #new.columns { (new_drivers(&fleet.new_drivers, fleet.range)) (new_buckets(&fleet.new_buckets, fleet.range)) }
        div #nobody { @if !fleet.unattributed.is_empty() { (unattributed(fleet)) } }
        div #suspects { @if let Some(suspects) = &fleet.suspects { (suspect_machines(suspects)) } }
        (health(&fleet.ledger))
    }
}

/// On top, and always there: an incident that begins moves nothing far.
fn open_incidents(fleet: &Fleet) -> Markup {
    let open = &fleet.open_incidents;
    html! {
        section #incidents.card.alarm[!open.is_empty()].calm[open.is_empty()] {
            @if open.is_empty() {
                h2 { "No open incident" }
            } @else {
                h2 { (text::counted(open.len() as u64, "open incident")) }
                @for incident in open { (open_incident(incident, fleet)) }
            }
        }
    }
}

fn open_incident(incident: &IncidentSummary, fleet: &Fleet) -> Markup {
    let exposed = incident.exposed.filter(|exposed| *exposed > 0);
    html! {
        a.incident href=(link::incident(incident.incident_id)) {
            span.who { (text::name(&incident.driver)) }
            (layout::severity(&incident.severity))
            span.much { (text::counted(incident.machines, "machine")) }
            @if let Some(exposed) = exposed {
                span { (text::share(incident.machines.min(exposed), exposed)) " of those exposed" }
            }
            span.quiet {
                "for " (text::length_s((fleet.now_ms - incident.opened_at_ms) / 1000))
                @if !incident.tenant.is_empty() { ", " (text::name(&incident.tenant)) }
                @if !incident.acknowledged_by.is_empty() { ", " (text::name(&incident.acknowledged_by)) " works on it" }
            }
            @if !incident.sentence.is_empty() { span.name.quiet { (text::visible(&incident.sentence)) } }
        }
    }
}

fn now(fleet: &Fleet, upload_url: &str) -> Markup {
    let is_quiet = fleet.series.iter().all(|point| point.crashes == 0);
    html! {
        section #now.card {
            div.head { h1 { "Fleet" } (layout::ranges("/", fleet.range)) }
            div.figures {
                (layout::figure(
                    &html! { (text::number(fleet.machines_last_minute)) },
                    "machines crashed in the last minute",
                ))
                @if let Some(machines) = fleet.fleet_machines {
                    (layout::figure(&html! { (text::number(machines)) }, "machines in the fleet"))
                }
                (layout::figure(&html! { (text::number(fleet.drivers.len() as u64)) }, "faulting drivers and modules"))
                (layout::figure(&html! { (fleet.open_incidents.len()) }, "open incidents"))
            }
            @if fleet.ledger.accepted == 0 && is_quiet {
                div.empty { h2 { "No crash yet" } (layout::upload_hint(upload_url)) }
            } @else {
                (chart::beside_expected(
                    &format!("Crashing machines in {}", fleet.range.words()), &fleet.series, fleet.expected.as_ref(),
                    fleet.range.step_words(),
                ))
                @if is_quiet { p.none { "No machine crashed in " (fleet.range.words()) "." } }
            }
        }
    }
}

fn drivers(fleet: &Fleet) -> Markup {
    html! {
        section.card {
            h2 { "Faulting drivers, by machines" }
            div.scroll tabindex="0" role="region" aria-label="Faulting drivers" {
                table {
                    thead {
                        tr {
                            th { "Driver" } th.wide { "Kind" } th.n { "Machines" }
                            @if fleet.fleet_machines.is_some() { th.n.wide { "Of the fleet" } }
                            th.wide { "Rank" } th.n.wide { "Crashes" } th.n.wide { "Buckets" }
                            th { (capital(fleet.range.words())) } th.wide { "First seen" }
                        }
                    }
                    tbody { @for (line, rank) in fleet.drivers.iter().zip(1..) { (driver(line, rank, fleet)) } }
                }
            }
        }
    }
}

fn driver(line: &DriverLine, rank: u32, fleet: &Fleet) -> Markup {
    let summary = &line.summary;
    html! {
        tr {
            td { a href=(link::driver(&summary.driver)) { (text::name(&summary.driver)) } }
            td.quiet.wide { (kind(&summary.kind)) }
            td.n.strong { (text::number(summary.machines)) }
            @if let Some(machines) = fleet.fleet_machines {
                td.n.wide { (text::share(summary.machines.min(machines), machines)) }
            }
            td.wide.nowrap { (moved(rank, line.rank_before, has_past(fleet))) }
            td.n.wide { (text::number(summary.crashes)) }
            td.n.wide { (text::number(summary.buckets)) }
            td.picture { (chart::spark(&line.spark, "Machines over time")) }
            td.nowrap.wide { (text::time(line.first_ever_ms)) }
        }
    }
}

/// Without crashes in the range before, nothing is new by not having been there.
fn has_past(fleet: &Fleet) -> bool {
    fleet.drivers.iter().any(|line| line.rank_before.is_some())
}

/// Its place, and how that has changed since the range before.
fn moved(rank: u32, before: Option<u32>, has_past: bool) -> Markup {
    html! {
        (rank) " "
        @match before {
            None if has_past => span.up { "new here" },
            None => {}
            Some(before) if before > rank => span.up { "▲ " (before - rank) },
            Some(before) if before < rank => span.quiet { "▼ " (rank - before) },
            Some(_) => span.quiet { "–" },
        }
    }
}

fn kind(kind: &str) -> &str {
    match kind {
        "kernel" => "kernel",
        "live" => "live dump",
        "user" => "process",
        _ => "other",
    }
}

fn new_drivers(rows: &[NewDriver], span: Span) -> Markup {
    let name =
        |row: &NewDriver| html! { td { a href=(link::driver(&row.driver)) { (text::name(&row.driver)) } } };
    let rows = rows.iter().map(|row| (name(row), row.machines, row.first_seen_ms));
    newcomers("Driver", rows, html! { "Their first crash of all was in " (span.words()) "." })
}

fn new_buckets(rows: &[NewBucket], span: Span) -> Markup {
    let name = |row: &NewBucket| html! { td.mono { a href=(link::bucket(None, &row.bucket)) { (text::name(&row.bucket)) } } };
    let rows = rows.iter().map(|row| (name(row), row.machines, row.first_seen_ms));
    newcomers("Bucket", rows, html! { "Nobody crashed so before " (span.words()) "." })
}

/// What has crashed for the first time: its name's cell, machines and when; nothing where nothing is new.
fn newcomers(of: &str, rows: impl ExactSizeIterator<Item = (Markup, u64, i64)>, why: Markup) -> Markup {
    let title = format!("New {}s", of.to_lowercase());
    html! {
        @if rows.len() > 0 {
            section.card {
                h2 { (title) }
                div.scroll tabindex="0" role="region" aria-label=(title) {
                    table {
                        thead { tr { th { (of) } th.n { "Machines" } th { "First crash" } } }
                        tbody {
                            @for (name, machines, first_seen_ms) in rows {
                                tr {
                                    (name)
                                    td.n { (text::number(machines)) }
                                    td.nowrap { (text::time(first_seen_ms)) }
                                }
                            }
                        }
                    }
                }
                p.quiet { (why) }
            }
        }
    }
}

fn unattributed(fleet: &Fleet) -> Markup {
    html! {
        section.card {
            h2 { "Blamed on no driver" }
            div.scroll tabindex="0" role="region" aria-label="Table" {
                table {
                    thead { tr { th { "Culprit" } th { "Kind" } th.n { "Machines" } th.n { "Crashes" } th { "Last seen" } } }
                    tbody {
                        @for row in &fleet.unattributed {
                            tr {
                                td { (text::name(&row.culprit)) }
                                td.quiet { (kind(&row.kind)) }
                                td.n { (text::number(row.machines)) }
                                td.n { (text::number(row.crashes)) }
                                td.nowrap { (text::time(row.last_seen_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Machines to repair rather than drivers.
fn suspect_machines(suspects: &Suspects) -> Markup {
    let (all, shown) = (suspects.machines.len(), suspects.machines.len().min(MOST_SUSPECTS));
    html! {
        @if all > 0 {
            section.card {
                h2 { "Suspect hardware" }
                div.scroll tabindex="0" role="region" aria-label="Table" {
                    table {
                        thead {
                            tr { th { "Machine" } th { span.said { "Suspicion" } } th.n { "Crashes" } th.wide { "Why" } th { "Last seen" } }
                        }
                        tbody { @for machine in suspects.machines.iter().take(MOST_SUSPECTS) { (suspect(machine)) } }
                    }
                }
                p.quiet {
                    "By the crashes of the last 7 days."
                    @if shown < all || suspects.more {
                        " The surest " (shown) " of " (text::number(all as u64)) @if suspects.more { " and more" } "; "
                        a href="/api/v1/machines?suspect=true" { "all of them as JSON" } "."
                    }
                }
            }
        }
    }
}

fn suspect(machine: &Hardware) -> Markup {
    let health = &machine.health;
    html! {
        tr {
            td { a href=(link::machine(&health.tenant, &health.machine)) { (text::name(&health.machine)) } }
            td { (layout::suspicion(machine.suspicion)) }
            td.n { (text::number(health.crashes)) }
            td.quiet.wide { (why(health)) }
            td.nowrap { (text::time(health.last_ms)) }
        }
    }
}

/// In a few words; the machine's page has the sentences.
fn why(health: &MachineHealth) -> String {
    let mut words = Vec::new();
    if health.by_machine_check {
        words.push(text::counted(health.machine_checks, "machine check"));
    }
    if health.by_memory {
        words.push(text::counted(health.memory_signs, "sign") + " of damaged memory");
    }
    if health.by_spread {
        words.push(format!("{} unlike bug checks in {} unlike places", health.bugchecks, health.places));
    }
    words.join(", ")
}

/// Do uploads and their analysis keep up?
fn health(ledger: &Ledger) -> Markup {
    html! {
        p #health.ledger {
            a href="/status" {
                @if ledger.balanced { span class="badge good" { "ledger holds" } }
                @else { span class="badge bad" { "ledger broken" } }
            }
            " " (text::number(ledger.accepted)) " accepted = " (text::number(ledger.analysed)) " analysed + "
            (text::number(ledger.unreadable)) " unreadable + " (text::number(ledger.queued)) " queued + "
            (text::number(ledger.dead_lettered)) " dead-lettered"
            @if ledger.lost > 0 { " + " strong { (text::number(ledger.lost)) " lost" } }
        }
    }
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

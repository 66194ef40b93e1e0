//! `/machines/{machine}?tenant=`: one machine's crashes, and whether they are its own fault.

use std::collections::BTreeSet;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::{HardwareEvidence, MachineDrivers};
use uuid::Uuid;

use super::Answer;
use crate::api::MachineQuery;
use crate::app::App;
use crate::chart::{self, Event, Lane};
use crate::gather::hardware::Hardware;
use crate::gather::machine::{Machine, Uptime, gather};
use crate::layout::{self, Here};
use crate::{link, text};

/// Lines of the picture.
const MOST_LANES: usize = 6;

/// `GET /machines/{machine}`
pub(crate) async fn page(
    State(app): State<App>,
    machine: Result<Path<String>, PathRejection>,
    query: Result<Query<MachineQuery>, QueryRejection>,
) -> Answer {
    let machine = gather(&app, query?.0.tenant, machine?.0).await?;
    Ok(Html(layout::page(&machine.machine, Here::Nowhere, None, &render(&machine)).into_string()))
}

fn render(machine: &Machine) -> Markup {
    let newest = machine.crashes.first().map(|line| &line.summary);
    let blamed: BTreeSet<&str> = machine
        .crashes
        .iter()
        .map(|line| line.summary.driver.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    html! {
        section.card {
            h1 { (text::name(&machine.machine)) }
            @if let Some(newest) = newest {
                p.quiet {
                    @if !machine.tenant.is_empty() { "Tenant " (text::name(&machine.tenant)) ". " }
                    @if !newest.model.is_empty() { (text::name(&newest.model)) ". " }
                    @if newest.os_build != 0 { "Windows build " (text::build(newest.os_build, newest.os_ubr)) ". " }
                    @if !newest.site.is_empty() { "Site " (text::name(&newest.site)) ". " }
                    @if !newest.ring.is_empty() { "Ring " (text::name(&newest.ring)) ". " }
                }
            }
            div.figures {
                (layout::figure(
                    &html! { (text::number(machine.crashes.len() as u64)) @if machine.more { "+" } }, "crashes",
                ))
                (layout::figure(&html! { (text::number(blamed.len() as u64)) }, "drivers blamed"))
                (layout::figure(&html! { (text::number(machine.buckets.len() as u64)) }, "buckets"))
                (uptime(&machine.uptime))
            }
            (chart::timeline("Crashes by what is blamed, with the uptime before each", &lanes(machine), machine.now_ms))
        }
        @if let Some(hardware) = &machine.hardware {
            (suspect(hardware))
        }
        section.card { h2 { "Crashes" } (layout::crashes(&machine.crashes)) }
        (buckets(machine))
        @if let Some(drivers) = &machine.drivers { (runs(drivers, machine.now_ms)) }
    }
}

fn uptime(uptime: &Uptime) -> Markup {
    let length = |seconds: u64| text::length_s(i64::try_from(seconds).unwrap_or(i64::MAX));
    html! {
        @if let Some(median_s) = uptime.median_s {
            (layout::figure(&html! { (length(median_s)) }, "up before a crash (median)"))
        }
        @if let Some(shortest_s) = uptime.shortest_s {
            (layout::figure(&html! { (length(shortest_s)) }, "the shortest"))
        }
        @if let Some(gap_ms) = uptime.median_gap_ms {
            (layout::figure(&html! { (text::length_s(gap_ms / 1000)) }, "from crash to crash (median)"))
        }
    }
}

/// A line for each of the drivers that are blamed most, and one for all else.
fn lanes(machine: &Machine) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for crash in machine.crashes.iter().map(|line| &line.summary) {
        let name = if crash.driver.is_empty() { "no driver" } else { crash.driver.as_str() };
        let up_ms = i64::try_from(crash.uptime_s).unwrap_or(0).saturating_mul(1000);
        let event = Event {
            at_ms: crash.happened_at_ms,
            since_ms: crash.happened_at_ms.saturating_sub(up_ms),
            title: text::visible(&format!("{name}, {}", crash.bugcheck_name)),
        };
        match lanes.iter_mut().find(|lane| lane.name == name) {
            Some(lane) => lane.events.push(event),
            None => lanes.push(Lane { name: name.to_owned(), events: vec![event] }),
        }
    }
    lanes.sort_by_key(|lane| std::cmp::Reverse(lane.events.len()));
    if lanes.len() > MOST_LANES {
        let rest = lanes.split_off(MOST_LANES - 1);
        let events = rest.into_iter().flat_map(|lane| lane.events).collect();
        lanes.push(Lane { name: "all others".to_owned(), events });
    }
    lanes
}

fn buckets(machine: &Machine) -> Markup {
    let tenant = Some(machine.tenant.as_str()).filter(|tenant| !tenant.is_empty());
    html! {
        @if !machine.buckets.is_empty() {
            section.card {
                h2 { "Buckets" }
                div.scroll {
                    table {
                        thead { tr { th { "Bucket" } th { "Blamed" } th.n { "Crashes" } th { "First seen" } th { "Last seen" } } }
                        tbody {
                            @for row in &machine.buckets {
                                tr {
                                    td.mono { a href=(link::bucket(tenant, &row.bucket)) { (text::name(&row.bucket)) } }
                                    td {
                                        @if row.driver.is_empty() { span.none { "nothing" } }
                                        @else { a href=(link::driver(&row.driver)) { (text::name(&row.driver)) } }
                                    }
                                    td.n { (text::number(row.crashes)) }
                                    td.nowrap { (text::time(row.first_ms)) }
                                    td.nowrap { (text::time(row.last_ms)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What it runs, third party first where that is known.
fn runs(drivers: &MachineDrivers, now_ms: i64) -> Markup {
    let whose = |inbox: Option<bool>| match inbox {
        Some(true) => "Windows",
        Some(false) => "third party",
        None => "",
    };
    html! {
        details.card {
            summary { h2 { (text::counted(drivers.drivers.len() as u64, "driver")) } }
            p.quiet {
                @if drivers.source == "inventory" { "By its own inventory of " } @else { "As its newest crash found them at " }
                (text::time_ago(drivers.seen_at_ms, now_ms)) "."
            }
            div.scroll {
                table {
                    thead { tr { th { "Name" } th { "Whose" } th { "Version" } th { "Timestamp" } th { "Size" } } }
                    tbody {
                        @for driver in &drivers.drivers {
                            tr {
                                td { (text::name(&driver.name)) }
                                td.quiet { (whose(driver.inbox)) }
                                td { (text::visible(&driver.version)) }
                                td.nowrap { (text::version(driver.timestamp)) }
                                td.mono { @if driver.size != 0 { (format!("0x{:x}", driver.size)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The verdict, why, and the crashes that it rests on.
fn suspect(hardware: &Hardware) -> Markup {
    let health = &hardware.health;
    html! {
        section.card.alarm {
            h2 { "Suspect hardware " (layout::suspicion(hardware.suspicion)) }
            @for reason in &hardware.reasons { p { (reason) } }
            p.quiet {
                "Test its memory first, then look at heat, power and overclocking. Until then its crashes lower the \
                 confidence of what they blame, and open no incident, except where other machines fail too."
            }
            div.scroll {
                table {
                    thead { tr { th { "Happened" } th { "Bug check" } th { "Blamed" } th { "Shows" } } }
                    tbody { @for crash in &health.evidence { (counts(crash)) } }
                }
            }
            @if (health.evidence.len() as u64) < health.own_crashes {
                p.quiet { "The newest " (health.evidence.len()) " of " (text::number(health.own_crashes)) "." }
            }
        }
    }
}

fn counts(crash: &HardwareEvidence) -> Markup {
    html! {
        tr {
            td.nowrap {
                @if let Ok(id) = Uuid::parse_str(&crash.crash_id) {
                    a href=(link::crash(id)) { (text::time(crash.happened_at_ms)) }
                }
            }
            td { (layout::bugcheck(crash.bugcheck, &crash.bugcheck_name)) }
            td {
                @if crash.driver.is_empty() { span.none { "nothing" } }
                @else { a href=(link::driver(&crash.driver)) { (text::name(&crash.driver)) } }
            }
            td { @if !crash.sign.is_empty() { span class="badge bad" { (text::name(&crash.sign)) } } }
        }
    }
}

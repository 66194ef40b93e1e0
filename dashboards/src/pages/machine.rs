//! `/machines/{machine}?tenant=`: one machine's crashes, and whether they are its own fault.

use std::collections::BTreeSet;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::HardwareEvidence;
use uuid::Uuid;

use super::Answer;
use crate::api::MachineQuery;
use crate::app::App;
use crate::gather::hardware::Hardware;
use crate::gather::machine::{Machine, gather};
use crate::layout::{self, Here};
use crate::{link, text};

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
    let distinct = |value: fn(&storage::questions::CrashSummary) -> &str| {
        machine
            .crashes
            .iter()
            .map(|line| value(&line.summary))
            .filter(|text| !text.is_empty())
            .collect::<BTreeSet<_>>()
            .len() as u64
    };
    let drivers = distinct(|crash| &crash.driver);
    let buckets = distinct(|crash| &crash.bucket);
    let newest = machine.crashes.first().map(|line| &line.summary);
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
                (layout::figure(&html! { (text::number(drivers)) }, "drivers blamed"))
                (layout::figure(&html! { (text::number(buckets)) }, "buckets"))
            }
        }
        @if let Some(hardware) = machine.hardware.as_ref().filter(|hardware| hardware.suspect) {
            (suspect(hardware))
        }
        section.card { h2 { "Crashes" } (layout::crashes(&machine.crashes)) }
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

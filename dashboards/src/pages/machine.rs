//! `/machines/{machine}?tenant=`: one machine's crashes. Many buckets on one machine are a bad machine.

use std::collections::BTreeSet;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use maud::{Markup, html};

use super::Answer;
use crate::api::MachineQuery;
use crate::app::App;
use crate::gather::machine::{Machine, gather};
use crate::layout::{self, Here};
use crate::text;

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
            @if buckets >= 4 && drivers >= 3 {
                p.hint {
                    "Many different crashes on one machine: suspect its hardware (memory first) before any of the drivers."
                }
            }
        }
        section.card { h2 { "Crashes" } (layout::crashes(&machine.crashes)) }
    }
}

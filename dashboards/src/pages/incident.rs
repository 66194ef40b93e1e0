//! `/incidents/{id}`: the page that a notification links to. What, since when, how many, and what they share.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use detector::Subject;
use detector::incident::Tally;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Answer, stands_out};
use crate::app::App;
use crate::gather::incidents::{Incident, Shares, one};
use crate::layout::{self, Here, Renew};
use crate::query::Key;
use crate::{chart, link, text};

mod acts;
mod cause;
mod steps;
mod versions;

/// An act takes effect within seconds; whoever has just done one sees it come.
const REFRESH_S: u32 = 3;
/// The parts that are renewed while the page is open: not the forms.
const PARTS: &[&str] = &["summary", "details", "happened"];

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IncidentQuery {
    /// What was just done.
    did: Option<String>,
}

/// `GET /incidents/{id}`; with `?did=` behind it, somebody has just acted.
pub(crate) async fn page(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<IncidentQuery>, QueryRejection>,
) -> Answer {
    let incident = one(&app, &id?.0).await?;
    let did = query?.0.did;
    let title = format!("Incident: {}", incident.driver);
    let body = html! { (acts::note(did.as_deref(), &incident)) (render(&incident, &app.upload_url)) };
    let waits = did.is_some() && incident.waiting.iter().any(|one| one.soon);
    let renew = if waits { Renew::After(REFRESH_S) } else { Renew::Parts(PARTS) };
    Ok(Html(layout::page(&title, Here::Incidents, Some(renew), &body).into_string()))
}

fn render(incident: &Incident, url: &str) -> Markup {
    html! {
        div #summary.stack {
            (summary(incident))
            @if let Some(attribution) = &incident.attribution { (cause::card(attribution, incident.since_ms)) }
        }
        (acts::card(incident, url))
        div #details.stack { (details(incident)) }
        div #happened.stack {
            (steps::timeline(incident))
            (steps::notifications(&incident.notifications))
            section.card {
                h2 { "Example crashes" }
                @if incident.examples.is_empty() { p.none { "None is stored." } }
                @else { (layout::crashes(&incident.examples)) }
            }
        }
    }
}

fn summary(incident: &Incident) -> Markup {
    let open = !incident.is_over();
    html! {
        section.card.alarm[open] {
            div.head {
                h1 { (headline(&incident.subject, open)) }
                span { (layout::severity(&incident.severity)) " " (layout::state(&incident.state)) }
            }
            (figures(incident))
            (facts(incident))
            @if !incident.series.is_empty() {
                (chart::machines("Machines taken down", &incident.series, incident.range.step_words()))
            }
        }
    }
}

fn details(incident: &Incident) -> Markup {
    let tenant = incident.tenant.as_str();
    html! {
        @if incident.evidence.machines > 0 {
            (versions::card(incident))
            (super::driver::facts(Some(tenant), &incident.driver, &incident.evidence, &incident.deep_sites))
        } @else {
            (sample(&incident.shares))
        }
        @if incident.against.machines > 0 { (stands_out::card(&incident.stands_out, incident.against)) }
        @if incident.evidence.machines > 0 { (super::driver::shares(&incident.evidence)) }
    }
}

fn headline(subject: &Subject, open: bool) -> Markup {
    let does = if open { "is taking machines down" } else { "took machines down" };
    let go = if open { ": machines go down" } else { ": machines went down" };
    html! {
        @match subject {
            Subject::Driver(_) => { (named(subject)) " " (does) }
            Subject::Silence(..) => { (named(subject)) }
            Subject::BugCheck(_) | Subject::OsBuild(_) | Subject::Bucket(_) | Subject::Unattributed
            | Subject::Everything => { (named(subject)) (go) }
        }
    }
}

/// A subject as the beginning of a sentence.
fn named(subject: &Subject) -> Markup {
    html! {
        @match subject {
            Subject::Driver(driver) => { a href=(link::driver(driver)) { (text::name(driver)) } }
            Subject::BugCheck(code) => { "Bug check " code { (format!("0x{code:X}")) } }
            Subject::OsBuild(build) => { "Windows build " (build) }
            Subject::Bucket(bucket) => {
                "Bucket " a href=(link::search(&[(Key::Bucket, bucket)])) { (text::name(bucket)) }
            }
            Subject::Unattributed => { "Crashes that are blamed on nobody" }
            Subject::Everything => { "All crashes" }
            Subject::Silence(driver, version) => {
                "Machines with " a href=(link::driver(driver)) { (text::name(driver)) }
                @if let Some(version) = version { " " code { (format!("{:08x}", version.timestamp)) } }
                " that went dark"
            }
        }
    }
}

fn figures(incident: &Incident) -> Markup {
    let over = incident.is_over();
    let until_ms = incident.resolved_at_ms.unwrap_or(incident.now_ms);
    let machines = incident.machines;
    html! {
        div.figures {
            @if !over && (incident.now.is_some() || !incident.severity.is_empty()) {
                (layout::figure(&html! { (text::number(last_minute(incident).0)) }, "machines in the last minute"))
            }
            (layout::figure(&html! { (text::number(machines)) }, "in total"))
            @if let Some(now) = incident.now {
                (layout::figure(&html! { "+" (text::decimal(now.growth_per_minute)) }, "new machines a minute"))
            }
            @if let Some(exposed) = incident.exposed.filter(|exposed| *exposed > 0) {
                (layout::figure(
                    &html! { (text::share(machines.min(exposed), exposed)) },
                    &format!("of {} exposed", text::number(exposed)),
                ))
            }
            @if incident.crashes > 0 {
                (layout::figure(&html! { (text::number(incident.crashes)) }, "crashes"))
            }
            (layout::figure(&html! { (text::number(incident.sites)) }, "sites"))
            (layout::figure(
                &html! { (text::length_s(until_ms.saturating_sub(incident.since_ms) / 1000)) },
                if over { "from onset to end" } else { "since its onset" },
            ))
        }
    }
}

/// Machines of the last minute and of the one before: as of now where crashes tell, else as of the newest step.
fn last_minute(incident: &Incident) -> (u64, u64) {
    match incident.now {
        Some(now) => (now.last_minute, now.minute_before),
        None => (incident.last_minute, incident.minute_before),
    }
}

fn facts(incident: &Incident) -> Markup {
    let now_ms = incident.now_ms;
    html! {
        dl {
            @if let Some(attribution) = &incident.attribution {
                dt { "What they share" } dd { (text::visible(&attribution.sentence)) }
            } @else if incident.evidence.machines > 0 {
                dt { "What they share" } dd { (cause::seen(&incident.evidence)) }
            }
            dt { "Since" } dd { (text::time_ago(incident.since_ms, now_ms)) }
            dt { "Opened" } dd { (text::time_ago(incident.opened_at_ms, now_ms)) }
            @if incident.reopened > 0 { dt { "Came back" } dd { (text::counted(incident.reopened.into(), "time")) } }
            @if let Some(at_ms) = incident.resolved_at_ms {
                dt { (if incident.merged_into.is_some() { "Merged" } else { "Resolved" }) }
                dd { (text::time_ago(at_ms, now_ms)) }
            }
            @if let Some(other) = incident.merged_into {
                dt { "Part of" } dd { a href=(link::incident(other)) { "another incident" } }
            }
            @if !incident.is_over() && (incident.now.is_some() || !incident.severity.is_empty()) {
                (growth(incident))
            }
            @if !incident.also.is_empty() {
                dt { "Also alarmed" }
                dd { @for (index, also) in incident.also.iter().enumerate() { @if index > 0 { ", " } (named(also)) } }
            }
            @if !incident.acknowledged_by.is_empty() {
                dt { "Acknowledged by" } dd { (text::name(&incident.acknowledged_by)) }
            }
            @if !incident.tickets.is_empty() {
                dt { "Ticket" }
                dd {
                    @for (index, ticket) in incident.tickets.iter().enumerate() {
                        @if index > 0 { ", " }
                        (steps::linked(ticket))
                    }
                }
            }
            @if let Some(until_ms) = incident.muted_until_ms { dt { "Muted until" } dd { (text::time(until_ms)) } }
            @if !incident.tenant.is_empty() { dt { "Tenant" } dd { (text::name(&incident.tenant)) } }
            dt { "Why it opened" } dd { (cause::reason(&incident.reason)) }
        }
    }
}

fn growth(incident: &Incident) -> Markup {
    let (last, before) = last_minute(incident);
    html! {
        dt { "Growth" }
        dd {
            (text::counted(last, "machine")) " in the last minute, " (text::number(before)) " in the one before"
            @match incident.now {
                Some(now) => { "; " (text::decimal(now.growth_per_minute)) " new ones a minute over the last five" }
                None => { span.quiet { " (at " (text::time(incident.known_at_ms)) ")" } }
            }
        }
    }
}

/// What the detector counted by itself: all there is while ClickHouse has no crashes of it.
fn sample(shares: &Shares) -> Markup {
    let lists: [(&str, &str, &[Tally]); 7] = [
        ("Versions", "Timestamp", &shares.versions),
        ("Fault sites", "Instruction", &shares.fault_sites),
        ("Bug checks", "Bug check", &shares.bug_checks),
        ("OS builds", "Build", &shares.os_builds),
        ("Sites", "Site", &shares.sites),
        ("Rings", "Ring", &shares.rings),
        ("Models", "Model", &shares.models),
    ];
    html! {
        div.columns {
            @for (title, column, list) in lists.into_iter().filter(|(_, _, list)| !list.is_empty()) {
                section.card {
                    h2 { (title) }
                    p.quiet { "Of a sample of the first machines, at most 2,000." }
                    div.scroll {
                        table {
                            thead { tr { th { (column) } th.n { "Machines" } } }
                            tbody {
                                @for tally in list {
                                    tr { td { (text::name(&tally.name)) } td.n { (text::number(tally.machines)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

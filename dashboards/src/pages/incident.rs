//! `/incidents/{id}`: the page that a notification links to. What, since when, how many, and what they share.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use detector::Subject;
use detector::incident::Tally;
use maud::{Markup, html};
use serde::Deserialize;

use super::Answer;
use crate::app::App;
use crate::gather::incidents::{Incident, Shares, one};
use crate::layout::{self, Here};
use crate::query::Key;
use crate::{chart, link, text};

mod acts;
mod cause;
mod steps;

/// An act takes effect within seconds; whoever has just done one sees it come.
const REFRESH_S: u32 = 3;

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
    let refresh_s = (did.is_some() && incident.waiting.iter().any(|one| one.soon)).then_some(REFRESH_S);
    Ok(Html(layout::page(&title, Here::Incidents, refresh_s, &body).into_string()))
}

fn render(incident: &Incident, url: &str) -> Markup {
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
        @if let Some(attribution) = &incident.attribution { (cause::card(attribution, incident.since_ms)) }
        @if incident.evidence.machines > 0 {
            (super::driver::facts(&incident.driver, &incident.evidence, &incident.deep_sites))
        } @else {
            (sample(&incident.shares))
        }
        (acts::card(incident, url))
        (steps::timeline(incident))
        (steps::notifications(&incident.notifications))
        section.card {
            h2 { "Example crashes" }
            @if incident.examples.is_empty() { p.none { "None is stored." } }
            @else { (layout::crashes(&incident.examples)) }
        }
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
            (layout::figure(&html! { (text::number(machines)) }, "machines"))
            @if let Some(exposed) = incident.exposed.filter(|exposed| *exposed > 0) {
                (layout::figure(
                    &html! { (text::share(machines.min(exposed), exposed)) },
                    &format!("of {} exposed", text::number(exposed)),
                ))
            }
            @if incident.evidence.crashes > 0 {
                (layout::figure(&html! { (text::number(incident.evidence.crashes)) }, "crashes"))
            }
            (layout::figure(&html! { (text::number(incident.sites)) }, "sites"))
            (layout::figure(
                &html! { (text::length_s(until_ms.saturating_sub(incident.since_ms) / 1000)) },
                if over { "from onset to end" } else { "since its onset" },
            ))
        }
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
            @if !incident.is_over() && !incident.severity.is_empty() {
                dt { "Growth" }
                dd {
                    (text::counted(incident.last_minute, "machine")) " in the last minute, "
                    (text::number(incident.minute_before)) " in the one before"
                    span.quiet { " (at " (text::time(incident.known_at_ms)) ")" }
                }
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

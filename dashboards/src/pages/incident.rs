//! `/incidents/{id}`: the page that a notification links to. What, since when, how many, and what they share.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::{IncidentEvent, NotificationRow};

use super::Answer;
use crate::app::App;
use crate::gather::incidents::{Incident, one};
use crate::layout::{self, Here};
use crate::{chart, link, text};

/// `GET /incidents/{id}`
pub(crate) async fn page(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Answer {
    let incident = one(&app, &id?.0).await?;
    let title = format!("Incident: {}", incident.driver);
    Ok(Html(layout::page(&title, Here::Incidents, None, &render(&incident)).into_string()))
}

fn render(incident: &Incident) -> Markup {
    let open = incident.state != "resolved";
    let until_ms = incident.resolved_at_ms.unwrap_or(incident.now_ms);
    html! {
        section.card.alarm[open] {
            div.head {
                h1 { a href=(link::driver(&incident.driver)) { (text::name(&incident.driver)) } " " (if open { "is taking machines down" } else { "took machines down" }) }
                (layout::state(&incident.state))
            }
            div.figures {
                (layout::figure(&html! { (text::number(incident.evidence.machines)) }, "machines"))
                (layout::figure(&html! { (text::number(incident.evidence.crashes)) }, "crashes"))
                (layout::figure(&html! { (text::number(incident.evidence.site_count)) }, "sites"))
                (layout::figure(&html! { (text::length_s((until_ms - incident.since_ms) / 1000)) }, if open { "since its onset" } else { "from onset to end" }))
            }
            dl {
                dt { "Since" } dd { (text::time_ago(incident.since_ms, incident.now_ms)) }
                dt { "Opened" } dd { (text::time_ago(incident.opened_at_ms, incident.now_ms)) }
                @if let Some(at_ms) = incident.resolved_at_ms {
                    dt { "Resolved" } dd { (text::time_ago(at_ms, incident.now_ms)) }
                }
                @if !incident.tenant.is_empty() { dt { "Tenant" } dd { (text::name(&incident.tenant)) } }
                dt { "Why it opened" } dd { (reason(incident)) }
                dt { "What they share" } dd { (shared(incident)) }
            }
            (chart::machines("Machines taken down", &incident.series, incident.range.step_words()))
        }
        (super::driver::facts(&incident.driver, &incident.evidence, &incident.deep_sites))
        (timeline(&incident.events))
        (notifications(&incident.notifications))
        section.card {
            h2 { "Example crashes" }
            @if incident.examples.is_empty() { p.none { "None is stored." } }
            @else { (layout::crashes(&incident.examples)) }
        }
    }
}

fn reason(incident: &Incident) -> Markup {
    let reason = &incident.reason;
    html! {
        @if reason.span_s == 0 {
            span.none { "not recorded" }
        } @else {
            (text::counted(reason.machines, "machine")) " within " (text::length_s(i64::try_from(reason.span_s).unwrap_or(0)))
            ", where at most " (format!("{:.1}", reason.expected)) " were to be expected."
            @if reason.common_mode > 1.5 {
                " The whole fleet was at " (format!("{:.1}", reason.common_mode)) " times its usual rate; that is allowed for."
            }
            " Chance: 10" sup { (format!("{:.0}", reason.log10_chance)) } "."
        }
    }
}

/// One sentence an engineer can act on: is it one version, one build, one site?
fn shared(incident: &Incident) -> Markup {
    let evidence = &incident.evidence;
    let whole = evidence.machines;
    let most = |machines: u64| whole > 0 && machines.saturating_mul(10) >= whole.saturating_mul(9);
    html! {
        @match evidence.versions.as_slice() {
            [] => { "No version of the driver is known. " }
            [one] => { "One version of the driver, " (text::version(one.timestamp)) ". " }
            [first, ..] if most(first.machines) => {
                (text::share(first.machines, whole)) " have version " (text::version(first.timestamp)) ". "
            }
            all => { (all.len()) " versions of the driver at once: suspect content or configuration rather than a new driver. " }
        }
        @if evidence.bugchecks.len() > 1 { (evidence.bugchecks.len()) " different bug checks. " }
        @if let [first, ..] = evidence.builds.as_slice() && first.build != 0 && most(first.machines) {
            (text::share(first.machines, whole)) " run build " (text::build(first.build, first.ubr)) ". "
        }
        @if let [first, ..] = evidence.sites.as_slice() && !first.name.is_empty() && most(first.machines) {
            (text::share(first.machines, whole)) " are at site " (text::name(&first.name)) ". "
        }
    }
}

fn timeline(events: &[IncidentEvent]) -> Markup {
    html! {
        section.card {
            h2 { "What happened" }
            ol.timeline {
                @for event in events {
                    li {
                        (text::time(event.at_ms)) " "
                        strong { (text::visible(&event.kind)) }
                        @if let Some(machines) = machines(&event.detail) { ", " (text::counted(machines, "machine")) }
                    }
                }
            }
        }
    }
}

fn machines(detail: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(detail).ok()?.get("machines")?.as_u64()
}

fn notifications(rows: &[NotificationRow]) -> Markup {
    html! {
        section.card {
            h2 { "Notifications" }
            @if rows.is_empty() {
                p.none { "Nobody was told: no webhook is configured. Add one under " code { "[[alerts.webhooks]]" } "." }
            } @else {
                div.scroll {
                    table {
                        thead {
                            tr { th { "Receiver" } th { "What" } th { "State" } th.n { "Attempts" } th { "Last change" } th { "Last error" } }
                        }
                        tbody {
                            @for row in rows {
                                tr {
                                    td { (text::name(&row.target)) }
                                    td { (text::name(kind(&row.payload))) }
                                    td { (layout::state(&row.state)) }
                                    td.n { (row.attempts) }
                                    td.nowrap { (text::time(row.updated_at_ms)) }
                                    td { (text::visible(&row.last_error)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The event type of a body of ours.
fn kind(payload: &str) -> &'static str {
    let payload = serde_json::from_str::<serde_json::Value>(payload).unwrap_or_default();
    match payload.get("type").and_then(serde_json::Value::as_str) {
        Some("incident.opened") => "opened",
        Some("incident.resolved") => "resolved",
        _ => "",
    }
}

//! What happened to an incident, who did it, and who was told. Pure.

use maud::{Markup, html};
use storage::questions::NotificationRow;

use crate::act;
use crate::gather::incidents::{Happened, Incident, Kind, Moment, Ticket, Times, Waiting};
use crate::{layout, text};

/// One list, from the first crash to the last word, with the time that each step took.
pub(super) fn timeline(incident: &Incident) -> Markup {
    let moments = incident.timeline.iter().map(|one| (one.at_ms, line(one)));
    let waiting = incident.waiting.iter().map(|one| (one.at_ms, act(one)));
    let tickets = incident.tickets.iter().map(|one| (one.at_ms, ticket(one)));
    let mut all: Vec<(i64, Markup)> = moments.chain(waiting).chain(tickets).collect();
    all.sort_by_key(|(at_ms, _)| *at_ms);
    html! {
        section.card {
            h2 { "What happened" }
            (stations(incident.times))
            ol.moments { @for (_, what) in &all { (what) } }
        }
    }
}

/// Something that the alerts role has not taken yet, or only words.
fn act(waiting: &Waiting) -> Markup {
    let kind = act::Kind::named(&waiting.kind);
    let step = match kind {
        Some(act::Kind::Comment) => "comment",
        other => other.and_then(act::Kind::step).unwrap_or_default(),
    };
    html! {
        li {
            (text::time(waiting.at_ms)) " " strong { (step) } " by " (text::name(&waiting.by))
            @if waiting.soon && kind != Some(act::Kind::Comment) {
                span.quiet { ", takes effect within seconds" }
            }
            @if !waiting.words.is_empty() { div.words { (text::lines(&waiting.words)) } }
        }
    }
}

fn ticket(ticket: &Ticket) -> Markup {
    html! {
        li {
            (text::time(ticket.at_ms)) " " strong { "ticket linked" } " by " (text::name(&ticket.by)) ": " (linked(ticket))
        }
    }
}

/// A ticket, as a link where it is an address. Whoever is there learns nothing of where it was.
pub(super) fn linked(ticket: &Ticket) -> Markup {
    html! {
        @match &ticket.url {
            Some(url) => { a href=(url) rel="noopener noreferrer" { (text::name(&ticket.ticket)) } }
            None => { (text::name(&ticket.ticket)) }
        }
    }
}

fn stations(times: Times) -> Markup {
    let Times { to_detect_s, to_notify_s, to_acknowledge_s, to_resolve_s } = times;
    let stations = [
        ("detect", to_detect_s),
        ("notify", to_notify_s),
        ("acknowledge", to_acknowledge_s),
        ("resolve", to_resolve_s),
    ];
    html! {
        div.figures {
            @for (name, took_s) in stations {
                (layout::figure(
                    &html! { @match took_s { Some(took_s) => { (text::length_s(took_s)) } None => { span.none { "not yet" } } } },
                    &format!("from onset to {name}"),
                ))
            }
        }
    }
}

fn line(moment: &Moment) -> Markup {
    let is_station = match &moment.step {
        Some(step) => {
            matches!(step.event.kind.as_str(), "opened" | "acknowledged" | "resolved" | "merged" | "reopened")
        }
        None => true,
    };
    html! {
        li.key[is_station] {
            (text::time(moment.at_ms)) " "
            @match (moment.kind, &moment.step) {
                (Kind::FirstCrash, _) => { strong { "first crash" } }
                (Kind::Onset, _) => { strong { "onset" } ", the first machine beyond the usual" }
                (Kind::Notified, _) => { strong { "notified" } " " (text::name(&moment.target)) }
                (Kind::NotDelivered, _) => { strong { "not delivered" } " to " (text::name(&moment.target)) }
                (Kind::Step, Some(happened)) => { (step(happened)) }
                (Kind::Step, None) => {}
            }
            @if moment.after_s > 0 { span.after { " · " (text::length_s(moment.after_s)) " later" } }
            @if let Some(happened) = &moment.step && !happened.words.is_empty() {
                div.words { (text::lines(&happened.words)) }
            }
        }
    }
}

fn step(happened: &Happened) -> Markup {
    html! {
        strong { (words(happened)) }
        @if !happened.by.is_empty() { " by " (text::name(&happened.by)) }
        @if let Some(machines) = happened.machines { ", " (text::counted(machines, "machine")) }
        @if happened.tell { span.quiet { ", told" } }
    }
}

fn words(happened: &Happened) -> String {
    let severity = layout::severity_name(&happened.severity);
    match happened.event.kind.as_str() {
        "opened" if severity.is_empty() => "opened".to_owned(),
        "opened" => format!("opened as {severity}"),
        "escalated" => format!("escalated to {severity}"),
        "grew" => "grew".to_owned(),
        "attributed" => "explained".to_owned(),
        "joined" => "joined by another alarm".to_owned(),
        "merged" => "became part of another incident".to_owned(),
        "resolved" => "resolved".to_owned(),
        "reopened" => "came back".to_owned(),
        "commented" => "comment".to_owned(),
        other => text::visible(other),
    }
}

pub(super) fn notifications(rows: &[NotificationRow]) -> Markup {
    html! {
        section.card {
            h2 { "Who was told, and whether it arrived" }
            @if rows.is_empty() {
                p.none {
                    "Nobody was told. Who is told of what is configured under " code { "[[alerts.targets]]" } " and "
                    code { "[[alerts.routes]]" } "."
                }
            } @else {
                div.scroll {
                    table {
                        thead {
                            tr {
                                th { "Receiver" } th { "Kind" } th { "Severity" } th { "What" } th { "State" }
                                th.n { "Attempts" } th { "Queued" } th { "Last change" } th { "Last error" }
                            }
                        }
                        tbody { @for row in rows { (notification(row)) } }
                    }
                }
            }
        }
    }
}

fn notification(row: &NotificationRow) -> Markup {
    html! {
        tr {
            td { (text::name(&row.target)) }
            td { (text::visible(&row.target_kind)) }
            td { (layout::severity(&row.severity)) }
            td { (kind(&row.payload)) }
            td { (layout::state(&row.state)) }
            td.n { (row.attempts) }
            td.nowrap { (text::time(row.created_at_ms)) }
            td.nowrap {
                (text::time(row.updated_at_ms))
                @if row.state == "delivered" {
                    div.quiet { "after " (text::length_s(row.updated_at_ms.saturating_sub(row.created_at_ms) / 1000)) }
                }
            }
            td { (text::visible(&row.last_error)) }
        }
    }
}

/// The event type of a body of ours; the forms of other receivers have none.
fn kind(payload: &str) -> String {
    let payload = serde_json::from_str::<serde_json::Value>(payload).unwrap_or_default();
    let kind = payload.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
    text::visible(kind.strip_prefix("incident.").unwrap_or_default())
}

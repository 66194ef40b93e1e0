//! `/audit`: who did what, from where.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::AuditRow;
use uuid::Uuid;

use super::Answer;
use crate::app::App;
use crate::gather::audit::{Action, Audit, AuditQuery, gather};
use crate::layout::{self, Here};
use crate::{link, text};

/// `GET /audit`
pub(crate) async fn page(State(app): State<App>, query: Result<Query<AuditQuery>, QueryRejection>) -> Answer {
    let audit = gather(&app, query?.0).await?;
    Ok(Html(layout::page("Audit log", Here::Nowhere, None, &render(&audit)).into_string()))
}

fn render(audit: &Audit) -> Markup {
    let filter = &audit.filter;
    html! {
        section.card {
            h1 { "Audit log" }
            (form(filter))
            @if audit.lines.is_empty() {
                div.empty {
                    @if pairs(filter).is_empty() && filter.before.is_none() {
                        p { "Nothing has been done yet. Acts on incidents, sign-ins and downloads are written down here." }
                    } @else {
                        p { "No line is like that." }
                    }
                }
            } @else {
                div.scroll {
                    table {
                        thead {
                            tr {
                                th { "When" } th { "Who" } th { "Role" } th { "From" } th { "What" } th { "Which" }
                                th { "Detail" }
                            }
                        }
                        tbody { @for row in &audit.lines { (line(row)) } }
                    }
                }
            }
            @if let Some(next) = &audit.next {
                p { a.more href=(next_page(filter, next)) { "Older" } }
            }
        }
    }
}

fn form(filter: &AuditQuery) -> Markup {
    let who = filter.who.as_deref().unwrap_or_default();
    html! {
        form.filter method="get" action="/audit" {
            label { span { "Who" } input type="text" name="who" value=(text::visible(who)) maxlength="100"; }
            label {
                span { "What" }
                select name="action" {
                    option value="" { "anything" }
                    @for action in Action::ALL {
                        option value=(action.name()) selected[filter.action.as_deref() == Some(action.name())] {
                            (action.words())
                        }
                    }
                }
            }
            button type="submit" { "Show" }
            a href="/audit" { "Reset" }
        }
    }
}

fn line(row: &AuditRow) -> Markup {
    let action = Action::of(&row.action);
    html! {
        tr {
            td.nowrap { (text::time(row.at_ms)) }
            td { a href=(link::with_query("/audit", &[("who", &row.who)])) { (text::name(&row.who)) } }
            td { (text::visible(&row.role)) }
            td.nowrap { (text::visible(&row.peer)) }
            td { (action.map_or_else(|| text::visible(&row.action), |action| action.words().to_owned())) }
            td { (subject(action, &row.subject)) }
            td { (text::visible(&row.detail)) }
        }
    }
}

/// What it was done to, as a link where it has a page.
fn subject(action: Option<Action>, subject: &str) -> Markup {
    let address = match (action, Uuid::parse_str(subject)) {
        (
            Some(
                Action::Acknowledge
                | Action::Resolve
                | Action::Mute
                | Action::Unmute
                | Action::Comment
                | Action::Ticket,
            ),
            Ok(id),
        ) => Some((link::incident(id), "incident")),
        (Some(Action::Download | Action::Reanalyse), Ok(id)) => Some((link::crash(id), "crash")),
        _ => None,
    };
    html! {
        @match address {
            Some((address, word)) => { a href=(address) title=(text::visible(subject)) { (word) } }
            None => { @if !subject.is_empty() { (text::name(subject)) } }
        }
    }
}

fn pairs(filter: &AuditQuery) -> Vec<(&'static str, &str)> {
    let all = [("who", &filter.who), ("action", &filter.action)];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref().filter(|value| !value.is_empty())?)))
        .collect()
}

fn next_page(filter: &AuditQuery, next: &str) -> String {
    let mut pairs = pairs(filter);
    pairs.push(("before", next));
    link::with_query("/audit", &pairs)
}

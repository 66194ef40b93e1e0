//! `/crashes`: the list, filtered.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};

use super::Answer;
use crate::app::App;
use crate::gather::crashes::{Crashes, CrashesQuery, gather};
use crate::layout::{self, Here};
use crate::{link, text};

const OUTCOMES: [(&str, &str); 4] = [
    ("", "any outcome"),
    ("analysed", "analysed"),
    ("unreadable", "unreadable"),
    ("dead_letter", "dead letter"),
];

/// `GET /crashes`
pub(crate) async fn page(
    State(app): State<App>,
    query: Result<Query<CrashesQuery>, QueryRejection>,
) -> Answer {
    let crashes = gather(&app, query?.0).await?;
    let body = render(&crashes, &app.upload_url);
    Ok(Html(layout::page("Crashes", Here::Crashes, None, &body).into_string()))
}

fn render(crashes: &Crashes, upload_url: &str) -> Markup {
    let filter = &crashes.filter;
    html! {
        section.card {
            h1 { "Crashes" }
            (form(filter))
            @if crashes.crashes.is_empty() {
                (nothing(filter, upload_url))
            } @else {
                (layout::crashes(&crashes.crashes))
            }
            @if let Some(next) = &crashes.next {
                p { a.more href=(next_page(filter, next)) { "Older" } }
            }
        }
    }
}

/// A name with hidden characters is spelt out here too, so sending the form again finds nothing: HTML could not carry
/// it back (a NUL is lost in any attribute), and links to such names work.
fn form(filter: &CrashesQuery) -> Markup {
    html! {
        form.filter method="get" action="/crashes" {
            (field("driver", "Driver", &filter.driver))
            (field("machine", "Machine", &filter.machine))
            (field("tenant", "Tenant", &filter.tenant))
            label {
                span { "Outcome" }
                select name="outcome" {
                    @for (value, words) in OUTCOMES {
                        option value=(value) selected[filter.outcome.as_deref().unwrap_or("") == value] { (words) }
                    }
                }
            }
            // Filters that are set by links alone stay set.
            @for (name, value) in [("bucket", &filter.bucket), ("site", &filter.site), ("ring", &filter.ring)] {
                @if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                    input type="hidden" name=(name) value=(text::visible(value));
                    span.chip { (name) ": " (text::name(value)) }
                }
            }
            button type="submit" { "Show" }
            a href="/crashes" { "Reset" }
        }
    }
}

fn field(name: &str, words: &str, value: &Option<String>) -> Markup {
    html! {
        label { span { (words) } input type="text" name=(name) value=(text::visible(value.as_deref().unwrap_or(""))) maxlength="512"; }
    }
}

fn pairs(filter: &CrashesQuery) -> Vec<(&'static str, &str)> {
    [
        ("driver", &filter.driver),
        ("machine", &filter.machine),
        ("tenant", &filter.tenant),
        ("outcome", &filter.outcome),
        ("bucket", &filter.bucket),
        ("site", &filter.site),
        ("ring", &filter.ring),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.as_deref().filter(|value| !value.is_empty())?)))
    .collect()
}

fn next_page(filter: &CrashesQuery, next: &str) -> String {
    let mut pairs = pairs(filter);
    pairs.push(("before", next));
    link::with_query("/crashes", &pairs)
}

fn nothing(filter: &CrashesQuery, upload_url: &str) -> Markup {
    html! {
        div.empty {
            @if pairs(filter).is_empty() && filter.before.is_none() {
                h2 { "No crash yet" }
                (layout::upload_hint(upload_url))
            } @else {
                p { "No crash is like that." }
            }
        }
    }
}

//! `/targets`: who is told of incidents, how each of them is doing, and a button that tries one.

use axum::extract::{RawQuery, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::TargetRow;

use super::Answer;
use crate::access::{self, Role, csrf_field};
use crate::app::App;
use crate::gather::targets::{Targets, gather};
use crate::layout::{self, Here};
use crate::{link, text};

/// What comes of a test is looked for again after this, s,
const REFRESH_S: u32 = 3;
/// until one of them has come so lately.
const LATELY_MS: i64 = 60_000;

/// `GET /targets`; with `?asked` behind it, somebody has pressed a button.
pub(crate) async fn page(State(app): State<App>, RawQuery(query): RawQuery) -> Answer {
    let targets = gather(&app).await?;
    let has_come = |target: &TargetRow| {
        target.tested_at_ms.is_some_and(|at_ms| targets.now_ms.saturating_sub(at_ms) < LATELY_MS)
    };
    let waits = query.as_deref() == Some("asked") && !targets.targets.iter().any(has_come);
    let may = access::current().is_some_and(|visit| visit.may(Role::Responder));
    let body = render(&targets, may);
    let refresh_s = waits.then_some(REFRESH_S);
    Ok(Html(layout::page("Targets", Here::Targets, refresh_s, &body).into_string()))
}

fn render(targets: &Targets, may: bool) -> Markup {
    html! {
        @if let Some(at_ms) = targets.silent_since_ms() {
            section.card.alarm {
                h2 { "Nobody delivers" }
                p { "The alerts role has said nothing since " (text::time_ago(at_ms, targets.now_ms)) ". What is below is old." }
            }
        }
        section.card {
            h1 { "Targets" }
            @if targets.targets.is_empty() {
                div.empty {
                    p { "Nobody is told of incidents." }
                    p.quiet {
                        "Who is told of what is configured under " code { "[[alerts.targets]]" } " and "
                        code { "[[alerts.routes]]" } "."
                    }
                }
            } @else {
                div.scroll {
                    table {
                        thead {
                            tr {
                                th { "Name" } th { "Kind" } th { "State" } th.n { "Queued" } th { "Last delivered" }
                                th { "Last error" } th { "Last test" } th { "Try it" }
                            }
                        }
                        tbody { @for target in &targets.targets { (line(target, targets.now_ms, may)) } }
                    }
                }
                @if let (false, Some(link)) = (may, access::sign_in_link()) {
                    p { a href=(link) { "Sign in" } " as a responder to try one." }
                }
                p.quiet {
                    "A test says clearly that it is one. It goes out within seconds, past what is queued, and is not "
                    "tried again."
                }
            }
        }
    }
}

fn line(target: &TargetRow, now_ms: i64, may: bool) -> Markup {
    html! {
        tr {
            td { (text::name(&target.name)) }
            td { (text::visible(&target.kind)) }
            td {
                (health(&target.health))
                @if let Some(at_ms) = target.failing_since_ms { " since " (text::time_ago(at_ms, now_ms)) }
            }
            td.n { (text::number(target.pending)) }
            td { @if let Some(at_ms) = target.last_delivered_ms { (text::time_ago(at_ms, now_ms)) } }
            td { (text::visible(&target.last_error)) }
            td {
                @if let Some(at_ms) = target.tested_at_ms {
                    (text::visible(&target.test_outcome))
                    span.quiet { " (" (text::visible(&target.tested_by)) ", " (text::time_ago(at_ms, now_ms)) ")" }
                }
            }
            td {
                @if may {
                    form.filter method="post" action=(link::test(&target.name)) {
                        (csrf_field())
                        button type="submit" { "Send a test" }
                    }
                } @else {
                    span.quiet { "responders only" }
                }
            }
        }
    }
}

fn health(health: &str) -> Markup {
    let class = match health {
        "working" => "badge good",
        "failing" => "badge warn",
        _ => "badge bad",
    };
    html! { span class=(class) { (text::visible(health)) } }
}

//! `/incidents`: what is and was wrong.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::IncidentState;

use super::Answer;
use crate::app::App;
use crate::gather::incidents::{Incidents, IncidentsQuery, list};
use crate::layout::{self, Here};
use crate::link;

const STATES: [(IncidentState, &str, &str); 3] = [
    (IncidentState::All, "all", "All"),
    (IncidentState::Open, "open", "Open"),
    (IncidentState::Over, "over", "Over"),
];

/// `GET /incidents`
pub(crate) async fn page(
    State(app): State<App>,
    query: Result<Query<IncidentsQuery>, QueryRejection>,
) -> Answer {
    let incidents = list(&app, query?.0).await?;
    Ok(Html(layout::page("Incidents", Here::Incidents, None, &render(&incidents)).into_string()))
}

fn render(incidents: &Incidents) -> Markup {
    let filter = &incidents.filter;
    html! {
        section.card {
            div.head { h1 { "Incidents" } (states(filter.state)) }
            @if incidents.incidents.is_empty() {
                (nothing(filter))
            } @else {
                (layout::incidents(&incidents.incidents, incidents.now_ms))
            }
            @if let Some(next) = &incidents.next {
                p { a.more href=(link::with_query("/incidents", &[("state", name(filter.state)), ("before", next)])) { "Older" } }
            }
        }
    }
}

fn name(state: IncidentState) -> &'static str {
    STATES.into_iter().find(|(one, ..)| *one == state).map_or("all", |(_, name, _)| name)
}

fn states(present: IncidentState) -> Markup {
    html! {
        nav.ranges aria-label="State" {
            @for (state, name, words) in STATES {
                a href=(link::with_query("/incidents", &[("state", name)]))
                    aria-current=[(state == present).then_some("true")] { (words) }
            }
        }
    }
}

fn nothing(filter: &IncidentsQuery) -> Markup {
    html! {
        div.empty {
            @if filter.state == IncidentState::Open {
                p { "No incident is open." }
            } @else if filter.before.is_some() {
                p { "No older one." }
            } @else {
                p { "No driver has jumped above its own past yet." }
                p.quiet {
                    "An incident opens when one driver takes down far more machines, at many sites, than its usual rate \
                     allows; so does a bug check, a build of Windows, or machines that went dark. To see one, run "
                    code { "bluescope drill" } "."
                }
            }
        }
    }
}

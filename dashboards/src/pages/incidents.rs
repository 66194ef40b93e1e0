//! `/incidents`: what is and was wrong.

use axum::extract::State;
use axum::response::Html;
use maud::html;

use super::Answer;
use crate::app::App;
use crate::gather::incidents::list;
use crate::layout::{self, Here};

/// `GET /incidents`
pub(crate) async fn page(State(app): State<App>) -> Answer {
    let incidents = list(&app).await?;
    let body = html! {
        section.card {
            h1 { "Incidents" }
            @if incidents.incidents.is_empty() {
                div.empty {
                    p { "No driver has jumped above its own past yet." }
                    p.quiet {
                        "An incident opens when one driver takes down far more machines, at many sites, than its usual rate "
                        "allows; so does a bug check, a build of Windows, or machines that went dark. To see one, run "
                        code { "bluescope drill" } "."
                    }
                }
            } @else {
                (layout::incidents(&incidents.incidents, incidents.now_ms))
            }
        }
    };
    Ok(Html(layout::page("Incidents", Here::Incidents, None, &body).into_string()))
}

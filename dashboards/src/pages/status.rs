//! `/status`: does every accepted upload have its row, and what was given up on.

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::Answer;
use crate::app::App;
use crate::gather::ledger::Ledger;
use crate::gather::status::{DeadLetter, Status, gather};
use crate::layout::{self, Here};
use crate::{link, text};

/// `GET /status`
pub(crate) async fn page(State(app): State<App>) -> Answer {
    let status = gather(&app).await?;
    Ok(Html(layout::page("Status", Here::Status, None, &render(&status)).into_string()))
}

fn render(status: &Status) -> Markup {
    html! {
        section.card {
            div.head {
                h1 { "Ledger" }
                @if status.ledger.balanced { span class="badge good" { "the sum holds" } }
                @else { span class="badge bad" { "the sum does not hold" } }
            }
            (ledger(&status.ledger))
            p.quiet {
                "Every accepted upload ends as exactly one of these. Uploads of one crash that came twice count twice "
                "here and once everywhere else: " (text::counted(status.ledger.crashes, "distinct crash row")) "."
            }
        }
        section.card {
            h2 { "Dead letters" }
            @if status.dead_letters.is_empty() {
                p.none { "None. Whatever cannot be turned into a row would be listed here with its reason." }
            } @else {
                (dead_letters(&status.dead_letters))
            }
        }
        section.card {
            h2 { "This installation" }
            dl {
                dt { "Version" } dd { (status.version) }
                dt { "Queue" } dd.mono { (text::name(&status.queue)) }
                dt { "Asked" } dd { (text::time(status.now_ms)) }
            }
        }
    }
}

fn ledger(ledger: &Ledger) -> Markup {
    let row = |words: &str, count: u64, what: &str| {
        html! { tr { td { (words) } td.n { (text::number(count)) } td.quiet { (what) } } }
    };
    html! {
        div.scroll {
            table.sum {
                tbody {
                    (row("Analysed", ledger.analysed, "read and blamed"))
                    (row("Unreadable", ledger.unreadable, "accepted, but no dump that can be read; the row says why"))
                    (row("Dead-lettered", ledger.dead_lettered, "given up on; listed below"))
                    (row("Queued", ledger.queued, "waiting for an analyzer, or under way"))
                    @if ledger.lost > 0 {
                        tr.wrong {
                            td { "Lost" } td.n { (text::number(ledger.lost)) }
                            td { "the queue counts them as done, and they have no row" }
                        }
                    }
                    @if ledger.surplus > 0 {
                        tr.wrong {
                            td { "Surplus" } td.n { "−" (text::number(ledger.surplus)) }
                            td { "rows beyond what the queue ever accepted" }
                        }
                    }
                }
                tfoot { tr { td { "Accepted" } td.n { (text::number(ledger.accepted)) } td.quiet { "answered with 2xx, so durable" } } }
            }
        }
    }
}

fn dead_letters(letters: &[DeadLetter]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { "When" } th { "Position" } th { "Machine" } th { "Reason" } th { "Crash" } } }
                tbody {
                    @for letter in letters {
                        tr {
                            td.nowrap { (text::time(letter.at_ms)) }
                            td.mono { (letter.partition) "/" (letter.offset) }
                            td {
                                @if letter.crash_id.is_some() {
                                    a href=(link::machine(&letter.tenant, &letter.machine)) { (text::name(&letter.machine)) }
                                } @else { span.none { "header unreadable" } }
                            }
                            td { (text::visible(&letter.reason)) }
                            td { @if let Some(id) = letter.crash_id { a href=(link::crash(id)) { "row" } } }
                        }
                    }
                }
            }
        }
    }
}

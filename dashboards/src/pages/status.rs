//! `/status`: does every accepted upload have its row, and what was given up on.

use axum::extract::{RawQuery, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::SymbolSourceRow;

use super::Answer;
use crate::access::{self, Role, csrf_field};
use crate::app::App;
use crate::gather::ledger::Ledger;
use crate::gather::status::{DeadLetter, Status, SymbolHealth, gather};
use crate::layout::{self, Here, Renew};
use crate::{link, text};

/// The parts that are renewed while the page is open.
const PARTS: &[&str] = &["ledger", "pace", "symbols", "letters", "room"];

/// `GET /status`; with `?queued` behind it, a dead letter was queued again.
pub(crate) async fn page(State(app): State<App>, RawQuery(query): RawQuery) -> Answer {
    let status = gather(&app).await?;
    let queued = query.as_deref() == Some("queued");
    let may = access::current().is_some_and(|visit| visit.may(Role::Responder));
    let body = render(&status, queued, may);
    Ok(Html(layout::page("Status", Here::Status, Some(Renew::Parts(PARTS)), &body).into_string()))
}

fn render(status: &Status, queued: bool, may: bool) -> Markup {
    html! {
        section #ledger.card {
            div.head {
                h1 { "Ledger" }
                @if status.ledger.balanced { span class="badge good" { "the sum holds" } }
                @else { span class="badge bad" { "the sum does not hold" } }
            }
            (ledger(&status.ledger))
            p.quiet {
                "Every accepted upload ends as exactly one of these. Uploads of one crash that came twice count twice "
                "here and once everywhere else"
                @if let Some(crashes) = status.ledger.crashes { ": " (text::counted(crashes, "distinct crash row")) }
                "."
            }
        }
        (pace(status))
        (symbols(&status.symbols))
        section #letters.card {
            h2 { "Dead letters" }
            @if queued { p.note role="status" { "Queued again; its row follows within seconds." } }
            @if status.dead_letters.is_empty() {
                p.none { "None. Whatever cannot be turned into a row would be listed here with its reason." }
            } @else {
                (dead_letters(&status.dead_letters, may))
            }
        }
        (room(status))
        section.card {
            h2 { "This installation" }
            dl {
                dt { "Version" } dd { "Bluescope " (status.version) ", ClickHouse " (text::visible(&status.versions.clickhouse)) }
                dt { "Rules" }
                dd {
                    @if status.versions.analyzers.is_empty() { "no row of the last 15 minutes says" }
                    @for (index, version) in status.versions.analyzers.iter().enumerate() {
                        @if index > 0 { ", " } (version)
                    }
                    @if status.versions.analyzers.len() > 1 { span.quiet { " (analyzers are being updated)" } }
                }
                dt { "Queue" } dd.mono { (text::name(&status.queue)) }
                dt { "Asked" } dd { (text::time(status.now_ms)) }
            }
        }
    }
}

/// Seconds of a length in ms: `0.08 s`.
fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", text::number(ms / 1000), ms % 1000 / 10)
}

fn pace(status: &Status) -> Markup {
    let lag = &status.lag;
    html! {
        section #pace.card {
            h2 { "Analysis" }
            div.figures {
                (layout::figure(&html! { (text::number(status.ledger.queued)) }, "uploads wait"))
                @if lag.crashes > 0 {
                    (layout::figure(&html! { (seconds(lag.median_ms)) }, "from upload to row, half of them"))
                    (layout::figure(&html! { (seconds(lag.p99_ms)) }, "99 of 100"))
                    (layout::figure(&html! { (seconds(lag.max_ms)) }, "the slowest"))
                }
            }
            @if lag.crashes == 0 { p.none { "No crash became a row within the last 15 minutes." } }
            @else { p.quiet { "Of " (text::counted(lag.crashes, "row")) " of the last 15 minutes." } }
        }
    }
}

fn symbols(symbols: &SymbolHealth) -> Markup {
    html! {
        section #symbols.card {
            h2 { "Symbols" }
            @if symbols.sources.is_empty() {
                p.none { "No server is asked: stacks have the names of files that were pushed. The setting is " code { "symbols.sources" } "." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Sources of symbols" {
                    table {
                        thead { tr { th { "Source" } th { "Health" } th { "Answered last" } th { "Failed last" } th { "With" } } }
                        tbody { @for source in &symbols.sources { (symbol_source(source)) } }
                    }
                }
            }
            p {
                @if symbols.missing_files == 0 { "No analysis of the last week lacked a symbol file." }
                @else {
                    a href="/symbols" {
                        (text::number(symbols.missing_files as u64)) @if symbols.more { " or more" } " symbol files"
                    }
                    " were wanted by analyses of the last week and not found."
                }
            }
        }
    }
}

fn symbol_source(source: &SymbolSourceRow) -> Markup {
    let failed_last = source.failed_at_ms > source.answered_at_ms;
    let (class, words) = match source.state.as_str() {
        "asked" if source.answered_at_ms.is_none() && source.failed_at_ms.is_none() => {
            ("badge", "not asked yet")
        }
        "asked" if failed_last => ("badge warn", "fails"),
        "asked" => ("badge good", "answers"),
        "left alone" => ("badge bad", "left alone after failures"),
        other => ("badge warn", other),
    };
    html! {
        tr {
            td.mono { (text::visible(&source.source)) }
            td { span class=(class) { (words) } }
            td.nowrap { @if let Some(at_ms) = source.answered_at_ms { (text::time(at_ms)) } }
            td.nowrap { @if let Some(at_ms) = source.failed_at_ms { (text::time(at_ms)) } }
            td { (text::visible(&source.last_error)) }
        }
    }
}

fn room(status: &Status) -> Markup {
    let disk = &status.disk;
    let used = disk.total.saturating_sub(disk.free);
    html! {
        section #room.card {
            h2 { "Storage" }
            @if disk.total > 0 {
                div { (layout::share(used, disk.total)) span.quiet { "of the disk used, " (text::bytes(disk.free)) " free" } }
            }
            div.scroll tabindex="0" role="region" aria-label="Tables" {
                table.sum {
                    thead { tr { th { "Table" } th.n { "Rows" } th.n { "On disk" } th.n { "Parts" } } }
                    tbody {
                        @for table in &status.tables {
                            tr {
                                td.mono { (text::name(&table.table)) }
                                td.n { (text::number(table.rows)) }
                                td.n { (text::bytes(table.bytes)) }
                                td.n { (text::number(table.parts)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn ledger(ledger: &Ledger) -> Markup {
    let row = |words: &str, count: u64, what: &str| {
        html! { tr { td { (words) } td.n { (text::number(count)) } td.quiet { (what) } } }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Ledger" {
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

fn dead_letters(letters: &[DeadLetter], may: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Dead letters" {
            table {
                thead {
                    tr {
                        th { "When" } th.wide { "Position" } th { "Machine" } th { "Reason" } th { "Now" } th { "Try again" }
                    }
                }
                tbody { @for letter in letters { (dead_letter(letter, may)) } }
            }
        }
    }
}

fn dead_letter(letter: &DeadLetter, may: bool) -> Markup {
    html! {
        tr {
            td.nowrap { (text::time(letter.at_ms)) }
            td.mono.wide { (letter.partition) "/" (letter.offset) }
            td {
                @if letter.crash_id.is_some() {
                    a href=(link::machine(&letter.tenant, &letter.machine)) { (text::name(&letter.machine)) }
                } @else { span.none { "header unreadable" } }
            }
            td { (text::visible(&letter.reason)) }
            td {
                @if let Some(id) = letter.crash_id {
                    a href=(link::crash(id)) {
                        @if letter.outcome.is_empty() { "no row yet" }
                        @else { (text::visible(&letter.outcome.replace('_', " "))) }
                    }
                }
            }
            td {
                @if !may { span.quiet { "responders only" } }
                @else if letter.crash_id.is_some() && letter.outcome != "analysed" {
                    form.filter method="post" action=(link::retry(letter.partition, letter.offset)) {
                        (csrf_field())
                        button type="submit" { "Queue again" }
                    }
                }
            }
        }
    }
}

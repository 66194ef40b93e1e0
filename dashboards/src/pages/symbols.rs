//! `/symbols`: which symbol files would name the most crashes, how to push them, and what arrived.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::MissingSymbol;
use storage::rows::SymbolFileRow;

use super::Answer;
use crate::app::App;
use crate::gather::symbols::{Symbols, SymbolsQuery, gather};
use crate::layout::{self, Here};
use crate::{link, text};

/// `GET /symbols`
pub(crate) async fn page(
    State(app): State<App>,
    query: Result<Query<SymbolsQuery>, QueryRejection>,
) -> Answer {
    let symbols = gather(&app, query?.0).await?;
    let body = render(&symbols, &app.upload_url);
    Ok(Html(layout::page("Symbols", Here::Symbols, None, &body).into_string()))
}

fn render(symbols: &Symbols, upload_url: &str) -> Markup {
    html! {
        section.card {
            h1 { "Missing symbol files" }
            @if symbols.missing.is_empty() {
                p.none { "None: every analysis with symbols of the last 7 days had what it asked for, or none has been made." }
            } @else {
                p.quiet { "Files that no symbol source has, by the machines that crashed in the last 7 days where they would help." }
                (missing(&symbols.missing))
            }
            @if let Some(next) = &symbols.next { p { a.more href=(next_page(symbols, next)) { "More" } } }
        }
        section.card {
            h2 { "How to push them" }
            (push_hint(upload_url))
        }
        section.card {
            h2 { "Arrived last" }
            @if symbols.arrived.is_empty() { p.none { "Nobody has pushed a file yet." } }
            @else { (arrived(&symbols.arrived, symbols.now_ms)) }
        }
    }
}

/// The exact command, and the same with what every machine has.
fn push_hint(upload_url: &str) -> Markup {
    let url = text::visible(upload_url.trim_end_matches('/'));
    html! {
        p { "Images, PDBs, " code { ".sym" } " files, and zips or cabinets of those; a folder is searched for them:" }
        pre { code { "bluescope symbols push --url " (url) " build\\Release" } }
        p { "The same with curl, a file at a time:" }
        pre { code { "curl --data-binary @driver.pdb '" (url) "/v1/symbols?name=driver.pdb'" } }
        p.quiet {
            "Where uploads need a token, so does this: " code { "--token" } " or " code { "BLUESCOPE_TOKEN" } ", "
            code { "-H 'Authorization: Bearer …'" } ". Files are their tenant's own; crashes that lacked them are analysed again within seconds."
        }
    }
}

fn next_page(symbols: &Symbols, next: &str) -> String {
    let tenant = symbols.tenant.as_deref().map(|tenant| ("tenant", tenant));
    let pairs: Vec<(&str, &str)> = tenant.into_iter().chain([("before", next)]).collect();
    link::with_query("/symbols", &pairs)
}

fn missing(rows: &[MissingSymbol]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "File" } th { "Kind" } th.n { "Machines" } th.n { "Crashes" } th.n { "Fault sites" }
                        th { "Blamed" } th { "Last seen" } th { "Tenant" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            td.mono { (layout::symbol_id(&row.id)) }
                            td { (kind(&row.kind)) }
                            td.n { (text::number(row.machines)) }
                            td.n { (text::number(row.crashes)) }
                            td.n { (text::number(row.sites)) }
                            td {
                                @for (index, driver) in row.drivers.iter().take(3).enumerate() {
                                    @if index > 0 { ", " }
                                    a href=(link::driver(driver)) { (text::name(driver)) }
                                }
                                @if row.drivers.len() > 3 { " …" }
                            }
                            td.nowrap { (text::time(row.last_seen_ms)) }
                            td { @if !row.tenant.is_empty() { (text::name(&row.tenant)) } }
                        }
                    }
                }
            }
        }
    }
}

fn arrived(rows: &[SymbolFileRow], now_ms: i64) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { "File" } th { "Kind" } th.n { "Size" } th { "Arrived" } th { "Tenant" } } }
                tbody {
                    @for row in rows {
                        tr {
                            td.mono { (layout::symbol_id(&row.id)) }
                            td { (kind(&row.kind)) }
                            td.n { (text::bytes(row.bytes)) }
                            td.nowrap { (text::time_ago(row.arrived_at, now_ms)) }
                            td { @if !row.tenant.is_empty() { (text::name(&row.tenant)) } }
                        }
                    }
                }
            }
        }
    }
}

fn kind(kind: &str) -> Markup {
    match kind {
        "pdb" => html! { "PDB" },
        "sym" => html! { code { ".sym" } },
        other => html! { (text::visible(other)) },
    }
}

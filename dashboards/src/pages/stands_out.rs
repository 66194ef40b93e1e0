//! What some machines have more often than others; on the driver's and the incident's page. Pure.

use maud::{Markup, html};
use storage::questions::FacetKind;

use crate::stats::{Against, StandsOut};
use crate::text;

/// The card. Nothing to compare with is said rather than shown as nothing found.
pub(super) fn card(rows: &[StandsOut], against: Against) -> Markup {
    let Against { machines, others, others_one_in, since_ms } = against;
    html! {
        section.card {
            h2 { "What stands out" }
            p.quiet {
                (text::counted(machines, "machine")) " against " (text::counted(others, "machine"))
                " that crashed in something else meanwhile"
                @if others_one_in > 1 { ", one in " (text::number(others_one_in)) " of them" }
                @if let Some(since_ms) = since_ms { ", of the fleet's newest crashes, since " (text::time(since_ms)) }
                "."
            }
            @if rows.is_empty() {
                p.none {
                    @if others < 5 || machines < 5 { "Too few machines to compare." }
                    @else { "No ring, site, model or build of Windows is more frequent than chance allows." }
                }
            } @else {
                (table(rows))
            }
        }
    }
}

fn table(rows: &[StandsOut]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "They have" } th.n { "Here" } th.n { "Others" } th { "Times as frequent, 95 % interval" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            td { (facet(row.facet)) " " (text::name(&row.name)) }
                            td.n {
                                (text::share(row.machines, row.of_machines))
                                div.quiet { (text::number(row.machines)) " of " (text::number(row.of_machines)) }
                            }
                            td.n {
                                (text::share(row.others, row.of_others))
                                div.quiet { (text::number(row.others)) " of " (text::number(row.of_others)) }
                            }
                            td.nowrap {
                                strong { (text::odds(row.lift.lift)) "×" }
                                span.quiet { " (" (text::odds(row.lift.low)) " to " (text::odds(row.lift.high)) ")" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn facet(facet: FacetKind) -> &'static str {
    match facet {
        FacetKind::Ring => "ring",
        FacetKind::Site => "site",
        FacetKind::Model => "model",
        FacetKind::OsBuild => "Windows build",
    }
}

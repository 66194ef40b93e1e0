//! What a bucket goes with: what its machines have that others have not, and buckets like it.

use maud::{Markup, html};

use crate::gather::bucket::{Bucket, Correlated, Similar};
use crate::{layout, link, text};

/// Both cards; nothing where nothing happened within the range.
pub(super) fn cards(bucket: &Bucket) -> Markup {
    html! {
        @if bucket.crashes > 0 {
            (correlations(&bucket.correlations))
            @if !bucket.similar.is_empty() { (similar(bucket)) }
        }
    }
}

fn correlations(found: &Correlated) -> Markup {
    html! {
        section.card {
            h2 { "Over-represented" }
            p.quiet {
                "The newest " (text::counted(found.ours, "machine")) " of this bucket, held against the newest "
                (text::number(found.others)) " of other crashes in the same range: what is commoner here by more than chance. "
                "It need not be the cause."
            }
            @if found.others == 0 {
                p.none { "There are no other crashes to compare with. Choose a longer range." }
            } @else if found.rows.is_empty() {
                p.none { "Nothing stands out: no loaded driver, model or build." }
            } @else {
                div.scroll {
                    table {
                        thead {
                            tr { th { "What" } th { span.said { "Which" } } th.n { "Here" } th.n { "Elsewhere" } th { "Times as frequent, 95 % interval" } }
                        }
                        tbody {
                            @for row in &found.rows {
                                tr {
                                    td.quiet.nowrap { (facet(&row.facet)) }
                                    td {
                                        @if row.facet == "driver" { a href=(link::driver(&row.value)) { (text::name(&row.value)) } }
                                        @else { (text::name(&row.value)) }
                                    }
                                    td.n { (counted(row.ours, found.ours)) }
                                    td.n { (counted(row.others, found.others)) }
                                    td.nowrap {
                                        b { (text::odds(row.lift.lift)) }
                                        span.quiet {
                                            " (" (text::odds(row.lift.low)) " to " (text::odds(row.lift.high)) ")"
                                        }
                                    }
                                }
                            }
                        }
                    }
                }

            }
        }
    }
}

fn counted(part: u64, whole: u64) -> Markup {
    html! { (text::share(part, whole)) div.quiet { (text::number(part)) " of " (text::number(whole)) } }
}

fn facet(facet: &str) -> &'static str {
    match facet {
        "driver" => "driver loaded",
        "model" => "model",
        "build" => "Windows build",
        _ => "",
    }
}

fn similar(bucket: &Bucket) -> Markup {
    let why = |row: &Similar| match (row.same_bugcheck, row.same_function) {
        (true, true) => "same bug check and function",
        (false, true) => "same function, other access",
        _ => "same driver and bug check",
    };
    html! {
        section.card {
            h2 { "Similar buckets" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th { "Bucket" } th { "Because" } th { "Bug check" } th.n { "Machines" } th.n { "Crashes" }
                            th { "Last seen" }
                        }
                    }
                    tbody {
                        @for row in &bucket.similar {
                            @let kin = &row.bucket;
                            tr {
                                td.mono {
                                    a href=(link::bucket(bucket.tenant.as_deref(), &kin.bucket)) { (text::name(&kin.bucket)) }
                                }
                                td.quiet { (why(row)) }
                                td { (layout::bugcheck(kin.bugcheck, &kin.bugcheck_name)) }
                                td.n { (text::number(kin.machines)) }
                                td.n { (text::number(kin.crashes)) }
                                td.nowrap { (text::time(kin.last_seen_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

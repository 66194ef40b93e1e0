//! Where a bucket strikes: versions of the driver, fault sites.

use maud::{Markup, html};

use crate::gather::bucket::Bucket;
use crate::{layout, link, text};

/// Both tables; nothing where nothing happened within the range.
pub(super) fn cards(bucket: &Bucket) -> Markup {
    html! {
        @if bucket.crashes > 0 {
            (sites(bucket))
            (versions(bucket))
        }
    }
}

fn versions(bucket: &Bucket) -> Markup {
    html! {
        section.card {
            h2 { "Versions of the driver" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th { "Timestamp" } th.n { "Machines" } th { "Share" } th.n { "Crashes" } th { "First seen" }
                            th { "Last seen" }
                        }
                    }
                    tbody {
                        @for row in &bucket.versions {
                            tr {
                                td.nowrap { (text::version(row.timestamp)) }
                                td.n { (text::number(row.machines)) }
                                td { (layout::share(row.machines, bucket.machines)) }
                                td.n { (text::number(row.crashes)) }
                                td.nowrap { (text::time(row.first_seen_ms)) }
                                td.nowrap { (text::time(row.last_seen_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn sites(bucket: &Bucket) -> Markup {
    let tenants = bucket.fault_sites.iter().any(|row| !row.tenant.is_empty());
    html! {
        section.card {
            h2 { "Fault sites" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th { "Instruction" } th { "Version" }
                            @if tenants { th { "Tenant" } }
                            th.n { "Machines" } th { "Share" } th.n { "Crashes" } th { "Last seen" }
                        }
                    }
                    tbody {
                        @for row in &bucket.fault_sites {
                            tr {
                                td.mono {
                                    a href=(link::fault(bucket.tenant.as_deref(), &bucket.bucket, &row.fault)) {
                                        @if row.driver.is_empty() { "no driver" }
                                        @else { (text::name(&row.driver)) "+0x" (format!("{:x}", row.offset)) }
                                    }
                                }
                                td.nowrap { (text::version(row.timestamp)) }
                                @if tenants { td { (text::name(&row.tenant)) } }
                                td.n { (text::number(row.machines)) }
                                td { (layout::share(row.machines, bucket.machines)) }
                                td.n { (text::number(row.crashes)) }
                                td.nowrap { (text::time(row.last_seen_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

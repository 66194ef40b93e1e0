//! `/drivers/{name}`: what one driver does to the fleet.

use std::collections::BTreeSet;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use maud::{Markup, html};
use storage::questions::{BucketRow, DeepSite, Evidence, Share, SiteRow, TopMachine};

use super::{Answer, stands_out};
use crate::app::App;
use crate::gather::driver::{Driver, Known, gather};
use crate::layout::{self, Here};
use crate::query::Key;
use crate::range::RangeQuery;
use crate::stats::Against;
use crate::{chart, link, text};

mod versions;

/// `GET /drivers/{name}`
pub(crate) async fn page(
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Answer {
    let driver = gather(&app, name?.0, query?.range).await?;
    Ok(Html(layout::page(&driver.driver, Here::Nowhere, None, &render(&driver)).into_string()))
}

fn render(driver: &Driver) -> Markup {
    let evidence = &driver.evidence;
    html! {
        section.card {
            div.head {
                h1 { (text::name(&driver.driver)) }
                (layout::ranges(&link::driver(&driver.driver), driver.range))
            }
            (known(driver.known.as_ref()))
            div.figures {
                (layout::figure(&html! { (text::number(evidence.machines)) }, "machines"))
                (layout::figure(&html! { (text::number(evidence.crashes)) }, "crashes"))
                (layout::figure(&html! { (text::number(evidence.versions.len() as u64)) }, "versions that crashed"))
                (layout::figure(&html! { (text::number(evidence.site_count)) }, "sites"))
            }
            (chart::marked(
                &format!("Machines taken down in {}", driver.range.words()), &driver.series, driver.range.step_words(),
                &versions::marks(&driver.releases),
            ))
        }
        @if !driver.incidents.is_empty() {
            section.card { h2 { "Incidents" } (layout::incidents(&driver.incidents, driver.now_ms)) }
        }
        (versions::card(driver))
        @if evidence.crashes == 0 {
            section.card {
                h2 { "No crash in " (driver.range.words()) }
                p { "Its newest crashes are below; a longer range may have more." }
            }
        } @else {
            (facts(None, &driver.driver, evidence, &driver.deep_sites))
            (stands_out::card(&driver.stands_out, Against::of(&evidence.facets)))
            (shares(evidence))
            (top_machines(&driver.top_machines))
        }
        section.card {
            div.head {
                h2 { "Recent crashes" }
                a href=(link::search(&[(Key::Driver, &driver.driver)])) { "All" }
            }
            @if driver.recent.is_empty() { p.none { "None is blamed on it." } }
            @else { (layout::crashes(&driver.recent)) }
        }
    }
}

/// Vendor and role, as far as the table of drivers has them.
fn known(known: Option<&Known>) -> Markup {
    html! {
        p.quiet {
            @match known {
                Some(known) => {
                    (text::visible(&known.vendor)) ", "
                    @if known.inbox { "comes with Windows" } @else { "third party" } ". "
                    @match known.blame {
                        blame::Owner::Ignore => { "Part of what serves all others: never blamed while anybody else is in sight." }
                        blame::Owner::Maybe => { "A framework that runs other people's drivers: a driver below it on the stack is blamed first." }
                        blame::Owner::Definite => { "Blamed where the fault is in it or it was last on the stack." }
                    }
                }
                None => { "Not in the table of known drivers: taken for third party, and blamed as such." }
            }
        }
    }
}

fn top_machines(rows: &[TopMachine]) -> Markup {
    html! {
        @if !rows.is_empty() {
            section.card {
                h2 { "Machines that crash in it again and again" }
                div.scroll {
                    table {
                        thead { tr { th { "Machine" } th.n { "Crashes" } th { "Last" } th { "Tenant" } } }
                        tbody {
                            @for row in rows {
                                tr {
                                    td.who { a href=(link::machine(&row.tenant, &row.machine)) { (text::name(&row.machine)) } }
                                    td.n { (text::number(row.crashes)) }
                                    td.nowrap { (text::time(row.last_seen_ms)) }
                                    td { @if !row.tenant.is_empty() { (text::name(&row.tenant)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Fault sites, bug checks and buckets; on the incident's page too. `tenant` narrows what is linked.
pub(super) fn facts(tenant: Option<&str>, driver: &str, evidence: &Evidence, names: &[DeepSite]) -> Markup {
    let whole = evidence.machines;
    let bugchecks: Vec<(Markup, u64)> =
        evidence.bugchecks.iter().map(|row| (layout::bugcheck(row.code, &row.name), row.machines)).collect();
    html! {
        (fault_sites(driver, &evidence.fault_sites, whole, names))
        (layout::shares("Bug checks", "Bug check", &bugchecks, whole))
        (buckets(tenant, driver, &evidence.buckets, names))
    }
}

/// What its machines are: builds, sites, rings and models by machines. On the incident's page too.
pub(super) fn shares(evidence: &Evidence) -> Markup {
    let whole = evidence.facets.machines;
    let named = |rows: &[Share]| -> Vec<(Markup, u64)> {
        rows.iter()
            .filter(|row| !row.name.is_empty())
            .map(|row| (text::name(&row.name), row.machines))
            .take(10)
            .collect()
    };
    let builds: Vec<(Markup, u64)> = evidence
        .builds
        .iter()
        .filter(|row| row.build != 0)
        .map(|row| (html! { (text::build(row.build, row.ubr)) }, row.machines))
        .take(10)
        .collect();
    html! {
        div.columns {
            (layout::shares("OS builds", "Build", &builds, whole))
            (layout::shares("Sites", "Site", &named(&evidence.sites), whole))
            (layout::shares("Rings", "Ring", &named(&evidence.rings), whole))
            (layout::shares("Models", "Model", &named(&evidence.models), whole))
        }
    }
}

/// Names shown of one row: a bucket without symbols may be many functions.
const NAMES: usize = 3;

/// The distinct names with symbols that a condition picks.
fn functions(driver: &str, names: &[DeepSite], is_of: impl Fn(&DeepSite) -> bool) -> Markup {
    let of: BTreeSet<&str> =
        names.iter().filter(|name| is_of(name)).map(|name| name.deep_bucket.as_str()).collect();
    html! {
        @for bucket in of.iter().take(NAMES) { (layout::function(bucket, driver)) }
        @if of.len() > NAMES { div.quiet { "and " (of.len() - NAMES) " more" } }
    }
}

fn fault_sites(driver: &str, rows: &[SiteRow], whole: u64, names: &[DeepSite]) -> Markup {
    let is_at = |row: &SiteRow, name: &DeepSite| (name.timestamp, name.offset) == (row.timestamp, row.offset);
    html! {
        section.card {
            h2 { "Fault sites" }
            div.scroll {
                table {
                    thead {
                        tr { th { "Instruction" } th { "Version" } th.n { "Machines" } th { "Share" } th.n { "Crashes" } }
                    }
                    tbody {
                        @for row in rows {
                            tr {
                                td.mono {
                                    (text::name(driver)) "+0x" (format!("{:x}", row.offset))
                                    (functions(driver, names, |name| is_at(row, name)))
                                }
                                td.nowrap { (text::version(row.timestamp)) }
                                td.n { (text::number(row.machines)) }
                                td { (layout::share(row.machines, whole)) }
                                td.n { (text::number(row.crashes)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn buckets(tenant: Option<&str>, driver: &str, rows: &[BucketRow], names: &[DeepSite]) -> Markup {
    html! {
        section.card {
            h2 { "Buckets" }
            p.quiet { "As WinDbg names them: FAILURE_BUCKET_ID and FAILURE_ID_HASH." }
            div.scroll {
                table {
                    thead { tr { th { "Bucket" } th { "Hash" } th.n { "Machines" } th.n { "Crashes" } th { "Last seen" } } }
                    tbody {
                        @for row in rows {
                            tr {
                                td.mono {
                                    a href=(link::bucket(tenant, &row.bucket)) { (text::name(&row.bucket)) }
                                    (functions(driver, names, |name| name.bucket == row.bucket))
                                }
                                td.mono.quiet { (text::name(&row.bucket_hash)) }
                                td.n { (text::number(row.machines)) }
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

//! Versions of a driver side by side: who has each, who crashes in it, and how sure that is. Pure.

use maud::{Markup, html};

use crate::gather::driver::{Driver, Release, Source, Version};
use crate::stats::Rate;
use crate::{chart, text};

/// Units of the picture of a rate.
const WIDTH: f64 = 1000.0;

pub(super) fn card(driver: &Driver) -> Markup {
    let most = driver.versions.iter().map(|version| version.machines).max().unwrap_or(0);
    let highest =
        driver.versions.iter().filter_map(|version| version.rate).map(|rate| rate.high).fold(0.0, f64::max);
    html! {
        section.card {
            h2 { "Versions side by side" }
            @if driver.versions.is_empty() {
                p.none { "No version is known in " (driver.range.words()) "." }
            } @else {
                (explained(driver))
                div.scroll tabindex="0" role="region" aria-label="Versions" {
                    table {
                        thead {
                            tr {
                                th { "Version" } th { "Timestamp" } th.n { "Crashed" } th { span.said { "Share" } } th.n { "Exposed" }
                                th { "Crash rate, 95 % interval" } th { "First and last seen" }
                            }
                        }
                        tbody { @for version in &driver.versions { (row(version, driver, most, highest)) } }
                    }
                }
            }
        }
    }
}

fn explained(driver: &Driver) -> Markup {
    html! {
        p.quiet {
            "Machines that crashed in " (driver.range.words()) ". The timestamp is the image's own; a reproducible build has \
             a hash there, and its date means nothing."
        }
        @if driver.exposure_known {
            p.quiet {
                "Exposed are machines whose inventories name the version. The rate is the share of these that crashed in it: \
                 where intervals do not touch, the versions differ."
                @if driver.exposure_one_in > 1 {
                    " Told from one machine in " (text::number(driver.exposure_one_in)) "."
                }
            }
        } @else {
            p.hint {
                "No inventory names this driver, so how many machines run each version, and its crash rate, is not known. \
                 Send inventories to " code { "POST /v1/inventory" } " to see both."
            }
        }
    }
}

fn row(version: &Version, driver: &Driver, most: u64, highest: f64) -> Markup {
    html! {
        tr {
            td {
                @if version.version.is_empty() { span.none { "not reported" } } @else { (text::name(&version.version)) }
            }
            td.nowrap { (text::image(version.timestamp, version.size)) }
            td.n { (text::number(version.machines)) }
            td.picture { (bar(version.machines, most)) }
            td.n {
                @match version.exposed {
                    Some(exposed) if exposed > 0 => { (text::number(exposed)) }
                    _ => { span.none { "not known" } }
                }
            }
            td.nowrap {
                @match version.rate {
                    Some(rate) => { (interval(rate, highest)) }
                    None if driver.exposure_known => { span.none { "not known: no inventory names it by timestamp" } }
                    None => { span.none { "not known without inventory" } }
                }
            }
            td.nowrap { (text::time(version.first_seen_ms)) div.quiet { (text::time(version.last_seen_ms)) } }
        }
    }
}

fn bar(part: u64, most: u64) -> Markup {
    let permille = part.saturating_mul(1000).checked_div(most).unwrap_or(0).min(1000);
    html! {
        svg.measure viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.rail width="1000" height="10" {}
            rect.bar width=(permille) height="10" {}
        }
    }
}

/// A rate as a point in its interval, to the same scale for all versions.
fn interval(rate: Rate, highest: f64) -> Markup {
    let at = |share: f64| if highest > 0.0 { (share / highest).clamp(0.0, 1.0) * WIDTH } else { 0.0 };
    let (low, middle, high) = (at(rate.low), at(rate.rate), at(rate.high));
    html! {
        span.share {
            svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                rect.rail width="1000" height="10" {}
                rect.span x=(format!("{low:.0}")) width=(format!("{:.0}", (high - low).max(8.0))) height="10" {}
                rect.bar x=(format!("{:.0}", (middle - 6.0).max(0.0))) width="12" height="10" {}
            }
            span {
                strong { (text::fine_percent(rate.rate)) }
                span.quiet { " (" (text::fine_percent(rate.low)) " to " (text::fine_percent(rate.high)) ")" }
            }
        }
    }
}

/// The releases as marks of the chart.
pub(super) fn marks(releases: &[Release]) -> Vec<chart::Mark> {
    releases
        .iter()
        .map(|release| {
            let what = html! {
                (source(release.source)) " "
                @if !release.version.is_empty() { (text::name(&release.version)) " " }
                @if release.timestamp != 0 { (text::version(release.timestamp)) }
                @if release.source == Source::Told {
                    " to " @if release.ring.is_empty() { "all rings" } @else { "ring " (text::name(&release.ring)) }
                }
            };
            let named = if release.version.is_empty() {
                format!("{:08x}", release.timestamp)
            } else {
                text::visible(&release.version)
            };
            chart::Mark { at_ms: release.at_ms, what, title: format!("{} {named}", source(release.source)) }
        })
        .collect()
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Told => "Released",
        Source::FirstSeen => "First seen",
    }
}

//! Which versions of the driver its machines run. Pure.

use maud::{Markup, html};
use storage::questions::VersionRow;

use crate::gather::incidents::{Incident, VersionName};
use crate::{layout, text};

pub(super) fn card(incident: &Incident) -> Markup {
    let evidence = &incident.evidence;
    let names = incident.version_names.as_slice();
    html! {
        section.card {
            h2 { "Versions" }
            p.quiet { "By PE timestamp and size. A reproducible build has a hash for a timestamp: its date means nothing." }
            div.scroll tabindex="0" role="region" aria-label="Versions" {
                table {
                    thead {
                        tr {
                            @if !names.is_empty() { th { "Version" } }
                            th { "Timestamp" } th.n { "Machines" } th { "Share" } th.n { "Crashes" }
                            th { "First seen" } th { "Last seen" }
                        }
                    }
                    tbody { @for version in &evidence.versions { (row(version, names, evidence.machines)) } }
                }
            }
        }
    }
}

fn row(version: &VersionRow, names: &[VersionName], whole: u64) -> Markup {
    let name = names.iter().find(|name| name.timestamp == version.timestamp);
    html! {
        tr {
            @if !names.is_empty() {
                td { @match name { Some(name) => (text::name(&name.version)), None => span.none { "not reported" } } }
            }
            td.nowrap { (text::image(version.timestamp, version.size)) }
            td.n { (text::number(version.machines)) }
            td { (layout::share(version.machines, whole)) }
            td.n { (text::number(version.crashes)) }
            td.nowrap { (text::time(version.first_seen_ms)) }
            td.nowrap { (text::time(version.last_seen_ms)) }
        }
    }
}

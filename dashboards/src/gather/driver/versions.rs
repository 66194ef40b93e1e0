//! A driver's versions: what crashes, inventories and changes know of each, put side by side. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use storage::questions::{BuildSeen, ChangeRow, Exposure, Range, VersionRow};
use utoipa::ToSchema;

use crate::stats::{Rate, rate};

/// One version within the range.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = DriverVersion)]
pub(crate) struct Version {
    /// PE timestamp; 0 where only an inventory's word for it is known.
    pub(crate) timestamp: u32,
    /// PE size; 0 where unknown.
    pub(crate) size: u32,
    /// As inventories call it; empty where none does.
    pub(crate) version: String,
    /// Distinct machines that crashed in it within the range.
    pub(crate) machines: u64,
    /// Crashes in it within the range.
    pub(crate) crashes: u64,
    /// Machines whose inventories name it; `None` where no inventory names the driver.
    pub(crate) exposed: Option<u64>,
    /// Of the machines that send an inventory and have it, the share that crashed in it within the range.
    pub(crate) rate: Option<Rate>,
    /// First seen anywhere, loaded, installed or crashed, ms since 1970; 0 where unknown.
    pub(crate) first_seen_ms: i64,
    /// Last seen anywhere, ms since 1970; 0 where unknown.
    pub(crate) last_seen_ms: i64,
}

/// What makes two sightings one version: the time stamp, or the name where there is none.
type Key = (u32, String);

fn key(timestamp: u32, version: &str) -> Key {
    if timestamp > 0 { (timestamp, String::new()) } else { (0, version.to_owned()) }
}

fn earlier(one_ms: i64, other_ms: i64) -> i64 {
    if one_ms == 0 {
        other_ms
    } else if other_ms == 0 {
        one_ms
    } else {
        one_ms.min(other_ms)
    }
}

/// Versions with a crash or a machine in the range, the newest first.
pub(super) fn side_by_side(
    crashed: &[VersionRow],
    builds: &[BuildSeen],
    exposure: &Exposure,
) -> Vec<Version> {
    let mut found: BTreeMap<Key, Version> = BTreeMap::new();
    for row in crashed {
        let version = found.entry(key(row.timestamp, "")).or_default();
        version.timestamp = row.timestamp;
        // Two sizes of one time stamp are two images; which of them crashed more is the one to name.
        if row.machines > version.machines {
            version.size = row.size;
        }
        version.machines += row.machines;
        version.crashes += row.crashes;
        version.first_seen_ms = earlier(version.first_seen_ms, row.first_seen_ms);
        version.last_seen_ms = version.last_seen_ms.max(row.last_seen_ms);
    }
    for row in &exposure.builds {
        let version = found.entry(key(row.timestamp, &row.version)).or_default();
        version.timestamp = row.timestamp;
        version.version.clone_from(&row.version);
        version.exposed = Some(row.machines.saturating_mul(exposure.one_in));
        // A crash names the time stamp alone: without one, none can be told to be this version's.
        version.rate = if row.timestamp > 0 { rate(row.crashed, row.machines) } else { None };
    }
    for build in builds {
        let Some(version) = found.get_mut(&key(build.timestamp, &build.version)) else { continue };
        if version.size == 0 {
            version.size = build.size;
        }
        if version.version.is_empty() {
            version.version.clone_from(&build.version);
        }
        version.first_seen_ms = earlier(version.first_seen_ms, build.first_seen_ms);
        version.last_seen_ms = version.last_seen_ms.max(build.last_seen_ms);
    }
    if !exposure.builds.is_empty() {
        for version in found.values_mut() {
            version.exposed.get_or_insert(0);
        }
    }
    let mut versions: Vec<Version> = found.into_values().collect();
    versions.sort_by(|a, b| {
        (b.first_seen_ms, b.timestamp, &b.version).cmp(&(a.first_seen_ms, a.timestamp, &a.version))
    });
    versions
}

/// How a release is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReleaseSource)]
pub(crate) enum Source {
    /// Somebody told us of the change.
    Told,
    /// A machine was seen with it for the first time.
    FirstSeen,
}

/// A version that came out within the range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Release {
    /// When the change began, or when a machine was first seen with it, ms since 1970.
    pub(crate) at_ms: i64,
    pub(crate) source: Source,
    /// PE timestamp; 0 where unknown.
    pub(crate) timestamp: u32,
    /// As the change or inventories call it; empty where none does.
    pub(crate) version: String,
    /// Which ring; empty for all, or where only a sighting is known.
    pub(crate) ring: String,
}

/// Changes that were told and versions that were seen first, oldest first.
pub(super) fn releases(
    driver: &str,
    builds: &[BuildSeen],
    changes: &[ChangeRow],
    range: Range,
) -> Vec<Release> {
    let stem = driver.rsplit_once('.').map_or(driver, |(stem, _)| stem);
    let is_its = |what: &str| what.eq_ignore_ascii_case(driver) || what.eq_ignore_ascii_case(stem);
    let told = changes.iter().filter(|change| is_its(&change.what)).map(|change| Release {
        at_ms: change.at_ms,
        source: Source::Told,
        timestamp: change.timestamp,
        version: change.version.clone(),
        ring: change.ring.clone(),
    });
    // Machines that crash name no version, and inventories do: a build is one, whoever saw it first.
    let mut first: BTreeMap<u32, (i64, &str)> = BTreeMap::new();
    for build in builds {
        let known = first.entry(build.timestamp).or_insert((build.first_seen_ms, &build.version));
        known.0 = known.0.min(build.first_seen_ms);
        known.1 = if known.1.is_empty() { &build.version } else { known.1 };
    }
    // The very first sighting of all is where knowledge begins, not where the version did.
    let first_ms = first.values().map(|(at_ms, _)| *at_ms).min().unwrap_or(0);
    let seen = first
        .iter()
        .filter(|(_, (at_ms, _))| (range.from_ms..range.to_ms).contains(at_ms) && *at_ms > first_ms)
        .map(|(timestamp, (at_ms, version))| Release {
            at_ms: *at_ms,
            source: Source::FirstSeen,
            timestamp: *timestamp,
            version: (*version).to_owned(),
            ring: String::new(),
        });
    let mut releases: Vec<Release> = told.chain(seen).collect();
    releases.sort_by_key(|release| (release.at_ms, release.source, release.timestamp));
    releases
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::questions::BuildExposure;

    fn seen(timestamp: u32, version: &str, first_seen_ms: i64) -> BuildSeen {
        BuildSeen { timestamp, size: 9, version: version.to_owned(), first_seen_ms, last_seen_ms: 900 }
    }

    fn crashed(timestamp: u32, size: u32, machines: u64) -> VersionRow {
        VersionRow { timestamp, size, machines, crashes: machines + 1, first_seen_ms: 500, last_seen_ms: 600 }
    }

    #[test]
    fn a_version_is_one_whoever_saw_it() {
        let exposure = |timestamp, version: &str, machines, crashed| BuildExposure {
            timestamp,
            version: version.to_owned(),
            machines,
            crashed,
        };
        let exposure = Exposure {
            one_in: 3,
            builds: vec![exposure(7, "7.1", 100, 10), exposure(0, "8.0", 50, 0), exposure(6, "6.9", 40, 0)],
        };
        let builds = [seen(7, "7.1", 400), seen(0, "8.0", 450), seen(6, "6.9", 100), seen(5, "5.0", 10)];
        let found =
            side_by_side(&[crashed(7, 1, 12), crashed(7, 2, 3), crashed(4, 4, 1)], &builds, &exposure);
        let short: Vec<_> = found
            .iter()
            .map(|v| (v.timestamp, v.version.as_str(), v.size, v.machines, v.exposed, v.first_seen_ms))
            .collect();
        assert_eq!(
            short,
            [
                (4, "", 4, 1, Some(0), 500),
                (0, "8.0", 9, 0, Some(150), 450),
                (7, "7.1", 1, 15, Some(300), 400),
                (6, "6.9", 9, 0, Some(120), 100),
            ]
        );
        assert_eq!(found[2].rate.map(|rate| rate.rate), Some(0.1));
        assert_eq!((found[1].rate, found[0].rate), (None, None), "no time stamp, no inventory");
        let without = side_by_side(&[crashed(7, 1, 12)], &builds, &Exposure::default());
        assert_eq!((without.len(), without[0].exposed, without[0].rate), (1, None, None));
    }

    #[test]
    fn releases_are_told_or_seen() {
        let change = |what: &str, at_ms| ChangeRow {
            change_id: uuid::Uuid::nil(),
            tenant: String::new(),
            at_ms,
            what: what.to_owned(),
            version: "7.1".to_owned(),
            timestamp: 7,
            ring: "canary".to_owned(),
            vendor: String::new(),
        };
        let range = Range { from_ms: 100, to_ms: 1_000 };
        let changes = [change("CSAgent", 700), change("csagent.sys", 300), change("other.sys", 400)];
        let builds = [seen(5, "", 50), seen(7, "7.1", 350), seen(8, "", 1_000)];
        let found = releases("csagent.sys", &builds, &changes, range);
        let short: Vec<_> = found.iter().map(|release| (release.at_ms, release.source)).collect();
        assert_eq!(short, [(300, Source::Told), (350, Source::FirstSeen), (700, Source::Told)]);
        assert_eq!(releases("csagent.sys", &[seen(5, "", 150)], &[], range), [], "where knowledge begins");
    }
}

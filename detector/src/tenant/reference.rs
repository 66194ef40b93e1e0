//! What other crashes tell about the fleet: which machines run which drivers in which builds, and how each driver used to
//! crash. The reference of attribution.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::attribution::Profile;
use crate::input::Version;
use crate::names::NameId;

/// Machines that are remembered.
const MOST_MACHINES: usize = 4096;
/// A driver's own crashes that are remembered.
const MOST_PAST: usize = 16;

/// The latest machines that crashed in something unremarkable.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reservoir {
    machines: VecDeque<(NameId, Profile)>,
    passed: u32,
}

impl Reservoir {
    /// Whether the next one is to be kept: all until it is full, then one of four.
    pub(crate) fn wants(&mut self) -> bool {
        self.passed = self.passed.wrapping_add(1);
        self.machines.len() < MOST_MACHINES || self.passed.is_multiple_of(4)
    }

    /// Keeps a machine that crashed in this driver.
    pub(crate) fn keep(&mut self, driver: NameId, profile: Profile) {
        if self.machines.len() >= MOST_MACHINES {
            self.machines.pop_front();
        }
        self.machines.push_back((driver, profile));
    }

    /// Machines that have the driver and crashed in another; all where no driver is asked for.
    pub(crate) fn with(&self, driver: NameId) -> Vec<Profile> {
        let with = |(crashed_in, profile): &(NameId, Profile)| {
            if driver == NameId::EMPTY {
                return Some(profile.clone());
            }
            if *crashed_in == driver {
                return None;
            }
            let (_, version) = profile.modules.iter().find(|(name, _)| *name == driver)?;
            Some(Profile { version: *version, fault_offset: 0, ..profile.clone() })
        };
        self.machines.iter().filter_map(with).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        let one = |(_, profile): &(NameId, Profile)| {
            size_of::<Profile>() + profile.modules.capacity() * size_of::<(NameId, Version)>()
        };
        self.machines.iter().map(one).sum()
    }
}

/// How a driver crashed lately, one row a machine, as they came. The beginning of an outage is not in it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Past(VecDeque<Row>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    /// PE timestamp of the driver's build.
    timestamp: u32,
    /// No image is larger than 4 GB.
    fault_offset: u32,
    /// When, s since 1970.
    at_s: u32,
}

impl Past {
    pub(crate) fn note(&mut self, version: Version, fault_offset: u64, at_ms: i64) {
        if self.0.len() >= MOST_PAST {
            self.0.pop_front();
        } else if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(2);
        }
        self.0.push_back(Row {
            timestamp: version.timestamp,
            fault_offset: u32::try_from(fault_offset).unwrap_or(u32::MAX),
            at_s: u32::try_from(at_ms.div_euclid(1000).max(0)).unwrap_or(u32::MAX),
        });
    }

    /// As machines, for attribution's veto.
    pub(crate) fn before(&self, onset_ms: i64) -> Vec<Profile> {
        let machine = |row: &Row| Profile {
            // Attribution takes a size of 0 for one that is not known.
            version: Version { timestamp: row.timestamp, size: 0 },
            fault_offset: u64::from(row.fault_offset),
            at_ms: i64::from(row.at_s) * 1000,
            ..Profile::default()
        };
        self.0.iter().map(machine).filter(|profile| profile.at_ms < onset_ms).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Row>()
    }
}

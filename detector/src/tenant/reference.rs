//! What other crashes tell about the fleet: which machines run which drivers in which builds, and how each driver used to
//! crash. The reference of attribution.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::attribution::Profile;
use crate::input::Version;
use crate::names::NameId;

/// Machines that are remembered.
const MOST_MACHINES: usize = 4096;
/// A driver's own crashes that are remembered: of each build and place one.
const MOST_PAST: usize = 6;

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

/// How a driver used to crash.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Past(Vec<(Version, u64, i64)>);

impl Past {
    pub(crate) fn note(&mut self, version: Version, fault_offset: u64, at_ms: i64) {
        if let Some(one) = self.0.iter_mut().find(|one| one.0 == version && one.1 == fault_offset) {
            one.2 = one.2.min(at_ms);
            return;
        }
        if self.0.len() >= MOST_PAST {
            self.0.remove(0);
        }
        self.0.push((version, fault_offset, at_ms));
    }

    /// As machines, for attribution's veto.
    pub(crate) fn before(&self, onset_ms: i64) -> Vec<Profile> {
        let before = self.0.iter().filter(|one| one.2 < onset_ms);
        before
            .map(|(version, fault_offset, at_ms)| Profile {
                version: *version,
                fault_offset: *fault_offset,
                at_ms: *at_ms,
                ..Profile::default()
            })
            .collect()
    }
}

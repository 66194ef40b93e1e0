//! The detector: feed it what arrived, then end the tick.

use crate::attribution::Profile;
use crate::config::DetectorConfig;
use crate::incident::{Incident, Transition};
use crate::input::{Act, Beat, Change, Crash, Install};

/// State that cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Written by another version.
    #[error("the checkpoint has version {0}, this build reads {VERSION}")]
    Version(u32),
    /// Damaged.
    #[error("the checkpoint cannot be read: {0}")]
    Damaged(#[from] postcard::Error),
}

/// Version of the checkpoint's shape.
pub const VERSION: u32 = 1;

/// What was seen before this detector began: machines an hour of one series, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct History<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Base name of the driver.
    pub driver: &'a str,
    /// Start of the hour, ms since 1970.
    pub hour_ms: i64,
    /// Distinct machines in it.
    pub machines: u64,
}

/// The detector of all tenants.
#[derive(Debug)]
pub struct Detector {
    config: DetectorConfig,
}

impl Detector {
    /// A detector that has seen nothing. `start_ms` is when its first tick begins.
    #[must_use]
    pub fn new(config: DetectorConfig, _start_ms: i64) -> Self {
        Self { config }
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &DetectorConfig {
        &self.config
    }

    /// Learns from the past, before the first tick: `from_ms` is where the history begins.
    pub fn learn(&mut self, _from_ms: i64, _history: &[History<'_>]) {}

    /// A crash of the present tick.
    pub fn crash(&mut self, _crash: &Crash<'_>) {}

    /// A heartbeat of the present tick.
    pub fn beat(&mut self, _beat: &Beat<'_>) {}

    /// What a machine runs.
    pub fn install(&mut self, _install: &Install<'_>) {}

    /// Something was changed.
    pub fn change(&mut self, _change: &Change) {}

    /// Somebody did something; it takes effect when the tick ends.
    pub fn act(&mut self, _act: &Act) {}

    /// Machines with the incident's driver that did not crash in it, from elsewhere: they replace the detector's own
    /// sample in the next attribution of that incident.
    pub fn reference(&mut self, _incident: u128, _machines: Vec<Profile>) {}

    /// Ends the tick at `at_ms`.
    pub fn tick(&mut self, _at_ms: i64) -> Vec<Transition> {
        Vec::new()
    }

    /// Incidents that are open, and those over for less than a day.
    pub fn incidents(&self) -> impl Iterator<Item = Incident> {
        std::iter::empty()
    }

    /// Series that are kept.
    #[must_use]
    pub fn series(&self) -> usize {
        0
    }

    /// The whole state, to be taken up by [`Detector::restore`].
    pub fn checkpoint(&self) -> Result<Vec<u8>, RestoreError> {
        Ok(postcard::to_stdvec(&(VERSION, &self.config))?)
    }

    /// Takes up a state under the settings of today.
    pub fn restore(config: DetectorConfig, _state: &[u8]) -> Result<Self, RestoreError> {
        Ok(Self { config })
    }
}

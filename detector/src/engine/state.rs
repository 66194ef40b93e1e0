//! The state written down and taken up.

use super::Detector;
use crate::config::DetectorConfig;
use crate::tenant::Tenant;

/// Version of the checkpoint's shape.
pub const VERSION: u32 = 4;

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

impl Detector {
    /// The whole state between two ticks, to be taken up by [`Detector::restore`].
    pub fn checkpoint(&self) -> Result<Vec<u8>, RestoreError> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes = postcard::to_extend(self, bytes)?;
        Ok(bytes)
    }

    /// Takes up a state under the settings of today.
    pub fn restore(config: DetectorConfig, state: &[u8]) -> Result<Self, RestoreError> {
        let (version, state) = state.split_first_chunk().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(RestoreError::Version(version));
        }
        let mut detector: Self = postcard::from_bytes(state)?;
        detector.config = config;
        detector.tenants.iter_mut().for_each(Tenant::index_anew);
        Ok(detector)
    }

    /// Bytes that the state takes, in all: of the series, and of what is remembered beside them.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let tenants = self.tenants.iter();
        let [mut charts, mut machines, mut past] = [0; 3];
        for [of_charts, of_machines, of_past] in tenants.clone().map(Tenant::series_bytes) {
            charts += of_charts;
            machines += of_machines;
            past += of_past;
        }
        Memory {
            charts,
            machines,
            past,
            seen: tenants.clone().map(|tenant| tenant.seen.bytes()).sum(),
            reference: tenants.map(|tenant| tenant.reservoir.bytes()).sum(),
        }
    }
}

impl Memory {
    /// Of the series and of what hangs on them.
    #[must_use]
    pub fn series(&self) -> usize {
        self.charts + self.machines + self.past
    }
}

/// See [`Detector::memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The charts of all series, and where each is found.
    pub charts: usize,
    /// The machines behind charts above zero.
    pub machines: usize,
    /// How each driver crashed lately.
    pub past: usize,
    /// Which machines were counted lately.
    pub seen: usize,
    /// The sample of machines that attribution compares with.
    pub reference: usize,
}

/// Names as their list.
pub(super) mod names {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::names::Names;

    pub(in super::super) fn serialize<S: Serializer>(names: &Names, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(names.list().collect::<Vec<_>>())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Names, D::Error> {
        Ok(Names::of(&Vec::<String>::deserialize(from)?))
    }
}

/// Incidents as they are published, in JSON: their tagged enums need a format that names its fields.
pub(super) mod cases {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::case::Case;

    pub(in super::super) fn serialize<S: Serializer>(
        cases: &BTreeMap<u32, Case>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serde_json::to_string(cases).map_err(S::Error::custom)?)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<u32, Case>, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

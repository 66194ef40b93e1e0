//! What may be set about detection, with the reason for each default.

use serde::{Deserialize, Serialize};

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorConfig {
    /// The one number: false pages a month that the team accepts. Everything else follows from it and the fleet.
    pub false_pages_per_month: f64,
    /// How long a series must be back at its usual rate before its incident is over, s.
    pub resolve_after_s: u32,
    /// Machines of each tenant (`""` in a single-tenant installation) where nobody sends heartbeats and the size is known.
    pub machines: std::collections::BTreeMap<String, u64>,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        // Half a page a month: what an on-call team stands without beginning to look away.
        Self {
            false_pages_per_month: 0.5,
            resolve_after_s: 1800,
            machines: std::collections::BTreeMap::new(),
        }
    }
}

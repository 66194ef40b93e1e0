//! Sets of worlds to judge a detector in: what their JSON file holds, and the sets that are built in. Reads and checks;
//! nothing here simulates.

mod check;
mod noise;
mod outage;
mod read;
mod world;

use serde::{Deserialize, Serialize};

pub use noise::{
    BadMachines, Blame, Bursts, Clocks, Growth, NewDrivers, NoiseConfig, PatchDay, Releases, SiteClusters,
    Stalls, Uploads,
};
pub use outage::{Drawn, Kind, OutageConfig, Ramp};
pub use world::{HeartbeatConfig, OsShare, RingShares, TenantConfig, WorldConfig};

/// Version of the file's shape.
pub const VERSION: u32 = 1;

/// What a scenario file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioSet {
    /// 1.
    pub version: u32,
    /// What reports call it.
    pub name: String,
    /// What it is for, in a sentence.
    #[serde(default)]
    pub what: String,
    /// What a detector must reach in it.
    #[serde(default)]
    pub goals: Goals,
    /// The worlds.
    pub worlds: Vec<WorldConfig>,
}

/// What a detector must reach; what is left out is no goal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Goals {
    /// False pages in 28 days, at most.
    pub max_false_pages: Option<f64>,
    /// Their one-sided 95 % bound, at most.
    pub max_false_pages_bound: Option<f64>,
    /// False tickets in 28 days, at most.
    pub max_false_tickets: Option<f64>,
    /// Share of outages that a page was owed for and came, at least.
    pub min_recall: Option<f64>,
    /// Share of outages that a ticket was owed for and a ticket or page came, at least.
    pub min_ticket_recall: Option<f64>,
    /// Median seconds from the first upload to the page, outages of 0.5 machines a second and more.
    pub max_median_delay_s: Option<f64>,
    /// The same for outages of 1.8 machines a second and more.
    pub max_median_delay_fast_s: Option<f64>,
    /// Share of incidents with 50 machines whose attribution is right, at least.
    pub min_attribution: Option<f64>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `worlds[2].noise.stalls.per_day`.
    pub path: String,
    /// What.
    pub message: String,
}

/// A file that cannot be used, with everything that is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct ScenarioError(pub Vec<Fault>);

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<String> =
        faults.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
    lines.join("\n")
}

impl ScenarioSet {
    /// Reads and checks a file. Every fault is reported, not the first alone.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        read::set(text)
    }
}

/// The sets that are part of the executable: name, what it is for, file.
const BUILTINS: [(&str, &str, &str); 5] = [
    (
        "acceptance",
        "10,000 drivers and 5 million machines for 28 days, one world for each difficulty",
        include_str!("../data/scenarios/acceptance.json"),
    ),
    ("small", "300 to 10,000 machines in 1 to 200 sites", include_str!("../data/scenarios/small.json")),
    ("large", "100,000 drivers on 10 million machines", include_str!("../data/scenarios/large.json")),
    ("real", "the 33 outages of the catalogue", include_str!("../data/scenarios/real.json")),
    ("smoke", "three small worlds, made in a second", include_str!("../data/scenarios/smoke.json")),
];

impl ScenarioSet {
    /// A set that is part of the executable.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Self> {
        let read = Self::from_json(Self::builtin_json(name)?);
        // a test reads each
        read.inspect_err(|error| tracing::error!(%error, name, "a built-in set cannot be read")).ok()
    }

    /// The file of such a set, to start an own one from.
    #[must_use]
    pub fn builtin_json(name: &str) -> Option<&'static str> {
        BUILTINS.iter().find(|(own, _, _)| *own == name).map(|(_, _, json)| *json)
    }

    /// Names of these sets, and what each is for.
    #[must_use]
    pub fn builtins() -> &'static [(&'static str, &'static str)] {
        const NAMES: [(&str, &str); BUILTINS.len()] = {
            let mut names = [("", ""); BUILTINS.len()];
            let mut place = 0;
            while place < names.len() {
                names[place] = (BUILTINS[place].0, BUILTINS[place].1);
                place += 1;
            }
            names
        };
        &NAMES
    }
}

#[cfg(test)]
mod tests;

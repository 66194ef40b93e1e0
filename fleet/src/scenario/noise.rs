//! What happens in a world without being an outage: every field has a default and a value that turns it off.

use serde::{Deserialize, Serialize};

/// All noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseConfig {
    /// How much of the week's shape shows: 0 none, 1 all (nights at a third, Monday morning at twice the mean).
    pub weekly: f64,
    /// Standard deviation of a day's step of the logarithm of each driver's rate.
    pub drift: f64,
    /// Machines that crash again and again.
    pub bad_machines: BadMachines,
    /// One site, or two, with one bad image.
    pub site_clusters: SiteClusters,
    /// Few machines at many sites at once.
    pub bursts: Bursts,
    /// Times in which nothing is taken in.
    pub stalls: Stalls,
    /// How long a dump takes to arrive.
    pub uploads: Uploads,
    /// Clocks that lie.
    pub clocks: Clocks,
    /// Crashes that somebody else is blamed for.
    pub blame: Blame,
    /// The second Tuesday of the month.
    pub patch_day: PatchDay,
    /// A fleet that grows.
    pub growth: Growth,
    /// New builds that are as good as the old.
    pub releases: Releases,
    /// Drivers that were never there.
    pub new_drivers: NewDrivers,
}

impl Default for NoiseConfig {
    fn default() -> Self {
        Self {
            weekly: 1.0,
            drift: 0.03,
            bad_machines: BadMachines::default(),
            site_clusters: SiteClusters::default(),
            bursts: Bursts::default(),
            stalls: Stalls::default(),
            uploads: Uploads::default(),
            clocks: Clocks::default(),
            blame: Blame::default(),
            patch_day: PatchDay::default(),
            growth: Growth::default(),
            releases: Releases::default(),
            new_drivers: NewDrivers::default(),
        }
    }
}

impl NoiseConfig {
    /// A world in which nothing but crashes at a constant rate happens, and each arrives at once.
    #[must_use]
    pub fn none() -> Self {
        Self {
            weekly: 0.0,
            drift: 0.0,
            bad_machines: BadMachines { share: 0.0, ..BadMachines::default() },
            site_clusters: SiteClusters { per_day: Some(0.0), ..SiteClusters::default() },
            bursts: Bursts { per_day: Some(0.0), ..Bursts::default() },
            stalls: Stalls { per_day: 0.0, ..Stalls::default() },
            uploads: Uploads { prompt_s: 0.0, late_share: 0.0, ..Uploads::default() },
            clocks: Clocks { wrong_share: 0.0, unknown_share: 0.0 },
            blame: Blame { nobody: 0.0, wrong: 0.0 },
            patch_day: PatchDay { factor: 1.0, ..PatchDay::default() },
            growth: Growth { per_week: 0.0 },
            releases: Releases { per_day: Some(0.0), ..Releases::default() },
            new_drivers: NewDrivers { per_day: Some(0.0) },
        }
    }
}

/// Machines that crash again and again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BadMachines {
    /// Share of background crashes that are the first of a loop.
    pub share: f64,
    /// Crashes of a loop, at most; half as many at least.
    pub crashes: u32,
    /// Minutes between two, at most.
    pub gap_min: f64,
    /// Share of these machines that are known for bad hardware.
    pub known: f64,
}

impl Default for BadMachines {
    fn default() -> Self {
        Self { share: 0.01, crashes: 10, gap_min: 20.0, known: 0.0 }
    }
}

/// One site, or two, with one bad image: 5 to 60 machines, seldom up to `most`, crash in one driver.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteClusters {
    /// How many a day, of all tenants; left out: 4 times the cube root of machines in 5 millions.
    pub per_day: Option<f64>,
    /// Machines of the largest. None takes more than a quarter of its site, or a fiftieth where the tenant has but one.
    pub most: u32,
    /// Share that hits two sites.
    pub two_sites: f64,
    /// Shortest.
    pub least_min: f64,
    /// Longest.
    pub most_min: f64,
}

impl Default for SiteClusters {
    fn default() -> Self {
        Self { per_day: None, most: 300, two_sites: 0.2, least_min: 10.0, most_min: 120.0 }
    }
}

/// A few machines anywhere crash in one driver within minutes: too few for anybody to be told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bursts {
    /// How many a day; left out: as clusters.
    pub per_day: Option<f64>,
    /// Machines of the largest. None takes more than a thousandth of the fleet, and three at least.
    pub most: u32,
    /// Longest.
    pub most_min: f64,
}

impl Default for Bursts {
    fn default() -> Self {
        Self { per_day: None, most: 15, most_min: 30.0 }
    }
}

/// Times in which nothing is taken in; then everything comes at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stalls {
    /// How many a day.
    pub per_day: f64,
    /// Shortest.
    pub least_min: f64,
    /// Longest.
    pub most_min: f64,
    /// What was held back arrives within so many seconds, at most.
    pub release_s: f64,
}

impl Default for Stalls {
    fn default() -> Self {
        Self { per_day: 0.25, least_min: 3.0, most_min: 180.0, release_s: 180.0 }
    }
}

/// How long a dump takes to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uploads {
    /// Mean of the prompt ones.
    pub prompt_s: f64,
    /// Share that waits for the next start, or for a network.
    pub late_share: f64,
    /// Median of these.
    pub late_median_h: f64,
    /// None takes longer.
    pub late_most_h: f64,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { prompt_s: 25.0, late_share: 0.1, late_median_h: 2.0, late_most_h: 72.0 }
    }
}

/// Clocks that lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clocks {
    /// Share of machines that are wrong by hours to years.
    pub wrong_share: f64,
    /// Share of crashes that do not say when they happened.
    pub unknown_share: f64,
}

impl Default for Clocks {
    fn default() -> Self {
        Self { wrong_share: 0.01, unknown_share: 0.002 }
    }
}

/// Crashes that somebody else is blamed for, outages' included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blame {
    /// Share of background crashes that nobody is to blame for: hardware.
    pub nobody: f64,
    /// Share of a driver's crashes that Windows' kernel, win32k or nobody gets the blame for.
    pub wrong: f64,
}

impl Default for Blame {
    fn default() -> Self {
        Self { nobody: 0.1, wrong: 0.05 }
    }
}

/// The second Tuesday of the month, 17:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchDay {
    /// What the whole fleet's rate is multiplied by at the height; 1: nothing happens.
    pub factor: f64,
    /// How long until it is over.
    pub hours: f64,
}

impl Default for PatchDay {
    fn default() -> Self {
        Self { factor: 3.0, hours: 10.0 }
    }
}

/// A fleet that grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Growth {
    /// By which share a week.
    pub per_week: f64,
}

/// New builds of drivers that crash as often as the old.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Releases {
    /// How many a day; left out: one for 500 drivers.
    pub per_day: Option<f64>,
    /// Share that somebody tells of.
    pub told: f64,
    /// From the first machine to the last, at least.
    pub least_h: f64,
    /// At most.
    pub most_h: f64,
}

impl Default for Releases {
    fn default() -> Self {
        Self { per_day: None, told: 0.5, least_h: 4.0, most_h: 240.0 }
    }
}

/// Drivers that were never there, and crash as others of the less busy 95 % do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewDrivers {
    /// How many a day; left out: one for 5,000 drivers.
    pub per_day: Option<f64>,
}

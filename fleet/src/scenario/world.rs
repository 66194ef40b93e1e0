//! One world: its machines, its drivers, its noise and its outages, as the file says it.

use serde::{Deserialize, Serialize};

use super::noise::NoiseConfig;
use super::outage::{Drawn, OutageConfig};

/// Monday, 1 July 2024, 00:00 UTC.
const START_MS: i64 = 1_719_792_000_000;

/// A world and the seeds it is run with. Every field but `name` has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldConfig {
    /// What reports call it.
    pub name: String,
    /// What reports group it by; empty: its name.
    #[serde(default)]
    pub class: String,
    /// The seed of its first run.
    #[serde(default = "one_seed")]
    pub seed: u64,
    /// How many runs, with `seed`, `seed + 1` and so on.
    #[serde(default = "one_run")]
    pub runs: u32,
    /// The seeds of its runs, instead of `seed` and `runs`.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// When it begins, ms since 1970.
    #[serde(default = "start_ms")]
    pub start_ms: i64,
    /// How long it lasts.
    #[serde(default = "days")]
    pub days: f64,
    /// Days of history before it; 0: a cold start.
    #[serde(default = "warmup_days")]
    pub warmup_days: u32,
    /// Seconds of a tick.
    #[serde(default = "tick_s")]
    pub tick_s: u32,
    /// Machines, where there is one tenant.
    #[serde(default = "machines")]
    pub machines: u64,
    /// Sites, where there is one tenant.
    #[serde(default = "sites")]
    pub sites: u32,
    /// How unequal sites are: the size of the n-th largest goes with `n^-site_slope`.
    #[serde(default = "site_slope")]
    pub site_slope: f64,
    /// Tenants, instead of `machines` and `sites`; none: one without a name.
    #[serde(default)]
    pub tenants: Vec<TenantConfig>,
    /// Drivers that crash in the background.
    #[serde(default = "drivers")]
    pub drivers: u32,
    /// How unequal they are: the rate of the n-th busiest goes with `n^-zipf`.
    #[serde(default = "one")]
    pub zipf: f64,
    /// Machines that crash, of all tenants, a minute of an average week; left out: 0.02 a machine and day.
    #[serde(default)]
    pub crashes_per_minute: Option<f64>,
    /// Shares of the rollout rings.
    #[serde(default)]
    pub rings: RingShares,
    /// Models of machines.
    #[serde(default = "models")]
    pub models: u32,
    /// Builds of Windows in use.
    #[serde(default = "os_builds")]
    pub os_builds: Vec<OsShare>,
    /// Popular drivers that every crash lists as loaded where they are installed, besides those of outages.
    #[serde(default = "popular")]
    pub popular: u32,
    /// What happens without being an outage.
    #[serde(default)]
    pub noise: NoiseConfig,
    /// Heartbeats and inventory.
    #[serde(default)]
    pub heartbeats: HeartbeatConfig,
    /// Outages.
    #[serde(default)]
    pub outages: Vec<OutageConfig>,
    /// Outages whose times and drivers are drawn.
    #[serde(default)]
    pub drawn: Vec<Drawn>,
}

fn one_seed() -> u64 {
    1
}

fn one_run() -> u32 {
    1
}

fn start_ms() -> i64 {
    START_MS
}

fn days() -> f64 {
    28.0
}

fn warmup_days() -> u32 {
    14
}

fn tick_s() -> u32 {
    2
}

fn machines() -> u64 {
    5_000_000
}

fn sites() -> u32 {
    5_000
}

fn site_slope() -> f64 {
    0.8
}

fn drivers() -> u32 {
    10_000
}

fn one() -> f64 {
    1.0
}

fn models() -> u32 {
    40
}

fn popular() -> u32 {
    40
}

fn os_builds() -> Vec<OsShare> {
    [(19_045, 0.35), (22_631, 0.25), (26_100, 0.2), (22_621, 0.15), (17_763, 0.05)]
        .map(|(build, share)| OsShare { build, share })
        .to_vec()
}

impl WorldConfig {
    /// The seeds of its runs.
    #[must_use]
    pub fn seeds(&self) -> Vec<u64> {
        if self.seeds.is_empty() {
            (0..u64::from(self.runs)).map(|run| self.seed.wrapping_add(run)).collect()
        } else {
            self.seeds.clone()
        }
    }

    /// What reports group it by.
    #[must_use]
    pub fn class(&self) -> &str {
        if self.class.is_empty() { &self.name } else { &self.class }
    }

    /// Its tenants, the one without a name made explicit.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantConfig> {
        if self.tenants.is_empty() {
            let (machines, sites) = (self.machines, self.sites);
            vec![TenantConfig { name: String::new(), machines, sites, share: None }]
        } else {
            self.tenants.clone()
        }
    }

    /// Machines of all tenants.
    #[must_use]
    pub fn all_machines(&self) -> u64 {
        self.tenants().iter().map(|tenant| tenant.machines).sum()
    }

    /// Machines that crash a minute of an average week.
    #[must_use]
    pub fn crash_rate(&self) -> f64 {
        // 2 % of machines a day is what makes 5 million of them crash 70 times a minute
        self.crashes_per_minute.unwrap_or(self.all_machines() as f64 * 0.02 / 1440.0)
    }
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// Its name; the only tenant may have none.
    pub name: String,
    /// Its machines.
    pub machines: u64,
    /// Its sites.
    pub sites: u32,
    /// Its weight among the world's crashes; left out: its machines.
    #[serde(default)]
    pub share: Option<f64>,
}

/// Shares of the rings; the rest is `broad`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RingShares {
    /// Of `canary`.
    pub canary: f64,
    /// Of `early`.
    pub early: f64,
}

impl Default for RingShares {
    fn default() -> Self {
        Self { canary: 0.01, early: 0.09 }
    }
}

/// A build of Windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsShare {
    /// Its number.
    pub build: u32,
    /// Its weight among machines.
    pub share: f64,
}

/// Heartbeats and inventory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeartbeatConfig {
    /// Seconds between two of one machine; 0: there are none.
    pub interval_s: u32,
    /// Share of machines that go home: off at night, at weekends and for a nap now and then.
    pub home_share: f64,
    /// Share of those that say farewell.
    pub farewell_share: f64,
    /// Hours between two inventories of one machine; 0: there are none. One is sent at the first heartbeat, too, and
    /// at the first one with another build of a driver.
    pub inventory_h: u32,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { interval_s: 0, home_share: 0.5, farewell_share: 0.8, inventory_h: 24 }
    }
}

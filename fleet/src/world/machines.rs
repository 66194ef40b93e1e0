//! Who a machine is: its site, ring, model and build of Windows are a hash of the world's seed and its number, or follow
//! from its number alone, so that ten million of them need no table.

use std::ops::Range;

use dump::synth::hash;

use super::chance::{salt, unit};
use crate::scenario::{TenantConfig, WorldConfig};

/// Hours that clocks are ahead of UTC, and the share of machines: America, Europe, Asia.
const REGIONS: [(i64, f64); 3] = [(-5, 0.39), (1, 0.41), (8, 0.2)];

/// Where in the world.
pub(super) const REGION_COUNT: usize = REGIONS.len();

/// Rings by number.
pub(super) const RINGS: [&str; 3] = ["canary", "early", "broad"];

/// Slots of the tables that a hash picks from.
const SLOTS: usize = 4096;

/// What a fleet's machines can be.
#[derive(Debug)]
pub(super) struct Kinds {
    /// Names of models, commonest first, each with whether it goes home in the evening.
    pub(super) models: Vec<(String, bool)>,
    model_slots: Vec<u16>,
    os_slots: Vec<u32>,
    /// Shares of `canary`, and of it with `early`.
    ring_ends: [f64; 2],
}

impl Kinds {
    pub(super) fn new(config: &WorldConfig) -> Self {
        const VENDORS: [&str; 4] = ["LENOVO", "Dell Inc.", "HP", "Microsoft Corporation"];
        // the commonest of 40 models is then 12 % of a fleet, the rarest 1 %
        let weights: Vec<f64> = (1..=config.models).map(|rank| f64::from(rank).powf(-0.7)).collect();
        let sum: f64 = weights.iter().sum();
        let mut home = 0.0;
        let models = weights.iter().enumerate().map(|(place, weight)| {
            let share = weight / sum;
            // the tenth is for the last one that only just does not fit
            let goes = home + share <= config.heartbeats.home_share + share / 10.0;
            home += if goes { share } else { 0.0 };
            (format!("{} Model {:03}", VENDORS[place % VENDORS.len()], 100 + place), goes)
        });
        let os: Vec<f64> = config.os_builds.iter().map(|os| os.share).collect();
        Self {
            models: models.collect(),
            model_slots: slots(&weights).into_iter().map(|place| place as u16).collect(),
            os_slots: slots(&os).into_iter().map(|place| config.os_builds[place].build).collect(),
            ring_ends: [config.rings.canary, config.rings.canary + config.rings.early],
        }
    }

    /// Number of a machine's model.
    pub(super) fn model(&self, key: u64) -> u16 {
        self.model_slots[(hash(key ^ 0x6d6f) >> 52) as usize]
    }

    /// Its build of Windows.
    pub(super) fn os_build(&self, key: u64) -> u32 {
        self.os_slots[(hash(key ^ 0x6f73) >> 52) as usize]
    }

    /// Number of its ring.
    pub(super) fn ring(&self, key: u64) -> usize {
        let mark = unit(key, 0x7269);
        self.ring_ends.iter().filter(|&&end| mark >= end).count()
    }

    /// Shares of the rings.
    pub(super) fn ring_shares(&self) -> [f64; 3] {
        let [canary, both] = self.ring_ends;
        [canary, both - canary, 1.0 - both]
    }

    /// Share of a model.
    pub(super) fn model_share(&self, model: u16) -> f64 {
        self.model_slots.iter().filter(|&&slot| slot == model).count() as f64 / SLOTS as f64
    }
}

/// A table with each place as often as its weight says.
fn slots(weights: &[f64]) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let (mut slots, mut mark) = (Vec::with_capacity(SLOTS), 0.0);
    for (place, weight) in weights.iter().enumerate() {
        mark += weight / sum * SLOTS as f64;
        let end = (mark.round() as usize).min(SLOTS);
        slots.resize(end.max(slots.len()), place);
    }
    slots.resize(SLOTS, weights.len().saturating_sub(1));
    slots
}

/// The machines of one tenant, numbered from 0 in the order of their sites.
#[derive(Debug)]
pub(super) struct Fleet {
    /// The tenant.
    pub(super) name: String,
    /// How many.
    pub(super) machines: u64,
    /// Share of the world's crashes.
    pub(super) share: f64,
    /// Names of sites.
    pub(super) sites: Vec<String>,
    /// Where each site begins, and the last ends.
    starts: Vec<u64>,
    /// Where each region ends.
    region_ends: [u64; REGION_COUNT],
    seed: u64,
}

impl Fleet {
    pub(super) fn new(config: &WorldConfig, tenant: &TenantConfig, seed: u64) -> Self {
        let weights: Vec<f64> =
            (1..=tenant.sites).map(|rank| f64::from(rank).powf(-config.site_slope)).collect();
        let sum: f64 = weights.iter().sum();
        let spare = (tenant.machines - u64::from(tenant.sites)) as f64;
        // one machine each; the rest by weight
        let mut by_region: [Vec<u64>; REGION_COUNT] = Default::default();
        let (mut filled, mut given, mut mark) = ([0.0; REGION_COUNT], 0, 0.0);
        for (place, weight) in weights.iter().enumerate() {
            mark += weight / sum * spare;
            let end = if place + 1 == weights.len() { spare } else { mark.floor() } as u64;
            let size = 1 + end.saturating_sub(given);
            given = end.max(given);
            let region = neediest(&filled);
            filled[region] += size as f64;
            by_region[region].push(size);
        }
        let mut starts = vec![0];
        let mut region_ends = [0; REGION_COUNT];
        for (sizes, region_end) in by_region.iter().zip(&mut region_ends) {
            for size in sizes {
                starts.push(starts.last().copied().unwrap_or(0) + size);
            }
            *region_end = starts.last().copied().unwrap_or(0);
        }
        let sites = (1..starts.len()).map(|site| format!("site-{site:04}")).collect();
        Self {
            name: tenant.name.clone(),
            machines: tenant.machines,
            share: 1.0,
            sites,
            starts,
            region_ends,
            seed: hash(seed ^ salt(&tenant.name)),
        }
    }

    /// What everything about a machine is drawn from; also how the detector knows it.
    pub(super) fn key(&self, number: u64) -> u64 {
        hash(self.seed.wrapping_add(number))
    }

    /// Number of a machine's site.
    pub(super) fn site(&self, number: u64) -> usize {
        self.starts.partition_point(|&start| start <= number).saturating_sub(1)
    }

    /// Machines of a site.
    pub(super) fn site_machines(&self, site: usize) -> Range<u64> {
        self.starts[site]..self.starts[site + 1]
    }

    /// Machines of a region.
    pub(super) fn region_machines(&self, region: usize) -> Range<u64> {
        let start = region.checked_sub(1).map_or(0, |before| self.region_ends[before]);
        start..self.region_ends[region]
    }

    /// Share of its machines in a region.
    pub(super) fn region_share(&self, region: usize) -> f64 {
        let range = self.region_machines(region);
        (range.end - range.start) as f64 / self.machines as f64
    }

    /// Local time of a machine, ms since 1970.
    pub(super) fn local_ms(&self, number: u64, at_ms: i64) -> i64 {
        let region = self.region_ends.partition_point(|&end| end <= number).min(REGION_COUNT - 1);
        at_ms + offset_ms(region)
    }
}

/// How far a region's clocks are ahead of UTC.
pub(super) fn offset_ms(region: usize) -> i64 {
    REGIONS[region].0 * 3_600_000
}

/// The region that lacks most of its share.
fn neediest(filled: &[f64; REGION_COUNT]) -> usize {
    let sum = filled.iter().sum::<f64>().max(1.0);
    let lack = |region: usize| REGIONS[region].1 - filled[region] / sum;
    (0..REGION_COUNT).max_by(|&a, &b| lack(a).total_cmp(&lack(b))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(machines: u64, sites: u32) -> (WorldConfig, Fleet) {
        let text = format!(r#"{{"name":"w","machines":{machines},"sites":{sites}}}"#);
        let config: WorldConfig = serde_json::from_str(&text).unwrap();
        let tenant = config.tenants().remove(0);
        let fleet = Fleet::new(&config, &tenant, 7);
        (config, fleet)
    }

    #[test]
    fn sites_hold_every_machine_once_and_differ_in_size() {
        for (machines, sites) in [(300, 1), (300, 300), (10_000, 200), (5_000_000, 5_000)] {
            let (_, fleet) = world(machines, sites);
            let sizes: Vec<u64> = (0..fleet.sites.len())
                .map(|site| fleet.site_machines(site))
                .map(|range| range.end - range.start)
                .collect();
            assert_eq!((sizes.len() as u32, sizes.iter().sum::<u64>()), (sites, machines));
            assert!(sizes.iter().all(|&size| size > 0));
            for number in [0, machines / 3, machines - 1] {
                assert!(fleet.site_machines(fleet.site(number)).contains(&number));
            }
            assert_eq!(fleet.region_machines(REGION_COUNT - 1).end, machines);
            if sites == 5_000 {
                assert!(sizes.iter().max().unwrap() > &100_000, "heavy tail");
            }
        }
    }

    #[test]
    fn kinds_come_out_in_their_shares() {
        let (config, fleet) = world(100_000, 100);
        let kinds = Kinds::new(&config);
        let keys: Vec<u64> = (0..100_000).map(|number| fleet.key(number)).collect();
        let share =
            |of: &dyn Fn(u64) -> bool| keys.iter().filter(|&&key| of(key)).count() as f64 / keys.len() as f64;
        assert!((share(&|key| kinds.ring(key) == 0) - 0.01).abs() < 0.002);
        assert!((share(&|key| kinds.ring(key) == 1) - 0.09).abs() < 0.005);
        assert!((share(&|key| kinds.os_build(key) == 19_045) - 0.35).abs() < 0.01);
        assert!((share(&|key| kinds.model(key) == 0) - kinds.model_share(0)).abs() < 0.01);
        assert!((share(&|key| kinds.models[usize::from(kinds.model(key))].1) - 0.5).abs() < 0.06);
    }
}

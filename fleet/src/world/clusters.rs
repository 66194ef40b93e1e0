//! Noise that is not one machine's: a site with a bad image, a handful of machines anywhere; and releases that harm
//! nobody. Drawn before the world begins, the past included.

use super::builds::{Release, Rollout, fresh};
use super::chance::log_uniform;
use super::machines::Fleet;
use super::model::Model;
use super::traffic::DAY_MS;
use crate::random::Random;
use crate::scenario::{NoiseConfig, SiteClusters, WorldConfig};

/// Machines that crash in one driver within a while.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cluster {
    /// When it begins, ms since 1970.
    pub(super) at_ms: i64,
    /// How long it lasts.
    pub(super) length_ms: i64,
    /// Whose machines.
    pub(super) tenant: usize,
    /// In which driver.
    pub(super) driver: u32,
    /// How many machines.
    pub(super) machines: u64,
    /// At which sites; none: anywhere.
    pub(super) sites: Vec<usize>,
}

impl Cluster {
    /// One of its machines. The same may come twice.
    pub(super) fn machine(&self, fleet: &Fleet, random: &mut Random) -> u64 {
        let range = match self.sites.get(random.below(self.sites.len())) {
            Some(&site) => fleet.site_machines(site),
            None => 0..fleet.machines,
        };
        range.start + random.next() % (range.end - range.start)
    }
}

/// How many a day where the file does not say: a tenth of the fleet sees half as many.
fn usual(config: &WorldConfig) -> f64 {
    4.0 * (config.all_machines() as f64 / 5e6).cbrt()
}

/// All clusters and bursts between two times.
pub(super) fn clusters(config: &WorldConfig, model: &Model, times: (i64, i64), seed: u64) -> Vec<Cluster> {
    let mut random = Random::new(seed);
    let NoiseConfig { site_clusters, bursts, .. } = &config.noise;
    let mut all = Vec::new();
    for at_ms in moments(site_clusters.per_day.unwrap_or_else(|| usual(config)), times, &mut random) {
        all.extend(at_site(config, model, site_clusters, at_ms, &mut random));
    }
    for at_ms in moments(bursts.per_day.unwrap_or_else(|| usual(config)), times, &mut random) {
        let tenant = model.any_tenant(&mut random);
        let most = f64::from(bursts.most).min((model.fleets[tenant].machines as f64 / 1000.0).max(3.0));
        all.push(Cluster {
            at_ms,
            length_ms: (60_000.0 * log_uniform(&mut random, bursts.most_min / 10.0, bursts.most_min)) as i64,
            tenant,
            driver: any_driver(config, &mut random),
            machines: log_uniform(&mut random, 3.0, most + 0.99) as u64,
            sites: Vec::new(),
        });
    }
    all.sort_by_key(|cluster| cluster.at_ms);
    all
}

fn at_site(
    config: &WorldConfig,
    model: &Model,
    clusters: &SiteClusters,
    at_ms: i64,
    random: &mut Random,
) -> Option<Cluster> {
    let tenant = model.any_tenant(random);
    let fleet = &model.fleets[tenant];
    let large = random.chance(0.08);
    let wanted = if large {
        log_uniform(random, 60.0, f64::from(clusters.most))
    } else {
        log_uniform(random, 5.0, 60.0)
    };
    let wanted = wanted.min(f64::from(clusters.most));
    let size = |site: usize| fleet.site_machines(site).end - fleet.site_machines(site).start;
    // a site of the size for it, if one is found soon; else the last that was looked at gives what it can
    let mut sites = vec![0];
    for _ in 0..8 {
        sites[0] = random.below(fleet.sites.len());
        if size(sites[0]) as f64 >= 4.0 * wanted {
            break;
        }
    }
    if random.chance(clusters.two_sites) && fleet.sites.len() > 1 {
        sites.push(random.below(fleet.sites.len()));
    }
    let share = if fleet.sites.len() == 1 { 0.02 } else { 0.25 };
    let most = share * sites.iter().map(|&site| size(site)).sum::<u64>() as f64;
    let machines = wanted.min(most) as u64;
    let length_ms = (60_000.0 * log_uniform(random, clusters.least_min, clusters.most_min)) as i64;
    let driver = any_driver(config, random);
    (machines >= 2).then_some(Cluster { at_ms, length_ms, tenant, driver, machines, sites })
}

/// Each doubling of the rank is as likely as the next.
fn any_driver(config: &WorldConfig, random: &mut Random) -> u32 {
    log_uniform(random, 1.0, f64::from(config.drivers) + 0.99) as u32 - 1
}

/// Times of something that happens so often a day.
fn moments(per_day: f64, times: (i64, i64), random: &mut Random) -> Vec<i64> {
    let (mut at, mut all) = (times.0, Vec::new());
    while let Some(next) = next_moment(per_day, at, times.1, random) {
        at = next;
        all.push(at);
    }
    all
}

/// The next time after one, unless that is past the end.
pub(super) fn next_moment(per_day: f64, after_ms: i64, end_ms: i64, random: &mut Random) -> Option<i64> {
    let gap = if per_day > 0.0 { random.gap(per_day / DAY_MS as f64) } else { f64::INFINITY };
    Some(after_ms.saturating_add(gap as i64)).filter(|&at| at < end_ms)
}

/// Releases that harm nobody, and whether each is told; some are under way when the world begins.
pub(super) fn releases(config: &WorldConfig, end_ms: i64, used: &[u32], seed: u64) -> Vec<(Release, bool)> {
    let mut random = Random::new(seed);
    let noise = &config.noise.releases;
    let per_day = noise.per_day.unwrap_or(f64::from(config.drivers) / 500.0);
    let mut all = Vec::new();
    for begin_ms in moments(per_day, (config.start_ms - 10 * DAY_MS, end_ms), &mut random) {
        let (driver, salt) = (any_driver(config, &mut random), random.next());
        let span_ms = (3_600_000.0 * log_uniform(&mut random, noise.least_h, noise.most_h)) as i64;
        let told = random.chance(noise.told);
        if !used.contains(&driver) {
            let rollout = Rollout::staged(begin_ms, span_ms, salt);
            all.push((Release { driver, version: fresh(driver, begin_ms, salt), rollout }, told));
        }
    }
    all
}

/// Drivers that appear: on which day, and the rank that each is taken after.
pub(super) fn later(config: &WorldConfig, seed: u64) -> Vec<(f64, f64)> {
    let mut random = Random::new(seed);
    let drivers = f64::from(config.drivers);
    let per_day = config.noise.new_drivers.per_day.unwrap_or(drivers / 5000.0);
    moments(per_day, (0, (config.days * DAY_MS as f64) as i64), &mut random)
        .into_iter()
        .map(|at| (at as f64 / DAY_MS as f64, log_uniform(&mut random, (drivers / 20.0).max(1.0), drivers)))
        .collect()
}

//! Heartbeats and inventory: every machine at its own moment of each interval, unless it went home, sleeps, crashed, or
//! nothing is taken in.

use detector::{Beat, Install, Module};

use super::Input;
use super::builds::Rollout;
use super::chance::unit;
use super::machines::{Fleet, RINGS};
use super::model::Model;
use super::stream::Silent;
use super::traffic::DAY_MS;
use crate::scenario::HeartbeatConfig;

const HOUR_MS: i64 = 3_600_000;

/// One tenant's heartbeats.
#[derive(Debug)]
pub(super) struct Beats {
    config: HeartbeatConfig,
    tenant: usize,
    start_ms: i64,
    interval_ms: i64,
    /// Beats so far, those that nobody sent counted.
    next: i64,
    /// Coprime to the number of machines: neighbours beat at different moments.
    stride: u64,
    /// Releases under way in this hour, with the places of their drivers among the watched.
    under_way: Vec<(usize, Rollout)>,
    looked_until_ms: i64,
}

impl Beats {
    pub(super) fn new(config: HeartbeatConfig, tenant: usize, fleet: &Fleet, start_ms: i64) -> Self {
        let near = (fleet.machines as f64 * 0.618) as u64 | 1;
        let stride = (near..).find(|&stride| gcd(stride, fleet.machines) == 1).unwrap_or(1);
        Self {
            config,
            tenant,
            start_ms,
            interval_ms: i64::from(config.interval_s) * 1000,
            next: 0,
            stride,
            under_way: Vec::new(),
            looked_until_ms: start_ms,
        }
    }

    /// What arrives before a time.
    pub(super) fn run<'a>(
        &mut self,
        model: &'a Model,
        silent: &Silent,
        until_ms: i64,
        modules: &mut Vec<Module<'a>>,
        sink: &mut dyn FnMut(Input<'_>),
    ) {
        if until_ms > self.looked_until_ms {
            self.look_up(model);
        }
        let fleet = &model.fleets[self.tenant];
        let machines = fleet.machines as i64;
        loop {
            let (round, place) = (self.next / machines, self.next % machines);
            let at_ms = self.start_ms + round * self.interval_ms + place * self.interval_ms / machines;
            if at_ms >= until_ms {
                return;
            }
            self.next += 1;
            let number = (place as u64 * self.stride) % fleet.machines;
            let away = silent
                .get(&(self.tenant, number))
                .is_some_and(|&(from, until)| (from..until).contains(&at_ms));
            if away || model.arrivals.stall(at_ms).is_some() {
                continue;
            }
            let key = fleet.key(number);
            let (tenant, machine) = (fleet.name.as_str(), key);
            let was_on = round > 0 && model.is_on(fleet, number, key, at_ms - self.interval_ms);
            if !model.is_on(fleet, number, key, at_ms) {
                let polite = unit(key, at_ms.div_euclid(DAY_MS) as u64) < self.config.farewell_share;
                if was_on && polite {
                    sink(Input::Beat(Beat { tenant, machine, at_ms, farewell: true }));
                }
                continue;
            }
            sink(Input::Beat(Beat { tenant, machine, at_ms, farewell: false }));
            if self.config.inventory_h > 0 && (!was_on || self.is_due(model, key, round, at_ms)) {
                model.modules(key, at_ms, model.drivers.nobody, modules);
                sink(Input::Install(Install {
                    tenant,
                    machine,
                    at_ms,
                    site: &fleet.sites[fleet.site(number)],
                    ring: RINGS[model.kinds.ring(key)],
                    model: &model.kinds.models[usize::from(model.kinds.model(key))].0,
                    os_build: model.kinds.os_build(key),
                    modules,
                }));
            }
        }
    }

    /// Whether a machine sends its inventory: once in a while, and when a driver that it lists has a new build.
    fn is_due(&self, model: &Model, key: u64, round: i64, at_ms: i64) -> bool {
        let rounds = (i64::from(self.config.inventory_h) * HOUR_MS / self.interval_ms).max(1);
        if (round + (key >> 40) as i64) % rounds == 0 {
            return true;
        }
        let (ring, since) = (model.kinds.ring(key), at_ms - self.interval_ms);
        self.under_way.iter().any(|(place, rollout)| {
            let at = rollout.reaches_ms(key, ring);
            since < at && at <= at_ms && model.drivers.has(*place, key, model.goes_home(key))
        })
    }

    fn look_up(&mut self, model: &Model) {
        let from_ms = self.looked_until_ms - self.interval_ms;
        self.looked_until_ms += HOUR_MS;
        let all = model.releases.all().iter();
        let now = all.filter(|release| {
            release.rollout.starts()[0] <= self.looked_until_ms && release.rollout.end_ms() >= from_ms
        });
        let watched = now.filter_map(|release| Some((model.drivers.place(release.driver)?, release.rollout)));
        self.under_way = watched.collect();
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! What was before the world: distinct machines per driver and hour, as a detector would have counted them.

use detector::History;

use super::chance::poisson;
use super::clusters::Cluster;
use super::model::Model;
use super::traffic::{DAY_MS, Rates, Traffic};
use crate::random::Random;
use crate::scenario::NoiseConfig;

const HOUR_MS: i64 = 3_600_000;

/// What the history is counted from.
pub(super) struct Past<'a> {
    pub(super) model: &'a Model,
    pub(super) noise: &'a NoiseConfig,
    pub(super) traffic: &'a Traffic,
    /// As they were on the first of these days.
    pub(super) rates: Rates,
    pub(super) clusters: &'a [Cluster],
    pub(super) per_second: f64,
    pub(super) start_ms: i64,
    pub(super) days: i64,
    pub(super) random: Random,
}

/// Machines of one hour, by driver.
struct Counts {
    by_driver: Vec<u32>,
    touched: Vec<u32>,
}

impl Counts {
    fn add(&mut self, driver: u32) {
        let count = &mut self.by_driver[driver as usize];
        if *count == 0 {
            self.touched.push(driver);
        }
        *count += 1;
    }
}

impl Past<'_> {
    /// Hands out every hour's counts, oldest first. Returns where the history begins.
    pub(super) fn tell(mut self, sink: &mut dyn FnMut(History<'_>)) -> i64 {
        let from_ms = self.start_ms - self.days * DAY_MS;
        let drivers = self.model.drivers.names.len();
        let mut counts = Counts { by_driver: vec![0; drivers], touched: Vec::new() };
        for hour in 0..self.days * 24 {
            if hour % 24 == 0 {
                self.rates.turn(hour / 24 - self.days);
            }
            let hour_ms = from_ms + hour * HOUR_MS;
            for tenant in 0..self.model.fleets.len() {
                self.background(tenant, hour_ms, &mut counts);
                self.clusters(tenant, hour_ms, &mut counts);
                self.hand_out(tenant, hour_ms, &mut counts, sink);
            }
        }
        from_ms
    }

    fn background(&mut self, tenant: usize, hour_ms: i64, counts: &mut Counts) {
        let fleet = &self.model.fleets[tenant];
        let quarters = [1, 3].map(|quarter| self.traffic.at(hour_ms + quarter * HOUR_MS / 4));
        let level: f64 = quarters.iter().flatten().sum::<f64>() / 2.0;
        let mean = 3600.0 * self.per_second * level * self.rates.pick.sum * fleet.share;
        let drivers = &self.model.drivers;
        for _ in 0..poisson(&mut self.random, mean) {
            let mark = self.random.unit();
            let blame = &self.noise.blame;
            counts.add(if mark < blame.nobody {
                drivers.nobody
            } else if mark < blame.nobody + (1.0 - blame.nobody) * blame.wrong {
                self.model.scapegoat(self.random.unit())
            } else {
                self.rates.pick.pick(&mut self.random) as u32
            });
        }
    }

    /// The part of each cluster that falls into the hour.
    fn clusters(&mut self, tenant: usize, hour_ms: i64, counts: &mut Counts) {
        let of_tenant = self.clusters.iter().filter(|cluster| cluster.tenant == tenant);
        // the longest takes hours; the list is short and in order
        for cluster in of_tenant.take_while(|cluster| cluster.at_ms < hour_ms + HOUR_MS) {
            let begin = cluster.at_ms.max(hour_ms);
            let end = (cluster.at_ms + cluster.length_ms).min(hour_ms + HOUR_MS);
            if begin < end {
                let share = (end - begin) as f64 / cluster.length_ms as f64;
                let machines = (share * cluster.machines as f64).round() as u64;
                (0..machines).for_each(|_| counts.add(cluster.driver));
            }
        }
    }

    fn hand_out(&self, tenant: usize, hour_ms: i64, counts: &mut Counts, sink: &mut dyn FnMut(History<'_>)) {
        let fleet = &self.model.fleets[tenant];
        counts.touched.sort_unstable();
        for driver in counts.touched.drain(..) {
            let machines = u64::from(std::mem::take(&mut counts.by_driver[driver as usize]));
            let (tenant, driver) = (fleet.name.as_str(), self.model.drivers.name(driver));
            sink(History { tenant, driver, hour_ms, machines: machines.min(fleet.machines) });
        }
    }
}

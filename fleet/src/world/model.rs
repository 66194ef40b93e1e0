//! What a world is made of and no tick changes: machines, drivers, builds, the way of uploads. Turns what is known of one
//! crash into what the detector is told.

use detector::{Crash, Module, Version};
use dump::synth::hash;

use super::builds::{self, OldBuilds, Releases};
use super::chance::unit;
use super::drivers::Drivers;
use super::machines::{Fleet, Kinds, REGION_COUNT, RINGS};
use super::traffic::DAY_MS;
use super::uploads::Arrivals;
use super::{Part, part};
use crate::random::Random;
use crate::scenario::{TenantConfig, WorldConfig};

const HOUR_MS: i64 = 3_600_000;

/// Bug checks of drivers' crashes.
pub(super) const BUGCHECKS: [u32; 12] =
    [0xd1, 0x50, 0x3b, 0x7e, 0x9f, 0x133, 0x139, 0xa, 0x1e, 0xc2, 0x19, 0x10d];

/// Bug checks that nobody is blamed for.
pub(super) const OF_NOBODY: [u32; 4] = [0x124, 0x1a, 0xa, 0x101];

/// A crash on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sent {
    /// When it arrives, ms since 1970. First, so that the earliest is found first.
    pub(super) arrives_ms: i64,
    /// Tells those apart that arrive in the same millisecond.
    pub(super) order: u64,
    /// When it really happened.
    pub(super) crashed_ms: i64,
    /// The machine's number.
    pub(super) machine: u64,
    /// Number of its tenant.
    pub(super) tenant: u16,
    /// The outage that this is the machine's first crash of, by place of its truth; else `u16::MAX`.
    pub(super) first_of: u16,
    /// Who is blamed.
    pub(super) blamed: u32,
    /// Bug check code.
    pub(super) bugcheck: u32,
    /// Where in the blamed image.
    pub(super) fault: u32,
    /// Whether the machine is known for bad hardware.
    pub(super) suspect: bool,
}

/// What no tick changes.
#[derive(Debug)]
pub(super) struct Model {
    /// What machines can be.
    pub(super) kinds: Kinds,
    /// Machines, by tenant.
    pub(super) fleets: Vec<Fleet>,
    /// Drivers.
    pub(super) drivers: Drivers,
    /// Their new builds.
    pub(super) releases: Releases,
    /// The way of uploads.
    pub(super) arrivals: Arrivals,
}

impl Model {
    /// Without releases as yet. `later`: drivers that appear; `times`: beginning and end.
    pub(super) fn new(config: &WorldConfig, later: usize, times: (i64, i64), seed: u64) -> Self {
        let tenants = config.tenants();
        let mut fleets: Vec<Fleet> = tenants.iter().map(|tenant| Fleet::new(config, tenant, seed)).collect();
        let weight = |tenant: &TenantConfig| tenant.share.unwrap_or(tenant.machines as f64);
        let sum: f64 = tenants.iter().map(weight).sum();
        for (fleet, tenant) in fleets.iter_mut().zip(&tenants) {
            fleet.share = weight(tenant) / sum;
        }
        Self {
            kinds: Kinds::new(config),
            fleets,
            drivers: Drivers::new(config.drivers as usize, later),
            releases: Releases::default(),
            arrivals: Arrivals::new(&config.noise, times.0, times.1, part(seed, Part::Stalls)),
        }
    }

    /// Share of all crashes that each region has in an average week.
    pub(super) fn region_shares(&self) -> [f64; REGION_COUNT] {
        std::array::from_fn(|region| {
            self.fleets.iter().map(|fleet| fleet.share * fleet.region_share(region)).sum()
        })
    }

    /// Whether a machine goes home in the evening.
    pub(super) fn goes_home(&self, key: u64) -> bool {
        self.kinds.models[usize::from(self.kinds.model(key))].1
    }

    /// Whether a machine is on: from half past seven to seven on working days, but for a nap now and then.
    pub(super) fn is_on(&self, fleet: &Fleet, number: u64, key: u64, at_ms: i64) -> bool {
        if !self.goes_home(key) {
            return true;
        }
        let local = fleet.local_ms(number, at_ms);
        let (day, hour) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS) as f64 / HOUR_MS as f64);
        let salt = day as u64;
        let weekend = (day + 3).rem_euclid(7) >= 5;
        if weekend && unit(key, salt ^ 0x7765) > 0.05 {
            return false;
        }
        let comes = 7.5 + 2.0 * unit(key, salt ^ 0x636f);
        let leaves = 16.5 + 2.5 * unit(key, salt ^ 0x6c65);
        let naps = unit(key, local.div_euclid(HOUR_MS) as u64 ^ 0x6e61) < 0.04;
        hour >= comes && hour < leaves && !naps
    }

    /// A tenant, by its share of crashes.
    pub(super) fn any_tenant(&self, random: &mut Random) -> usize {
        let mut mark = random.unit() * self.fleets.iter().map(|fleet| fleet.share).sum::<f64>();
        let fits = |fleet: &Fleet| {
            mark -= fleet.share;
            mark < 0.0
        };
        self.fleets.iter().position(fits).unwrap_or(0)
    }

    /// Who gets the blame that is somebody else's: the kernel and nobody twice as often as the window manager.
    pub(super) fn scapegoat(&self, mark: f64) -> u32 {
        let drivers = &self.drivers;
        if mark < 0.4 {
            drivers.kernel
        } else if mark < 0.6 {
            drivers.win32k
        } else {
            drivers.nobody
        }
    }

    /// A bug check that a driver's crashes have, its own one mostly.
    pub(super) fn bugcheck(driver: u32, draw: u64) -> u32 {
        let own = hash(u64::from(driver) ^ 0x6263);
        let place = if draw % 5 < 3 { own } else { draw >> 8 };
        BUGCHECKS[(place % BUGCHECKS.len() as u64) as usize]
    }

    /// A place in a driver that it crashes at; the commonest has half of them.
    pub(super) fn fault(driver: u32, draw: u64) -> u32 {
        let place = (draw >> 16).trailing_ones().min(12);
        let own = hash(u64::from(driver) << 8 | u64::from(place));
        0x1000 + (own % u64::from(builds::size(driver))) as u32
    }

    /// The build of a driver that a machine runs.
    pub(super) fn version(&self, driver: u32, key: u64, at_ms: i64) -> Version {
        if driver == self.drivers.nobody {
            return Version::default();
        }
        if self.drivers.is_windows(driver) {
            return builds::of_windows(driver, self.kinds.os_build(key));
        }
        let newest = self.releases.newest(driver, key, self.kinds.ring(key), at_ms);
        newest.unwrap_or_else(|| OldBuilds::new(driver).of(key))
    }

    /// The watched drivers that a machine has loaded, and `blamed` if it is a driver.
    pub(super) fn modules<'a>(&'a self, key: u64, at_ms: i64, blamed: u32, into: &mut Vec<Module<'a>>) {
        let ring = self.kinds.ring(key);
        let mut listed = blamed == self.drivers.nobody || self.drivers.is_windows(blamed);
        into.clear();
        for watched in self.drivers.installed(key, self.goes_home(key)) {
            let newest = self.releases.newest(watched.driver, key, ring, at_ms);
            let version = newest.unwrap_or_else(|| watched.old.of(key));
            into.push(Module { name: self.drivers.name(watched.driver), version });
            listed |= watched.driver == blamed;
        }
        if !listed {
            into.push(Module { name: self.drivers.name(blamed), version: self.version(blamed, key, at_ms) });
        }
    }

    /// What the detector is told of a crash, whose modules are known; the bucket's text goes into what is handed in.
    pub(super) fn crash<'a>(
        &'a self,
        sent: &Sent,
        bucket: &'a mut String,
        modules: &'a [Module<'a>],
    ) -> Crash<'a> {
        let fleet = &self.fleets[usize::from(sent.tenant)];
        let key = fleet.key(sent.machine);
        let driver = self.drivers.name(sent.blamed);
        write_bucket(bucket, sent, driver);
        Crash {
            tenant: &fleet.name,
            machine: key,
            crashed_at_ms: self.arrivals.says(key, sent.crashed_ms),
            arrived_at_ms: sent.arrives_ms,
            driver,
            version: self.version(sent.blamed, key, sent.crashed_ms),
            fault_offset: u64::from(sent.fault),
            bugcheck: sent.bugcheck,
            os_build: self.kinds.os_build(key),
            bucket,
            model: &self.kinds.models[usize::from(self.kinds.model(key))].0,
            ring: RINGS[self.kinds.ring(key)],
            site: &fleet.sites[fleet.site(sent.machine)],
            modules,
            suspect: sent.suspect,
        }
    }
}

/// An empty list of modules in the memory of another, whose names may be gone by then.
pub(super) fn emptied<'a>(mut modules: Vec<Module<'_>>) -> Vec<Module<'a>> {
    modules.clear();
    // collected in place: the same memory
    modules.into_iter().map(|module| Module { name: "", version: module.version }).collect()
}

/// `0x50_csagent.sys+e14ed`, without the formatter: it is written for every crash.
fn write_bucket(bucket: &mut String, sent: &Sent, driver: &str) {
    bucket.clear();
    bucket.push_str("0x");
    push_hex(bucket, sent.bugcheck);
    if !driver.is_empty() {
        bucket.push('_');
        bucket.push_str(driver);
        bucket.push('+');
        push_hex(bucket, sent.fault);
    }
}

fn push_hex(text: &mut String, number: u32) {
    let digits = (32 - number.leading_zeros()).div_ceil(4).max(1);
    text.extend((0..digits).rev().filter_map(|place| char::from_digit(number >> (4 * place) & 0xf, 16)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_written_as_expected() {
        let mut sent = Sent {
            arrives_ms: 0,
            order: 0,
            crashed_ms: 0,
            machine: 0,
            tenant: 0,
            first_of: 0,
            blamed: 0,
            bugcheck: 0x50,
            fault: 0xe14ed,
            suspect: false,
        };
        let mut bucket = String::new();
        write_bucket(&mut bucket, &sent, "csagent.sys");
        assert_eq!(bucket, "0x50_csagent.sys+e14ed");
        sent.bugcheck = 0;
        write_bucket(&mut bucket, &sent, "");
        assert_eq!(bucket, "0x0");
    }

    #[test]
    fn the_commonest_place_has_half_of_a_drivers_crashes() {
        let common = Model::fault(3, 0);
        let count = (0..10_000).filter(|&draw| Model::fault(3, hash(draw)) == common).count();
        assert!((4800..5200).contains(&count), "{count}");
    }
}

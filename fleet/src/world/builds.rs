//! Which build of a driver a machine runs: a mix of old ones, and new ones that reach machines ring by ring.

use detector::Version;
use dump::synth::hash;

use super::chance::unit;

/// How a build reaches machines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rollout {
    /// When each ring begins, ms since 1970.
    starts: [i64; 3],
    /// How long each takes, ms.
    spans: [f64; 3],
    /// What the order of machines is drawn from.
    salt: u64,
}

impl Rollout {
    /// Ring by ring: a tenth of the time for the canaries, two tenths for the early ones.
    pub(super) fn staged(begin_ms: i64, span_ms: i64, salt: u64) -> Self {
        let tenth = span_ms / 10;
        let spans = [tenth as f64, (2 * tenth) as f64, (7 * tenth) as f64];
        Self { starts: [begin_ms, begin_ms + tenth, begin_ms + 3 * tenth], spans, salt }
    }

    /// Every ring from the beginning.
    pub(super) fn at_once(begin_ms: i64, span_ms: i64, salt: u64) -> Self {
        Self { starts: [begin_ms; 3], spans: [span_ms as f64; 3], salt }
    }

    /// When it reaches a machine.
    pub(super) fn reaches_ms(&self, key: u64, ring: usize) -> i64 {
        self.starts[ring] + (self.spans[ring] * unit(key, self.salt)) as i64
    }

    /// Share of a ring that has it.
    pub(super) fn reached(&self, ring: usize, at_ms: i64) -> f64 {
        ((at_ms - self.starts[ring]) as f64 / self.spans[ring].max(1.0)).clamp(0.0, 1.0)
    }

    /// When its rings begin.
    pub(super) fn starts(&self) -> [i64; 3] {
        self.starts
    }

    /// When everybody has it.
    pub(super) fn end_ms(&self) -> i64 {
        self.starts[2] + self.spans[2] as i64
    }
}

/// A new build of a driver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Release {
    /// Number of the driver.
    pub(super) driver: u32,
    /// The build.
    pub(super) version: Version,
    /// How it reaches machines.
    pub(super) rollout: Rollout,
}

/// All releases, findable by driver.
#[derive(Debug, Default)]
pub(super) struct Releases {
    /// By driver, then by time.
    list: Vec<Release>,
    /// Where each driver's begin, and the last's end.
    first: Vec<u32>,
}

impl Releases {
    pub(super) fn new(mut list: Vec<Release>, drivers: usize) -> Self {
        list.sort_by_key(|release| (release.driver, release.rollout.starts[0], release.version));
        let first = (0..=drivers as u32)
            .map(|driver| list.partition_point(|release| release.driver < driver) as u32)
            .collect();
        Self { list, first }
    }

    /// Those of a driver, oldest first.
    pub(super) fn of(&self, driver: u32) -> &[Release] {
        let place = driver as usize;
        &self.list[self.first[place] as usize..self.first[place + 1] as usize]
    }

    /// All of them, by driver.
    pub(super) fn all(&self) -> &[Release] {
        &self.list
    }

    /// The newest build that a machine was given; none where it still has an old one.
    pub(super) fn newest(&self, driver: u32, key: u64, ring: usize, at_ms: i64) -> Option<Version> {
        let newest = self.of(driver).iter().rev().find(|release| {
            release.rollout.starts[0] <= at_ms && release.rollout.reaches_ms(key, ring) <= at_ms
        });
        newest.map(|release| release.version)
    }
}

/// Builds of a driver that were in use before the world began: up to four, the newest on most machines.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldBuilds {
    builds: [Version; 4],
    salt: u64,
}

impl OldBuilds {
    pub(super) fn new(driver: u32) -> Self {
        let count = 1 + hash(u64::from(driver) ^ 0x6275) % 4;
        let own = hash(u64::from(driver) ^ 0x7369);
        let builds = [0, 1, 2, 3].map(|place| {
            let place = if place < count { place } else { 0 };
            // July 2020 to March 2024
            let timestamp = 0x5f00_0000 + (hash(own ^ place) % 0x0700_0000) as u32;
            Version { timestamp, size: size(driver) + 0x1000 * place as u32 }
        });
        Self { builds, salt: hash(u64::from(driver)) }
    }

    /// The one that a machine runs.
    pub(super) fn of(&self, key: u64) -> Version {
        let mark = unit(key, self.salt);
        self.builds[[0.6, 0.85, 0.95].iter().filter(|&&end| mark >= end).count()]
    }
}

/// Size of a driver's image, about.
pub(super) fn size(driver: u32) -> u32 {
    0x1_0000 + 0x1000 * (hash(u64::from(driver) ^ 0x7a65) % 0x300) as u32
}

/// A build made some days before it is released, and found nowhere else.
pub(super) fn fresh(driver: u32, release_ms: i64, salt: u64) -> Version {
    let days = 2 + hash(salt) % 20;
    let timestamp = release_ms / 1000 - 86_400 * days as i64 + (hash(salt ^ 1) % 86_400) as i64;
    Version { timestamp: timestamp as u32, size: size(driver) + 0x1000 * (8 + (hash(salt ^ 2) % 16) as u32) }
}

/// Windows' own images change with its build.
pub(super) fn of_windows(driver: u32, os_build: u32) -> Version {
    let own = hash(u64::from(driver) << 32 | u64::from(os_build));
    Version { timestamp: own as u32, size: 0x10_4000 + 0x1000 * (own >> 56) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_reaches_ring_by_ring_and_stays() {
        let rollout = Rollout::staged(1_000_000, 10_000_000, 5);
        let release = Release { driver: 3, version: fresh(3, 1_000_000, 9), rollout };
        let releases = Releases::new(vec![release], 10);
        let has = |ring: usize, at_ms: i64| {
            let count = (0..10_000_u64)
                .filter(|&key| releases.newest(3, hash(key), ring, at_ms) == Some(release.version));
            count.count() as f64 / 10_000.0
        };
        assert_eq!(
            (has(0, 999_999), has(0, 2_000_001), has(1, 2_000_000), has(2, 4_000_000)),
            (0.0, 1.0, 0.0, 0.0)
        );
        assert!((has(1, 3_000_000) - 0.5).abs() < 0.02);
        assert!((has(2, 7_500_000) - rollout.reached(2, 7_500_000)).abs() < 0.02);
        assert_eq!((has(2, rollout.end_ms() + 1), releases.of(2).len()), (1.0, 0));
    }
}

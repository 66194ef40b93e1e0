//! The drivers of a world: their names, who makes them, and which machines have those that crashes list as loaded.

use dump::synth::hash;

use super::builds::OldBuilds;
use super::chance::unit;
use crate::catalogue;

/// Most drivers that are listed as loaded.
pub(crate) const MOST_WATCHED: usize = 256;

/// Not watched.
const NOT: u16 = u16::MAX;

/// A driver that crashes list as loaded where it is installed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    /// Number of the driver.
    pub(super) driver: u32,
    /// Builds of before the world.
    pub(super) old: OldBuilds,
    test: Test,
    salt: u64,
}

/// [`On`] with shares as what a hash must stay below.
#[derive(Debug, Clone, Copy)]
enum Test {
    Any(u64),
    Home(u64),
    Beside(usize, u64, u64),
}

impl From<On> for Test {
    fn from(on: On) -> Self {
        let limit = |share: f64| (share.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        match on {
            On::Any(share) => Self::Any(limit(share)),
            On::Home(share) => Self::Home(limit(share)),
            On::Beside(leader, with, without) => Self::Beside(leader, limit(with), limit(without)),
        }
    }
}

/// Places among the watched, one bit each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places([u64; MOST_WATCHED / 64]);

impl Places {
    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }
}

/// Where a driver is installed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum On {
    /// On so many of all machines.
    Any(f64),
    /// On so many of those that go home in the evening, and no other.
    Home(f64),
    /// On so many of those that have the watched driver of this place, and so many of the others.
    Beside(usize, f64, f64),
}

/// Every driver.
#[derive(Debug)]
pub(super) struct Drivers {
    /// Base names, by number: those of the background by rank, then the ones that appear later, then all others.
    pub(super) names: Vec<String>,
    /// How many crash in the background from the beginning.
    pub(super) background: usize,
    /// The number that stands for nobody.
    pub(super) nobody: u32,
    /// The kernel's.
    pub(super) kernel: u32,
    /// The window manager's.
    pub(super) win32k: u32,
    /// Watched ones; those that others are beside come first.
    pub(super) watched: Vec<Watched>,
    /// Place among the watched, by number.
    places: Vec<u16>,
    /// Drivers whose maker is another's.
    makers: Vec<(u32, u32)>,
}

impl Drivers {
    pub(super) fn new(background: usize, later: usize) -> Self {
        let mut names: Vec<String> =
            catalogue::drivers().iter().map(|driver| driver.name.to_ascii_lowercase()).collect();
        names.truncate(background);
        let parts = ["ath", "vflt", "nic", "aud", "gfx", "stor", "usb", "sec", "prn", "cam", "wlan", "fs"];
        for place in names.len()..background + later {
            names.push(format!("{}{place:05}.sys", parts[place % parts.len()]));
        }
        let mut drivers = Self {
            names,
            background,
            nobody: 0,
            kernel: 0,
            win32k: 0,
            watched: Vec::new(),
            places: Vec::new(),
            makers: Vec::new(),
        };
        drivers.nobody = drivers.named("");
        drivers.kernel = drivers.named("ntoskrnl.exe");
        drivers.win32k = drivers.named("win32kbase.sys");
        drivers
    }

    /// The number of a name, new ones being appended.
    pub(super) fn named(&mut self, name: &str) -> u32 {
        let name = name.to_ascii_lowercase();
        let place = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        place as u32
    }

    /// A driver's name.
    pub(super) fn name(&self, driver: u32) -> &str {
        &self.names[driver as usize]
    }

    /// Whether it comes with Windows.
    pub(super) fn is_windows(&self, driver: u32) -> bool {
        driver == self.kernel || driver == self.win32k
    }

    /// Lists a driver as loaded from now on. Gives its place; one that is listed already stays as it is.
    pub(super) fn watch(&mut self, driver: u32, on: On) -> usize {
        self.places.resize(self.names.len().max(self.places.len()), NOT);
        let place = self.places[driver as usize];
        if place != NOT {
            return usize::from(place);
        }
        self.places[driver as usize] = self.watched.len() as u16;
        self.watched.push(Watched {
            driver,
            old: OldBuilds::new(driver),
            test: on.into(),
            salt: hash(u64::from(driver) ^ 0x7761),
        });
        self.watched.len() - 1
    }

    /// The place of a driver among the watched.
    pub(super) fn place(&self, driver: u32) -> Option<usize> {
        self.places.get(driver as usize).filter(|&&place| place != NOT).map(|&place| usize::from(place))
    }

    /// Whether a machine has the watched driver of a place. `home`: whether it goes home.
    pub(super) fn has(&self, place: usize, key: u64, home: bool) -> bool {
        let watched = &self.watched[place];
        let mark = hash(key ^ watched.salt);
        match watched.test {
            Test::Any(limit) => mark < limit,
            Test::Home(limit) => home && mark < limit,
            Test::Beside(leader, with, without) => {
                mark < if self.has(leader, key, home) { with } else { without }
            }
        }
    }

    /// The watched drivers that a machine has, in order.
    pub(super) fn installed(&self, key: u64, home: bool) -> impl Iterator<Item = &Watched> {
        let mut found = Places::default();
        self.watched.iter().enumerate().take(MOST_WATCHED).filter_map(move |(place, watched)| {
            let mark = hash(key ^ watched.salt);
            let limit = match watched.test {
                Test::Any(limit) => limit,
                Test::Home(limit) if home => limit,
                Test::Home(_) => 0,
                Test::Beside(leader, with, without) => {
                    if found.has(leader) {
                        with
                    } else {
                        without
                    }
                }
            };
            found.0[place / 64] |= u64::from(mark < limit) << (place % 64);
            (mark < limit).then_some(watched)
        })
    }

    /// The popular drivers of a world: some only on machines that go home, some mostly beside another.
    pub(super) fn watch_popular(&mut self, count: usize) {
        let mut before = None;
        for driver in 0..count.min(self.background) {
            let share = 0.15 + 0.75 * unit(driver as u64, 0x706f);
            let on = match (driver % 5, before) {
                (2, _) => On::Home(share),
                (4, Some(leader)) => On::Beside(leader, 0.9, 0.05),
                _ => On::Any(share),
            };
            before = Some(self.watch(driver as u32, on));
        }
    }

    /// Two drivers come from one maker.
    pub(super) fn same_maker(&mut self, driver: u32, other: u32) {
        self.makers.push((other, driver));
    }

    /// Who makes a driver.
    pub(super) fn maker(&self, driver: u32) -> String {
        let of = self.makers.iter().find(|(other, _)| *other == driver).map_or(driver, |(_, of)| *of);
        format!("Vendor {:04}", hash(u64::from(of) ^ 0x6d61) % (self.background as u64 / 8 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_small_worlds_have_few() {
        for (background, later) in [(100, 3), (10_000, 56)] {
            let drivers = Drivers::new(background, later);
            let distinct: std::collections::BTreeSet<_> = drivers.names.iter().collect();
            assert_eq!(
                (distinct.len(), drivers.names.len()),
                (background + later + 3, background + later + 3)
            );
        }
    }

    #[test]
    fn drivers_are_installed_beside_each_other() {
        let mut drivers = Drivers::new(100, 0);
        let leader = drivers.watch(7, On::Any(0.3));
        let decoy = drivers.watch(8, On::Beside(leader, 0.9, 0.1));
        let home = drivers.watch(9, On::Home(0.5));
        assert_eq!(
            (drivers.watch(7, On::Any(1.0)), drivers.place(8), drivers.place(5)),
            (leader, Some(decoy), None)
        );
        let keys: Vec<u64> = (0..20_000).map(hash).collect();
        let count = |of: &dyn Fn(u64) -> bool| keys.iter().filter(|&&key| of(key)).count() as f64 / 20_000.0;
        assert!((count(&|key| drivers.has(leader, key, false)) - 0.3).abs() < 0.015);
        let both = count(&|key| drivers.has(leader, key, false) && drivers.has(decoy, key, false));
        assert!((both - 0.27).abs() < 0.015, "{both}");
        assert_eq!(count(&|key| drivers.has(home, key, false)), 0.0);
        assert!((count(&|key| drivers.has(home, key, true)) - 0.5).abs() < 0.015);
    }
}

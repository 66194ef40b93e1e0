//! The machines: who they are, what they run. A function of the seed.

use dump::synth::{SynthProcessor, SynthSmbios, hash};

use crate::catalogue::{self, Driver};
use crate::outages::{Outage, Trigger, outages};
use crate::random::Random;

/// What a fleet is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetConfig {
    /// How many machines.
    pub machines: usize,
    /// How many sites they are spread over.
    pub sites: usize,
    /// What everything is drawn from.
    pub seed: u64,
}

/// A simulated fleet.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Its machines.
    pub machines: Vec<Machine>,
    /// Every driver, by rank; machines refer to them by place. The outage's come last, and crash in it alone.
    pub drivers: Vec<Driver>,
    /// The outage that it may suffer.
    pub outage: Option<&'static Outage>,
    /// How many of the drivers crash in the background.
    pub(crate) background: usize,
}

/// A simulated machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// As it calls itself.
    pub id: String,
    /// Where it stands.
    pub site: String,
    /// Its rollout ring.
    pub ring: &'static str,
    /// Base build of Windows.
    pub build: u32,
    /// Update revision.
    pub ubr: u32,
    /// What SMBIOS says.
    pub smbios: SynthSmbios,
    /// What the processor says.
    pub processor: SynthProcessor,
    /// Logical processors.
    pub processors: u32,
    /// Third-party drivers, as places in [`Fleet::drivers`], in load order.
    pub installed: Vec<usize>,
    /// What else about it is drawn from.
    pub seed: u64,
}

/// Vendor, model, BIOS, processor, share of the fleet in a hundred.
const MODELS: [(&str, &str, &str, usize, usize); 8] = [
    ("LENOVO", "21HD000MGE", "N3QET43W (1.43 )", 0, 22),
    ("Dell Inc.", "Latitude 5440", "1.16.0", 0, 20),
    ("HP", "HP EliteBook 840 G9", "U70 Ver. 01.09.01", 1, 16),
    ("Dell Inc.", "OptiPlex 7010", "1.13.1", 2, 14),
    ("LENOVO", "11JN0043GE", "M2WKT5AA", 2, 10),
    ("HP", "HP ProDesk 405 G8", "T25 Ver. 02.16.00", 3, 8),
    ("VMware, Inc.", "VMware7,1", "VMW71.00V.21805430.B64.2305221830", 4, 6),
    ("Microsoft Corporation", "Surface Pro 9", "14.201.143", 1, 4),
];

/// Name, vendor, identifier, MHz, logical processors.
const PROCESSORS: [(&str, &str, &str, u32, u32); 5] = [
    (
        "13th Gen Intel(R) Core(TM) i5-1335U",
        "GenuineIntel",
        "Intel64 Family 6 Model 186 Stepping 3",
        2496,
        12,
    ),
    (
        "12th Gen Intel(R) Core(TM) i5-1245U",
        "GenuineIntel",
        "Intel64 Family 6 Model 154 Stepping 4",
        2496,
        12,
    ),
    (
        "Intel(R) Core(TM) i5-10500T CPU @ 2.30GHz",
        "GenuineIntel",
        "Intel64 Family 6 Model 165 Stepping 3",
        2304,
        12,
    ),
    (
        "AMD Ryzen 5 PRO 5650GE with Radeon Graphics     ",
        "AuthenticAMD",
        "AMD64 Family 25 Model 80 Stepping 0",
        3394,
        12,
    ),
    (
        "Intel(R) Xeon(R) Gold 6342 CPU @ 2.80GHz",
        "GenuineIntel",
        "Intel64 Family 6 Model 106 Stepping 6",
        2793,
        4,
    ),
];

/// Numbers of machines set aside for each outage's fleet.
const MOST_MACHINES: usize = 100_000;
/// Share of the machines that run what an outage is about.
const EXPOSED: f64 = 0.9;

impl Fleet {
    /// The fleet of a configuration.
    pub fn new(config: &FleetConfig) -> Self {
        Self::of(config, None, 0)
    }

    /// The same with an outage before it: nine of ten machines run its drivers, and nobody crashes in them as yet.
    pub fn with_outage(config: &FleetConfig, outage: &'static Outage) -> Self {
        Self::of(config, Some(outage), 0)
    }

    /// The same again, with other machines than in the rounds before: a machine that crashed in a driver is nothing new
    /// for half a day.
    pub(crate) fn of_round(config: &FleetConfig, outage: Option<&'static Outage>, round: usize) -> Self {
        Self::of(config, outage, round)
    }

    fn of(config: &FleetConfig, outage: Option<&'static Outage>, round: usize) -> Self {
        let own: Vec<Driver> = outage.map(outage_drivers).unwrap_or_default();
        let mut drivers = catalogue::drivers();
        drivers.retain(|driver| !own.iter().any(|outage| outage.name.eq_ignore_ascii_case(driver.name)));
        let background = drivers.len();
        drivers.extend(own);
        // a fleet an outage: drills of several against one server must not look like one set of broken machines
        let place = outage.and_then(|outage| outages().iter().position(|one| one == outage)).unwrap_or(0);
        let rounds = MOST_MACHINES / config.machines.max(1);
        let first = place * MOST_MACHINES + (round % rounds.max(1)) * config.machines;
        let numbers = first..first + config.machines;
        let machines = numbers.map(|number| machine(config, &drivers, background, number)).collect();
        Self { machines, drivers, outage, background }
    }

    /// Place of one of the outage's drivers.
    pub fn outage_driver(&self, name: &str) -> Option<usize> {
        let own = self.drivers.get(self.background..)?;
        own.iter()
            .position(|driver| driver.name.eq_ignore_ascii_case(name))
            .map(|place| self.background + place)
    }

    /// Whether a driver is one that an update of itself made crash.
    pub(crate) fn is_of_update(&self, place: usize) -> bool {
        place >= self.background && self.outage.is_some_and(|outage| outage.trigger == Trigger::DriverUpdate)
    }

    /// The machines that the outage may take down: those that run its drivers, or all where it needs none.
    pub fn exposed(&self) -> Vec<usize> {
        let own = self.drivers.get(self.background..).unwrap_or_default();
        let needed = own.iter().position(|driver| !driver.is_inbox()).map(|place| self.background + place);
        let is_exposed = |machine: &Machine| needed.is_none_or(|driver| machine.installed.contains(&driver));
        (0..self.machines.len()).filter(|&place| is_exposed(&self.machines[place])).collect()
    }
}

/// What an outage brings, then those of Windows' own that it crashes in.
fn outage_drivers(outage: &'static Outage) -> Vec<Driver> {
    let mut drivers: Vec<Driver> = outage.drivers.iter().map(Driver::from).collect();
    for name in outage.blamed() {
        if !drivers.iter().any(|driver| driver.name == name) {
            drivers.push(Driver::inbox(name));
        }
    }
    drivers
}

fn machine(config: &FleetConfig, drivers: &[Driver], background: usize, number: usize) -> Machine {
    let seed = hash(config.seed ^ hash(number as u64));
    let mut random = Random::new(seed);
    // sites differ in size: half of the machines stand in a fifth of the sites
    let spread = random.unit();
    let site = (spread * spread * config.sites as f64) as usize;
    let ring = match random.below(100) {
        0 => "canary",
        1..=9 => "early",
        _ => "broad",
    };
    let (build, ubr) =
        [(19041, 4651), (19041, 4651), (19041, 4529), (22621, 3880), (26100, 2314)][random.below(5)];
    let (vendor, model, bios, processor, _) = *pick_model(&mut random);
    let (name, cpu_vendor, identifier, mhz, processors) = PROCESSORS[processor];
    let mut installed: Vec<usize> = (0..background)
        .filter(|&place| !drivers[place].is_inbox())
        .filter(|&place| random.below(1000) < drivers[place].installs as usize)
        .collect();
    // the outage's load early
    if random.chance(EXPOSED) {
        installed.splice(0..0, (background..drivers.len()).filter(|&place| !drivers[place].is_inbox()));
    }
    Machine {
        id: format!("pc-{number:06}"),
        site: format!("site-{site:03}"),
        ring,
        build,
        ubr,
        smbios: SynthSmbios {
            vendor: vendor.into(),
            model: model.into(),
            bios_vendor: vendor.into(),
            bios_version: bios.into(),
            bios_date: "03/14/2024".into(),
            board_vendor: vendor.into(),
            board: model.into(),
            ..SynthSmbios::default()
        },
        processor: SynthProcessor {
            name: name.into(),
            vendor: cpu_vendor.into(),
            identifier: identifier.into(),
            mhz,
        },
        processors,
        installed,
        seed,
    }
}

fn pick_model(random: &mut Random) -> &'static (&'static str, &'static str, &'static str, usize, usize) {
    let mut mark = random.below(100);
    for model in &MODELS {
        if mark < model.4 {
            return model;
        }
        mark -= model.4;
    }
    &MODELS[0]
}

#[cfg(test)]
mod tests {
    use super::{Fleet, FleetConfig, MODELS};

    const CONFIG: FleetConfig = FleetConfig { machines: 2000, sites: 100, seed: 11 };

    #[test]
    fn a_seed_is_a_fleet() {
        assert_eq!(Fleet::new(&CONFIG).machines, Fleet::new(&CONFIG).machines);
        assert_ne!(Fleet::new(&CONFIG).machines, Fleet::new(&FleetConfig { seed: 12, ..CONFIG }).machines);
    }

    #[test]
    fn each_round_has_machines_of_its_own() {
        let of = |round| {
            let fleet = Fleet::of_round(&CONFIG, crate::outage("crowdstrike"), round);
            fleet.machines.into_iter().map(|machine| machine.id).collect::<std::collections::BTreeSet<_>>()
        };
        assert!(of(0).is_disjoint(&of(1)) && of(49).is_disjoint(&of(1)));
        assert_eq!(of(50), of(0), "numbers are used again before another outage's are touched");
    }

    #[test]
    fn machines_are_spread_as_described() {
        assert_eq!(MODELS.iter().map(|model| model.4).sum::<usize>(), 100);
        let fleet = Fleet::with_outage(&CONFIG, crate::outage("crowdstrike").unwrap());
        let exposed = fleet.exposed().len();
        assert!((1740..1860).contains(&exposed), "{exposed}");
        let sites: std::collections::BTreeSet<_> =
            fleet.machines.iter().map(|machine| &machine.site).collect();
        assert!(sites.len() > 80, "{}", sites.len());
        for machine in &fleet.machines {
            assert!((8..80).contains(&machine.installed.len()), "{}", machine.installed.len());
        }
    }
}

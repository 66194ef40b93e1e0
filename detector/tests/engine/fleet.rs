//! A small fleet: drivers by Zipf, sites, a seed. The large one with every difficulty is the simulator's.

use bluescope_detector::{Crash, Detector, DetectorConfig, History, Transition, Version};

pub(crate) struct Fleet {
    pub(crate) detector: Detector,
    pub(crate) steps: Vec<Transition>,
    /// Multiple of the usual.
    pub(crate) factor: f64,
    random: u64,
    now_ms: i64,
    per_s: f64,
    drivers: usize,
    sites: u64,
    machines: u64,
}

const START_MS: i64 = 1_750_000_000_000;
const TICK_S: u64 = 2;

pub(crate) fn site(number: u64) -> String {
    format!("s{number}")
}

pub(crate) fn crash<'a>(driver: &'a str, machine: u64, site: &'a str) -> Crash<'a> {
    Crash {
        tenant: "",
        machine,
        crashed_at_ms: 0,
        arrived_at_ms: 0,
        driver,
        version: Version { timestamp: 1, size: 1 },
        fault_offset: 0x1000,
        bugcheck: 0x50,
        os_build: 19045,
        bucket: "",
        model: "m",
        ring: "broad",
        site,
        modules: &[],
        suspect: false,
    }
}

impl Fleet {
    /// 1,000 drivers, 70 machines a minute, 400 sites; nothing is known of it.
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, DetectorConfig::default(), 70.0 / 60.0, 1000, 400, 500_000)
    }

    fn with(
        seed: u64,
        config: DetectorConfig,
        per_s: f64,
        drivers: usize,
        sites: u64,
        machines: u64,
    ) -> Self {
        Self {
            detector: Detector::new(config, START_MS),
            steps: Vec::new(),
            factor: 1.0,
            random: seed.wrapping_mul(0x9e37_79b9) + 1,
            now_ms: START_MS,
            per_s,
            drivers,
            sites,
            machines,
        }
    }

    /// The same with two weeks of past.
    pub(crate) fn primed(seed: u64) -> Self {
        Self::primed_with(seed, DetectorConfig::default())
    }

    pub(crate) fn primed_with(seed: u64, config: DetectorConfig) -> Self {
        let mut fleet = Self::with(seed, config, 70.0 / 60.0, 1000, 400, 500_000);
        fleet.prime();
        fleet
    }

    /// 300 machines at one site, three crashes a day.
    pub(crate) fn office(seed: u64) -> Self {
        let config = DetectorConfig { machines: [(String::new(), 300)].into(), ..DetectorConfig::default() };
        let mut fleet = Self::with(seed, config, 3.0 / 86_400.0, 100, 1, 300);
        fleet.prime();
        fleet
    }

    fn prime(&mut self) {
        let weights: f64 = (1..=self.drivers).map(|rank| 1.0 / rank as f64).sum();
        let from_ms = START_MS - 14 * 86_400_000;
        let names: Vec<String> = (0..self.drivers).map(|rank| format!("driver{rank}.sys")).collect();
        let mut history = Vec::new();
        for hour in 0..14 * 24 {
            for (rank, name) in names.iter().enumerate() {
                let mean = self.per_s * 3600.0 / (rank + 1) as f64 / weights;
                let machines = self.poisson(mean);
                if machines > 0 {
                    history.push(History {
                        tenant: "",
                        driver: name,
                        hour_ms: from_ms + hour * 3_600_000,
                        machines,
                    });
                }
            }
        }
        self.detector.learn(from_ms, &history);
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn next(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
            return (mean + normal * mean.sqrt()).max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.next(), 0);
        while product > limit {
            product *= self.next();
            count += 1;
        }
        count
    }

    pub(crate) fn crash(&mut self, crash: &Crash<'_>) {
        let crashed_at_ms = if crash.crashed_at_ms == 0 { self.now_ms - 60_000 } else { crash.crashed_at_ms };
        self.detector.crash(&Crash { arrived_at_ms: self.now_ms, crashed_at_ms, ..*crash });
    }

    fn usual(&mut self, seconds: f64, crashed_at_ms: Option<(i64, i64)>) {
        let weights: f64 = (self.drivers as f64).ln() + 0.577;
        for _ in 0..self.poisson(self.per_s * self.factor * seconds) {
            // Zipf with slope 1 by its inverse.
            let rank = ((self.next() * weights - 0.577).max(0.0).exp() - 1.0).max(0.0) as usize;
            let machine = (self.next() * self.machines as f64) as u64;
            let driver = format!("driver{}.sys", rank.min(self.drivers - 1));
            let site = site(machine % self.sites);
            let at = match crashed_at_ms {
                Some((from, to)) => from + (self.next() * (to - from) as f64) as i64,
                None => 0,
            };
            let bugcheck = 0x50 + (machine % 7) as u32;
            self.crash(&Crash { crashed_at_ms: at, bugcheck, ..crash(&driver, machine, &site) });
        }
    }

    fn tick(&mut self) {
        self.now_ms += (TICK_S * 1000) as i64;
        let steps = self.detector.tick(self.now_ms);
        self.steps.extend(steps);
    }

    /// The usual for so long.
    pub(crate) fn run(&mut self, seconds: u64) {
        self.extra(seconds, |_, _| {});
    }

    /// The usual, and something every second.
    pub(crate) fn extra(&mut self, seconds: u64, each: impl Fn(u64, &mut Self)) {
        for second in 0..seconds {
            each(second, self);
            if second % TICK_S == TICK_S - 1 {
                self.usual(TICK_S as f64, None);
                self.tick();
            }
        }
    }

    /// So many machines a second of one driver, all over the place.
    pub(crate) fn outage(&mut self, driver: &str, per_s: f64, seconds: u64) {
        let first = self.now_ms as u64;
        for second in 0..seconds {
            for i in 0..self.poisson(per_s) {
                let machine = first + second * 1000 + i;
                let site = site(machine.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.sites);
                self.crash(&crash(driver, machine, &site));
            }
            if second % TICK_S == TICK_S - 1 {
                self.usual(TICK_S as f64, None);
                self.tick();
            }
        }
    }

    /// Nothing arrives for so long, then all of it at once.
    pub(crate) fn stall(&mut self, seconds: u64) {
        let from = self.now_ms;
        for _ in 0..seconds / TICK_S {
            self.tick();
        }
        self.usual(seconds as f64, Some((from, self.now_ms)));
        self.tick();
    }
}

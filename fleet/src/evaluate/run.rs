//! One run: a world's stream through the detector, and through the methods that it is compared with, tick by tick.
//! Knows neither other runs nor what is printed of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use detector::{Detector, DetectorConfig, History, Transition};
use serde::{Deserialize, Serialize};

use crate::evaluate::baseline::{Method, Panel};
use crate::evaluate::near::{Near, Recorder};
use crate::evaluate::score::Score;
use crate::scenario::WorldConfig;
use crate::world::{Input, Truth, World};

const DAY_MS: i64 = 86_400_000;

/// What came of one world with one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Name of the world.
    pub world: String,
    /// Its class.
    pub class: String,
    /// What everything random in it came from.
    pub seed: u64,
    /// When it began, ms since 1970.
    pub start_ms: i64,
    /// Simulated days.
    pub days: f64,
    /// The detector's alarms against the truth.
    pub score: Score,
    /// The methods it is compared with; empty where they were not wanted.
    pub methods: Vec<MethodScore>,
    /// What it took.
    pub effort: Effort,
    /// One of its outages from near, where one was found.
    pub near: Option<Near>,
}

/// What one method would have made of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodScore {
    /// Which.
    pub method: Method,
    /// Alarms that no outage explains.
    pub false_alarms: u64,
    /// From the first affected upload to its first alarm, s, for each outage of [`Score::truths`].
    pub found_s: Vec<Option<f64>>,
}

/// What a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Making the stream, s.
    pub simulate_s: f64,
    /// Learning and detecting, s.
    pub detect_s: f64,
    /// The other methods, s.
    pub compare_s: f64,
    /// Ticks.
    pub ticks: u64,
    /// Crashes.
    pub crashes: u64,
    /// Heartbeats, inventories, changes.
    pub others: u64,
    /// Series that the detector kept at the end.
    pub series: u64,
    /// Bytes of memory that they took.
    pub series_bytes: u64,
    /// Bytes of its checkpoint then, names and the machines of incidents included.
    pub checkpoint_bytes: u64,
}

impl Effort {
    /// Both together; of what a run ends with, the larger.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            simulate_s: self.simulate_s + other.simulate_s,
            detect_s: self.detect_s + other.detect_s,
            compare_s: self.compare_s + other.compare_s,
            ticks: self.ticks + other.ticks,
            crashes: self.crashes + other.crashes,
            others: self.others + other.others,
            series: self.series.max(other.series),
            series_bytes: self.series_bytes.max(other.series_bytes),
            checkpoint_bytes: self.checkpoint_bytes.max(other.checkpoint_bytes),
        }
    }
}

/// Runs a world. `compare`: the other methods too. `day` is called when a simulated day is over.
pub(crate) fn run(
    world: &WorldConfig,
    seed: u64,
    config: &DetectorConfig,
    compare: bool,
    day: &dyn Fn(),
) -> RunReport {
    let begun = Instant::now();
    let mut stream = World::new(world, seed);
    let mut follower = Follower::new(&stream, config.clone(), compare);
    let mut next_day = stream.start_ms() + DAY_MS;
    while let Some(at_ms) = stream.tick(&mut |input| follower.take(&input)) {
        follower.tick(at_ms);
        if at_ms >= next_day {
            next_day += DAY_MS;
            day();
        }
    }
    let whole = begun.elapsed();
    follower.report(world, seed, &stream, whole)
}

/// What follows a stream.
struct Follower {
    detector: Detector,
    panel: Option<Panel>,
    recorder: Option<Recorder>,
    transitions: Vec<Transition>,
    detect: Duration,
    compare: Duration,
    effort: Effort,
}

impl Follower {
    fn new(stream: &World, config: DetectorConfig, compare: bool) -> Self {
        let (from_ms, past) = Past::of(stream);
        let begun = Instant::now();
        let mut detector = Detector::new(config, stream.start_ms());
        detector.learn(from_ms, &past.rows().collect::<Vec<_>>());
        let detect = begun.elapsed();
        let begun = Instant::now();
        let panel = compare.then(|| {
            let mut panel = Panel::new(from_ms, stream.start_ms());
            past.rows().for_each(|row| panel.learn(&row));
            panel.begin();
            panel
        });
        Self {
            detector,
            panel,
            recorder: Recorder::of(stream.truths()),
            transitions: Vec::new(),
            detect,
            compare: begun.elapsed(),
            effort: Effort::default(),
        }
    }

    fn take(&mut self, input: &Input<'_>) {
        let begun = Instant::now();
        match input {
            Input::Crash(crash) => self.detector.crash(crash),
            Input::Beat(beat) => self.detector.beat(beat),
            Input::Install(install) => self.detector.install(install),
            Input::Change(change) => self.detector.change(change),
        }
        let detected = begun.elapsed();
        self.detect += detected;
        let Input::Crash(crash) = input else {
            self.effort.others += 1;
            return;
        };
        self.effort.crashes += 1;
        if let Some(panel) = &mut self.panel {
            panel.crash(crash);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.crash(crash);
        }
        self.compare += begun.elapsed().saturating_sub(detected);
    }

    fn tick(&mut self, at_ms: i64) {
        let begun = Instant::now();
        self.transitions.extend(self.detector.tick(at_ms));
        self.detect += begun.elapsed();
        self.effort.ticks += 1;
    }

    fn report(self, world: &WorldConfig, seed: u64, stream: &World, whole: Duration) -> RunReport {
        let truths = stream.truths();
        let score = Score::of_transitions(truths, &self.transitions);
        let near = self.recorder.and_then(|recorder| recorder.near(world, seed, truths, &self.transitions));
        let alarms = self.panel.map(Panel::alarms);
        let checkpoint = self.detector.checkpoint().map_or(0, |state| state.len());
        RunReport {
            world: world.name.clone(),
            class: world.class().to_owned(),
            seed,
            start_ms: stream.start_ms(),
            days: (stream.end_ms() - stream.start_ms()) as f64 / DAY_MS as f64,
            score,
            methods: alarms.map_or_else(Vec::new, |alarms| scores(truths, alarms)),
            effort: Effort {
                simulate_s: whole.saturating_sub(self.detect + self.compare).as_secs_f64(),
                detect_s: self.detect.as_secs_f64(),
                compare_s: self.compare.as_secs_f64(),
                series: self.detector.series() as u64,
                series_bytes: self.detector.memory().series() as u64,
                checkpoint_bytes: checkpoint as u64,
                ..self.effort
            },
            near,
        }
    }
}

fn scores(truths: &[Truth], alarms: Vec<(Method, crate::evaluate::Alarm)>) -> Vec<MethodScore> {
    let mut by_method: HashMap<Method, Vec<_>> = HashMap::new();
    for (method, alarm) in alarms {
        by_method.entry(method).or_default().push(alarm);
    }
    let score = |method| {
        let score = Score::of_alarms(truths, by_method.remove(&method).unwrap_or_default());
        let found_s = score.truths.iter().map(|truth| truth.alarm_s).collect();
        MethodScore { method, false_alarms: score.false_alarms.len() as u64, found_s }
    };
    Method::all().map(score).collect()
}

/// The hours before a world begins. Names are held once: there are a million rows of ten thousand drivers.
#[derive(Default)]
struct Past {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    rows: Vec<(usize, usize, i64, u64)>,
}

impl Past {
    /// And where it begins.
    fn of(stream: &World) -> (i64, Self) {
        let mut past = Self::default();
        let from_ms = stream.history(&mut |row| {
            let (tenant, driver) = (past.number(row.tenant), past.number(row.driver));
            past.rows.push((tenant, driver, row.hour_ms, row.machines));
        });
        // whoever learns wants the oldest first
        past.rows.sort_by_key(|(_, _, hour_ms, _)| *hour_ms);
        (from_ms, past)
    }

    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len();
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn rows(&self) -> impl Iterator<Item = History<'_>> {
        let name = |number: usize| self.names.get(number).map_or("", String::as_str);
        self.rows.iter().map(move |(tenant, driver, hour_ms, machines)| History {
            tenant: name(*tenant),
            driver: name(*driver),
            hour_ms: *hour_ms,
            machines: *machines,
        })
    }
}

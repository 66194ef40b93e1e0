//! A fleet with office hours: laptops that sleep, desktops that are switched off, sites without power, an intake that
//! stalls, builds that are deployed, and outages on demand. A tick is a minute; the first is on a Monday at midnight, UTC.

use crate::input::Version;
use crate::names::NameId;
use crate::silence::{Dark, Installed, Silence};

pub(super) const TENANT: NameId = NameId(1);
/// On six of ten machines, in two builds.
pub(super) const AGENT: NameId = NameId(100);
/// On every laptop, and on no other machine.
pub(super) const TOUCHPAD: NameId = NameId(101);
/// On six of ten laptops.
pub(super) const RADIO: NameId = NameId(102);
/// On every machine.
pub(super) const DISK: NameId = NameId(103);

pub(super) const HOUR: u32 = 60;
pub(super) const DAY: u32 = 24 * HOUR;
/// Monday, 6 October 2025, 00:00.
const BEGIN_MS: i64 = 1_759_708_800_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Laptop,
    Desktop,
    Server,
}

#[derive(Debug, Clone)]
struct Machine {
    kind: Kind,
    site: u32,
    model: u32,
    modules: Vec<(NameId, Version)>,
    /// Off until this minute.
    off_until: u32,
    /// Broken until this minute, whatever its people do.
    dead_until: u32,
    next: u32,
}

/// How large, and what happens in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) machines: u32,
    pub(super) sites: u32,
    /// Minutes between beats.
    pub(super) pace: u32,
}

pub(super) struct World {
    pub(super) silence: Silence,
    pub(super) minute: u32,
    plan: Plan,
    machines: Vec<Machine>,
    due: Vec<Vec<u32>>,
    /// Machine by minute of the day: leaves for so many minutes, with a farewell or without.
    leaves: Vec<Vec<(u32, u32, bool)>>,
    random: u64,
    pub(super) stalled_until: u32,
}

pub(super) fn version(number: u32) -> Version {
    Version { timestamp: 0x6000_0000 + number, size: 0x10_0000 }
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut world = Self {
            silence: Silence::new(),
            minute: 0,
            plan,
            machines: Vec::new(),
            due: vec![Vec::new(); 64],
            leaves: vec![Vec::new(); DAY as usize],
            random: plan.seed,
            stalled_until: 0,
        };
        for _ in 0..plan.machines {
            let machine = world.machine();
            world.machines.push(machine);
        }
        for id in 0..plan.machines {
            world.install(id);
            let first = world.below(plan.pace) + 1;
            world.due_at(id, first);
        }
        world
    }

    fn machine(&mut self) -> Machine {
        let kind = match self.below(10) {
            0..5 => Kind::Laptop,
            5..9 => Kind::Desktop,
            _ => Kind::Server,
        };
        let model = self.below(6) + kind as u32 * 6;
        let build = |from: u32, count: u32, world: &mut Self| version(from + world.below(count));
        let mut modules = vec![(DISK, build(0, 2, self))];
        for driver in 0..10 {
            modules.push((NameId(200 + driver), build(0, 3, self)));
        }
        for driver in 0..4 {
            // Of the model: those of laptops' models are on laptops only.
            modules.push((NameId(1000 + model * 10 + driver), version(0)));
        }
        for driver in 0..10 {
            if self.below(4) == 0 {
                modules.push((NameId(300 + driver), build(0, 2, self)));
            }
        }
        if self.below(10) < 6 {
            modules.push((AGENT, build(0, 2, self)));
        }
        if kind == Kind::Laptop {
            modules.push((TOUCHPAD, build(0, 2, self)));
            if self.below(10) < 6 {
                modules.push((RADIO, version(0)));
            }
        }
        let site = self.below(self.plan.sites);
        Machine { kind, site, model, modules, off_until: 0, dead_until: 0, next: 0 }
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, count: u32) -> u32 {
        u32::try_from(self.next() % u64::from(count.max(1))).unwrap()
    }

    /// Sum of four dice: about a bell of half that width.
    fn around(&mut self, middle: u32, width: u32) -> u32 {
        let sum: u32 = (0..4).map(|_| self.below(width / 2)).sum();
        (middle + sum).saturating_sub(width)
    }

    fn now_ms(&self) -> i64 {
        BEGIN_MS + i64::from(self.minute) * 60_000
    }

    fn due_at(&mut self, id: u32, minute: u32) {
        self.machines[id as usize].next = minute;
        self.due[minute as usize % 64].push(id);
    }

    pub(super) fn install(&mut self, id: u32) {
        let at_ms = self.now_ms();
        let machine = &self.machines[id as usize];
        let what = Installed {
            at_ms,
            site: NameId(5000 + machine.site),
            ring: NameId::EMPTY,
            model: NameId(4000 + machine.model),
            os_build: 19045,
            modules: &machine.modules,
        };
        self.silence.install(TENANT, u64::from(id), what);
    }

    /// Another build on a machine, and what was there before.
    pub(super) fn deploy(&mut self, id: u32, driver: NameId, build: Version) {
        for module in self.machines[id as usize].modules.iter_mut().filter(|module| module.0 == driver) {
            module.1 = build;
        }
        self.install(id);
    }

    pub(super) fn with(&self, driver: NameId, build: Option<Version>) -> Vec<u32> {
        let has = |machine: &Machine| {
            machine.modules.iter().any(|module| module.0 == driver && build.is_none_or(|b| b == module.1))
        };
        (0..self.plan.machines).filter(|id| has(&self.machines[*id as usize])).collect()
    }

    pub(super) fn at_site(&self, site: u32) -> Vec<u32> {
        (0..self.plan.machines).filter(|id| self.machines[*id as usize].site == site).collect()
    }

    /// Machines that are on.
    pub(super) fn on(&self, ids: &[u32]) -> usize {
        let is_on = |id: &&u32| {
            let machine = &self.machines[**id as usize];
            machine.off_until.max(machine.dead_until) <= self.minute
        };
        ids.iter().filter(is_on).count()
    }

    pub(super) fn kill(&mut self, ids: &[u32], minutes: u32) {
        for id in ids {
            let machine = &mut self.machines[*id as usize];
            machine.dead_until = machine.dead_until.max(self.minute + minutes);
        }
    }

    fn leave(&mut self, id: u32, minutes: u32, farewell: bool) {
        if self.minute < self.machines[id as usize].dead_until {
            return;
        }
        if farewell && self.minute >= self.stalled_until {
            let at_ms = self.now_ms();
            self.silence.beat(TENANT, u64::from(id), at_ms, true);
        }
        let machine = &mut self.machines[id as usize];
        machine.off_until = machine.off_until.max(self.minute + minutes);
    }

    /// Restarts, most with a farewell.
    pub(super) fn restart(&mut self, id: u32) {
        let (minutes, farewell) = (2 + self.below(3), self.below(20) > 0);
        self.leave(id, minutes, farewell);
    }

    /// What people do today. On `short` days they leave at two; on free ones nobody comes.
    fn plan_day(&mut self, short: bool, free: bool) {
        self.leaves.iter_mut().for_each(Vec::clear);
        let day = self.minute / DAY;
        let weekday = day % 7;
        for id in 0..self.plan.machines {
            let kind = self.machines[id as usize].kind;
            let works = weekday < 5 && !free || self.below(12) == 0;
            let (mut goes, comes) = match short {
                true => (self.around(14 * HOUR, 60), self.around(8 * HOUR + 30, 90)),
                false => (self.around(18 * HOUR, 80), self.around(8 * HOUR + 30, 90)),
            };
            if weekday == 4 {
                goes -= HOUR;
            }
            let away = DAY - goes + comes;
            match kind {
                Kind::Laptop if works => {
                    // Closed without a word, now and then at noon, in meetings too.
                    if self.below(3) == 0 {
                        let (noon, minutes) = (self.around(12 * HOUR + 15, 40), 30 + self.below(40));
                        self.leaves[noon as usize].push((id, minutes, false));
                    }
                    if self.below(4) == 0 {
                        let (minute, minutes) = (9 * HOUR + self.below(480), 20 + self.below(60));
                        self.leaves[minute as usize].push((id, minutes, false));
                    }
                    self.leaves[goes as usize].push((id, away, false));
                }
                Kind::Desktop if works && self.below(3) == 0 => {
                    let farewell = self.below(10) < 7;
                    self.leaves[goes as usize].push((id, away, farewell));
                }
                Kind::Laptop => self.leaves[0].push((id, DAY + comes, false)),
                Kind::Desktop | Kind::Server => {}
            }
            if self.below(1000) == 0 {
                let minute = self.below(DAY);
                self.leaves[minute as usize].push((id, DAY, false));
            }
        }
    }

    /// A minute. `Some(true)` begins a short day, `Some(false)` a free one, where it is the first of a day.
    pub(super) fn tick(&mut self, kind_of_day: Option<bool>) -> Vec<Dark> {
        if self.minute.is_multiple_of(DAY) {
            self.plan_day(kind_of_day == Some(true), kind_of_day == Some(false));
        }
        let leaving = std::mem::take(&mut self.leaves[(self.minute % DAY) as usize]);
        for (id, minutes, farewell) in leaving {
            self.leave(id, minutes, farewell);
        }
        let due = std::mem::take(&mut self.due[self.minute as usize % 64]);
        for id in due {
            let machine = &self.machines[id as usize];
            let off_until = machine.off_until.max(machine.dead_until);
            if off_until > self.minute {
                // Looked at again when it may be back; the ring of minutes is an hour long.
                let again = off_until.min(self.minute + 60);
                self.due_at(id, again);
                continue;
            }
            let is_lost = self.below(200) == 0;
            if self.minute >= self.stalled_until && !is_lost {
                let at_ms = self.now_ms() + i64::from(self.below(60_000));
                self.silence.beat(TENANT, u64::from(id), at_ms, false);
            }
            let pace = self.plan.pace;
            self.due_at(id, self.minute + pace);
        }
        self.minute += 1;
        let at_ms = self.now_ms();
        self.silence.tick(at_ms, 0.5)
    }
}

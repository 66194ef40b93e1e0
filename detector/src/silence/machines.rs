//! One record of 24 bytes for each machine, and the wheel of deadlines that finds the overdue without looking at the
//! others. Knows nothing of drivers.

use serde::{Deserialize, Serialize};

use crate::index::{Index, NONE};

/// Shortest and longest interval between beats that is believed, s.
pub(super) const PACE_S: (u32, u32) = (30, 3600);
/// A machine that missed this many of its beats is dark.
const MISSED: u32 = 3;
/// What comes twice within this time says nothing about the interval, s: retries, and relays that send in batches.
const ECHO_S: u32 = 5;
/// A machine is counted as gone dark once in this time, h: one that comes and goes is one machine.
const ONCE_H: u32 = 2;
/// How often a machine goes dark: in four kinds, from about never to several times a day.
pub(super) const KINDS: usize = 4;
/// The kind of a machine that is new: any.
const ANY_KIND: u16 = 3;

/// What is known of a machine's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It told what it runs, and nothing else.
    Told,
    /// It beat once: when the next beat is due is not known.
    Heard,
    /// It beats.
    Awake,
    /// It is overdue.
    Dark,
    /// It said goodbye.
    Gone,
}

/// A machine.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Machine {
    /// Machine and tenant in one; the tenant's part can be taken out again.
    pub(super) key: u64,
    /// Last sign of life, s since 2000, by the tenant's own clock.
    pub(super) last_s: u32,
    /// What it is and runs. [`NONE`]: this record is free.
    pub(super) profile: u32,
    /// Next in the same bucket of the wheel, or next free record.
    next: u32,
    /// Interval between beats, s, in 12 bits; above them whether it is in the wheel, and its life.
    pace: u16,
    /// The hour in which it was last counted as gone dark plus one, in 14 bits; above them its kind.
    dark: u16,
}

const PACE_BITS: u16 = 0x0fff;
const IN_WHEEL: u16 = 0x1000;
const LIFE_SHIFT: u32 = 13;
const HOUR_BITS: u16 = 0x3fff;
const KIND_SHIFT: u32 = 14;

impl Machine {
    pub(super) fn life(&self) -> Life {
        match self.pace >> LIFE_SHIFT {
            0 => Life::Told,
            1 => Life::Heard,
            2 => Life::Awake,
            3 => Life::Dark,
            _ => Life::Gone,
        }
    }

    pub(super) fn set_life(&mut self, life: Life) {
        let bits: u16 = match life {
            Life::Told => 0,
            Life::Heard => 1,
            Life::Awake => 2,
            Life::Dark => 3,
            Life::Gone => 4,
        };
        self.pace = (self.pace & (PACE_BITS | IN_WHEEL)) | (bits << LIFE_SHIFT);
    }

    /// Interval between beats, s; 0 while unknown.
    pub(super) fn pace_s(&self) -> u32 {
        u32::from(self.pace & PACE_BITS)
    }

    fn set_pace(&mut self, seconds: u32) {
        let seconds = u16::try_from(seconds.clamp(PACE_S.0, PACE_S.1)).unwrap_or(PACE_BITS);
        self.pace = (self.pace & !PACE_BITS) | seconds;
    }

    /// How often it goes dark.
    pub(super) fn kind(&self) -> usize {
        usize::from(self.dark >> KIND_SHIFT)
    }

    fn set_kind(&mut self, kind: u16) {
        self.dark = (self.dark & HOUR_BITS) | (kind.min(ANY_KIND) << KIND_SHIFT);
    }

    /// When its silence becomes one, s, by the tenant's own clock.
    pub(super) fn deadline_s(&self) -> u32 {
        self.last_s.saturating_add(self.pace_s().saturating_mul(MISSED))
    }

    /// Learns from a beat how far apart they are.
    pub(super) fn learn(&mut self, at_s: u32) {
        let gap = at_s.saturating_sub(self.last_s);
        let pace = self.pace_s();
        match self.life() {
            _ if gap < ECHO_S => {}
            Life::Heard => self.set_pace(gap),
            Life::Awake if gap < pace => self.set_pace(pace - (pace - gap) / 4),
            Life::Awake => self.set_pace(pace + (gap.min(pace * MISSED) - pace) / 8),
            // Asleep for the night, or told to beat less often: the second is learnt from a few of these, and the
            // first unlearnt by a few beats.
            Life::Dark => self.set_pace(gap.min(pace + pace / 4 + 1)),
            Life::Told | Life::Gone => {}
        }
    }

    /// Hours since it was last counted as gone dark; none where it never was.
    fn hours_since(&self, hour: u32) -> Option<u32> {
        let stored = u32::from(self.dark & HOUR_BITS).checked_sub(1)?;
        let span = u32::from(HOUR_BITS);
        Some((hour % span + span - stored) % span)
    }

    /// Goes dark: whether it counts, and the kind of machine that it was until now.
    pub(super) fn darken(&mut self, hour: u32) -> (bool, usize) {
        let kind = self.kind();
        self.set_life(Life::Dark);
        let since = self.hours_since(hour);
        if since.is_some_and(|hours| hours < ONCE_H) {
            return (false, kind);
        }
        let seen: u16 = match since {
            Some(0..8) => 3,
            Some(8..40) => 2,
            Some(40..192) => 1,
            _ => 0,
        };
        // A weekend does not make an office machine another kind.
        let was = u16::try_from(kind).unwrap_or(ANY_KIND);
        let stamp = u16::try_from(hour % u32::from(HOUR_BITS) + 1).unwrap_or(1);
        self.dark = (self.dark & !HOUR_BITS) | stamp;
        self.set_kind(if since.is_none() { was.min(2) } else { seen.max(was.saturating_sub(1)) });
        (true, kind)
    }

    /// The kind it has become by not going dark for long: the one before, where it changed.
    pub(super) fn calm(&mut self, hour: u32, known_h: u32) -> Option<usize> {
        let hours = self.hours_since(hour).unwrap_or(known_h);
        let most: u16 = match hours {
            0..48 => 3,
            48..96 => 2,
            96..192 => 1,
            _ => 0,
        };
        let was = self.kind();
        if was <= usize::from(most) {
            return None;
        }
        self.set_kind(most);
        Some(was)
    }
}

/// All of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Machines {
    list: Vec<Machine>,
    free: Option<u32>,
    #[serde(skip)]
    index: Index,
    wheel: Wheel,
}

/// Width of a bucket, s.
const BUCKET_S: i64 = 10;
/// Buckets: more than three times the longest interval.
const BUCKETS: usize = 1100;

#[derive(Debug, Serialize, Deserialize)]
struct Wheel {
    heads: Vec<u32>,
    /// Bucket up to which everything was looked at.
    done: Option<i64>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { heads: vec![NONE; BUCKETS], done: None }
    }
}

impl Machines {
    /// Makes the look-up again after the rest was read.
    pub(super) fn rebuild(&mut self) {
        let Self { list, index, .. } = self;
        for id in 0..u32::try_from(list.len()).unwrap_or(NONE) {
            if usize::try_from(id).ok().and_then(|id| list.get(id)).is_some_and(|one| one.profile != NONE) {
                index.insert(id, |id| key_of(list, id));
            }
        }
    }

    /// Every record, the free ones too.
    pub(super) fn list(&self) -> &[Machine] {
        &self.list
    }

    pub(super) fn get(&self, id: u32) -> Option<&Machine> {
        self.list.get(usize::try_from(id).ok()?)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Machine> {
        self.list.get_mut(usize::try_from(id).ok()?)
    }

    pub(super) fn find(&self, key: u64) -> Option<u32> {
        self.index.find(key, |id| key_of(&self.list, id))
    }

    /// A record for a machine that has none; none where there are too many to number.
    pub(super) fn add(&mut self, key: u64, at_s: u32, profile: u32) -> Option<u32> {
        let machine =
            Machine { key, last_s: at_s, profile, next: NONE, pace: 0, dark: ANY_KIND << KIND_SHIFT };
        let id = match self.free {
            Some(id) => {
                let place = self.get_mut(id)?;
                let next = place.next;
                *place = machine;
                self.free = (next != NONE).then_some(next);
                id
            }
            None => {
                // Two bits beside the number say of which kind a machine is.
                let id = u32::try_from(self.list.len()).ok().filter(|id| *id < 1 << 30)?;
                if self.list.len() == self.list.capacity() {
                    self.list.reserve_exact(self.list.len() / 16 + 1024);
                }
                self.list.push(machine);
                id
            }
        };
        let Machines { list, index, .. } = self;
        index.insert(id, |id| key_of(list, id));
        Some(id)
    }

    /// Forgets a machine that is not in the wheel.
    pub(super) fn forget(&mut self, id: u32) {
        let Machines { list, index, .. } = self;
        index.remove(id, |id| key_of(list, id));
        let next = self.free.unwrap_or(NONE);
        if let Some(machine) = self.get_mut(id) {
            machine.profile = NONE;
            machine.next = next;
            self.free = Some(id);
        }
    }

    pub(super) fn is_in_wheel(&self, id: u32) -> bool {
        self.get(id).is_some_and(|machine| machine.pace & IN_WHEEL != 0)
    }

    /// Has a machine looked at at `due_s`, real time; nothing where it is to be looked at already.
    pub(super) fn watch(&mut self, id: u32, due_s: i64) {
        if self.is_in_wheel(id) {
            return;
        }
        let bucket = due_s.div_euclid(BUCKET_S) + 1;
        let bucket = match self.wheel.done {
            Some(done) => bucket.clamp(done + 1, done + BUCKETS as i64 - 1),
            None => bucket,
        };
        let slot = usize::try_from(bucket.rem_euclid(BUCKETS as i64)).unwrap_or(0);
        let Some(head) = self.wheel.heads.get_mut(slot) else { return };
        let next = std::mem::replace(head, id);
        if let Some(machine) = self.get_mut(id) {
            machine.next = next;
            machine.pace |= IN_WHEEL;
        }
    }

    /// Everybody who is to be looked at until `now_s`; they leave the wheel.
    pub(super) fn due(&mut self, now_s: i64) -> Vec<u32> {
        let now = now_s.div_euclid(BUCKET_S);
        let done = self.wheel.done.unwrap_or(now - BUCKETS as i64);
        let mut due = Vec::new();
        for bucket in (done + 1).max(now - BUCKETS as i64 + 1)..=now {
            let slot = usize::try_from(bucket.rem_euclid(BUCKETS as i64)).unwrap_or(0);
            let Some(head) = self.wheel.heads.get_mut(slot) else { continue };
            let mut id = std::mem::replace(head, NONE);
            // Whoever left the wheel ends the chain, so that none that closes in a damaged state goes on for ever.
            while let Some(machine) = self.get_mut(id).filter(|machine| machine.pace & IN_WHEEL != 0) {
                due.push(id);
                machine.pace &= !IN_WHEEL;
                id = std::mem::replace(&mut machine.next, NONE);
            }
        }
        self.wheel.done = Some(now.max(done));
        due.sort_unstable();
        due
    }

    /// Memory held.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Machine>() + self.index.bytes()
    }
}

fn key_of(list: &[Machine], id: u32) -> u64 {
    usize::try_from(id).ok().and_then(|id| list.get(id)).map_or(0, |machine| machine.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_machines_cost_less_than_32_bytes_each() {
        // A tenth of that, and what the table costs there: growth is by shares, so that it is the same.
        assert_eq!(size_of::<Machine>(), 24);
        let mut machines = Machines::default();
        for key in 0..1_000_000u64 {
            machines.add(key, 0, 0).unwrap();
        }
        let each = machines.bytes() as f64 / 1e6;
        assert!(each <= 32.0, "{each}");
    }

    #[test]
    fn a_pace_is_learnt_and_learnt_anew() {
        let mut machine = Machine { key: 1, last_s: 0, profile: 0, next: NONE, pace: 0, dark: 0 };
        machine.set_life(Life::Heard);
        let mut at_s = 0;
        let mut beat = |machine: &mut Machine, gap: u32| {
            at_s += gap;
            if machine.pace_s() > 0 {
                machine.set_life(if at_s > machine.deadline_s() { Life::Dark } else { Life::Awake });
            }
            machine.learn(at_s);
            machine.last_s = at_s;
            machine.set_life(Life::Awake);
        };
        beat(&mut machine, 300);
        assert_eq!(machine.pace_s(), 300);
        for _ in 0..20 {
            beat(&mut machine, 60);
        }
        assert!((60..66).contains(&machine.pace_s()), "faster: {}", machine.pace_s());
        beat(&mut machine, 14 * 3600);
        assert!(machine.pace_s() < 90, "one night is no pace: {}", machine.pace_s());
        for _ in 0..30 {
            beat(&mut machine, 900);
        }
        assert!((700..=900).contains(&machine.pace_s()), "slower: {}", machine.pace_s());
    }

    #[test]
    fn kinds_follow_habits() {
        let mut machine =
            Machine { key: 1, last_s: 0, profile: 0, next: NONE, pace: 0, dark: ANY_KIND << 14 };
        for day in 0..5 {
            assert!(machine.darken(1000 + day * 24).0);
        }
        assert_eq!(machine.kind(), 2, "every evening");
        assert!(!machine.darken(1000 + 4 * 24 + 1).0, "the same machine within the hour");
        assert!(machine.darken(1000 + 7 * 24).0);
        assert_eq!(machine.kind(), 1, "a weekend between");
        assert!(machine.darken(1000 + 8 * 24).0);
        assert_eq!(machine.kind(), 2);
        assert_eq!(machine.calm(1000 + 9 * 24, 9999), None);
        assert_eq!(machine.calm(1000 + 20 * 24, 9999), Some(2));
        assert_eq!(machine.kind(), 0, "on for twelve days");
    }

    #[test]
    fn the_wheel_gives_everybody_once_and_not_early() {
        let mut machines = Machines::default();
        assert!(machines.due(1_000_000).is_empty());
        for key in 0..500u64 {
            let id = machines.add(key, 0, 0).unwrap();
            machines.watch(id, 1_000_000 + i64::try_from(key).unwrap() * 20);
        }
        let mut seen = Vec::new();
        for at_s in (1_000_000..1_011_000).step_by(60) {
            for id in machines.due(at_s) {
                let due = 1_000_000 + i64::from(id) * 20;
                assert!((due..due + 80).contains(&at_s), "{id} due at {due} came at {at_s}");
                seen.push(id);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<u32>>());
    }
}

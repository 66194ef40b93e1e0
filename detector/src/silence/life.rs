//! The life of each machine: it enrols, beats, says goodbye, goes dark, is forgotten. Tells the fleet what changes, and
//! judges nothing.

use super::fleet::{Delta, Kin};
use super::machines::{KINDS, Life};
use super::{Silence, hours, seconds};
use crate::index::NONE;
use crate::names::NameId;

/// A machine that gave no sign of life for a week is no machine of the fleet, s.
const FORGOTTEN_S: u32 = 7 * 86_400;
/// How long all records are looked through for such, s: a little in each tick.
const SWEEP_S: f64 = 3600.0;
/// An overdue machine is looked at this often at least, s: its pace may have become faster meanwhile.
const LOOK_S: i64 = 900;

impl Silence {
    pub(super) fn enroll(&mut self, tenant: u32, key: u64, at_s: u32, kin: Option<Kin>) -> Option<u32> {
        let nothing = Kin {
            tenant,
            site: NameId::EMPTY,
            ring: NameId::EMPTY,
            model: NameId::EMPTY,
            os_build: 0,
            inventory: NONE,
        };
        let profile = self.fleet.profile(kin.unwrap_or(nothing));
        let id = self.machines.add(key, at_s, profile)?;
        self.fleet.change(profile, |delta| delta.machines += 1);
        Some(id)
    }

    pub(super) fn change_profile(&mut self, id: u32, kin: Kin, at_s: u32) {
        let profile = self.fleet.profile(kin);
        let Some(machine) = self.machines.get_mut(id) else { return };
        if machine.life() == Life::Told {
            machine.last_s = machine.last_s.max(at_s);
        }
        let before = std::mem::replace(&mut machine.profile, profile);
        if before == profile {
            return;
        }
        let (kind, life) = (machine.kind(), machine.life());
        let count = |by: i32| {
            move |delta: &mut Delta| {
                delta.machines += by;
                delta.dark += if life == Life::Dark { by } else { 0 };
                if life == Life::Awake {
                    add(&mut delta.awake, kind, by);
                }
            }
        };
        self.fleet.change(before, count(-1));
        self.fleet.change(profile, count(1));
    }

    /// A sign of life; only those of a row tell how far apart they are.
    pub(super) fn wake(&mut self, id: u32, tenant: u32, at_s: u32, at_ms: i64, is_beat: bool) {
        let Some(machine) = self.machines.get_mut(id) else { return };
        let (before, pace_before) = (machine.life(), machine.pace_s());
        if is_beat {
            machine.learn(at_s);
        }
        machine.last_s = machine.last_s.max(at_s);
        let (kind, profile, pace) = (machine.kind(), machine.profile, machine.pace_s());
        match (is_beat, pace) {
            (true, 0) => machine.set_life(Life::Heard),
            (false, 0) => {}
            (_, 1..) => machine.set_life(Life::Awake),
        }
        if pace == 0 {
            return;
        }
        if before != Life::Awake {
            self.fleet.change(profile, |delta| {
                add(&mut delta.awake, kind, 1);
                delta.dark -= i32::from(before == Life::Dark);
            });
        }
        if let Some(tenant) = self.fleet.tenant_mut(tenant) {
            let was = if before == Life::Awake { 1.0 / f64::from(pace_before) } else { 0.0 };
            tenant.beats += 1.0 / f64::from(pace) - was;
            if is_beat {
                tenant.pulse.beat();
            }
        }
        let due_s = at_ms.div_euclid(1000) + (i64::from(pace) * 3).min(LOOK_S);
        self.machines.watch(id, due_s);
    }

    /// It says goodbye, or is silent for too long.
    pub(super) fn lie_down(&mut self, id: u32, life: Life) {
        let Some(machine) = self.machines.get_mut(id) else { return };
        let (before, kind, profile, pace) =
            (machine.life(), machine.kind(), machine.profile, machine.pace_s());
        machine.set_life(life);
        if !matches!(before, Life::Awake | Life::Dark) {
            return;
        }
        self.fleet.change(profile, |delta| {
            if before == Life::Awake {
                add(&mut delta.awake, kind, -1);
            }
            delta.dark += i32::from(life == Life::Dark) - i32::from(before == Life::Dark);
        });
        let tenant = self.fleet.profiles.get(profile).map_or(NONE, |profile| profile.kin.tenant);
        if let (Life::Awake, Some(tenant)) = (before, self.fleet.tenant_mut(tenant)) {
            tenant.beats -= 1.0 / f64::from(pace.max(1));
        }
    }

    /// Finds who is overdue, and has gone dark.
    pub(super) fn look_at_overdue(&mut self, at_ms: i64) {
        let (now_s, hour) = (seconds(at_ms), hours(at_ms));
        for id in self.machines.due(at_ms.div_euclid(1000)) {
            let Some(machine) = self.machines.get(id).filter(|machine| machine.life() == Life::Awake) else {
                continue;
            };
            let (profile, deadline_s) = (machine.profile, machine.deadline_s());
            let tenant = self.fleet.profiles.get(profile).map_or(NONE, |profile| profile.kin.tenant);
            let behind_ms = self.fleet.tenant(tenant).map_or(0, |tenant| tenant.pulse.behind_ms());
            let left_s = i64::from(deadline_s) - i64::from(seconds(at_ms - behind_ms));
            if left_s > 0 {
                self.machines.watch(id, at_ms.div_euclid(1000) + left_s.min(LOOK_S));
                continue;
            }
            self.lie_down(id, Life::Dark);
            let Some((counts, kind)) = self.machines.get_mut(id).map(|machine| machine.darken(hour)) else {
                continue;
            };
            if counts {
                self.fleet.change(profile, |delta| {
                    if let Some(count) = delta.went.get_mut(kind) {
                        *count += 1;
                    }
                });
            }
            if let Some(tenant) = self.fleet.tenant_mut(tenant) {
                tenant.remember(id, kind, now_s);
            }
        }
    }

    /// Looks through some of the records: who is not heard of any more, and who has become calm.
    pub(super) fn sweep(&mut self, at_ms: i64, span_ms: i64) {
        let (now_s, hour) = (seconds(at_ms), hours(at_ms));
        let length = self.machines.list().len();
        let share = (span_ms as f64 / 1000.0 / SWEEP_S).clamp(0.0, 1.0);
        // Nobody is known for longer than this state is old.
        let born_ms = self.fleet.tenants.iter().map(|tenant| tenant.usual.born_ms).min().unwrap_or(at_ms);
        let known_h = hour.saturating_sub(hours(born_ms));
        for _ in 0..(length as f64 * share).ceil() as usize {
            let id = self.swept;
            self.swept = if usize::try_from(id).is_ok_and(|id| id + 1 < length) { id + 1 } else { 0 };
            let in_wheel = self.machines.is_in_wheel(id);
            let Some(machine) = self.machines.get_mut(id).filter(|machine| machine.profile != NONE) else {
                continue;
            };
            let (life, profile) = (machine.life(), machine.profile);
            if life == Life::Awake {
                if let Some(was) = machine.calm(hour, known_h) {
                    let is = machine.kind();
                    self.fleet.change(profile, |delta| {
                        add(&mut delta.awake, was, -1);
                        add(&mut delta.awake, is, 1);
                    });
                }
            } else if !in_wheel && now_s.saturating_sub(machine.last_s) > FORGOTTEN_S {
                self.fleet.change(profile, |delta| {
                    delta.machines -= 1;
                    delta.dark -= i32::from(life == Life::Dark);
                });
                self.machines.forget(id);
            }
        }
    }
}

fn add(counts: &mut [i32; KINDS], kind: usize, by: i32) {
    if let Some(count) = counts.get_mut(kind) {
        *count += by;
    }
}

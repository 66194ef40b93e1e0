//! One tenant's fleet as a whole: its size, its clock, who went dark lately, and what is reported.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::fleet::{ByKind, Delta, shift};
use super::machines::KINDS;
use super::pulse::Pulse;
use super::recent::Recent;
use super::usual::Usual;
use crate::names::NameId;

/// Machines that went dark and are remembered one by one: the latest.
const REMEMBERED: usize = 100_000;
/// And for how long, s.
const REMEMBERED_S: u32 = 3 * 3600;
const KIND_SHIFT: u32 = 30;

/// A machine went dark.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Went {
    /// When that was noticed, s since 2000.
    pub(super) at_s: u32,
    /// Number of its record, with its kind above it.
    packed: u32,
}

impl Went {
    pub(super) fn machine(self) -> u32 {
        self.packed & ((1 << KIND_SHIFT) - 1)
    }

    pub(super) fn kind(self) -> usize {
        usize::try_from(self.packed >> KIND_SHIFT).unwrap_or(0)
    }
}

/// Something that is reported.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alarm {
    pub(super) element: u32,
    pub(super) since_ms: i64,
    pub(super) sites: u64,
    /// Machines of it that were dark before.
    pub(super) dark_before: u32,
    /// Most that were dark since, beyond those.
    pub(super) most: u32,
    /// Machines when the sample was last given.
    pub(super) sampled: u32,
    /// When the first of them missed a beat, ms since 1970.
    pub(super) onset_ms: i64,
}

/// A tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tenant {
    pub(super) name: NameId,
    pub(super) pulse: Pulse,
    /// Beats a second that are to come, of those awake.
    pub(super) beats: f64,
    pub(super) machines: u32,
    /// Machines by site; those without one are sites of their own.
    pub(super) sites: BTreeMap<NameId, u32>,
    pub(super) awake: ByKind,
    pub(super) went: ByKind,
    pub(super) recent: Recent,
    pub(super) usual: Usual,
    pub(super) lately: VecDeque<Went>,
    /// Machines times elements that went dark in about a week: chances for a false alarm.
    pub(super) chances: f64,
    pub(super) alarms: Vec<Alarm>,
    /// Whether there is anything new to judge.
    pub(super) news: bool,
}

impl Tenant {
    pub(super) fn new(name: NameId, now_ms: i64) -> Self {
        Self {
            name,
            pulse: Pulse::default(),
            beats: 0.0,
            machines: 0,
            sites: BTreeMap::new(),
            awake: [0; KINDS],
            went: [0; KINDS],
            recent: Recent::default(),
            usual: Usual::new(now_ms),
            lately: VecDeque::new(),
            chances: 0.0,
            alarms: Vec::new(),
            news: false,
        }
    }

    pub(super) fn apply(&mut self, delta: &Delta, site: NameId, elements: usize) {
        self.machines = self.machines.saturating_add_signed(delta.machines);
        shift(&mut self.awake, &delta.awake);
        if delta.machines != 0 {
            let count = self.sites.entry(site).or_default();
            *count = count.saturating_add_signed(delta.machines);
            if *count == 0 {
                self.sites.remove(&site);
            }
        }
        for (sum, count) in self.went.iter_mut().zip(delta.went) {
            *sum += count;
            self.chances += f64::from(count) * f64::from(u32::try_from(elements).unwrap_or(u32::MAX));
            self.news |= count > 0;
        }
    }

    /// How far apart the beats of its machines are, s.
    pub(super) fn pace_s(&self) -> f64 {
        let awake: u32 = self.awake.iter().sum();
        if self.beats > 0.0 { f64::from(awake) / self.beats } else { 0.0 }
    }

    /// Sites, where a machine without one is one.
    pub(super) fn site_count(&self) -> u64 {
        let loose = self.sites.get(&NameId::EMPTY).copied().unwrap_or(0);
        let named = self.sites.len() - usize::from(loose > 0);
        u64::from(loose) + u64::try_from(named).unwrap_or(u64::MAX)
    }

    /// Whether the oldest give way to the latest.
    pub(super) fn is_full(&self) -> bool {
        self.lately.len() >= REMEMBERED
    }

    pub(super) fn remember(&mut self, machine: u32, kind: usize, at_s: u32) {
        let kind = u32::try_from(kind).unwrap_or(0);
        if self.is_full() {
            self.lately.pop_front();
        }
        self.lately.push_back(Went { at_s, packed: machine | (kind << KIND_SHIFT) });
    }

    /// Ends a tick of `span_ms`, once everybody is counted.
    pub(super) fn tick(&mut self, at_ms: i64, now_s: u32, span_ms: i64) {
        let seconds = span_ms as f64 / 1000.0;
        self.chances *= (-seconds / (7.0 * 86_400.0)).exp();
        let went: u32 = self.went.iter().sum();
        let awake: u32 = self.awake.iter().sum();
        if !self.pulse.is_upset() {
            self.usual.note(at_ms, went, awake.saturating_add(went), !self.alarms.is_empty());
        }
        let went = std::mem::take(&mut self.went);
        self.recent.add(at_ms, &went);
        while self.lately.front().is_some_and(|went| went.at_s.saturating_add(REMEMBERED_S) < now_s) {
            self.lately.pop_front();
        }
    }
}

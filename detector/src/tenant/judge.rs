//! Whether a series whose charts are high is an outage: what was to be expected of it, by its own past and beside the
//! others of the same moment.

use super::{Alarm, Tenant};
use crate::excursion::{Found, Measure};
use crate::incident::Reason;
use crate::limits::Limits;
use crate::names::NameId;
use crate::series::{Chart, Key, Kind, RHO, Series};
use crate::stats::float;

/// How long a fleet is new to us, s of the clock.
const YOUTH_S: f64 = 86_400.0;
/// The busiest driver of a healthy fleet stays below this share of all the others' crashes (seen: 12 % of all).
const YOUTH_SHARE: f64 = 0.25;

impl Tenant {
    /// Whether a series that is high enough is an outage.
    pub(super) fn judge(&self, place: u32, at_ms: i64, height: (f64, f64), limits: &Limits) -> Option<Alarm> {
        let series = self.at(place)?;
        if !series.key.kind.is_primary() {
            return self.judge_secondary(place, at_ms, height.1, limits);
        }
        let excursion = self.excursions.get(&place)?;
        let late = series.key.late.then(|| limits.of_late());
        let limits = late.as_ref().unwrap_or(limits);
        let mut best: Option<(Found, Chart, f64)> = None;
        for (chart, rho) in series.charts.iter().zip(RHO) {
            if f64::from(chart.score) < height.0 {
                continue;
            }
            let measure = self.measure(place, series, chart, at_ms, limits);
            if let Some(found) = excursion.judge(&measure)
                && best.as_ref().is_none_or(|(best, _, _)| found.severity > best.severity)
            {
                best = Some((found, *chart, rho));
            }
        }
        let (found, chart, rho) = best?;
        let driver = NameId(if series.key.kind == Kind::Driver { series.key.id } else { 0 });
        Some(self.alarm(place, series, at_ms, driver, found, &chart, rho, height.0))
    }

    pub(super) fn measure<'l>(
        &self,
        place: u32,
        series: &Series,
        chart: &Chart,
        at_ms: i64,
        limits: &'l Limits,
    ) -> Measure<'l> {
        Measure {
            limits,
            onset_ms: chart.onset_ms(),
            now_ms: at_ms,
            expected: series.expected(chart),
            per_s: self.per_second(series.key, at_ms),
            share: self.share(place, series.key, chart.onset_ms(), at_ms),
        }
    }

    /// Machines a second of the wall clock that are usual now, fresh and late together.
    fn per_second(&self, key: Key, at_ms: i64) -> f64 {
        self.mean(key) * self.busy.at(at_ms)
    }

    /// The usual machines of a series, fresh and late together, a second of the clock.
    fn mean(&self, key: Key) -> f64 {
        let of = |late: bool| {
            let key = Key { late, ..key };
            self.find(key).and_then(|place| self.at(place)).map_or(0.0, |series| series.mean(self.clock(key)))
        };
        of(false) + of(true)
    }

    /// The same of all.
    pub(super) fn flow_mean(&self) -> f64 {
        let [fresh, late] = &self.flow;
        fresh.mean(self.fresh.clock) + late.mean(self.late.clock)
    }

    /// Machines that are nothing special beside what the others do at the same time: the series' usual share of them, and
    /// a larger one while the fleet is new to us. However many arrive at once because an intake stood still, or crash
    /// because it is Patch Tuesday, shares stay. Incidents and the largest of the others are left out: one outage must not
    /// hide the next.
    fn share(&self, place: u32, key: Key, onset_ms: i64, at_ms: i64) -> f64 {
        let common = if key.late { &self.late } else { &self.fresh };
        let counts = |other: u32| other != place && self.at(other).is_none_or(|series| series.incident == 0);
        let others = float(common.others_since(onset_ms, counts));
        let age_s = float((at_ms - self.began_ms).max(0).unsigned_abs()) / 1000.0;
        let youth = (1.0 - age_s / YOUTH_S).max(0.0) * YOUTH_SHARE;
        // Of what is no driver the fleet's clock tells enough.
        let usual = if key.kind.is_primary() { self.mean(key) / self.flow_mean().max(1e-9) } else { 0.0 };
        youth.max(usual.min(1.0)) * others
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one sentence")]
    pub(super) fn alarm(
        &self,
        place: u32,
        series: &Series,
        at_ms: i64,
        driver: NameId,
        found: Found,
        chart: &Chart,
        rho: f64,
        threshold: f64,
    ) -> Alarm {
        Alarm {
            series: place,
            driver,
            severity: found.severity,
            at_ms,
            onset_ms: chart.onset_ms(),
            reason: Reason {
                rho,
                score: f64::from(chart.score),
                threshold,
                machines: found.machines,
                spread_machines: found.spread,
                sites: found.sites,
                expected: series.expected(chart),
                usual_per_minute: f64::from(series.most) * 60.0,
                common_mode: self.factor(series.key.late),
                late: series.key.late,
            },
        }
    }

    /// The most machines of these series that could be expected in so many seconds from now back.
    pub(crate) fn usual(&self, series: &[u32], seconds: f64, at_ms: i64) -> f64 {
        let of = |place: &u32| self.at(*place).map_or(0.0, |s| f64::from(s.most) * self.factor(s.key.late));
        series.iter().map(of).sum::<f64>() * seconds * self.busy.at(at_ms)
    }
}

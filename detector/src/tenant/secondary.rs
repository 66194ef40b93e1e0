//! The same charts over what is no driver: bug checks, builds of Windows, buckets, all crashes. They see what blame has
//! spread over many drivers; what one driver explains is that driver's, and a new bucket of a busy driver is seen long
//! before the driver's own count stands out.

use std::collections::BTreeSet;

use super::{Alarm, Pending, Tenant};
use crate::incident::Severity;
use crate::limits::Limits;
use crate::names::NameId;
use crate::series::{Key, Kind, RHO};
use crate::stats::float;

/// A spread movement needs so many times the machines of one driver's.
const SPREAD_FACTOR: u64 = 2;
/// And so many times the usual.
const SPREAD_LIFT: f64 = 4.0;
/// All crashes together move by themselves on some days.
const EVERYTHING_LIFT: f64 = 8.0;
/// What is no driver has no history to begin with: it is watched for so long before it may say anything, s of the clock.
const LEARNING_S: f64 = 2.0 * 86_400.0;
/// One driver with such a share of the machines is the one to look at.
const ONE_DRIVER: f64 = 0.5;
/// Longest a new bucket may take to be believed: beyond, its driver's own count is surer.
const BUCKET_S: i64 = 900;

impl Tenant {
    /// Brings a machine into the series that are no driver's.
    pub(super) fn secondary(
        &mut self,
        at_ms: i64,
        one: &Pending,
        primary: u32,
        limits: &Limits,
        height: (f64, f64),
        touched: &mut BTreeSet<u32>,
    ) {
        let Some(driver) = self.at(primary) else { return };
        let has_incident = driver.incident != 0;
        let explained =
            one.driver != NameId::EMPTY && (has_incident || f64::from(driver.height()) >= height.0 / 2.0);
        let mut add = |tenant: &mut Self, kind: Kind, id: u32| {
            if tenant.is_first(kind, id, one.machine)
                && let Some(place) = tenant.place(Key { kind, id, late: one.late })
                && tenant.apply(place, at_ms, one, limits, false) >= height.1
            {
                touched.insert(place);
            }
        };
        if !has_incident && one.bucket != NameId::EMPTY && one.driver != NameId::EMPTY {
            add(self, Kind::Bucket, one.bucket.0);
        }
        if !explained {
            add(self, Kind::BugCheck, one.bugcheck);
            add(self, Kind::OsBuild, one.os_build);
            add(self, Kind::Everything, 0);
        }
    }

    pub(super) fn judge_secondary(
        &self,
        place: u32,
        at_ms: i64,
        height: f64,
        limits: &Limits,
    ) -> Option<Alarm> {
        let series = self.at(place)?;
        if series.age() < LEARNING_S {
            return None;
        }
        let excursion = self.excursions.get(&place)?;
        let kind = series.key.kind;
        let late = series.key.late.then(|| limits.of_late());
        let limits = late.as_ref().unwrap_or(limits);
        let limits = match kind {
            Kind::Bucket => limits.clone(),
            kind => Limits {
                page_machines: limits.page_machines * SPREAD_FACTOR,
                fast_machines: limits.page_machines * SPREAD_FACTOR,
                ticket_machines: limits.ticket_machines * SPREAD_FACTOR,
                page_lift: if kind == Kind::Everything { EVERYTHING_LIFT } else { SPREAD_LIFT },
                ticket_lift: if kind == Kind::Everything { EVERYTHING_LIFT } else { 2.0 * SPREAD_LIFT },
                ..limits.clone()
            },
        };
        series.charts.iter().zip(RHO).find_map(|(chart, rho)| {
            if f64::from(chart.score) < height {
                return None;
            }
            let found = excursion.judge(&self.measure(place, series, chart, at_ms, &limits))?;
            let drivers = excursion.drivers(chart.onset_ms());
            let (top, most) = drivers.iter().max_by_key(|(_, machines)| **machines)?;
            let share = float(*most) / float(found.machines.max(1));
            let driver = match kind {
                Kind::Bucket => {
                    let seconds = (at_ms - chart.onset_ms()) / 1000 + 1;
                    let grown = found.severity == Severity::Sev1
                        && seconds <= BUCKET_S
                        && self.has_grown(NameId(*top), series.key.late, seconds, found.machines, at_ms);
                    if !grown || share < 0.9 {
                        return None;
                    }
                    NameId(*top)
                }
                _ if share >= ONE_DRIVER => return None,
                _ => NameId::EMPTY,
            };
            Some(self.alarm(place, series, at_ms, driver, found, chart, rho, height))
        })
    }

    /// Whether a driver crashes more by as many machines as its bucket has: a new build moves its crashes to new buckets,
    /// and crashes no more than the old one.
    fn has_grown(&self, driver: NameId, late: bool, seconds: i64, machines: u64, at_ms: i64) -> bool {
        let key = Key { kind: Kind::Driver, id: driver.0, late };
        let Some(place) = self.find(key) else { return false };
        let common = if late { &self.late } else { &self.fresh };
        let (own, span_s) = common.lately(place, seconds);
        let usual = self.usual(&[place], float(span_s.unsigned_abs()), at_ms);
        float(own) - 1.5 * usual >= 0.6 * float(machines)
    }
}

//! What owners tell of the changes behind an outage, beside it, and of releases that harm nobody.

use detector::{Change, Version};

use super::{Cast, Order, Shape, Target};
use crate::world::builds::{Release, Rollout, fresh};
use crate::world::machines::RINGS;
use crate::world::model::Model;

const HOUR_MS: i64 = 3_600_000;

impl Cast<'_> {
    /// The change behind an outage.
    pub(super) fn tell(&mut self, order: &Order, target: &Target) {
        if let Some(release) = target.who.release {
            self.changes.extend(release_told(self.model, target.tenant, &release));
            return;
        }
        let drivers = &self.model.drivers;
        let stem = |driver: u32| drivers.name(driver).trim_end_matches(".sys").to_owned();
        let (what, vendor, ring) = match (order.shape, target.driver) {
            (Shape::All, Some(driver)) => (format!("{} content", stem(driver)), drivers.maker(driver), ""),
            (Shape::Os | Shape::OsAndModule, _) => {
                (format!("KB50{}", order.begin_ms / 1000 % 100_000), "Microsoft".to_owned(), "")
            }
            (Shape::Model, _) => (format!("BIOS of {}", target.elements[0].value), String::new(), ""),
            (Shape::Ring, _) => ("policy of early".to_owned(), String::new(), RINGS[1]),
            (Shape::Module, Some(_)) => (target.elements[0].value.clone(), String::new(), ""),
            _ => return,
        };
        let at_ms = order.begin_ms - 1000 * self.random.below(300) as i64;
        let ring = ring.to_owned();
        let tenant = self.model.fleets[target.tenant].name.clone();
        self.changes.push(Change { tenant, at_ms, what, version: String::new(), timestamp: 0, ring, vendor });
    }

    /// A release of the same driver hours before, which harms nobody and is still under way.
    pub(super) fn harmless_release_before(&mut self, order: &Order, target: &Target) {
        let Some(driver) = target.driver else { return };
        let begin_ms = order.begin_ms - 2 * HOUR_MS - 1000 * self.random.below(4 * 3600) as i64;
        let salt = self.random.next();
        let rollout = Rollout::staged(begin_ms, 30 * HOUR_MS, salt);
        let release = Release { driver, version: fresh(driver, begin_ms, salt), rollout };
        self.releases.push(release);
        self.changes.extend(release_told(self.model, target.tenant, &release));
    }
}

/// What its owner tells of a release: one change a ring.
pub(in crate::world) fn release_told(model: &Model, tenant: usize, release: &Release) -> Vec<Change> {
    let starts = release.rollout.starts();
    let rings =
        if starts[0] == starts[2] { vec![("", starts[0])] } else { RINGS.into_iter().zip(starts).collect() };
    let Version { timestamp, .. } = release.version;
    let told = rings.into_iter().map(|(ring, at_ms)| Change {
        tenant: model.fleets[tenant].name.clone(),
        at_ms,
        what: model.drivers.name(release.driver).to_owned(),
        version: format!("{}.{}.{}", 1 + release.driver % 30, timestamp >> 16 & 0xff, timestamp & 0xffff),
        timestamp,
        ring: ring.to_owned(),
        vendor: model.drivers.maker(release.driver),
    });
    told.collect()
}

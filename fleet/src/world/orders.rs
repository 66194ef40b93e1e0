//! From the file's outages to a list with a time for each: drawn ones are spread over the world, hours apart.

use crate::outages::{Outage, Trigger, outage};
use crate::random::Random;
use crate::scenario::{Drawn, Kind, OutageConfig, WorldConfig};
use crate::world::OutageClass;

use super::traffic::DAY_MS;

/// How an outage picks its machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Every machine with the driver.
    All,
    /// Those with a new build of it.
    Build,
    /// One model.
    Model,
    /// One build of Windows.
    Os,
    /// One ring.
    Ring,
    /// Those with another image beside it.
    Module,
    /// Those with another image and one build of Windows.
    OsAndModule,
    /// Every machine, whatever it has.
    Anyone,
    /// One site.
    Site,
}

/// One outage to come.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// As the file has it.
    pub(super) config: OutageConfig,
    /// What reports call it.
    pub(super) id: String,
    /// What kind.
    pub(super) class: OutageClass,
    /// Whom it takes.
    pub(super) shape: Shape,
    /// When.
    pub(super) begin_ms: i64,
    /// How long.
    pub(super) length_ms: i64,
}

impl Order {
    /// The outage of the past that it is.
    pub(super) fn past(&self) -> Option<&'static Outage> {
        match &self.config.class {
            Kind::Catalogue(id) => outage(id),
            Kind::Class(_) => None,
        }
    }
}

/// How long machines go down where the file does not say, s.
pub(crate) fn usual_length_s(class: &Kind) -> u32 {
    match class {
        Kind::Class(OutageClass::SlowBurn) => 3 * 86_400,
        Kind::Class(OutageClass::SiteOutage) => 1800,
        _ => 3600,
    }
}

fn shape(class: OutageClass) -> Shape {
    match class {
        OutageClass::NewVersion | OutageClass::SlowBurn => Shape::Build,
        OutageClass::Model => Shape::Model,
        OutageClass::OsBuild => Shape::Os,
        OutageClass::Ring => Shape::Ring,
        OutageClass::Module => Shape::Module,
        OutageClass::WrongBlame => Shape::Anyone,
        OutageClass::SiteOutage => Shape::Site,
        OutageClass::Content
        | OutageClass::Busiest
        | OutageClass::DuringRelease
        | OutageClass::TwoAtOnce
        | OutageClass::BootLoopDark
        | OutageClass::Catalogue => Shape::All,
    }
}

/// The driver without which an outage of the past does not happen, though no dump is blamed on it.
pub(super) fn beside(past: &'static Outage) -> Option<&'static str> {
    let blamed = past.blamed();
    let other = |name: &str| !blamed.iter().any(|blamed| blamed.eq_ignore_ascii_case(name));
    let listed = past.drivers.iter().map(|driver| driver.name.as_str()).find(|name| other(name));
    past.hidden.as_deref().or(listed.filter(|_| !blamed.is_empty()))
}

fn past_shape(past: &'static Outage) -> Shape {
    let is_windows = matches!(past.trigger, Trigger::OsUpdate | Trigger::OsUpgrade) && past.build.is_some();
    match (beside(past).is_some(), past.trigger) {
        (true, _) if is_windows => Shape::OsAndModule,
        (true, _) => Shape::Module,
        (false, _) if is_windows => Shape::Os,
        (false, Trigger::DriverUpdate) => Shape::Build,
        (false, Trigger::Firmware | Trigger::Hardware) => Shape::Model,
        (false, _) if past.blamed().is_empty() => Shape::Anyone,
        (false, _) => Shape::All,
    }
}

/// Every outage of a world, in the order of their beginnings.
pub(super) fn orders(config: &WorldConfig, seed: u64) -> Vec<Order> {
    let mut random = Random::new(seed);
    let mut asked = config.outages.clone();
    for drawn in &config.drawn {
        asked.extend((0..drawn.count as usize).map(|place| one_drawn(drawn, place)));
    }
    let mut begins = free_times(config, &asked, &mut random);
    let mut orders = Vec::new();
    for (place, outage) in asked.into_iter().enumerate() {
        let begin_ms = match outage.at_day {
            Some(day) => config.start_ms + (day * DAY_MS as f64) as i64,
            None => begins.pop().unwrap_or(config.start_ms),
        };
        let length_ms = i64::from(outage.duration_s.unwrap_or_else(|| usual_length_s(&outage.class))) * 1000;
        let name = String::from(outage.class.clone());
        let id = if outage.id.is_empty() { format!("{name}-{}", place + 1) } else { outage.id.clone() };
        match &outage.class {
            Kind::Class(class @ OutageClass::TwoAtOnce) => {
                let later = begin_ms + 1000 * random.below(300) as i64;
                for (mark, shape, begin_ms) in [("a", Shape::All, begin_ms), ("b", Shape::Build, later)] {
                    let (config, id) = (outage.clone(), format!("{id}{mark}"));
                    orders.push(Order { config, id, class: *class, shape, begin_ms, length_ms });
                }
            }
            Kind::Class(class) => {
                let (class, shape) = (*class, shape(*class));
                orders.push(Order { config: outage, id, class, shape, begin_ms, length_ms });
            }
            Kind::Catalogue(past) => {
                let shape = crate::outage(past).map_or(Shape::All, past_shape);
                let class = OutageClass::Catalogue;
                orders.push(Order { config: outage, id, class, shape, begin_ms, length_ms });
            }
        }
    }
    orders.sort_by_key(|order| order.begin_ms);
    orders
}

/// The n-th of those that are drawn: each class with each rate before any comes again.
fn one_drawn(drawn: &Drawn, place: usize) -> OutageConfig {
    let class = drawn.classes[place % drawn.classes.len()].clone();
    let rate = drawn.rates.get(place / drawn.classes.len() % drawn.rates.len().max(1)).copied();
    OutageConfig {
        id: String::new(),
        rate,
        duration_s: drawn.duration_s,
        ramp: drawn.ramp,
        ramp_s: drawn.ramp_s,
        ..OutageConfig::of(class)
    }
}

/// Beginnings for the outages without a time: a slot for each, as long as it needs, the rest of the world spread evenly.
fn free_times(config: &WorldConfig, asked: &[OutageConfig], random: &mut Random) -> Vec<i64> {
    let mut lengths: Vec<i64> = asked
        .iter()
        .filter(|outage| outage.at_day.is_none())
        .map(|outage| 1000 * i64::from(outage.duration_s.unwrap_or_else(|| usual_length_s(&outage.class))))
        .collect();
    // popped from the end
    lengths.reverse();
    let busy: i64 = lengths.iter().sum();
    let spare = (config.days * DAY_MS as f64) as i64 - busy;
    let gap = spare / (lengths.len() as i64 + 1).max(1);
    let mut begins = Vec::new();
    let mut at = config.start_ms;
    for length in lengths.iter().rev() {
        begins.push(at + (gap as f64 * (0.3 + 0.7 * random.unit())) as i64);
        at += gap + length;
    }
    begins.reverse();
    begins
}

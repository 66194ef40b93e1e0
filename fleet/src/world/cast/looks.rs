//! How the crashes of an outage look: who is blamed, for which bug check, where.

use super::{Cast, Order, Shape};
use crate::world::model::{BUGCHECKS, Model, OF_NOBODY};
use crate::world::plan::Way;

impl Cast<'_> {
    /// At least one way.
    pub(super) fn ways(&mut self, order: &Order, driver: Option<u32>) -> Vec<Way> {
        let past = self.ways_of_past(order);
        if !past.is_empty() {
            return past;
        }
        match driver {
            Some(driver) if order.shape != Shape::Anyone => self.ways_of_driver(driver),
            _ => self.ways_of_nobody(order),
        }
    }

    fn ways_of_past(&mut self, order: &Order) -> Vec<Way> {
        let Some(past) = order.past() else { return Vec::new() };
        let crashes = past.crashes.iter().map(|crash| Way {
            share: f64::from(crash.share),
            blamed: crash
                .driver
                .as_deref()
                .map_or(self.model.drivers.nobody, |name| self.model.drivers.named(name)),
            bugcheck: crash.cause.bugcheck(),
            fault: crash.offset as u32,
        });
        crashes.collect()
    }

    /// One fault, that three in four machines notice at one place and the fourth at another.
    fn ways_of_driver(&mut self, driver: u32) -> Vec<Way> {
        let first = self.random.below(BUGCHECKS.len());
        let places = [(0.75, first), (0.25, first + 1 + self.random.below(BUGCHECKS.len() - 1))];
        places
            .map(|(share, place)| Way {
                share,
                blamed: driver,
                bugcheck: BUGCHECKS[place % BUGCHECKS.len()],
                // not where it always crashed
                fault: Model::fault(driver, self.random.next()) + 0x123,
            })
            .to_vec()
    }

    /// One bug check, for which Windows, nobody and five drivers get the blame.
    fn ways_of_nobody(&mut self, order: &Order) -> Vec<Way> {
        let drivers = &self.model.drivers;
        let (kernel, win32k, nobody) = (drivers.kernel, drivers.win32k, drivers.nobody);
        let of_past = order.past().is_some();
        let bugcheck = if of_past { OF_NOBODY[1] } else { [0x139, 0x1e, 0x3b][self.random.below(3)] };
        let mut shares = vec![(nobody, 0.3), (kernel, 0.35), (win32k, 0.15)];
        for _ in 0..5 {
            let driver = self.unused(self.config.drivers as usize);
            self.used.push(driver);
            shares.push((driver, 0.04));
        }
        let ways = shares.into_iter().map(|(blamed, share)| Way {
            share,
            blamed,
            bugcheck,
            fault: Model::fault(blamed, self.random.next()) + 0x123,
        });
        ways.collect()
    }
}

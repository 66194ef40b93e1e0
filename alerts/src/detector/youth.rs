//! What a young installation cannot know: which drivers are always busy. Until it has seen an hour, a driver is
//! expected to do a share of what the rest of the fleet does, or its first busy drivers would page.

use super::statistics::count;
use super::{DriverCounts, SPANS, WINDOWS};

/// The busiest driver of a healthy fleet stays below this share of all the others' crashes (seen: 12 % of all), apart
/// from the kernel itself, which takes what nobody can be blamed for.
const SHARE: f64 = 0.25;

/// What there is to hold a driver against that has no past yet.
pub(super) struct Youth {
    /// 1 where the fleet was never seen before, 0 once it was seen for an hour.
    weight: f64,
    /// All machines over each span, and those of the two largest drivers.
    spans: [Sums; SPANS.len()],
}

#[derive(Clone, Copy, Default)]
struct Sums {
    all: u64,
    largest: u64,
    second: u64,
}

impl Youth {
    pub(super) fn of(drivers: &[DriverCounts]) -> Self {
        let oldest = |driver: &DriverCounts| driver.windows.iter().take(WINDOWS).rposition(|n| *n > 0);
        let age = drivers.iter().filter_map(oldest).max().map_or(0, |window| window + 1);
        Self {
            weight: 1.0 - count(age as u64) / count(WINDOWS as u64),
            spans: core::array::from_fn(|index| sums(drivers, index)),
        }
    }

    /// How many machines of this driver are nothing special over each span. The largest of the others is left out:
    /// one outage must not hide the next.
    pub(super) fn expects(&self, driver: &DriverCounts) -> [f64; SPANS.len()] {
        core::array::from_fn(|index| {
            let (own, sums) = (driver.machines[index], self.spans[index]);
            let largest_other = if own == sums.largest { sums.second } else { sums.largest };
            let others = sums.all.saturating_sub(own).saturating_sub(largest_other);
            self.weight * SHARE * count(others)
        })
    }
}

fn sums(drivers: &[DriverCounts], index: usize) -> Sums {
    drivers.iter().map(|driver| driver.machines[index]).fold(Sums::default(), |sums, machines| Sums {
        all: sums.all.saturating_add(machines),
        largest: sums.largest.max(machines),
        second: sums.second.max(machines.min(sums.largest)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::DriverKey;
    use super::*;

    fn driver(machines: u64, oldest_window: usize) -> DriverCounts {
        let mut windows = vec![0; WINDOWS];
        windows[0] = machines;
        windows[oldest_window] = machines;
        let key = DriverKey { tenant: String::new(), driver: format!("{machines}.sys") };
        DriverCounts { key, machines: [machines; SPANS.len()], sites: 1, windows }
    }

    #[test]
    fn a_new_fleet_expects_a_share_of_the_others_without_the_largest() {
        let drivers = [driver(1000, 0), driver(10, 0), driver(8, 0), driver(12, 0)];
        let youth = Youth::of(&drivers);
        let expects = |of: usize| youth.expects(&drivers[of])[0] / youth.weight;
        assert_eq!(
            expects(0),
            0.25 * 18.0,
            "the outage is held against the ordinary drivers, without their largest"
        );
        assert_eq!(expects(1), 0.25 * 20.0, "and they are not held against the outage");
        assert!(youth.weight > 0.98);
    }

    #[test]
    fn an_hour_later_only_its_own_past_counts() {
        let drivers = [driver(50, WINDOWS - 1), driver(10, 3)];
        assert_eq!(Youth::of(&drivers).expects(&drivers[1])[0], 0.0);
    }
}

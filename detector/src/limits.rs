//! How many machines at how many sites are an outage, for a fleet of this size: one place for every threshold.
//!
//! The figures were chosen by simulation (`docs/DETECTION.md`): the chart alone keeps chance out, these gates keep out what
//! is no chance and no outage either: a lab with one bad image, a driver that slowly gets worse, a single large site.

use serde::{Deserialize, Serialize};

/// Thresholds for one fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Machines that page, the largest sites left out.
    pub page_machines: u64,
    /// The same where they crash within 100 s.
    pub fast_machines: u64,
    /// Sites that page.
    pub page_sites: u64,
    /// Multiple of the expected machines that pages.
    pub page_lift: f64,
    /// Machines that are a ticket, the largest sites left out.
    pub ticket_machines: u64,
    /// Sites that are a ticket.
    pub ticket_sites: u64,
    /// Multiple of the expected machines that is a ticket.
    pub ticket_lift: f64,
    /// How many of the largest sites are left out.
    pub largest_sites: usize,
    /// Machines of one site and hour that count in a chart.
    pub per_site: u32,
}

/// Machines that crash on a day in a healthy fleet, as a share of all (seen: 1 to 2 %): what stands in for a fleet's size
/// where nobody tells it.
pub const DAILY_SHARE: f64 = 0.015;

impl Limits {
    /// The thresholds of a fleet of `machines` at `sites` whose team accepts so many false pages a month.
    #[must_use]
    pub fn of(machines: u64, sites: u64, false_pages_per_month: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a fleet's size, far below 2^52")]
        let (size, places) = (machines.max(1) as f64, sites.max(1) as f64);
        // 8 machines at 300, 20 from 5,000 on.
        let spread = (8.0 + 12.0 * (size / 300.0).ln() / (5000.0_f64 / 300.0).ln()).clamp(8.0, 20.0);
        // With few sites breadth says little: a share of the fleet must be down instead.
        let alone = if places < 5.0 { (0.02 * size).min(60.0) } else { 0.0 };
        // A team that wants ten times fewer false pages waits for a fifth more machines, and the other way round.
        let care = (1.0 - 0.2 * (false_pages_per_month.max(1e-6) / 0.5).log10()).clamp(0.6, 2.0);
        let page_machines = round(spread.max(alone) * care).max(5);
        let page_sites = round((places / 3.0).clamp(1.0, 10.0));
        let largest_sites = if places >= 20.0 { 2 } else { usize::from(places >= 5.0) };
        let fast_machines = round((0.5 * spread).max(alone) * care).max(5);
        Self {
            page_machines,
            fast_machines,
            page_sites,
            page_lift: 3.0,
            ticket_machines: page_machines,
            ticket_sites: page_sites.saturating_sub(page_sites / 4).max(1),
            ticket_lift: 5.0,
            largest_sites,
            per_site: if places >= 40.0 {
                3
            } else {
                u32::try_from(round(3.0 * spread.max(alone) / places)).unwrap_or(3).max(3)
            },
        }
    }

    /// Whether so many silent machines at so many sites page.
    #[must_use]
    pub fn is_broad(&self, machines: u64, sites: u64) -> bool {
        machines >= self.page_machines && sites >= self.page_sites
    }

    /// For machines that upload late: they come back in waves that no clock explains.
    #[must_use]
    pub fn of_late(&self) -> Self {
        Self {
            page_machines: self.page_machines * 2,
            fast_machines: self.page_machines * 2,
            ticket_machines: self.ticket_machines * 2,
            page_lift: self.page_lift * 2.0,
            ticket_lift: self.ticket_lift * 2.0,
            ..self.clone()
        }
    }
}

fn round(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive by construction"
    )]
    let rounded = value.round().max(0.0) as u64;
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_follow_the_fleet() {
        let of = |machines, sites| {
            let limits = Limits::of(machines, sites, 0.5);
            (limits.page_machines, limits.page_sites, limits.largest_sites)
        };
        assert_eq!(of(300, 1), (8, 1, 0));
        assert_eq!(of(1000, 5), (13, 2, 1));
        assert_eq!(of(3000, 1), (60, 1, 0), "a campus: a lab of it is no outage");
        assert_eq!(of(10_000, 200), (20, 10, 2));
        assert_eq!(of(10_000_000, 5000), (20, 10, 2));
    }

    #[test]
    fn the_one_number_moves_them() {
        let machines = |budget| Limits::of(100_000, 1000, budget).page_machines;
        assert!(machines(0.05) > machines(0.5) && machines(0.5) > machines(5.0));
    }
}

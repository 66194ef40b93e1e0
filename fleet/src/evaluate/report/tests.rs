//! Hand-made runs, added up.

use super::*;
use crate::evaluate::fixture::{runs, set};

#[test]
fn runs_add_up() {
    let report = Report::new(&set(), runs());
    let total = &report.total;
    assert_eq!((total.worlds, total.runs, total.days), (2, 3, 84.0));
    assert_eq!((total.false_pages.events, total.false_tickets.events), (1, 2));
    assert!((total.false_pages.per_28_days - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!((total.paged.right, total.paged.of), (3, 4));
    assert_eq!((total.paged_from_half.right, total.paged_from_half.of), (3, 3));
    assert_eq!((total.ticketed.right, total.ticketed.of), (1, 1));
    assert_eq!((total.attributed.right, total.attributed.of), (2, 3));
    assert_eq!(total.delay_fast, Delays::new(vec![12.0, 20.0]));
    assert_eq!(total.delay_from_half, Delays::new(vec![12.0, 20.0, 50.0]));
    let rows: Vec<_> = report
        .outages
        .iter()
        .map(|row| (row.band.from, row.owed, row.found.right, row.alarmed.right))
        .collect();
    assert_eq!(
        rows,
        [
            (0.2, Expect::Page, 0, 1),
            (0.2, Expect::Ticket, 1, 1),
            (0.5, Expect::Page, 1, 1),
            (1.8, Expect::Page, 2, 2),
        ]
    );
    assert_eq!(report.speed.slowest_28_days_s, 3.0);
    assert_eq!((report.speed.bytes_a_series, report.speed.checkpoint_bytes_a_series), (120.0, 150.0));
}

#[test]
fn goals_are_judged_one_by_one() {
    let report = Report::new(&set(), runs());
    let met: Vec<Option<bool>> = report.goals.iter().map(|goal| goal.met).collect();
    // pages, bound (4.74 in three months), recall (3 of 4), tickets, delay, cause
    assert_eq!(met, [Some(true), Some(false), Some(false), Some(true), Some(true), Some(true)]);
    assert!(!report.meets_goals());
    let mut set = set();
    set.goals.max_false_pages_bound = Some(1.6);
    set.goals.min_recall = None;
    assert!(Report::new(&set, runs()).meets_goals());
    // where no outage was simulated, nothing tells of recall
    let quiet = runs().into_iter().take(2).collect();
    let report = Report::new(&set, quiet);
    assert_eq!(report.goals.iter().find(|goal| goal.goal.contains("tickets")).unwrap().met, None);
}

#[test]
fn the_threshold_that_finds_as_much_with_the_fewest_false_alarms_is_shown() {
    let report = Report::new(&set(), runs());
    let shown: Vec<_> = report.methods.iter().filter(|row| row.shown).map(|row| row.method).collect();
    assert!(shown.contains(&None) && shown.contains(&Some(Method::EarsC2)));
    let thresholds: Vec<_> =
        shown.into_iter().flatten().filter(|method| matches!(method, Method::Threshold(_))).collect();
    assert_eq!(thresholds, [Method::Threshold(20)]);
}

#[test]
fn every_rate_lies_in_one_band() {
    for rate in [0.0, 0.01, 0.2, 0.5, 1.0, 1.8, 17.99, 18.0, 180.0, 2000.0] {
        assert_eq!(Band::all().filter(|band| band.holds(rate)).count(), 1, "{rate}");
    }
}

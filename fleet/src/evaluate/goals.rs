//! The goals of a set against what was found.

use serde::{Deserialize, Serialize};

use crate::evaluate::report::Total;
use crate::scenario::Goals;

/// One goal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoalResult {
    /// In words.
    pub goal: String,
    /// What was wanted: at most or at least this.
    pub wanted: f64,
    /// What was found; nothing where nothing in the runs tells.
    pub found: Option<f64>,
    /// Whether it is met; nothing where nothing in the runs tells.
    pub met: Option<bool>,
}

#[derive(Clone, Copy)]
enum Side {
    AtMost,
    AtLeast,
}

/// Every goal that is set.
pub(crate) fn goals(goals: &Goals, total: &Total) -> Vec<GoalResult> {
    use Side::{AtLeast, AtMost};
    let pages = (total.days > 0.0).then_some(total.false_pages.per_28_days);
    let tickets = (total.days > 0.0).then_some(total.false_tickets.per_28_days);
    let from_half = total.delay_from_half.map(|delays| delays.median_s);
    let fast = total.delay_fast.map(|delays| delays.median_s);
    let list = [
        ("false pages in 28 days", AtMost, goals.max_false_pages, pages),
        ("their 95 % bound", AtMost, goals.max_false_pages_bound, total.false_pages.at_most),
        ("false tickets in 28 days", AtMost, goals.max_false_tickets, tickets),
        ("share of owed pages that came", AtLeast, goals.min_recall, total.paged.value()),
        ("share of owed tickets that came", AtLeast, goals.min_ticket_recall, total.ticketed.value()),
        ("median s to the page, 0.5/s and more", AtMost, goals.max_median_delay_s, from_half),
        ("median s to the page, 1.8/s and more", AtMost, goals.max_median_delay_fast_s, fast),
        ("share of causes named rightly", AtLeast, goals.min_attribution, total.attributed.value()),
    ];
    let result = |(goal, side, wanted, found): (&str, Side, Option<f64>, Option<f64>)| {
        let wanted = wanted?;
        let met = found.map(|found| match side {
            AtMost => found <= wanted,
            AtLeast => found >= wanted,
        });
        let side = match side {
            AtMost => "at most",
            AtLeast => "at least",
        };
        Some(GoalResult { goal: format!("{goal}, {side}"), wanted, found, met })
    };
    list.into_iter().filter_map(result).collect()
}

//! What changes, for people and for programs. Names come out of dumps: nothing of them reaches a terminal as it is.

use analyzer::ANALYZER_VERSION;
use blame::RULES_VERSION;
use jiff::Timestamp;
use serde::Serialize;
use storage::questions::ReplayFilter;

use super::apply::Applied;
use super::tally::{Aside, DriverMoves, Move, Tally};

/// Lines of each table that people get; programs get all.
const MOST_LINES: usize = 25;

#[derive(Serialize)]
struct Document<'t> {
    since: String,
    until: String,
    tenant: Option<&'t str>,
    driver: Option<&'t str>,
    rules_version: u32,
    analyzer_version: u32,
    crashes: u64,
    stay: u64,
    change: u64,
    blamed_on_another: u64,
    only_in_another_bucket: u64,
    only_refined: u64,
    without_facts: &'t Aside,
    judged_by_newer_rules: &'t Aside,
    unreadable_facts: &'t Aside,
    left_out: u64,
    drivers: Vec<DriverMoves>,
    moves: Vec<Move>,
    buckets: Vec<Move>,
}

/// One document.
pub(super) fn json(tally: &Tally, filter: &ReplayFilter) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&Document {
        since: moment(filter.range.from_ms),
        until: moment(filter.range.to_ms),
        tenant: filter.tenant.as_deref(),
        driver: filter.driver.as_deref(),
        rules_version: RULES_VERSION,
        analyzer_version: ANALYZER_VERSION,
        crashes: tally.crashes,
        stay: tally.stay(),
        change: tally.changed(),
        blamed_on_another: tally.moved,
        only_in_another_bucket: tally.rebucketed,
        only_refined: tally.refined,
        without_facts: &tally.without_facts,
        judged_by_newer_rules: &tally.newer,
        unreadable_facts: &tally.unreadable,
        left_out: tally.left_out,
        drivers: tally.drivers(),
        moves: tally.moves(),
        buckets: tally.buckets(),
    })?)
}

fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// Names out of dumps may hold escape sequences.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}

struct Style {
    colour: bool,
}

impl Style {
    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn dim(&self, text: &str) -> String {
        if self.colour { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// For people.
pub(super) fn text(tally: &Tally, filter: &ReplayFilter, colour: bool) -> String {
    let style = Style { colour };
    let mut lines = vec![head(tally, filter)];
    let drivers = tally.drivers();
    if !drivers.is_empty() {
        lines.push(String::new());
        lines.extend(driver_table(&drivers, &style));
    }
    let moves = tally.moves();
    if !moves.is_empty() {
        lines.extend([String::new(), style.bold("the commonest moves")]);
        for one in moves.iter().take(MOST_LINES) {
            lines.push(format!(
                "{:>8}  {} -> {}  by {}",
                one.crashes,
                plain(&one.from),
                plain(&one.to),
                one.rule
            ));
            let example = format!("{:>10}{}: {}", "", one.example, plain(&one.why));
            lines.push(style.dim(&example));
        }
        lines.extend(more(moves.len()));
    }
    let buckets = tally.buckets();
    if !buckets.is_empty() {
        lines.extend([String::new(), style.bold("buckets that change")]);
        let line = |one: &Move| format!("{:>8}  {} -> {}", one.crashes, plain(&one.from), plain(&one.to));
        lines.extend(buckets.iter().take(MOST_LINES).map(line));
        lines.extend(more(buckets.len()));
    }
    lines.push(String::new());
    lines.extend(foot(tally));
    lines.join("\n")
}

fn head(tally: &Tally, filter: &ReplayFilter) -> String {
    let only = [("tenant", &filter.tenant), ("driver", &filter.driver)]
        .into_iter()
        .filter_map(|(what, value)| Some(format!(", {what} {}", plain(value.as_ref()?))))
        .collect::<String>();
    format!(
        "{} from {} to {}{only}, by rules {RULES_VERSION} and the owners of this configuration",
        crashes(tally.crashes),
        moment(filter.range.from_ms),
        moment(filter.range.to_ms),
    )
}

fn crashes(count: u64) -> String {
    format!("{count} {}", if count == 1 { "crash" } else { "crashes" })
}

fn more(all: usize) -> Option<String> {
    let left = all.saturating_sub(MOST_LINES);
    (left > 0).then(|| format!("{:>8}  and {left} more, which --json has", ""))
}

fn driver_table(drivers: &[DriverMoves], style: &Style) -> Vec<String> {
    let shown: Vec<_> = drivers.iter().take(MOST_LINES).map(|driver| (plain(&driver.name), driver)).collect();
    let widest = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("blamed".len());
    let title = format!(
        "{:widest$}  {:>8} {:>8} {:>9}   {:>8} {:>8} {:>9}",
        "blamed", "crashes", "-> after", "", "machines", "-> after", ""
    );
    let line = |(name, driver): &(String, &DriverMoves)| {
        format!(
            "{name:widest$}  {:>8} {:>8} {:>9}   {:>8} {:>8} {:>9}",
            driver.crashes_before,
            driver.crashes_after,
            difference(driver.crashes_before, driver.crashes_after),
            driver.machines_before,
            driver.machines_after,
            difference(driver.machines_before, driver.machines_after),
        )
    };
    let lines = shown.iter().map(line);
    std::iter::once(style.bold(&title)).chain(lines).chain(more(drivers.len())).collect()
}

fn difference(before: u64, after: u64) -> String {
    match after.abs_diff(before) {
        0 => "=".to_owned(),
        by if after > before => format!("+{by}"),
        by => format!("-{by}"),
    }
}

fn foot(tally: &Tally) -> Vec<String> {
    let mut lines = vec![format!("{} of {} stay as they are", tally.stay(), tally.crashes)];
    let kinds = [
        (tally.moved, "blamed on another"),
        (tally.rebucketed, "blamed on the same, in another bucket"),
        (tally.refined, "changed only in place, rule, confidence or what they say of the hardware"),
    ];
    lines.extend(
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} are {what}")),
    );
    let asides = [
        (&tally.without_facts, "have no stored facts, from before they were kept"),
        (&tally.newer, "were judged by newer rules than this build has"),
        (&tally.unreadable, "have facts that cannot be read"),
    ];
    for (aside, what) in asides.into_iter().filter(|(aside, _)| aside.crashes > 0) {
        let why = if aside.why.is_empty() { String::new() } else { format!(" ({})", plain(&aside.why)) };
        lines.push(format!(
            "{} of those that stay {what}; the last one happened at {}: {}{why}",
            aside.crashes,
            moment(aside.last_ms),
            aside.example,
        ));
    }
    if tally.left_out > 0 {
        lines.push(format!("{} have names beyond what the tables hold", crashes(tally.left_out)));
    }
    lines
}

/// What was written.
pub(super) fn applied(applied: &Applied) -> String {
    let rollups = applied.rollups;
    format!(
        "wrote {}; made {} rows of the pages' counts and {} of the detector's anew",
        crashes(applied.crashes),
        rollups.minutes + rollups.hours,
        rollups.arrivals
    )
}

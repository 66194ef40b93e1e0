//! A report as people read it: what it comes to in a paragraph, then the tables behind it, then what went wrong one by
//! one. Colours where they are wanted; computes nothing.

use std::fmt::Write as _;

use crate::evaluate::report::{OutageRow, Report, WorldRow};
use crate::evaluate::{Delays, Frequency, MethodRow, Share};
use crate::world::Expect;

mod table;
mod wrong;

use self::table::{Paint, Table};

/// Columns of the paragraph at the top.
const WIDTH: usize = 100;

impl Report {
    /// For a terminal (`colour`) or a pipe.
    pub fn text(&self, colour: bool) -> String {
        let mut text = format!("{}\n", table::painted(&table::plain(&self.set), Paint::Strong, colour));
        text.push_str(&wrapped(&self.verdict()));
        let mut section = |title: &str, body: String| {
            if !body.is_empty() {
                write!(text, "\n{}\n{body}", table::painted(title, Paint::Strong, colour)).ok();
            }
        };
        section("Goals", self.goal_table().text(colour));
        section("Outages", outages(&self.outages).text(colour));
        section("False alarms", worlds(&self.worlds, self).text(colour));
        section("Methods on the same streams", methods(&self.methods).text(colour));
        section("Speed, one core a run", self.speed_text());
        section("Outages without what was owed", wrong::missed(self).text(colour));
        section("False alarms one by one", wrong::false_alarms(self).text(colour));
        section("Causes named wrongly", wrong::causes(self).text(colour));
        text
    }

    /// What it comes to.
    fn verdict(&self) -> String {
        let total = &self.total;
        let mut text = format!(
            "{}, {}, {}. For nothing it paged {} and opened {}.",
            several(total.worlds, "world"),
            several(total.runs, "run"),
            several(total.days.round() as u64, "simulated day"),
            often(&total.false_pages, "time"),
            often(&total.false_tickets, "ticket"),
        );
        if total.paged.of > 0 {
            let Share { right, of, .. } = total.paged;
            write!(text, " Of {of} outages that owed a page {right} had one ({}).", at_least(&total.paged))
                .ok();
        }
        for (delays, rate) in [(total.delay_fast, "1.8"), (total.delay_from_half, "0.5")] {
            if let Some(delays) = delays {
                let Delays { median_s, p90_s, .. } = delays;
                write!(
                    text,
                    " At {rate} machines a second and more, half of the pages came within {} s of the first affected upload, nine of ten within {} s.",
                    seconds(median_s),
                    seconds(p90_s)
                )
                .ok();
            }
        }
        if total.ticketed.of > 0 {
            let Share { right, of, .. } = total.ticketed;
            write!(text, " Of {of} that owed a ticket {right} had one.").ok();
        }
        if let Some(share) = total.attributed.value() {
            let of = total.attributed.of;
            write!(
                text,
                " The cause was named rightly in {:.1} % of {of} incidents with 50 machines.",
                share * 100.0
            )
            .ok();
        }
        let missed = self.goals.iter().filter(|goal| goal.met == Some(false)).count();
        match (self.goals.len(), missed) {
            (0, _) => {}
            (all, 0) => write!(text, " None of its {all} goals is missed.").unwrap_or_default(),
            (all, missed) => write!(text, " {missed} of its {all} goals missed.").unwrap_or_default(),
        }
        text
    }

    fn goal_table(&self) -> Table {
        let mut table = Table::new(&["GOAL", "WANTED", "FOUND", ""], 1);
        for goal in &self.goals {
            let (word, paint) = match goal.met {
                Some(true) => ("met", Paint::Good),
                Some(false) => ("missed", Paint::Bad),
                None => ("nothing to tell", Paint::Dim),
            };
            let found = goal.found.map_or_else(|| "-".to_owned(), figure);
            table.row([goal.goal.clone(), figure(goal.wanted), found, word.to_owned()]).paint(3, paint);
        }
        table
    }

    fn speed_text(&self) -> String {
        let speed = &self.speed;
        let mut lines = vec![
            format!(
                "  a simulated day   {:.1} ms to make, {:.1} ms to detect in; 28 days of the slowest run {:.1} s",
                speed.simulate_ms_a_day, speed.detect_ms_a_day, speed.slowest_28_days_s
            ),
            format!(
                "  detector          {} ticks/s, {} crashes/s with their ticks",
                thousands(speed.ticks_a_second),
                thousands(speed.crashes_a_second)
            ),
            format!(
                "  state             {} series at most, {:.0} bytes of memory and {:.0} of checkpoint a series",
                thousands(speed.most_series as f64),
                speed.bytes_a_series,
                speed.checkpoint_bytes_a_series
            ),
        ];
        if speed.compare_ms_a_day > 0.0 {
            lines.push(format!(
                "  other methods     {:.1} ms a simulated day, all of them",
                speed.compare_ms_a_day
            ));
        }
        lines.join("\n") + "\n"
    }
}

fn outages(rows: &[OutageRow]) -> Table {
    let head = [
        "CLASS",
        "MACHINES",
        "OWED",
        "N",
        "CAME",
        "",
        "ALARMED",
        "MEDIAN s",
        "P90",
        "MAX",
        "CAUSE RIGHT",
        "",
    ];
    let mut table = Table::new(&head, 3);
    for row in rows {
        let owed = match row.owed {
            Expect::Page => "page",
            Expect::Ticket => "ticket",
            Expect::Nothing => "nothing",
        };
        let [median, p90, max] = delay_cells(row.delay.as_ref());
        let cells = [
            row.class.name().to_owned(),
            row.band.to_string(),
            owed.to_owned(),
            row.found.of.to_string(),
            row.found.right.to_string(),
            percent(&row.found),
            row.alarmed.right.to_string(),
            median,
            p90,
            max,
            of(&row.attributed),
            percent(&row.attributed),
        ];
        table.row(cells).share(5, &row.found).share(11, &row.attributed);
    }
    table
}

fn worlds(rows: &[WorldRow], report: &Report) -> Table {
    let head = ["WORLDS", "RUNS", "DAYS", "PAGES", "IN 28 d", "AT MOST", "TICKETS", "IN 28 d", "AT MOST"];
    let mut table = Table::new(&head, 1);
    let total = &report.total;
    let mut row = |class: &str, runs: u64, pages: &Frequency, tickets: &Frequency| {
        let [page, page_month, page_most] = frequency_cells(pages);
        let [ticket, ticket_month, ticket_most] = frequency_cells(tickets);
        let days = thousands(pages.days.round());
        let cells = [
            class.to_owned(),
            runs.to_string(),
            days,
            page,
            page_month,
            page_most,
            ticket,
            ticket_month,
            ticket_most,
        ];
        table.row(cells).paint(3, if pages.events > 0 { Paint::Bad } else { Paint::Plain });
    };
    for world in rows {
        row(&world.class, world.runs, &world.false_pages, &world.false_tickets);
    }
    row("all", total.runs, &total.false_pages, &total.false_tickets);
    table
}

fn methods(rows: &[MethodRow]) -> Table {
    let head = ["METHOD", "FALSE", "IN 28 d", "AT MOST", "FOUND", "OF", "", "MEDIAN s", "P90", "MAX"];
    let mut table = Table::new(&head, 1);
    if rows.len() < 2 {
        return table;
    }
    for row in rows.iter().filter(|row| row.shown) {
        let [events, month, most] = frequency_cells(&row.false_alarms);
        let [median, p90, max] = delay_cells(row.delay.as_ref());
        let (right, of) = (row.found.right.to_string(), row.found.of.to_string());
        let cells = [row.name(), events, month, most, right, of, percent(&row.found), median, p90, max];
        table.row(cells).paint(0, if row.method.is_none() { Paint::Strong } else { Paint::Plain });
    }
    table
}

fn delay_cells(delays: Option<&Delays>) -> [String; 3] {
    delays.map_or_else(
        || ["-", "-", "-"].map(str::to_owned),
        |delays| [delays.median_s, delays.p90_s, delays.max_s].map(seconds),
    )
}

fn frequency_cells(frequency: &Frequency) -> [String; 3] {
    let most = frequency.at_most.map_or_else(|| "-".to_owned(), figure);
    [thousands(frequency.events as f64), figure(frequency.per_28_days), most]
}

fn of(share: &Share) -> String {
    if share.of == 0 { "-".to_owned() } else { format!("{} of {}", share.right, share.of) }
}

fn percent(share: &Share) -> String {
    share.value().map_or_else(String::new, |value| format!("{:.1} %", value * 100.0))
}

fn at_least(share: &Share) -> String {
    let least = share.at_least.unwrap_or_default() * 100.0;
    format!("{}; at least {least:.1} % with 95 % confidence", percent(share))
}

fn often(frequency: &Frequency, what: &str) -> String {
    let most = frequency.at_most.map_or_else(|| "-".to_owned(), figure);
    format!(
        "{} ({} in 28 days, with 95 % confidence at most {most})",
        several(frequency.events, what),
        figure(frequency.per_28_days)
    )
}

/// `1 run`, `2 runs`.
fn several(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(number as f64))
}

/// Seconds: tenths where they matter.
pub(super) fn seconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { thousands(value.round()) }
}

/// A figure with as many digits as it is worth.
pub(super) fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => thousands(value.round()),
    }
}

/// `1,234,567`.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests;

//! Series as pictures: bars in SVG, drawn on the server. The bars stretch with the page; the labels around them are
//! text, so that they stay readable on a phone. Pure.

mod marks;
mod timeline;

use std::fmt::Write as _;

use maud::{Markup, html};
use serde::Serialize;
use storage::questions::{Range, SeriesPoint};

pub(crate) use timeline::{Event, Lane, timeline};

use crate::expected::Expected;
use crate::text;

pub(crate) use marks::Mark;

/// Width of one bar in units of the picture, and of the gap after it.
const BAR: usize = 8;
const GAP: usize = 2;
/// Height of the picture in units.
const HEIGHT: u64 = 1000;
/// Labels under the picture.
const TICKS: usize = 5;

/// What the script makes a chart of that can be zoomed into: columns of equal length.
#[derive(Serialize)]
struct Columns<'a> {
    at: Vec<i64>,
    machines: Vec<u64>,
    crashes: Vec<u64>,
    #[serde(flatten)]
    expected: Option<&'a Expected>,
    /// Moments with the letters that stand for them.
    marks: Vec<(i64, char)>,
}

/// A chart of distinct machines for each step, with axes and a title.
pub(crate) fn machines(title: &str, points: &[SeriesPoint], step: &str) -> Markup {
    draw(title, points, None, step, &[])
}

/// The same with what happened meanwhile drawn into it.
pub(crate) fn marked(title: &str, points: &[SeriesPoint], step: &str, marks: &[Mark]) -> Markup {
    draw(title, points, None, step, marks)
}

/// The same over the band in which the machines were to be expected.
pub(crate) fn beside_expected(
    title: &str,
    points: &[SeriesPoint],
    expected: Option<&Expected>,
    step: &str,
) -> Markup {
    draw(title, points, expected, step, &[])
}

fn draw(
    title: &str,
    points: &[SeriesPoint],
    expected: Option<&Expected>,
    step: &str,
    marks: &[Mark],
) -> Markup {
    let range = range(points);
    let highest = expected.iter().flat_map(|band| &band.high).copied().fold(0.0, f64::max);
    let most = points.iter().map(|point| point.machines).max().unwrap_or(0);
    let top = nice(most.max(whole(highest)));
    let columns = Columns {
        at: points.iter().map(|point| point.at_ms).collect(),
        machines: points.iter().map(|point| point.machines).collect(),
        crashes: points.iter().map(|point| point.crashes).collect(),
        expected,
        marks: marks::letters(marks, range),
    };
    // Numbers only: nothing that JSON cannot hold.
    let columns = serde_json::to_string(&columns).unwrap_or_default();
    let width = points.len() * (BAR + GAP);
    let of_a_week = span_ms(points) > 2 * 86_400_000;
    html! {
        figure.chart data-chart=(columns) {
            figcaption { (title) }
            div.plot {
                div.y aria-hidden="true" { span { (text::number(top)) } span { (text::number(top / 2)) } span { "0" } }
                svg role="img" viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" {
                    title { (title) ", at most " (text::number(most)) }
                    @if let Some(band) = expected { path.band d=(outline(band, top)) {} }
                    @for y in [0, HEIGHT / 2, HEIGHT] { line.grid x1="0" x2=(width) y1=(y) y2=(y) {} }
                    @for (index, point) in points.iter().enumerate() {
                        @let height = height(point.machines, top);
                        rect.bar x=(index * (BAR + GAP)) y=(HEIGHT - height) width=(BAR) height=(height) {
                            title {
                                (text::tick(point.at_ms, false)) ": " (text::counted(point.machines, "machine"))
                                ", " (point.crashes) " crash" (if point.crashes == 1 { "" } else { "es" })
                            }
                        }
                    }
                }
                @if !marks.is_empty() { (marks::lines(marks, range)) }
                div.x aria-hidden="true" {
                    @for at_ms in ticks(points) { span { (text::tick(at_ms, of_a_week)) } }
                }
            }
            p.axis {
                "Machines per " (step) ", by the time of the crash"
                @if expected.is_some() { "; grey: what the same hours of the last weeks let expect" }
                "."
            }
            (marks::legend(marks, range))
        }
    }
}

/// The band as a closed path: along the highs, back along the lows.
fn outline(band: &Expected, top: u64) -> String {
    let y = |machines: f64| HEIGHT - height(whole(machines).min(top), top);
    let step = |index: usize| index * (BAR + GAP);
    let mut path = String::from("M");
    for (index, high) in band.high.iter().enumerate() {
        // Writing to a String cannot fail.
        write!(path, " {} {} {} {}", step(index), y(*high), step(index + 1), y(*high)).unwrap_or_default();
    }
    for (index, low) in band.low.iter().enumerate().rev() {
        write!(path, " {} {} {} {}", step(index + 1), y(*low), step(index), y(*low)).unwrap_or_default();
    }
    path + " Z"
}

fn whole(machines: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "machines, below 2^53")]
    let machines = machines.clamp(0.0, 9e15) as u64;
    machines
}

/// A chart the size of a word.
pub(crate) fn spark(values: &[u64], label: &str) -> Markup {
    let top = values.iter().copied().max().unwrap_or(0).max(1);
    html! {
        svg.spark role="img" viewBox=(format!("0 0 {} {HEIGHT}", values.len() * (BAR + GAP))) preserveAspectRatio="none" {
            title { (label) }
            @for (index, value) in values.iter().enumerate() {
                @let height = height(*value, top);
                rect.bar x=(index * (BAR + GAP)) y=(HEIGHT - height) width=(BAR) height=(height) {}
            }
        }
    }
}

/// Height of a bar; what is not nothing is seen.
fn height(value: u64, top: u64) -> u64 {
    match value {
        0 => 0,
        _ => (value.saturating_mul(HEIGHT) / top.max(1)).clamp(12, HEIGHT),
    }
}

/// The next round figure whose half is a whole number: 2, 4, 6, 8, 10, 12, 16, 20, 30, 40, 60, 80, 100, 120, ...
fn nice(most: u64) -> u64 {
    if most <= 10 {
        return most.max(1).next_multiple_of(2);
    }
    let mut power = 1_u64;
    loop {
        let tops = [12, 16, 20, 30, 40, 60, 80, 100].map(|factor| power.saturating_mul(factor));
        if let Some(top) = tops.into_iter().find(|top| *top >= most) {
            return top;
        }
        power = power.saturating_mul(10);
    }
}

/// From the beginning of the first step to the end of the last.
fn range(points: &[SeriesPoint]) -> Range {
    match points {
        [first, second, .., last] => {
            let step = second.at_ms.saturating_sub(first.at_ms);
            Range { from_ms: first.at_ms, to_ms: last.at_ms.saturating_add(step) }
        }
        [first, last] => Range { from_ms: first.at_ms, to_ms: last.at_ms.saturating_mul(2) - first.at_ms },
        _ => Range { from_ms: 0, to_ms: 0 },
    }
}

fn span_ms(points: &[SeriesPoint]) -> i64 {
    match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.at_ms - first.at_ms,
        _ => 0,
    }
}

/// Evenly spread moments from the first step to the last.
fn ticks(points: &[SeriesPoint]) -> Vec<i64> {
    let Some(last) = points.len().checked_sub(1) else { return Vec::new() };
    (0..TICKS).filter_map(|tick| points.get(tick * last / (TICKS - 1))).map(|point| point.at_ms).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tops_are_round_and_hold_the_highest_bar() {
        for (most, top) in
            [(0, 2), (1, 2), (3, 4), (5, 6), (7, 8), (11, 12), (107, 120), (1816, 2000), (u64::MAX, u64::MAX)]
        {
            assert_eq!(nice(most), top, "{most}");
        }
    }

    #[test]
    fn every_point_is_a_bar_of_its_height() {
        let points: Vec<SeriesPoint> = [0, 1, 10]
            .iter()
            .zip(0..)
            .map(|(&machines, at)| SeriesPoint { at_ms: at * 60_000, machines, crashes: machines })
            .collect();
        let drawn = machines("Crashing machines", &points, "minute").into_string();
        assert_eq!(drawn.matches("class=\"bar\"").count(), 3);
        for bar in ["x=\"0\" y=\"1000\" width=\"8\" height=\"0\"", "x=\"10\" y=\"900\"", "x=\"20\" y=\"0\""] {
            assert!(drawn.contains(bar), "{bar} is not in {drawn}");
        }
        assert!(drawn.contains("00:02: 10 machines, 10 crashes"));
        assert!(machines("Nothing", &[], "minute").into_string().contains("<svg"));
    }
}

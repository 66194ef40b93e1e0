//! Moments drawn into a chart: a line with a letter, and what the letter stands for in words below. Pure.

use maud::{Markup, html};
use storage::questions::Range;

use crate::text;

/// As many as a phone's width has room for letters.
const MOST: usize = 26;
/// Letters closer than this, in permille of the width, would cover each other: they take turns in height.
const NEAR: i64 = 30;
/// Height of a letter's line in the picture.
const ROW: i64 = 18;
const ROWS: i64 = 3;

/// Something that happened at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) at_ms: i64,
    /// What, shown below the chart.
    pub(crate) what: Markup,
    /// The same in plain words, for the title of the line.
    pub(crate) title: String,
}

/// Where a moment lies in the range, in permille of its width.
fn place(at_ms: i64, range: Range) -> Option<i64> {
    let whole = range.to_ms.saturating_sub(range.from_ms);
    let passed = at_ms.checked_sub(range.from_ms).filter(|passed| (0..whole).contains(passed))?;
    passed.saturating_mul(1000).checked_div(whole)
}

/// The marks that lie in the range, oldest first, with their letters, places and rows.
fn placed(marks: &[Mark], range: Range) -> Vec<(char, i64, i64, &Mark)> {
    let mut inside: Vec<(i64, &Mark)> =
        marks.iter().filter_map(|mark| Some((place(mark.at_ms, range)?, mark))).collect();
    inside.sort_by_key(|(_, mark)| mark.at_ms);
    let mut before: Option<(i64, i64)> = None;
    let letters = ('A'..='Z').zip(inside.into_iter().take(MOST));
    letters
        .map(|(letter, (place, mark))| {
            let row = match before {
                Some((other, row)) if place - other < NEAR => (row + 1) % ROWS,
                _ => 0,
            };
            before = Some((place, row));
            (letter, place, row, mark)
        })
        .collect()
}

/// When each letter's moment was.
pub(super) fn letters(marks: &[Mark], range: Range) -> Vec<(i64, char)> {
    placed(marks, range).into_iter().map(|(letter, _, _, mark)| (mark.at_ms, letter)).collect()
}

/// Lines over a chart that fills the same box. The bars below are stretched with the page; these are placed by share of
/// its width instead, or their letters would be stretched too.
pub(super) fn lines(marks: &[Mark], range: Range) -> Markup {
    html! {
        svg.marks aria-hidden="true" {
            @for (letter, place, row, mark) in placed(marks, range) {
                @let x = format!("{}.{}%", place / 10, place % 10);
                g {
                    title { (letter) ": " (mark.title) }
                    line x1=(x) x2=(x) y1="0" y2="100%" {}
                    circle cx=(x) cy=(9 + row * ROW) r="8" {}
                    text x=(x) y=(13 + row * ROW) text-anchor="middle" { (letter) }
                }
            }
        }
    }
}

/// What the letters stand for.
pub(super) fn legend(marks: &[Mark], range: Range) -> Markup {
    let placed = placed(marks, range);
    html! {
        @if !placed.is_empty() {
            ul.legend {
                @for (letter, _, _, mark) in placed {
                    li { span.letter { (letter) } " " (text::time(mark.at_ms)) " " (mark.what) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_lie_where_their_time_is_and_make_room_for_each_other() {
        let mark = |at_ms: i64| Mark { at_ms, what: html! { "x" }, title: "x".to_owned() };
        let range = Range { from_ms: 1_000, to_ms: 2_000 };
        let marks = [mark(1_510), mark(1_500), mark(999), mark(2_000), mark(1_000), mark(i64::MIN)];
        let found: Vec<(char, i64, i64)> =
            placed(&marks, range).into_iter().map(|(letter, place, row, _)| (letter, place, row)).collect();
        assert_eq!(found, [('A', 0, 0), ('B', 500, 0), ('C', 510, 1)]);
        assert!(lines(&marks, range).into_string().contains("x1=\"51.0%\""));
        assert_eq!(legend(&marks, range).into_string().matches("<li>").count(), 3);
        assert_eq!(placed(&marks, Range { from_ms: 5, to_ms: 5 }).len(), 0);
        let many: Vec<Mark> = (1_000..1_100).map(mark).collect();
        assert_eq!(placed(&many, range).len(), MOST);
    }
}

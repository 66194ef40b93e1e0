//! False alarms in 28 days by method, on a logarithmic axis, each with its 95 % bound.

use super::scale::{Scale, label};
use super::svg::{Anchor, Svg};
use crate::evaluate::print::figure;
use crate::evaluate::report::{MethodRow, Report};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 270.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 56.0;
const ROW: f64 = 34.0;

pub(super) fn draw(report: &Report) -> Option<String> {
    let rows: Vec<&MethodRow> = report.methods.iter().filter(|row| row.shown).collect();
    let bounds = rows.iter().filter_map(|row| row.false_alarms.at_most);
    let (least, most) = bounds
        .fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), bound| (least.min(bound), most.max(bound)));
    if most <= 0.0 {
        return None;
    }
    let days = report.total.days;
    let says = format!(
        "False alarms in 28 days, over {days:.0} simulated days, of the detector and of other methods"
    );
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 60.0, "False alarms in 28 days", &says);
    let values = (10_f64.powf((least.min(1.0) / 3.0).log10().floor()), 10_f64.powf(most.log10().ceil()));
    let scale = Scale { values, pixels: (LEFT, RIGHT), logarithmic: true };
    for mark in scale.marks() {
        svg.line((scale.at(mark), TOP), (scale.at(mark), bottom), "grid");
        svg.text((scale.at(mark), bottom + 18.0), Anchor::Middle, "dim", &label(mark));
    }
    for (number, row) in rows.into_iter().enumerate() {
        let middle = TOP + ROW * (number as f64 + 0.5);
        let (class, words) = if row.method.is_none() { ("ours", "strong") } else { ("other", "") };
        svg.text((LEFT - 10.0, middle + 4.0), Anchor::End, words, &row.name());
        let month = row.false_alarms.per_28_days;
        if month > 0.0 {
            svg.rect((LEFT, middle - 9.0), scale.at(month) - LEFT, 18.0, &format!("{class} bar"));
        }
        let bound = row.false_alarms.at_most.unwrap_or(month);
        svg.line(
            (scale.at(month.max(values.0)), middle),
            (scale.at(bound), middle),
            &format!("{class} thin"),
        );
        svg.line((scale.at(bound), middle - 6.0), (scale.at(bound), middle + 6.0), &format!("{class} thin"));
        let text = format!("{} (at most {})", figure(month), figure(bound));
        svg.text((scale.at(bound) + 8.0, middle + 4.0), Anchor::Start, words, &text);
    }
    let note = "bar: counted; whisker: 95 % bound; every method needs 20 machines";
    svg.text((WIDTH / 2.0, bottom + 44.0), Anchor::Middle, "dim", note);
    Some(svg.finish())
}

//! How long owed pages took, by rate: a dot each, a line at the median, and above them those that never came.

use super::scale::{Scale, label};
use super::svg::{Anchor, Svg};
use crate::evaluate::bounds::Delays;
use crate::evaluate::report::{Band, Report};
use crate::evaluate::score::TruthScore;
use crate::world::Expect;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 90.0;
const BOTTOM: f64 = 350.0;
/// Where the missed ones are.
const MISSED: f64 = 66.0;

pub(super) fn draw(report: &Report) -> Option<String> {
    let owed: Vec<&TruthScore> = report
        .runs
        .iter()
        .flat_map(|run| &run.score.truths)
        .filter(|truth| truth.owed == Expect::Page)
        .collect();
    let longest = owed.iter().filter_map(|truth| truth.page_s).reduce(f64::max)?;
    let bands: Vec<Band> =
        Band::all().filter(|band| owed.iter().any(|truth| band.holds(truth.rate))).collect();
    let title = "From the first affected upload to the page";
    let says = format!("{} outages that owed a page, by affected machines a second; a dot each", owed.len());
    let mut svg = Svg::new(WIDTH, HEIGHT, title, &says);
    let scale = Scale {
        values: (1.0, 10_f64.powf(longest.max(10.0).log10().ceil())),
        pixels: (BOTTOM, TOP),
        logarithmic: true,
    };
    for mark in scale.marks() {
        svg.line((LEFT, scale.at(mark)), (WIDTH - 20.0, scale.at(mark)), "grid");
        svg.text((LEFT - 8.0, scale.at(mark) + 4.0), Anchor::End, "dim", &format!("{} s", label(mark)));
    }
    svg.text((LEFT - 8.0, MISSED + 4.0), Anchor::End, "dim", "missed");
    let column = (WIDTH - 20.0 - LEFT) / bands.len().max(1) as f64;
    for (number, band) in bands.iter().enumerate() {
        let middle = LEFT + column * (number as f64 + 0.5);
        let these: Vec<&&TruthScore> = owed.iter().filter(|truth| band.holds(truth.rate)).collect();
        one_band(&mut svg, &scale, middle, column, &these);
        svg.text((middle, BOTTOM + 24.0), Anchor::Middle, "", &band.to_string());
    }
    svg.text((middle_of_axis(), HEIGHT - 16.0), Anchor::Middle, "dim", "affected machines a second");
    Some(svg.finish())
}

fn middle_of_axis() -> f64 {
    LEFT.midpoint(WIDTH - 20.0)
}

fn one_band(svg: &mut Svg, scale: &Scale, middle: f64, column: f64, truths: &[&&TruthScore]) {
    for (number, truth) in truths.iter().enumerate() {
        // the golden ratio spreads dots evenly without chance
        let aside = ((number as f64 * 0.618_033_988_75).fract() - 0.5) * column * 0.5;
        match truth.page_s {
            Some(delay) => svg.dot((middle + aside, scale.at(delay)), 3.5, "ours dot"),
            None => svg.dot((middle + aside, MISSED), 3.5, "bad"),
        }
    }
    let delays = Delays::new(truths.iter().filter_map(|truth| truth.page_s).collect());
    if let Some(delays) = delays {
        let y = scale.at(delays.median_s);
        svg.line((middle - column * 0.32, y), (middle + column * 0.32, y), "ours line");
        let median = format!("{} s", crate::evaluate::print::seconds(delays.median_s));
        svg.text((middle + column * 0.34, y + 4.0), Anchor::Start, "strong", &median);
    }
    let n = format!("n = {}", truths.len());
    svg.text((middle, BOTTOM + 42.0), Anchor::Middle, "dim", &n);
}

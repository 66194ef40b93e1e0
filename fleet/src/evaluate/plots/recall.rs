//! Which share of the outages that owed a page each method found, by rate.

use super::scale::Scale;
use super::svg::{Anchor, Svg};
use crate::evaluate::report::{Band, MethodRow, Report};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 500.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 330.0;
/// Of the other methods, in turn.
const CLASSES: [&str; 5] = ["other", "warn", "violet", "rose", "good"];

pub(super) fn draw(report: &Report) -> Option<String> {
    let rows: Vec<&MethodRow> = report.methods.iter().filter(|row| row.shown).collect();
    let bands: Vec<Band> = rows.first()?.by_band.iter().map(|(band, _)| *band).collect();
    if bands.is_empty() {
        return None;
    }
    let says =
        "Share of the outages that owed a page that was found, by affected machines a second and method";
    let mut svg = Svg::new(WIDTH, HEIGHT, "Outages found", says);
    let scale = Scale { values: (0.0, 100.0), pixels: (BOTTOM, TOP), logarithmic: false };
    for mark in scale.marks() {
        svg.line((LEFT, scale.at(mark)), (RIGHT, scale.at(mark)), "grid");
        svg.text((LEFT - 8.0, scale.at(mark) + 4.0), Anchor::End, "dim", &format!("{mark} %"));
    }
    let column = (RIGHT - LEFT) / bands.len() as f64;
    let x = |number: usize| LEFT + column * (number as f64 + 0.5);
    for (number, band) in bands.iter().enumerate() {
        svg.text(
            (x(number), BOTTOM + 20.0 + 16.0 * (number % 2) as f64),
            Anchor::Middle,
            "",
            &band.to_string(),
        );
    }
    // ours last, so that it lies above the others
    for (number, row) in rows.iter().enumerate().rev() {
        let class = match row.method {
            None => "ours",
            Some(_) => CLASSES.get((number + CLASSES.len() - 1) % CLASSES.len()).copied().unwrap_or("other"),
        };
        let points: Vec<(f64, f64)> = bands
            .iter()
            .enumerate()
            .filter_map(|(place, band)| {
                let (_, share) = row.by_band.iter().find(|(of, _)| of == band)?;
                // side by side where they found the same
                let aside = 5.0 * (number as f64 - rows.len() as f64 / 2.0);
                Some((x(place) + aside, scale.at(share.value()? * 100.0)))
            })
            .collect();
        let dashes = if row.method.is_none() { "line" } else { "line thin dash" };
        svg.path(&points, &format!("{class} {dashes}"));
        points.iter().for_each(|point| svg.dot(*point, 3.5, class));
        let y = TOP + 26.0 * number as f64;
        svg.line((RIGHT + 14.0, y), (RIGHT + 38.0, y), &format!("{class} {dashes}"));
        let words = if row.method.is_none() { "strong" } else { "" };
        svg.text((RIGHT + 44.0, y + 4.0), Anchor::Start, words, &row.name());
    }
    svg.text((LEFT.midpoint(RIGHT), HEIGHT - 14.0), Anchor::Middle, "dim", "affected machines a second");
    Some(svg.finish())
}

//! One outage from near: the machines that arrived, the score that they add up to, and when somebody was told.

use super::scale::{Scale, label};
use super::svg::{Anchor, Svg};
use crate::evaluate::near::Near;
use crate::evaluate::report::Report;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 740.0;
/// The counts, above.
const COUNTS: (f64, f64) = (240.0, 100.0);
/// The score, below.
const SCORE: (f64, f64) = (420.0, 270.0);
/// Machines are counted over so many seconds.
const BIN_S: f64 = 5.0;

pub(super) fn draw(report: &Report) -> Option<String> {
    let all = report.runs.iter().filter_map(|run| run.near.as_ref());
    let near = all.min_by(|a, b| a.worth().total_cmp(&b.worth()))?;
    let since = |at_ms: i64| (at_ms - near.begin_ms) as f64 / 1000.0;
    let page = since(near.page_ms);
    let to = (page * 1.6).max(page + 30.0).max(120.0);
    let time = Scale { values: (-to / 2.0, to), pixels: (LEFT, RIGHT), logarithmic: false };
    let arrivals: Vec<f64> = near.arrivals_ms.iter().map(|at_ms| since(*at_ms)).collect();

    let delay = page - near.first_upload_ms.map(since).filter(|first| *first <= page).unwrap_or(0.0);
    let title = format!(
        "{} at {} machines a second: page {delay:.0} s after the first upload",
        near.driver, near.rate
    );
    let says = format!(
        "Machines of {} that crashed, the score of the chart that decided, and its limit",
        near.driver
    );
    let mut svg = Svg::new(WIDTH, HEIGHT, &title, &says);
    counts(&mut svg, &time, &arrivals);
    score(&mut svg, &time, near, &arrivals);
    for mark in time.marks() {
        svg.text((time.at(mark), SCORE.0 + 20.0), Anchor::Middle, "dim", &format!("{mark} s"));
    }
    let moments = [
        ("outage begins", Some(0.0), "axis", "dim"),
        ("onset, as estimated", Some(since(near.onset_ms)), "good thin dash", "good"),
        ("ticket", near.ticket_ms.map(since), "warn line", "warn"),
        ("page", Some(page), "bad line", "bad"),
    ];
    for (row, (name, at, line, words)) in moments.into_iter().enumerate() {
        let Some(at) = at else { continue };
        // a row each, since they may lie close together
        let y = 52.0 + 13.0 * row as f64;
        svg.line((time.at(at), y + 4.0), (time.at(at), SCORE.0), line);
        svg.text((time.at(at) + 4.0, y + 4.0), Anchor::Start, words, &format!("{name} {at:.0} s"));
    }
    let world = format!("{}, seed {}, {}", near.world, near.seed, near.id);
    svg.text((LEFT.midpoint(RIGHT), HEIGHT - 16.0), Anchor::Middle, "dim", &world);
    Some(svg.finish())
}

fn counts(svg: &mut Svg, time: &Scale, arrivals: &[f64]) {
    let first = (time.values.0 / BIN_S).floor() as i64;
    let last = (time.values.1 / BIN_S).ceil() as i64;
    let bins: Vec<(f64, usize)> = (first..last)
        .map(|bin| {
            let from = bin as f64 * BIN_S;
            (from, arrivals.iter().filter(|at| **at >= from && **at < from + BIN_S).count())
        })
        .collect();
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1) as f64;
    let scale = Scale { values: (0.0, most), pixels: COUNTS, logarithmic: false };
    axis(svg, &scale, &format!("machines in {BIN_S} s"));
    for (from, count) in bins.into_iter().filter(|(_, count)| *count > 0) {
        let (x, y) = (time.at(from), scale.at(count as f64));
        svg.rect((x, y), time.at(from + BIN_S) - x - 1.0, COUNTS.0 - y, "ours bar");
    }
}

/// The sum of log-likelihood ratios, made again from what the detector said of its chart: each machine adds the logarithm
/// of rho, each second takes what the usual rate would bring.
fn score(svg: &mut Svg, time: &Scale, near: &Near, arrivals: &[f64]) {
    let lost_a_second = (near.rho - 1.0) * near.usual_per_minute / 60.0 * near.common_mode;
    let highest = near.threshold.max(1.0) * 2.0;
    let (mut sum, mut before) = (0.0_f64, time.values.0);
    let mut points = vec![(before, 0.0)];
    let mut sorted: Vec<f64> =
        arrivals.iter().copied().filter(|at| *at >= time.values.0 && *at < time.values.1).collect();
    sorted.sort_by(f64::total_cmp);
    for at in sorted {
        let falls_for =
            if lost_a_second > 0.0 { (sum / lost_a_second).min(at - before) } else { at - before };
        sum = (sum - lost_a_second * (at - before)).max(0.0);
        points.extend([(before + falls_for, sum), (at, sum)]);
        sum += near.rho.max(1.0).ln();
        points.push((at, sum));
        before = at;
        if sum > highest {
            // it goes on like this
            break;
        }
    }
    let scale = Scale { values: (0.0, highest), pixels: SCORE, logarithmic: false };
    axis(svg, &scale, &format!("score of the chart for {} times the usual", near.rho));
    let points: Vec<(f64, f64)> = points.into_iter().map(|(at, sum)| (time.at(at), scale.at(sum))).collect();
    svg.path(&points, "ours line");
    let limit = scale.at(near.threshold);
    svg.line((LEFT, limit), (RIGHT, limit), "bad thin dash");
    svg.text((LEFT + 6.0, limit - 6.0), Anchor::Start, "bad", &format!("limit {:.1}", near.threshold));
}

fn axis(svg: &mut Svg, scale: &Scale, title: &str) {
    for mark in scale.marks() {
        svg.line((LEFT, scale.at(mark)), (RIGHT, scale.at(mark)), "grid");
        svg.text((LEFT - 8.0, scale.at(mark) + 4.0), Anchor::End, "dim", &label(mark));
    }
    svg.text((LEFT, scale.pixels.1 - 10.0), Anchor::Start, "strong", title);
}

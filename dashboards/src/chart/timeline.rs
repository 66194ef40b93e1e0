//! What happened to one thing over time, as a picture: a line for each kind of event, a mark for each event. Pure.

use maud::{Markup, html};

use crate::text;

/// Units of the picture across.
const WIDTH: i64 = 10_000;
/// Of a mark: what is not nothing is seen.
const MARK: i64 = 40;
/// Of one line, in units down.
const LANE: usize = 30;
/// Labels under the picture.
const TICKS: i64 = 5;
/// Shortest stretch that is drawn: one crash alone would have no time line.
const LEAST_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at_ms: i64,
    /// Since when it was well before it; the same moment where that is not known.
    pub(crate) since_ms: i64,
    /// What is said of it.
    pub(crate) title: String,
}

/// Events of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
}

/// The lanes from the first event, or the beginning of what led to it, up to `now_ms`.
pub(crate) fn timeline(title: &str, lanes: &[Lane], now_ms: i64) -> Markup {
    let events = || lanes.iter().flat_map(|lane| &lane.events);
    let first_ms = events().map(|event| event.at_ms).min().unwrap_or(now_ms);
    let last_ms = events().map(|event| event.at_ms).max().unwrap_or(now_ms).max(now_ms);
    // A little of what led to the first one is seen, however long it was.
    let length_ms = last_ms.saturating_sub(first_ms).max(LEAST_MS);
    let from_ms = last_ms.saturating_sub(length_ms).saturating_sub(length_ms / 20);
    let whole = last_ms.saturating_sub(from_ms).max(1);
    let x = |at_ms: i64| {
        let part = i128::from(at_ms.saturating_sub(from_ms).clamp(0, whole)) * i128::from(WIDTH - MARK);
        i64::try_from(part / i128::from(whole)).unwrap_or(0)
    };
    let of_days = whole > 2 * DAY_MS;
    let height = lanes.len().max(1) * LANE;
    html! {
        figure.chart.lanes {
            figcaption { (title) }
            ul.names aria-hidden="true" { @for lane in lanes { li { (text::name(&lane.name)) } } }
            svg role="img" viewBox=(format!("0 0 {WIDTH} {height}")) preserveAspectRatio="none" {
                title { (title) ": " (text::counted(events().count() as u64, "event")) }
                @for (index, lane) in lanes.iter().enumerate() {
                    @let y = index * LANE;
                    line.grid x1="0" x2=(WIDTH) y1=(y + LANE / 2) y2=(y + LANE / 2) {}
                    @for event in &lane.events {
                        @if event.since_ms < event.at_ms {
                            rect.was-up x=(x(event.since_ms)) y=(y + LANE / 2 - 3) height="6"
                                width=(x(event.at_ms) - x(event.since_ms)) {}
                        }
                    }
                    @for event in &lane.events {
                        rect.bar x=(x(event.at_ms)) y=(y + 4) width=(MARK) height=(LANE - 8) { title { (event.title) } }
                    }
                }
            }
            div.x aria-hidden="true" {
                @for tick in 0..TICKS { span { (text::tick(from_ms.saturating_add(whole / (TICKS - 1) * tick), of_days)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_ms: i64, since_ms: i64) -> Event {
        Event { at_ms, since_ms, title: format!("at {at_ms}") }
    }

    #[test]
    fn every_event_is_a_mark_within_the_picture() {
        let lanes = [
            Lane { name: "<b>.sys".to_owned(), events: vec![event(0, 0), event(86_400_000, 43_200_000)] },
            Lane { name: "b.sys".to_owned(), events: vec![event(10 * 86_400_000, i64::MIN)] },
        ];
        let drawn = timeline("Crashes", &lanes, 10 * 86_400_000).into_string();
        assert_eq!(drawn.matches("class=\"bar\"").count(), 3);
        assert_eq!(drawn.matches("class=\"was-up\"").count(), 2);
        assert!(
            drawn.contains("x=\"9960\"") && drawn.contains("3 events") && drawn.contains("&lt;b&gt;.sys")
        );
        assert!(drawn.contains("Jan 11") && !drawn.contains("=\"-"), "{drawn}");
    }

    #[test]
    fn odd_times_are_drawn_too() {
        for at in [0, i64::MAX, i64::MIN, 1_721_362_140_000] {
            let lanes = [Lane { name: String::new(), events: vec![event(at, at), event(0, i64::MAX)] }];
            let drawn = timeline("Crashes", &lanes, 1_721_362_140_000).into_string();
            assert_eq!(drawn.matches("class=\"bar\"").count(), 2);
        }
        assert!(timeline("Nothing", &[], 0).into_string().contains("0 events"));
    }
}

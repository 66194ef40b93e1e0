//! Alerts that burn: Alertmanager forgets what it is not told again, so the last word about each open incident is sent
//! every minute until its end has been delivered. A row of its own in the outbox, the marker, keeps that word over a
//! restart. Owns what is due; never sends and never writes.

use std::collections::BTreeMap;
use std::time::Duration;

use storage::questions::NotificationRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::notices::{DELIVERED, PENDING};
use super::wire::burns;

/// Well below the end that each sending sets.
const EVERY: Duration = Duration::from_secs(60);
/// After this long without news somebody else has to know that it burns: the state that would end it may be lost.
const LONGEST_MS: i64 = 14 * 24 * 3_600_000;

/// The alerts of one target that burn, by incident.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<Uuid, Repeat>);

#[derive(Debug)]
struct Repeat {
    marker: NotificationRow,
    due: Instant,
    in_flight: bool,
}

/// The id of the row that keeps an incident's last word to a target.
fn marker_id(incident_id: Uuid, target: &str) -> String {
    format!("{}-repeat-{target}", incident_id.simple())
}

/// Whether a row of the outbox is such a marker and nothing to be delivered itself.
pub(crate) fn is_marker(row: &NotificationRow) -> bool {
    row.notification_id == marker_id(row.incident_id, &row.target)
}

impl Repeats {
    /// Takes up what burned before a restart.
    pub(super) fn restore(&mut self, marker: NotificationRow, now: Instant) {
        self.0.insert(marker.incident_id, Repeat { marker, due: now, in_flight: false });
    }

    /// A row about an incident was delivered: gives the marker to write, where that changes what burns.
    pub(super) fn delivered(&mut self, row: &NotificationRow, now: Instant) -> Option<NotificationRow> {
        let was = self.0.remove(&row.incident_id);
        let mut marker = NotificationRow {
            notification_id: marker_id(row.incident_id, &row.target),
            attempts: 0,
            last_error: String::new(),
            ..row.clone()
        };
        if burns(&row.payload) {
            marker.state = PENDING.to_owned();
            let repeat = Repeat { marker: marker.clone(), due: now + EVERY, in_flight: false };
            self.0.insert(row.incident_id, repeat);
            return Some(marker);
        }
        marker.state = DELIVERED.to_owned();
        was.map(|_| marker)
    }

    /// Whether an incident's last word is on its way: a new one must not overtake it.
    pub(super) fn busy(&self, incident_id: Uuid) -> bool {
        self.0.get(&incident_id).is_some_and(|repeat| repeat.in_flight)
    }

    /// The one that is due longest, unless there is news about its incident.
    pub(super) fn due(&self, now: Instant, news: impl Fn(Uuid) -> bool) -> Option<Uuid> {
        let waiting = self.0.iter().filter(|(id, repeat)| !repeat.in_flight && !news(**id));
        waiting
            .filter(|(_, repeat)| repeat.due <= now)
            .min_by_key(|(_, repeat)| repeat.due)
            .map(|(id, _)| *id)
    }

    /// When the next one is due.
    pub(super) fn wake(&self, news: impl Fn(Uuid) -> bool) -> Option<Instant> {
        let waiting = self.0.iter().filter(|(id, repeat)| !repeat.in_flight && !news(**id));
        waiting.map(|(_, repeat)| repeat.due).min()
    }

    /// Begins to send one.
    pub(super) fn begin(&mut self, incident_id: Uuid) -> Option<NotificationRow> {
        let repeat = self.0.get_mut(&incident_id)?;
        repeat.in_flight = true;
        Some(repeat.marker.clone())
    }

    /// One was sent, whatever came of it. Gives the marker to write where it has burned for too long.
    pub(super) fn settle(&mut self, incident_id: Uuid, now: Instant, now_ms: i64) -> Option<NotificationRow> {
        let repeat = self.0.get_mut(&incident_id)?;
        repeat.in_flight = false;
        repeat.due = now + EVERY;
        if now_ms.saturating_sub(repeat.marker.updated_at_ms) <= LONGEST_MS {
            return None;
        }
        let mut marker = self.0.remove(&incident_id)?.marker;
        marker.state = DELIVERED.to_owned();
        marker.updated_at_ms = now_ms;
        Some(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(payload: &str, at_ms: i64) -> NotificationRow {
        NotificationRow {
            notification_id: "x".to_owned(),
            incident_id: Uuid::from_u128(1),
            target: "am".to_owned(),
            payload: payload.to_owned(),
            updated_at_ms: at_ms,
            ..NotificationRow::default()
        }
    }

    #[test]
    fn an_alert_burns_from_its_first_delivery_to_its_end() {
        let (now, id) = (Instant::now(), Uuid::from_u128(1));
        let mut repeats = Repeats::default();
        let marker = repeats.delivered(&row("[{}]", 1), now).unwrap();
        assert!(is_marker(&marker) && !is_marker(&row("[{}]", 1)));
        assert_eq!(marker.state, PENDING);
        assert_eq!(repeats.due(now, |_| false), None);
        let later = now + EVERY;
        assert_eq!((repeats.due(later, |_| false), repeats.due(later, |_| true)), (Some(id), None));
        assert_eq!(repeats.begin(id).unwrap().payload, "[{}]");
        assert!(repeats.busy(id) && repeats.due(later, |_| false).is_none());
        assert_eq!(repeats.settle(id, later, 60_000), None);
        assert_eq!(repeats.wake(|_| false), Some(later + EVERY));
        let ended = repeats.delivered(&row(r#"[{"endsAt":"x"}]"#, 2), later).unwrap();
        assert_eq!((ended.state.as_str(), ended.notification_id), (DELIVERED, marker.notification_id));
        assert_eq!(repeats.wake(|_| false), None);
        assert_eq!(repeats.delivered(&row(r#"[{"endsAt":"x"}]"#, 3), later), None);
    }

    #[test]
    fn nothing_burns_for_ever() {
        let (now, id) = (Instant::now(), Uuid::from_u128(1));
        let mut repeats = Repeats::default();
        repeats.restore(row("[{}]", 0), now);
        assert_eq!(repeats.due(now, |_| false), Some(id));
        assert_eq!(repeats.settle(id, now, LONGEST_MS), None);
        assert_eq!(repeats.settle(id, now, LONGEST_MS + 1).unwrap().state, DELIVERED);
        assert_eq!(repeats.wake(|_| false), None);
    }
}

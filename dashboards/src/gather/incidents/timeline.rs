//! What happened in an incident, from the first crash to the last word, and how long each step took. Pure.

use serde::Serialize;
use storage::questions::NotificationRow;
use utoipa::ToSchema;

use super::record::Happened;

/// A first crash longer before the onset is none of its own: the driver crashes now and then anyway.
const FIRST_CRASH_MS: i64 = 86_400_000;

/// What kind of moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MomentKind)]
pub(crate) enum Kind {
    /// The first crash that is counted happened.
    FirstCrash,
    /// The first machine beyond the usual, as the detector saw it.
    Onset,
    /// A step of the incident.
    Step,
    /// A notification reached its target for the first time.
    Notified,
    /// A notification was given up.
    NotDelivered,
}

/// One line of the time line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Moment {
    /// When, ms since 1970.
    pub(crate) at_ms: i64,
    pub(crate) kind: Kind,
    /// Since the moment before; 0 for the first.
    pub(crate) after_s: i64,
    /// The step, of a step.
    pub(crate) step: Option<Happened>,
    /// Who was told, of a notification.
    pub(crate) target: String,
}

/// How long each took from the onset, in seconds; `None` where it has not happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Times {
    /// Until it was opened, s; null where no event says so.
    pub(crate) to_detect_s: Option<i64>,
    /// Until the first notification reached its target, s; null where none has.
    pub(crate) to_notify_s: Option<i64>,
    /// Until it was first acknowledged, s; null where it was not.
    pub(crate) to_acknowledge_s: Option<i64>,
    /// Until it was over or became part of another, s; null while it is not.
    pub(crate) to_resolve_s: Option<i64>,
}

/// When its stations were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stations {
    pub(super) onset_ms: i64,
    /// 0 where no crash is known.
    pub(super) first_crash_ms: i64,
    pub(super) resolved_at_ms: Option<i64>,
}

/// The first success of each target, and what was given up.
fn told(notifications: &[NotificationRow]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    let mut sorted: Vec<&NotificationRow> = notifications.iter().collect();
    sorted.sort_by_key(|row| row.updated_at_ms);
    for row in sorted {
        let kind = match row.state.as_str() {
            "delivered" => Kind::Notified,
            "failed" => Kind::NotDelivered,
            _ => continue,
        };
        let is_first = !moments.iter().any(|moment| moment.kind == kind && moment.target == row.target);
        if is_first {
            let target = row.target.clone();
            moments.push(Moment { at_ms: row.updated_at_ms, kind, after_s: 0, step: None, target });
        }
    }
    moments
}

/// All moments in order, and the times between.
pub(super) fn of(
    stations: Stations,
    steps: &[Happened],
    notifications: &[NotificationRow],
) -> (Vec<Moment>, Times) {
    let Stations { onset_ms, first_crash_ms, resolved_at_ms } = stations;
    let bare = |at_ms, kind| Moment { at_ms, kind, after_s: 0, step: None, target: String::new() };
    let told = told(notifications);
    let first_of = |kind: &str| {
        let of_kind = steps.iter().filter(|step| step.event.kind == kind);
        of_kind.map(|step| step.event.at_ms).min()
    };
    let since = |at_ms: Option<i64>| at_ms.map(|at_ms| (at_ms.saturating_sub(onset_ms) / 1000).max(0));
    let times = Times {
        to_detect_s: since(first_of("opened")),
        to_notify_s: since(told.iter().filter(|one| one.kind == Kind::Notified).map(|one| one.at_ms).min()),
        to_acknowledge_s: since(first_of("acknowledged")),
        to_resolve_s: since(resolved_at_ms),
    };
    let mut moments = vec![bare(onset_ms, Kind::Onset)];
    if first_crash_ms > onset_ms.saturating_sub(FIRST_CRASH_MS) {
        moments.push(bare(first_crash_ms, Kind::FirstCrash));
    }
    moments.extend(steps.iter().map(|step| Moment {
        at_ms: step.event.at_ms,
        kind: Kind::Step,
        after_s: 0,
        step: Some(step.clone()),
        target: String::new(),
    }));
    moments.extend(told);
    moments.sort_by_key(|moment| (moment.at_ms, moment.kind));
    let mut before_ms = None;
    for moment in &mut moments {
        let since_ms = before_ms.map_or(0, |before: i64| moment.at_ms.saturating_sub(before));
        moment.after_s = since_ms / 1000;
        before_ms = Some(moment.at_ms);
    }
    (moments, times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::questions::IncidentEvent;

    fn step(kind: &str, at_ms: i64) -> Happened {
        Happened::of(&IncidentEvent {
            incident_id: uuid::Uuid::nil(),
            seq: 0,
            at_ms,
            kind: kind.to_owned(),
            tenant: String::new(),
            driver: String::new(),
            detail: "{}".to_owned(),
        })
    }

    fn sent(target: &str, state: &str, updated_at_ms: i64) -> NotificationRow {
        NotificationRow {
            target: target.to_owned(),
            state: state.to_owned(),
            updated_at_ms,
            ..NotificationRow::default()
        }
    }

    #[test]
    fn stations_stand_in_order_with_the_time_between() {
        let steps = [
            step("opened", 60_000),
            step("commented", 90_000),
            step("acknowledged", 180_000),
            step("resolved", 600_000),
        ];
        let sent = [
            sent("chat", "pending", 1),
            sent("pager", "delivered", 400_000),
            sent("pager", "delivered", 62_000),
            sent("mail", "failed", 70_000),
        ];
        let stations = Stations { onset_ms: 20_000, first_crash_ms: 11_000, resolved_at_ms: Some(600_000) };
        let (moments, times) = of(stations, &steps, &sent);
        let short: Vec<_> =
            moments.iter().map(|moment| (moment.kind, moment.at_ms / 1000, moment.after_s)).collect();
        assert_eq!(
            short,
            [
                (Kind::FirstCrash, 11, 0),
                (Kind::Onset, 20, 9),
                (Kind::Step, 60, 40),
                (Kind::Notified, 62, 2),
                (Kind::NotDelivered, 70, 8),
                (Kind::Step, 90, 20),
                (Kind::Step, 180, 90),
                (Kind::Step, 600, 420),
            ]
        );
        let expected = Times {
            to_detect_s: Some(40),
            to_notify_s: Some(42),
            to_acknowledge_s: Some(160),
            to_resolve_s: Some(580),
        };
        assert_eq!(times, expected);
        // Nobody was told, nobody came; a first crash that is unknown or of another day is none.
        let stations = Stations { onset_ms: 90_000_000, first_crash_ms: 1, resolved_at_ms: None };
        let (moments, times) = of(stations, &[step("opened", 90_060_000)], &[]);
        assert_eq!((moments.len(), times.to_detect_s, times.to_notify_s), (2, Some(60), None));
        assert_eq!((times.to_acknowledge_s, times.to_resolve_s), (None, None));
    }
}

//! Order, pauses, limits and the life and death of a target, with time as told.

use super::super::notices::PENDING;
use super::*;

const FIRST_MS: i64 = 1_721_362_200_000;

fn row(incident: u128, seq: u32, severity: &str) -> NotificationRow {
    NotificationRow {
        notification_id: format!("{incident:032x}-{seq:05}-pager"),
        incident_id: Uuid::from_u128(incident),
        target: "pager".to_owned(),
        payload: "{}".to_owned(),
        state: PENDING.to_owned(),
        created_at_ms: FIRST_MS,
        updated_at_ms: FIRST_MS,
        severity: severity.to_owned(),
        ..NotificationRow::default()
    }
}

/// A lane at a time that only passes when told to.
struct Clock {
    lane: Lane,
    now: Instant,
    now_ms: i64,
}

impl Clock {
    fn with(rows: &[NotificationRow]) -> Self {
        let now = Instant::now();
        let mut clock = Self { lane: Lane::new(now), now, now_ms: FIRST_MS };
        rows.iter().for_each(|row| clock.take(row.clone()));
        clock
    }

    fn take(&mut self, row: NotificationRow) {
        self.lane.take(row, self.now, self.now_ms);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.now_ms += i64::try_from(time.as_millis()).unwrap();
    }

    /// Begins all that may begin.
    fn begin(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        while let Some(job) = self.lane.next(self.now) {
            self.lane.begin(&job).unwrap();
            jobs.push(job);
        }
        jobs
    }

    fn end(&mut self, job: &Job, outcome: Result<(), Retry>) -> (Vec<NotificationRow>, Ended) {
        let outcome = outcome.map_err(|retry| Failure { reason: "no".to_owned(), retry });
        self.lane.settle(job, outcome, self.now, self.now_ms)
    }

    /// Waits until something may begin, and begins it.
    fn wait(&mut self) -> Vec<Job> {
        let wake = self.lane.wake(self.now).expect("something waits");
        self.pass(wake.saturating_duration_since(self.now));
        self.begin()
    }
}

fn ids(jobs: &[Job]) -> Vec<String> {
    let id = |job: &Job| match job {
        Job::News((_, id)) => id.trim_start_matches('0').trim_end_matches("-pager").to_owned(),
        Job::Again(incident) => format!("again {}", incident.as_u128()),
    };
    jobs.iter().map(id).collect()
}

#[test]
fn an_incident_goes_in_order_and_pages_before_tickets() {
    let mut clock =
        Clock::with(&[row(1, 0, "sev2"), row(1, 1, "sev2"), row(2, 0, "sev1"), row(3, 10, "sev2")]);
    let jobs = clock.begin();
    assert_eq!(ids(&jobs), ["2-00000", "1-00000", "3-00010"]);
    // What failed still holds back what comes after it.
    let (rows, ended) = clock.end(&jobs[1], Err(Retry::Later));
    assert_eq!((rows[0].attempts, rows[0].state.as_str(), ended), (1, PENDING, Ended::Retried));
    assert_eq!(ids(&clock.begin()), [""; 0]);
    let jobs = clock.wait();
    assert_eq!(ids(&jobs), ["1-00000"]);
    let (rows, ended) = clock.end(&jobs[0], Ok(()));
    assert_eq!((rows[0].attempts, rows[0].state.as_str(), ended), (2, DELIVERED, Ended::Delivered));
    assert!(rows[0].last_error.is_empty());
    assert_eq!(ids(&clock.begin()), ["1-00001"]);
}

#[test]
fn a_target_gets_only_so_many_requests_at_once() {
    let rows: Vec<NotificationRow> = (1..10).map(|incident| row(incident, 0, "sev1")).collect();
    let mut clock = Clock::with(&rows);
    let jobs = clock.begin();
    assert_eq!(jobs.len(), AT_ONCE);
    assert_eq!(clock.lane.wake(clock.now), None);
    clock.end(&jobs[0], Ok(()));
    assert_eq!(clock.begin().len(), 1);
}

#[test]
fn the_same_row_is_taken_once() {
    let mut clock = Clock::with(&[row(1, 0, "sev1"), row(1, 0, "sev1")]);
    assert_eq!(clock.lane.pending(), 1);
    let jobs = clock.begin();
    clock.take(row(1, 0, "sev1"));
    assert_eq!((jobs.len(), clock.begin().len()), (1, 0));
}

#[test]
fn a_no_for_good_ends_it_and_lets_the_next_pass() {
    let mut clock = Clock::with(&[row(1, 0, "sev1"), row(1, 1, "sev1")]);
    let jobs = clock.begin();
    let (rows, ended) = clock.end(&jobs[0], Err(Retry::Never));
    assert_eq!((rows[0].state.as_str(), ended), (FAILED, Ended::GivenUp));
    assert_eq!(ids(&clock.begin()), ["1-00001"]);
}

#[test]
fn what_a_receiver_does_not_like_is_tried_a_few_times() {
    let mut clock = Clock::with(&[row(1, 0, "sev1"), row(1, 1, "sev1")]);
    let mut attempts = 0;
    loop {
        let jobs = clock.wait();
        if ids(&jobs) == ["1-00001"] {
            break;
        }
        attempts += 1;
        clock.end(&jobs[0], Err(Retry::Few));
    }
    assert_eq!(attempts, FEW);
    assert!(clock.now_ms - FIRST_MS < 60_000, "the end must not wait for long");
}

#[test]
fn a_pause_that_was_asked_for_holds_back_the_whole_target() {
    let mut clock = Clock::with(&[row(1, 0, "sev1"), row(2, 0, "sev1")]);
    let job = clock.lane.next(clock.now).unwrap();
    clock.lane.begin(&job).unwrap();
    clock.end(&job, Err(Retry::After(Duration::from_secs(30))));
    assert_eq!(clock.begin().len(), 0);
    assert_eq!(clock.wait().len(), 2);
    assert_eq!(clock.now_ms - FIRST_MS, 30_000);
}

#[test]
fn ten_failures_of_one_moment_are_no_dead_target() {
    let rows: Vec<NotificationRow> = (1..5).map(|incident| row(incident, 0, "sev1")).collect();
    let mut clock = Clock::with(&rows);
    for _ in 0..4 {
        for job in clock.wait() {
            clock.end(&job, Err(Retry::Later));
        }
        assert_eq!(clock.lane.health(), Health::Failing);
    }
}

#[test]
fn a_dead_target_is_tried_once_a_minute_and_gets_all_when_it_lives() {
    let rows: Vec<NotificationRow> = (1..5).map(|incident| row(incident, 0, "sev1")).collect();
    let mut clock = Clock::with(&rows);
    while clock.lane.health() != Health::Dead {
        for job in clock.wait() {
            clock.end(&job, Err(Retry::Later));
        }
        assert!(clock.now_ms - FIRST_MS < 180_000, "{:?}", clock.lane);
    }
    let state = clock.lane.state("pager", "pagerduty");
    assert_eq!((state.health, state.pending, state.last_error.as_str()), (Health::Dead, 4, "no"));
    assert_eq!((state.failing_since_ms, state.last_delivered_ms), (Some(FIRST_MS), None));
    for _ in 0..5 {
        let before = clock.now_ms;
        // News do not make the tries more frequent.
        clock.take(row(9, 0, "sev1"));
        let jobs = clock.wait();
        assert_eq!((jobs.len(), clock.now_ms - before), (1, 60_000));
        clock.end(&jobs[0], Err(Retry::Later));
    }
    let job = &clock.wait()[0];
    clock.end(job, Ok(()));
    assert_eq!(clock.lane.health(), Health::Working);
    assert_eq!(clock.begin().len(), 4);
}

#[test]
fn what_waits_for_a_day_is_given_up_whether_it_was_tried_or_not() {
    let rows: Vec<NotificationRow> =
        (1..6).flat_map(|incident| [0, 1].map(|seq| row(incident, seq, "sev1"))).collect();
    let mut clock = Clock::with(&rows);
    let mut failed = Vec::new();
    while clock.lane.pending() > 0 {
        for job in clock.wait() {
            let (rows, _) = clock.end(&job, Err(Retry::Later));
            failed.extend(rows.into_iter().filter(|row| row.state == FAILED));
        }
    }
    assert_eq!(failed.len(), 10);
    let hours = (clock.now_ms - FIRST_MS) / 3_600_000;
    assert!((23..=24).contains(&hours), "{hours}");
    assert!(failed.iter().any(|row| row.attempts == 0 && row.last_error.contains("a day")), "{failed:#?}");
}

#[test]
fn a_restart_goes_on_where_the_pause_was() {
    let waiting = NotificationRow { attempts: 3, updated_at_ms: FIRST_MS - 2000, ..row(1, 0, "sev1") };
    let mut clock = Clock::with(&[waiting]);
    clock.wait();
    // The third pause is 5 s, up to a fifth more or less.
    assert!((2000..=4000).contains(&(clock.now_ms - FIRST_MS)), "{}", clock.now_ms - FIRST_MS);
}

#[test]
fn an_alert_that_burns_is_sent_again_until_its_end_is_delivered() {
    let fires = |seq| NotificationRow { payload: "[{}]".to_owned(), ..row(1, seq, "sev1") };
    let ends = NotificationRow { payload: r#"[{"endsAt":"x"}]"#.to_owned(), ..row(1, 2, "sev1") };
    let mut clock = Clock::with(&[fires(0)]);
    let jobs = clock.begin();
    let (rows, _) = clock.end(&jobs[0], Ok(()));
    assert_eq!(rows.len(), 2);
    assert!(is_marker(&rows[0]) && rows[0].state == PENDING);
    assert_eq!(clock.lane.pending(), 0);
    for _ in 0..3 {
        let (before, jobs) = (clock.now_ms, clock.wait());
        assert_eq!((ids(&jobs), clock.now_ms - before), (vec!["again 1".to_owned()], 60_000));
        assert_eq!(clock.end(&jobs[0], Ok(())).0, []);
    }
    // The last word on its way holds back the next one, or a late repetition would make it burn again.
    let again = clock.wait();
    clock.take(ends);
    assert_eq!(ids(&clock.begin()), [""; 0]);
    clock.end(&again[0], Err(Retry::Later));
    let jobs = clock.begin();
    assert_eq!(ids(&jobs), ["1-00002"]);
    let (rows, _) = clock.end(&jobs[0], Ok(()));
    assert_eq!(rows.iter().filter(|row| row.state == DELIVERED).count(), 2);
    assert_eq!(clock.lane.wake(clock.now), None);

    // After a restart the marker is all there is.
    let marker = NotificationRow { state: PENDING.to_owned(), ..rows[0].clone() };
    assert_eq!(ids(&Clock::with(&[marker]).begin()), ["again 1"]);
}

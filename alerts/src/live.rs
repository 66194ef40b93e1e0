//! The loop around the detector: read signals, end ticks, make every step durable, hand what people are to be told to the
//! outbox. Needs nothing but the stream of signals and its own store: ClickHouse may be away.
//!
//! State, positions, steps and notifications are one transaction, so a restart goes on where that one stood: what was
//! told is not told again, and what was not is told then.

use std::sync::Arc;
use std::time::Duration;

use detector::{Detector, Step, Transition};
use storage::alert_store::{AlertStore, AlertStoreError, Turn};
use storage::database::Database;
use storage::queue::BatchLimits;
use storage::signals::{Received, Signal, SignalReader, Signals, SignalsError};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::AlertsConfig;
use crate::delivery::chain;
use crate::delivery::{Letterbox, notices};
use crate::live::beside::{Asked, Beside};
use crate::live::examples::Examples;
use crate::live::pace::Pace;
use crate::live::start::Cold;
use crate::live::targets::Wanted;
use crate::metrics::AlertsMetrics;
use crate::now_ms;

mod beside;
pub(crate) mod copy;
mod event;
mod examples;
mod input;
mod pace;
pub(crate) mod rollouts;
mod start;
pub(crate) mod targets;

/// How soon to try again what a store did not do.
const AGAIN: Duration = Duration::from_secs(1);
/// One read of the stream.
const READ_SIGNALS: usize = 2_000;
const READ_BYTES: usize = 16 << 20;
/// Longer gaps in the stream are one tick: nobody was there to read a clock.
const GAP_MS: i64 = 60_000;

/// Why the loop cannot go on for now.
#[derive(Debug, thiserror::Error)]
enum LiveError {
    #[error("cannot read the stream of signals")]
    Signals(#[source] SignalsError),
    #[error("cannot write to the alert store")]
    Store(#[source] AlertStoreError),
    #[error("cannot write the detector's state")]
    State(#[from] detector::RestoreError),
}

pub(crate) struct Live {
    config: Arc<AlertsConfig>,
    signals: Signals,
    store: AlertStore,
    metrics: AlertsMetrics,
    letterbox: Letterbox,
    detector: Detector,
    reader: SignalReader,
    beside: Beside,
    asked: mpsc::UnboundedReceiver<Asked>,
    /// Steps that are not durable yet.
    steps: Vec<Transition>,
    examples: Examples,
    checkpointed: Instant,
    pace: Pace,
    /// Set while it has not learnt from the past.
    cold: Option<Cold>,
    /// Whom to ask for a try of a target.
    tests: mpsc::UnboundedSender<Wanted>,
    /// How far the acts of people have been read.
    acts_until: Option<String>,
}

impl Live {
    /// Takes up the state, or begins with what ClickHouse remembers; `None` when told to stop before that.
    #[expect(clippy::too_many_arguments, reason = "one call, and each is a part of its own")]
    pub(crate) async fn start(
        config: Arc<AlertsConfig>,
        signals: Signals,
        store: AlertStore,
        database: Database,
        metrics: AlertsMetrics,
        letterbox: Letterbox,
        tests: mpsc::UnboundedSender<Wanted>,
        stop: &CancellationToken,
    ) -> Option<Self> {
        let start::Begun { detector, marks, cold } =
            start::detector(&config, &signals, &store, &database, stop).await?;
        let reader = start::reader(&signals, &marks, stop).await?;
        let (tell, asked) = mpsc::unbounded_channel();
        let acts_until = start::acts_cursor(&store, stop).await?;
        let history = cold.is_some();
        metrics.cold.set(i64::from(history));
        let beside =
            Beside::start(database, acts_until.clone(), history, tell, metrics.clone(), stop.clone());
        Some(Self {
            config,
            signals,
            store,
            metrics,
            letterbox,
            detector,
            reader,
            beside,
            asked,
            steps: Vec::new(),
            examples: Examples::default(),
            checkpointed: Instant::now(),
            pace: Pace::default(),
            cold,
            tests,
            acts_until,
        })
    }

    /// Detects until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut away = false;
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => break,
                turn = self.turn() => turn,
            };
            match turn {
                Ok(()) => {
                    if std::mem::take(&mut away) {
                        tracing::info!("detection goes on");
                    }
                }
                Err(error) => {
                    self.metrics.failed_ticks.inc();
                    if !std::mem::replace(&mut away, true) {
                        tracing::error!(
                            error = chain(&error),
                            "detection stands still: trying again every second"
                        );
                    }
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                    if matches!(error, LiveError::Signals(_)) {
                        self.reopen().await;
                    }
                }
            }
        }
        if let Err(error) = self.write(true).await {
            tracing::warn!(
                error = chain(&error),
                "the last state was not written; the next start reads more"
            );
        }
    }

    /// A reader that failed may never work again.
    async fn reopen(&mut self) {
        match self.signals.reader(&self.reader.marks()).await {
            Ok(reader) => self.reader = reader,
            Err(error) => tracing::debug!(error = chain(&error), "the stream of signals is still away"),
        }
    }

    /// Reads what is there, ends the ticks that are over, makes their steps durable.
    async fn turn(&mut self) -> Result<(), LiveError> {
        // What was decided comes first: nothing new is looked at before it is durable.
        self.write(false).await?;
        let tick = self.config.tick;
        let ends_in = self.ends_in();
        let wait = if ends_in.is_zero() { Duration::from_millis(1) } else { ends_in.min(tick) };
        let limits = BatchLimits { messages: READ_SIGNALS, bytes: READ_BYTES, wait };
        let received = self.reader.next(limits).await.map_err(LiveError::Signals)?;
        let begun = Instant::now();
        let behind = received.len() >= READ_SIGNALS / 2;
        for one in received {
            self.take(one);
        }
        while let Ok(asked) = self.asked.try_recv() {
            self.hear(asked);
        }
        // One that reads again has its ticks before it.
        let reads_again = self.learn_late().await?;
        if !behind && !reads_again && self.ends_in().is_zero() {
            self.end_tick(now_ms());
        }
        self.metrics.tick_duration.observe(begun.elapsed().as_secs_f64());
        self.write(false).await
    }

    /// How long the present tick still is.
    fn ends_in(&self) -> Duration {
        let tick_ms = i64::try_from(self.config.tick.as_millis()).unwrap_or(1000);
        let left = self.detector.now_ms() + tick_ms - now_ms();
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// One signal: first all ticks that were over when it came in.
    fn take(&mut self, received: Received) {
        let tick_ms = i64::try_from(self.config.tick.as_millis()).unwrap_or(1000).max(1);
        let ahead = received.at_ms.min(now_ms()) - self.detector.now_ms();
        if ahead >= GAP_MS {
            self.end_tick(received.at_ms.min(now_ms()) - tick_ms);
        }
        while received.at_ms.min(now_ms()) - self.detector.now_ms() >= tick_ms {
            self.end_tick(self.detector.now_ms() + tick_ms);
        }
        match received.signal {
            Ok(Signal::Crashes(crashes)) => {
                for crash in &crashes {
                    let suspect = self.beside.is_suspect(crash);
                    if !suspect {
                        self.examples.note(crash);
                    }
                    input::crash(&mut self.detector, crash, suspect);
                }
            }
            Ok(Signal::Beats(beats)) => beats.iter().for_each(|beat| input::beat(&mut self.detector, beat)),
            Ok(Signal::Installs(installs)) => {
                installs.iter().for_each(|install| input::install(&mut self.detector, install));
            }
            Ok(Signal::Change(change)) => self.detector.change(&input::change(&change)),
            Err(malformed) => {
                self.metrics.malformed_signals.inc();
                tracing::warn!(error = malformed.reason, "a signal cannot be read and is passed over");
            }
        }
    }

    /// What was asked of ClickHouse beside the loop.
    fn hear(&mut self, asked: Asked) {
        match asked {
            Asked::Act(act, cursor) => {
                self.detector.act(&act);
                self.acts_until = Some(cursor);
            }
            Asked::Reference(incident, machines) => {
                let machines = machines.iter().map(|one| input::profile(&mut self.detector, one)).collect();
                self.detector.reference(incident, machines);
            }
            Asked::Test(wanted, cursor) => {
                self.acts_until = Some(cursor);
                // Only a stopping process has nobody who tries it.
                self.tests.send(wanted).ok();
            }
            Asked::History(hours) => {
                if let Some(cold) = &mut self.cold {
                    cold.history = Some(hours);
                }
            }
        }
    }

    /// What ClickHouse did not tell at the start is learnt once it does: a detector that knows the past reads again what
    /// came since. Not while there is an incident, which it might see otherwise and tell twice.
    async fn learn_late(&mut self) -> Result<bool, LiveError> {
        if self.cold.as_ref().is_some_and(start::Cold::is_stale) {
            tracing::warn!(
                "the database did not tell the past in time: the detector goes on with what it has seen"
            );
            self.cold = None;
            self.metrics.cold.set(0);
        }
        let ready = self.cold.as_ref().is_some_and(|cold| cold.history.is_some());
        if !ready || !self.steps.is_empty() || self.detector.incidents().next().is_some() {
            return Ok(false);
        }
        let Some(cold) = &self.cold else { return Ok(false) };
        let reader = self.signals.reader(&cold.marks).await.map_err(LiveError::Signals)?;
        self.detector = cold.learn(&self.config);
        self.reader = reader;
        self.cold = None;
        self.metrics.cold.set(0);
        tracing::info!("the detector has learnt from the past after all, and reads again what came since");
        Ok(true)
    }

    fn end_tick(&mut self, at_ms: i64) {
        if at_ms <= self.detector.now_ms() {
            return;
        }
        let steps = self.detector.tick(at_ms);
        for step in &steps {
            event::log(step);
            self.metrics.step(step);
            if let Some(driver) = event::wants_reference(step) {
                self.beside.ask_reference(step.incident.id, &step.incident.tenant, driver);
            }
        }
        self.steps.extend(steps);
        self.metrics.ticks.inc();
        let seconds = Duration::from_millis(u64::try_from(at_ms).unwrap_or(0)).as_secs_f64();
        self.metrics.last_tick.set(seconds);
    }

    /// Makes steps durable with the state that knows them, and the state alone now and then.
    async fn write(&mut self, last: bool) -> Result<(), LiveError> {
        let now = now_ms();
        let mut rows = Vec::new();
        for step in &self.steps {
            let examples = if step.tell { self.examples.of(&step.incident) } else { Vec::new() };
            rows.extend(notices(step, &examples, &self.config.delivery, &self.config.page_url, now));
        }
        let pause = self.pace.pause(!self.steps.is_empty());
        // Pages and the gate read the rows: what changes an answer does not wait because nobody is told of it.
        let urgent = self.steps.iter().any(|step| !matches!(step.step, Step::Joined | Step::Commented));
        if rows.is_empty() && !urgent && !last && self.checkpointed.elapsed() < pause {
            return Ok(());
        }
        let begun = Instant::now();
        let state = self.detector.checkpoint()?;
        self.metrics.state_bytes.set(i64::try_from(state.len()).unwrap_or(i64::MAX));
        self.metrics.series.set(i64::try_from(self.detector.series()).unwrap_or(i64::MAX));
        let acts = self.acts_until.iter().map(|at| (start::ACTS.to_owned(), at.clone()));
        let cold = (start::COLD.to_owned(), start::Cold::cursor(self.cold.as_ref()));
        let turn = Turn {
            checkpoint: Some((state, self.reader.marks())),
            events: self.steps.iter().map(event::row).collect(),
            notifications: rows.clone(),
            cursors: acts.chain([cold]).collect(),
        };
        self.store.commit(turn).await.map_err(LiveError::Store)?;
        self.steps.clear();
        self.pace.took(begun.elapsed());
        self.metrics.checkpoint_duration.observe(begun.elapsed().as_secs_f64());
        self.checkpointed = Instant::now();
        self.letterbox.put(rows);
        let open = self.detector.open_incidents();
        self.metrics.open_incidents.set(i64::try_from(open).unwrap_or(i64::MAX));
        Ok(())
    }
}

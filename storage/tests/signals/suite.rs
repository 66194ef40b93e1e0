//! The promises both streams make. Each case gets an empty stream.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use storage::signals::{
    BatchLimits, BeatSignal, ChangeSignal, CrashSignal, DriverSignal, InstallSignal, Marks, Received, Signal,
    SignalReader, Signals, SignalsConfig, SignalsError,
};
use uuid::Uuid;

/// What a case needs of a stream's test setup.
pub(crate) struct Fixture {
    pub(crate) config: SignalsConfig,
    /// Writes a value that is none of ours. Called while the stream is closed.
    pub(crate) write_foreign: fn(&SignalsConfig),
}

type Case = fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// Every case with its name.
        pub(crate) const CASES: &[(&str, Case)] = &[$((stringify!($name), |fixture| Box::pin($name(fixture)))),*];
    };
}

cases![
    every_kind_comes_back_in_order,
    a_reader_goes_on_from_its_marks,
    concurrent_appends_are_all_there_once,
    a_foreign_value_is_malformed_and_stops_nobody,
    a_cancelled_next_loses_nothing,
    limits_hold_and_large_signals_are_divided,
    marks_of_another_stream_lose_nothing,
    a_closed_stream_says_so,
];

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const LIMITS: BatchLimits =
    BatchLimits { messages: 100, bytes: 8 * 1024 * 1024, wait: Duration::from_millis(200) };

pub(crate) fn beat(number: usize) -> Signal {
    let machine = format!("pc-{number}");
    Signal::Beats(vec![BeatSignal { tenant: "acme".to_owned(), machine, at_ms: 5, farewell: number == 3 }])
}

pub(crate) fn crash(number: usize) -> CrashSignal {
    CrashSignal {
        crash_id: Uuid::from_u128(number as u128),
        tenant: "acme".to_owned(),
        machine: format!("pc-{number}"),
        crashed_at_ms: 1_721_361_600_000,
        arrived_at_ms: 1_721_361_605_000,
        driver: "csagent.sys".to_owned(),
        timestamp: 0x6690_2c2a,
        size: 0x35_0000,
        fault_offset: 0xe14ed,
        bugcheck: 0x50,
        os_build: 19045,
        bucket: "AV_R_INVALID_csagent!unknown_function".to_owned(),
        model: "Box 3".to_owned(),
        bios: "1.2".to_owned(),
        ring: "broad".to_owned(),
        site: "Bonn".to_owned(),
        network: "192.0.2.0/24".to_owned(),
        kind: "kernel".to_owned(),
        confidence: "high".to_owned(),
        modules: (0..60).map(|module| (format!("vendor{module}.sys"), module * 7, 0x1000)).collect(),
    }
}

pub(crate) fn one_of_each() -> Vec<Signal> {
    let driver = DriverSignal {
        name: "csagent.sys".to_owned(),
        version: "7.15.18511.0".to_owned(),
        timestamp: 0x6690_2c2a,
        size: 0,
    };
    vec![
        Signal::Crashes(vec![crash(1), crash(2)]),
        beat(3),
        Signal::Installs(vec![InstallSignal {
            tenant: "acme".to_owned(),
            machine: "pc-1".to_owned(),
            at_ms: 7,
            site: "Bonn".to_owned(),
            ring: "broad".to_owned(),
            model: "Box 3".to_owned(),
            os_build: 19045,
            drivers: vec![driver],
        }]),
        Signal::Change(ChangeSignal {
            id: Uuid::from_u128(9),
            tenant: "acme".to_owned(),
            at_ms: 9,
            what: "channel file 291".to_owned(),
            version: "33".to_owned(),
            timestamp: 0,
            ring: String::new(),
            vendor: "CrowdStrike".to_owned(),
        }),
    ]
}

pub(crate) async fn open(config: &SignalsConfig) -> Signals {
    Signals::open(config).await.unwrap()
}

pub(crate) async fn reader(signals: &Signals, from: &Marks) -> SignalReader {
    signals.reader(from).await.unwrap()
}

/// Reads until there are `count`, none of them twice.
pub(crate) async fn take(reader: &mut SignalReader, count: usize) -> Vec<Received> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken: Vec<Received> = Vec::new();
    while taken.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} signals came", taken.len());
        taken.extend(reader.next(LIMITS).await.unwrap());
    }
    let distinct: BTreeSet<(i32, i64)> = taken.iter().map(|received| received.mark).collect();
    assert_eq!(distinct.len(), taken.len(), "a signal came twice");
    assert_eq!(taken.len(), count);
    taken
}

pub(crate) fn signals_of(taken: &[Received]) -> Vec<Signal> {
    taken.iter().map(|received| received.signal.clone().unwrap()).collect()
}

async fn every_kind_comes_back_in_order(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    let sent = one_of_each();
    let mut waiting = reader(&signals, &Marks::default()).await;
    assert_eq!(waiting.lag().await.unwrap(), 0);
    signals.append(Vec::new()).await.unwrap();
    signals.append(vec![Signal::Beats(Vec::new())]).await.unwrap();
    signals.append(sent.clone()).await.unwrap();
    assert_eq!(waiting.lag().await.unwrap(), 4, "empty ones are nothing");
    let taken = take(&mut waiting, 4).await;
    assert_eq!(signals_of(&taken), sent);
    assert!(taken.is_sorted_by_key(|received| received.at_ms), "{taken:?}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!(taken.iter().all(|received| (now - received.at_ms).abs() < 60_000), "{taken:?}");
    assert_eq!(waiting.lag().await.unwrap(), 0);
    assert_eq!(waiting.marks().0, [taken[3].mark].into());
}

async fn a_reader_goes_on_from_its_marks(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    signals.append((0..5).map(beat).collect()).await.unwrap();
    let mut first = reader(&signals, &Marks::default()).await;
    let limits = BatchLimits { messages: 2, ..LIMITS };
    let mut seen = 0;
    while seen < 2 {
        seen += first.next(BatchLimits { messages: 2 - seen, ..limits }).await.unwrap().len();
    }
    let marks = first.marks();
    let stored = serde_json::to_string(&marks).unwrap();
    assert_eq!(serde_json::from_str::<Marks>(&stored).unwrap(), marks);
    // What one has read is there for the others, and for itself once more.
    for _ in 0..2 {
        let mut other = reader(&signals, &marks).await;
        assert_eq!(signals_of(&take(&mut other, 3).await), (2..5).map(beat).collect::<Vec<_>>());
    }
    drop(first);
    signals.close().await;
    let signals = open(&fixture.config).await;
    signals.append(vec![beat(5)]).await.unwrap();
    let mut again = reader(&signals, &marks).await;
    assert_eq!(signals_of(&take(&mut again, 4).await), (2..6).map(beat).collect::<Vec<_>>());
}

async fn concurrent_appends_are_all_there_once(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    let appends = (0..200).map(|number| {
        let signals = signals.clone();
        tokio::spawn(async move { signals.append(vec![beat(number)]).await })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap().unwrap();
    }
    let mut all = reader(&signals, &Marks::default()).await;
    let taken = signals_of(&take(&mut all, 200).await);
    assert!((0..200).all(|number| taken.contains(&beat(number))));
}

async fn a_foreign_value_is_malformed_and_stops_nobody(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    signals.append(vec![beat(1)]).await.unwrap();
    signals.close().await;
    (fixture.write_foreign)(&fixture.config);
    let signals = open(&fixture.config).await;
    signals.append(vec![beat(2)]).await.unwrap();
    let mut all = reader(&signals, &Marks::default()).await;
    let taken = take(&mut all, 3).await;
    assert_eq!(taken[0].signal, Ok(beat(1)));
    assert!(taken[1].signal.is_err(), "{:?}", taken[1]);
    assert_eq!(taken[2].signal, Ok(beat(2)));
}

async fn a_cancelled_next_loses_nothing(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    let mut all = reader(&signals, &Marks::default()).await;
    let mut taken = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    for number in 0..20 {
        signals.append(vec![beat(number)]).await.unwrap();
        // Now and then it ends in time, mostly it does not.
        let next = tokio::time::timeout(Duration::from_micros(200), all.next(LIMITS)).await;
        taken.extend(next.into_iter().flat_map(Result::unwrap));
    }
    while taken.len() < 20 {
        assert!(Instant::now() < deadline, "only {} came", taken.len());
        taken.extend(all.next(LIMITS).await.unwrap());
    }
    assert_eq!(signals_of(&taken), (0..20).map(beat).collect::<Vec<_>>());
}

async fn limits_hold_and_large_signals_are_divided(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    let crashes: Vec<CrashSignal> = (0..1_000).map(crash).collect();
    signals.append(vec![Signal::Crashes(crashes.clone())]).await.unwrap();
    let mut all = reader(&signals, &Marks::default()).await;
    let mut again = Vec::new();
    let (deadline, mut values) = (Instant::now() + PATIENCE, 0);
    while again.len() < crashes.len() {
        assert!(Instant::now() < deadline, "only {} came", again.len());
        let batch = all.next(BatchLimits { bytes: 1, ..LIMITS }).await.unwrap();
        assert!(batch.len() <= 1, "{}", batch.len());
        values += batch.len();
        for signal in signals_of(&batch) {
            assert!(matches!(signal, Signal::Crashes(_)), "{signal:?}");
            if let Signal::Crashes(crashes) = signal {
                again.extend(crashes);
            }
        }
    }
    assert_eq!(again, crashes);
    assert!(values > 4, "{values} values");
}

async fn marks_of_another_stream_lose_nothing(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    signals.append(vec![beat(1), beat(2)]).await.unwrap();
    let mut all = reader(&signals, &Marks([(0, 1_000_000)].into())).await;
    assert_eq!(signals_of(&take(&mut all, 2).await), [beat(1), beat(2)]);
    let mut all = reader(&signals, &Marks([(0, -5), (77, 3)].into())).await;
    assert_eq!(signals_of(&take(&mut all, 2).await), [beat(1), beat(2)]);
}

async fn a_closed_stream_says_so(fixture: Fixture) {
    let signals = open(&fixture.config).await;
    let mut all = reader(&signals, &Marks::default()).await;
    signals.clone().close().await;
    for error in [
        signals.append(vec![beat(1)]).await.unwrap_err(),
        all.next(LIMITS).await.unwrap_err(),
        all.lag().await.unwrap_err(),
        signals.reader(&Marks::default()).await.unwrap_err(),
    ] {
        assert!(matches!(error, SignalsError::Closed { .. }) && !error.retryable(), "{error:?}");
    }
}

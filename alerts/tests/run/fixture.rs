//! A database of its own for each test, behind a connection that can be cut, and rows to put into it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bluescope_alerts::delivery::DeliveryConfig;
use bluescope_alerts::{AlertsConfig, AlertsMetrics};
use detector::DetectorConfig;
use embedded::testing::{self, Shared};
use prometheus_client::registry::Registry;
use storage::alert_store::AlertStore;
use storage::database::{Database, DatabaseConfig};
use storage::questions::{NotificationRow, SignalRows};
use storage::rows::CrashRow;
use storage::signals::{CrashSignal, DriverSignal, InstallSignal, Signal, Signals, SignalsConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Nothing here takes longer, except on a machine that is wholly overloaded.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) config: DatabaseConfig,
    pub(crate) signals: Signals,
    pub(crate) store: AlertStore,
    cut: Arc<AtomicBool>,
    proxy: JoinHandle<()>,
    _dir: TempDir,
    _engine: Shared,
}

impl Fixture {
    /// `None` where there is no libchdb, which CI does not accept.
    pub(crate) async fn new() -> Option<Self> {
        let engine = testing::shared().await.unwrap()?;
        // Another test of this process may have installed it.
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().unwrap();
        let signals = Signals::open(&SignalsConfig::log(dir.path().join("signals"))).await.unwrap();
        let store = AlertStore::open(&dir.path().join("alerts")).await.unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let (url, proxy) = proxy(&engine.url, cut.clone()).await;
        let config = DatabaseConfig::Server {
            url,
            user: engine.user.clone(),
            password: engine.password.clone().into(),
            database: format!("bluescope_test_{}", Uuid::new_v4().simple()),
        };
        let database = Database::open(&config).await.unwrap();
        Some(Self { database, config, signals, store, cut, proxy, _dir: dir, _engine: engine })
    }

    /// From now on ClickHouse cannot be reached.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }

    /// One crash of each of these machines, each at a site of its own, as the analyzer tells the detector.
    pub(crate) async fn crash(&self, driver: &str, machines: Range<u32>) {
        let one = |number: u32| CrashSignal {
            crash_id: Uuid::from_u128(u128::from(number)),
            tenant: "acme".to_owned(),
            machine: format!("machine-{number}"),
            crashed_at_ms: now_ms() - 30_000,
            arrived_at_ms: now_ms(),
            driver: driver.to_owned(),
            timestamp: 0x6690_2C2A,
            size: 0x0035_0000,
            fault_offset: 0xE14ED,
            bugcheck: 0x50,
            os_build: 19045,
            bucket: "AV_csagent!unknown_function".to_owned(),
            model: "Box 3".to_owned(),
            ring: "broad".to_owned(),
            site: format!("site-{number}"),
            kind: "kernel".to_owned(),
            confidence: "high".to_owned(),
            modules: vec![(driver.to_owned(), 0x6690_2C2A, 0x0035_0000)],
            ..CrashSignal::default()
        };
        self.signals.append(vec![Signal::Crashes(machines.map(one).collect())]).await.unwrap();
    }

    /// Some days of these machines as bad memory makes them: other bug checks at other places in each.
    pub(crate) async fn bad_memory(&self, machines: Range<u32>) {
        let ways: [(u32, &str); 6] = [
            (0x50, "ntoskrnl.exe"),
            (0xBE, "ntoskrnl.exe"),
            (0x13A, "wdfilter.sys"),
            (0x1A, "ntoskrnl.exe"),
            (0x139, "ntfs.sys"),
            (0xD1, "ks.sys"),
        ];
        let mut rows = Vec::new();
        for number in machines {
            for (index, (bugcheck, driver)) in (1..).zip(ways) {
                let mut row = crash(driver, number, 0, now_ms() - i64::from(index) * 14_400_000);
                row.bugcheck = bugcheck;
                row.fault_offset = u64::from(number * 0x1000 + index);
                rows.push(row);
            }
        }
        // A connection that a cut broke is noticed at its next use.
        eventually("rows are taken", async || self.database.insert_crashes(&rows).await.ok()).await;
    }

    /// A day ago every other machine of 4,000 got a new build of the driver. 60 of those crashed in it, and 3 of the others.
    pub(crate) async fn roll_out(&self, driver: &str) {
        const HOUR_MS: i64 = 3_600_000;
        let now = now_ms();
        let install = |number: u32| {
            let is_new = number.is_multiple_of(2);
            InstallSignal {
                tenant: "acme".to_owned(),
                machine: format!("machine-{number}"),
                at_ms: now - if is_new { 24 } else { 30 } * HOUR_MS,
                ring: "broad".to_owned(),
                drivers: vec![DriverSignal {
                    name: driver.to_owned(),
                    version: if is_new { "2.0" } else { "1.0" }.to_owned(),
                    timestamp: if is_new { 0x6690_2C2A } else { 0x6000_0001 },
                    size: 0x10000,
                }],
                ..InstallSignal::default()
            }
        };
        let mut rows = SignalRows::default();
        rows.installs(&(0..4000).map(install).collect::<Vec<_>>());
        self.database.put_signals(&rows).await.unwrap();
        let crashed = |number: u32| {
            let mut row = crash(driver, number, 0, now - 2 * HOUR_MS);
            row.driver_timestamp = if number.is_multiple_of(2) { 0x6690_2C2A } else { 0x6000_0001 };
            row
        };
        let crashes: Vec<CrashRow> =
            (100..160).map(|number| crashed(2 * number)).chain([1001, 1003, 1005].map(crashed)).collect();
        self.database.insert_crashes(&crashes).await.unwrap();
    }

    /// All notifications of all incidents.
    pub(crate) async fn notifications(&self) -> Vec<NotificationRow> {
        let mut rows = Vec::new();
        for incident in self.database.incidents(false, 100).await.unwrap() {
            rows.extend(self.database.notifications(incident.incident_id).await.unwrap());
        }
        rows
    }

    pub(crate) fn stop(self) {
        self.proxy.abort();
    }
}

/// The role as it runs in the executable.
pub(crate) struct Role {
    stop: CancellationToken,
    task: JoinHandle<()>,
    registry: Registry,
}

impl Role {
    pub(crate) fn start(fixture: &Fixture, config: AlertsConfig) -> Self {
        Self::on(fixture, fixture.database.clone(), config)
    }

    /// With another handle on the database.
    pub(crate) fn on(fixture: &Fixture, database: Database, config: AlertsConfig) -> Self {
        let mut registry = Registry::default();
        let metrics = AlertsMetrics::new(&mut registry);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let (signals, store) = (fixture.signals.clone(), fixture.store.clone());
        let task = tokio::spawn(async move {
            bluescope_alerts::run(config, signals, store, database, metrics, token).await.unwrap();
        });
        Self { stop, task, registry }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Waits for so many more looks at the fleet.
    pub(crate) async fn ticked(&self, more: u64) {
        let target = self.ticks() + more;
        eventually("the detector has looked", async || (self.ticks() >= target).then_some(())).await;
    }

    pub(crate) fn metric(&self, line: &str) -> bool {
        self.exposition().lines().any(|found| found == line)
    }

    fn ticks(&self) -> u64 {
        let text = self.exposition();
        let line = text.lines().find_map(|line| line.strip_prefix("alerts_ticks_total "));
        line.unwrap().parse().unwrap()
    }

    fn exposition(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

/// The usual settings, in a hurry, and who is told.
pub(crate) fn quick(targets: Vec<bluescope_alerts::delivery::Target>) -> AlertsConfig {
    AlertsConfig {
        tick: Duration::from_millis(100),
        detector: DetectorConfig { resolve_after_s: 1, ..DetectorConfig::default() },
        delivery: DeliveryConfig { targets, ..DeliveryConfig::default() },
        ..AlertsConfig::default()
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Forwards connections until it is cut, which breaks those that stand as well.
async fn proxy(to: &str, cut: Arc<AtomicBool>) -> (String, JoinHandle<()>) {
    let to = to.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        loop {
            let (mut inner, _) = listener.accept().await.unwrap();
            let (to, cut) = (to.clone(), cut.clone());
            tokio::spawn(async move {
                let Ok(mut outer) = TcpStream::connect(&to).await else { return };
                let cutting = async {
                    while !cut.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ended = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                    () = cutting => {}
                }
            });
        }
    });
    (url, accepting)
}

fn crash(driver: &str, number: u32, round: i64, received_at: i64) -> CrashRow {
    let crashed_at = received_at - 30_000;
    let time = u128::try_from(crashed_at).unwrap() << 80;
    let name = driver.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    CrashRow {
        crash_id: Uuid::from_u128(time | (8 << 76) | (u128::from(name as u32) << 32) | u128::from(number)),
        crashed_at,
        received_at,
        stored_at: received_at,
        tenant: "acme".to_owned(),
        machine: format!("machine-{number}"),
        ring: "broad".to_owned(),
        site: format!("site-{}", number % 3),
        tags: Vec::new(),
        outcome: "analysed".to_owned(),
        problem: String::new(),
        kind: "kernel".to_owned(),
        bugcheck: 0x50,
        bugcheck_name: "PAGE_FAULT_IN_NONPAGED_AREA".to_owned(),
        parameters: vec![0x9c, 0, 0, 0],
        exception_code: 0,
        culprit: "driver".to_owned(),
        driver: driver.to_owned(),
        driver_timestamp: 0x6690_2C2A,
        driver_size: 0x0035_0000,
        fault_offset: 0xE14ED,
        bucket: "AV_csagent!unknown_function".to_owned(),
        bucket_hash: "{3262b6cc-e7fe-31a1-8c4b-f8d8b5a4e8c4}".to_owned(),
        confidence: "high".to_owned(),
        rule: "faulting-module".to_owned(),
        process: "System".to_owned(),
        os_build: 19045,
        os_ubr: 4651,
        arch: "x64".to_owned(),
        cpu: String::new(),
        vendor: "Contoso".to_owned(),
        model: "Box 3".to_owned(),
        bios: "1.2.3".to_owned(),
        uptime_s: 60,
        drivers: vec![driver.to_owned()],
        driver_timestamps: vec![0x6690_2C2A],
        driver_sizes: vec![0x0035_0000],
        third_party: Vec::new(),
        third_party_timestamps: Vec::new(),
        third_party_sizes: Vec::new(),
        stack_modules: Vec::new(),
        report: String::new(),
        facts: String::new(),
        hardware_sign: String::new(),
        analyzer_version: 1,
        raw_len: 262_144,
        blob: String::new(),
        revision: 1,
        queue_id: "test".to_owned(),
        queue_partition: 0,
        queue_offset: round,
    }
}

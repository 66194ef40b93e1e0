//! A database of its own for each test: in the embedded engine, or on the server that `CLICKHOUSE_URL` names.

use std::time::{SystemTime, UNIX_EPOCH};

use bluescope_storage::database::{Database, DatabaseConfig};
use bluescope_storage::rows::CrashRow;
use clickhouse::Client;
use embedded::testing::{self, Shared};
use secrecy::SecretString;
use uuid::Uuid;

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) config: DatabaseConfig,
    /// For what no question asks.
    pub(crate) client: Client,
    _engine: Option<Shared>,
}

impl Fixture {
    /// `None` where there is neither a server nor libchdb, which CI does not accept.
    pub(crate) async fn new() -> Option<Self> {
        let (url, user, password, engine) = match std::env::var("CLICKHOUSE_URL") {
            Ok(url) => {
                let setting =
                    |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
                (url, setting("CLICKHOUSE_USER", "default"), setting("CLICKHOUSE_PASSWORD", ""), None)
            }
            Err(_) => {
                let engine = testing::shared().await.unwrap()?;
                (engine.url.clone(), engine.user.clone(), engine.password.clone(), Some(engine))
            }
        };
        let database = format!("bluescope_test_{}", Uuid::new_v4().simple());
        let client = Client::default()
            .with_url(&url)
            .with_user(&user)
            .with_password(&password)
            .with_database(&database)
            .with_compression(clickhouse::Compression::None);
        let config = DatabaseConfig::Server { url, user, password: SecretString::from(password), database };
        let database = Database::open(&config).await.unwrap();
        Some(Self { database, config, client, _engine: engine })
    }

    pub(crate) async fn insert(&self, rows: &[CrashRow]) {
        self.database.insert_crashes(rows).await.unwrap();
    }

    pub(crate) async fn merge(&self) {
        for table in [
            "crashes",
            "arrivals",
            "bucket_crashes",
            "bucket_notes",
            "buckets",
            "crash_heads",
            "crash_hours",
            "crash_minutes",
            "crash_sample",
            "deliveries",
            "driver_crashes",
            "driver_minutes",
            "kept_dumps",
            "machine_crashes",
            "deep_analyses",
            "symbol_files",
            "symbol_sources",
            "builds",
            "changes",
            "fleet_beats",
            "inventory",
            "inventory_builds",
            "sightings",
        ] {
            self.client.query_raw(&format!("OPTIMIZE TABLE {table} FINAL")).execute().await.unwrap();
        }
    }

    pub(crate) async fn stop(self) {
        let DatabaseConfig::Server { database, .. } = &self.config else { return };
        self.client.query_raw(&format!("DROP DATABASE {database}")).execute().await.unwrap();
    }
}

/// Now, at the beginning of a minute.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    i64::try_from(now).unwrap() / 60_000 * 60_000
}

/// A crash id as the dump crate makes them: the time, then bits that here are a number.
pub(crate) fn crash_id(at_ms: i64, number: u64) -> Uuid {
    let time = u128::try_from(at_ms).unwrap() << 80;
    Uuid::from_u128(time | 8 << 76 | 2 << 62 | u128::from(number))
}

/// A kernel crash of one machine, 10 s on its way.
pub(crate) fn crash(number: u64, at_ms: i64) -> CrashRow {
    CrashRow {
        crash_id: crash_id(at_ms, number),
        crashed_at: at_ms,
        received_at: at_ms + 10_000,
        stored_at: at_ms + 10_000,
        tenant: String::new(),
        machine: format!("machine-{number}"),
        ring: "broad".to_owned(),
        site: format!("site-{}", number % 3),
        tags: vec![("rack".to_owned(), number.to_string())],
        outcome: "analysed".to_owned(),
        problem: String::new(),
        kind: "kernel".to_owned(),
        bugcheck: 0x50,
        bugcheck_name: "PAGE_FAULT_IN_NONPAGED_AREA".to_owned(),
        parameters: vec![u64::MAX, 0, 2, 3],
        exception_code: 0xC000_0005,
        culprit: "driver".to_owned(),
        driver: "csagent.sys".to_owned(),
        driver_timestamp: 0x6690_2C2A,
        driver_size: 0x0035_0000,
        fault_offset: 0xE14ED,
        bucket: "AV_R_INVALID_csagent!unknown_function".to_owned(),
        bucket_hash: "{3262b6cc-e7fe-31a1-8c4b-f8d8b5a4e8c4}".to_owned(),
        confidence: "high".to_owned(),
        rule: "faulting-module".to_owned(),
        process: "System".to_owned(),
        os_build: 19045,
        os_ubr: 4651,
        arch: "x64".to_owned(),
        cpu: "Intel(R) Core(TM) i5".to_owned(),
        vendor: "Contoso".to_owned(),
        model: "Box 3".to_owned(),
        bios: "1.2.3".to_owned(),
        uptime_s: 3600,
        drivers: vec!["ntoskrnl.exe".to_owned(), "csagent.sys".to_owned()],
        driver_timestamps: vec![1, 0x6690_2C2A],
        driver_sizes: vec![0x0100_0000, 0x0035_0000],
        third_party: vec!["csagent.sys".to_owned()],
        third_party_timestamps: vec![0x6690_2C2A],
        third_party_sizes: vec![0x0035_0000],
        stack_modules: vec!["csagent.sys".to_owned(), "ntoskrnl.exe".to_owned()],
        report: r#"{"verdict":{}}"#.to_owned(),
        facts: r#"{"bugcheck":80}"#.to_owned(),
        hardware_sign: String::new(),
        analyzer_version: 1,
        raw_len: 1_200_000,
        blob: String::new(),
        revision: 1,
        queue_id: "queue".to_owned(),
        queue_partition: 0,
        queue_offset: i64::try_from(number).unwrap(),
    }
}

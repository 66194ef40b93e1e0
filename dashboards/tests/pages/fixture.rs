//! An installation with a past: a quiet fleet, an outage with its incident, and rows with every hostile name.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::response::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use bluescope_dashboards::{AccessConfig, Dashboards};
use bytes::Bytes;
use embedded::testing::{self, Alone, Shared};
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use storage::blobs::Blobs;
use storage::database::{Database, DatabaseConfig};
use storage::message::{Content, META_VERSION, Message, Meta};
use storage::questions::{IncidentEvent, NotificationRow};
use storage::queue::{LogConfig, Queue, QueueConfig};
use storage::rows::{CrashRow, DeepRow};
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

/// Names that want to be more than names.
pub(crate) fn hostile() -> Vec<String> {
    vec![
        "<script>alert(1)</script>.sys".to_owned(),
        "\"><img src=x onerror=alert(1)>.sys".to_owned(),
        "\u{202e}sys.live\u{2066}".to_owned(),
        "nul\0and\u{1b}[31mescape.sys".to_owned(),
        "../../status".to_owned(),
        "..".to_owned(),
        "a/b?c#d&e=%2e%2e.sys".to_owned(),
        "'; DROP TABLE crashes; --".to_owned(),
        "{crash_id:UUID}\\'.sys".to_owned(),
        "x".repeat(4096),
    ]
}

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) queue: Queue,
    pub(crate) blobs: Blobs,
    pub(crate) router: Router,
    _dir: TempDir,
    _turn: Turn,
}

/// Who else has the engine: everybody, or nobody.
#[expect(dead_code, reason = "held, not read")]
enum Turn {
    Shared(Shared),
    Alone(Alone),
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Fixture {
    /// An empty installation. `None` where there is no libchdb, which CI does not accept.
    pub(crate) async fn new() -> Option<Self> {
        Self::opened(None, AccessConfig::default()).await
    }

    /// The same, where acts on incidents need a token.
    pub(crate) async fn with_acts_token(token: &str) -> Option<Self> {
        Self::opened(Some(SecretString::from(token)), AccessConfig::default()).await
    }

    /// The same, where people sign in.
    pub(crate) async fn with_access(access: AccessConfig) -> Option<Self> {
        Self::opened(None, access).await
    }

    async fn opened(acts_token: Option<SecretString>, access: AccessConfig) -> Option<Self> {
        let engine = testing::shared().await.unwrap()?;
        let config = DatabaseConfig::Server {
            url: engine.url.clone(),
            user: engine.user.clone(),
            password: engine.password.clone().into(),
            database: format!("bluescope_test_{}", Uuid::new_v4().simple()),
        };
        Some(Self::around(&config, Turn::Shared(engine), TempDir::new().unwrap(), acts_token, access).await)
    }

    /// One whose database can be closed.
    pub(crate) async fn alone() -> Option<Self> {
        let turn = testing::alone().await.unwrap()?;
        let dir = TempDir::new().unwrap();
        let config = DatabaseConfig::Embedded { dir: dir.path().join("clickhouse"), library: None };
        Some(Self::around(&config, Turn::Alone(turn), dir, None, AccessConfig::default()).await)
    }

    async fn around(
        config: &DatabaseConfig,
        turn: Turn,
        dir: TempDir,
        acts_token: Option<SecretString>,
        access: AccessConfig,
    ) -> Self {
        let database = Database::open(config).await.unwrap();
        let config = QueueConfig::Log(LogConfig { dir: dir.path().join("queue"), max_bytes: 1 << 26 });
        let queue = Queue::open(&config).await.unwrap();
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        let router = Dashboards::new(database.clone(), queue.clone(), &mut Registry::default())
            .with_upload_url("http://bluescope.example:8080/")
            .with_access(access)
            .with_acts_token(acts_token)
            .with_blobs(blobs.clone())
            .router();
        Self { database, queue, blobs, router, _dir: dir, _turn: turn }
    }

    pub(crate) async fn get(&self, address: &str) -> Page {
        self.send(Request::get(address).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Page {
        let (parts, body) = self.raw(request).await;
        Page { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// An answer that is no text.
    pub(crate) async fn raw(&self, request: Request<Body>) -> (Parts, Bytes) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (parts, axum::body::to_bytes(body, 1 << 24).await.unwrap())
    }

    pub(crate) async fn insert(&self, mut rows: Vec<CrashRow>) {
        for (offset, row) in rows.iter_mut().enumerate() {
            row.queue_id = self.queue.id().to_owned();
            row.queue_offset = i64::try_from(offset).unwrap();
            self.queue.append(message(row)).await.unwrap();
        }
        self.database.insert_crashes(&rows).await.unwrap();
    }

    /// An analysis with symbols of a crash, a minute after it arrived.
    pub(crate) async fn analyse(&self, crash: &CrashRow, report: String, missing: &[&str]) -> DeepRow {
        let row = DeepRow {
            crash_id: crash.crash_id,
            crashed_at: crash.crashed_at,
            analysed_at: crash.received_at + 60_000,
            tenant: crash.tenant.clone(),
            kind: crash.kind.clone(),
            driver: crash.driver.clone(),
            driver_timestamp: crash.driver_timestamp,
            driver_size: crash.driver_size,
            fault_offset: crash.fault_offset,
            bucket: crash.bucket.clone(),
            analyzer_version: 2,
            deep_bucket: crash.bucket.replace("unknown_function", "CSFalcon::Read"),
            deep_bucket_hash: "{00000000-e7fe-31a1-8c4b-f8d8b5a4e8c4}".to_owned(),
            deep_confidence: "high".to_owned(),
            report,
            missing: missing.iter().map(|id| (*id).to_owned()).collect(),
            missing_kinds: missing.iter().map(|_| "pdb".to_owned()).collect(),
            retry_at: 0,
        };
        self.database.insert_deep(std::slice::from_ref(&row)).await.unwrap();
        row
    }

    /// An incident whose events are of the form that an older detector wrote.
    pub(crate) async fn incident(&self, driver: &str, resolved: bool) -> Uuid {
        let incident_id = Uuid::new_v4();
        let at_ms = now_ms() - 240_000;
        let reason = serde_json::json!({
            "onset_ms": at_ms - 10_000, "machines": 12, "sites": 3, "span_s": 60, "expected": 0.07,
            "baseline_per_minute": 0.07, "common_mode": 1.0, "log10_chance": -21.5
        });
        let opened = serde_json::json!({ "machines": 12, "crashes": 12, "returns": 0, "reason": reason });
        let mut events = vec![
            (0, at_ms, "opened", opened),
            (1, at_ms + 60_000, "grew", serde_json::json!({ "machines": 130, "crashes": 131 })),
        ];
        if resolved {
            events.push((
                2,
                at_ms + 120_000,
                "resolved",
                serde_json::json!({ "machines": 140, "crashes": 141 }),
            ));
        }
        for (seq, at_ms, kind, detail) in events {
            let event = IncidentEvent {
                incident_id,
                seq,
                at_ms,
                kind: kind.to_owned(),
                tenant: "acme".to_owned(),
                driver: driver.to_owned(),
                detail: detail.to_string(),
            };
            self.database.put_incident_event(&event).await.unwrap();
        }
        for (target, state, attempts, error) in
            [("pager", "delivered", 1, ""), ("chat", "pending", 3, "answered 502 Bad Gateway")]
        {
            let row = NotificationRow {
                notification_id: format!("{incident_id}-{target}"),
                incident_id,
                target: target.to_owned(),
                payload: r#"{"type":"incident.opened"}"#.to_owned(),
                state: state.to_owned(),
                attempts,
                last_error: error.to_owned(),
                created_at_ms: at_ms,
                updated_at_ms: at_ms + 900,
                severity: "sev1".to_owned(),
                target_kind: "webhook".to_owned(),
            };
            self.database.put_notification(&row).await.unwrap();
        }
        incident_id
    }

    pub(crate) async fn stop(self) {
        self.queue.close().await;
        self.database.close().await;
    }
}

pub(crate) fn message(row: &CrashRow) -> Message {
    let meta = Meta {
        version: META_VERSION,
        crash_id: row.crash_id,
        tenant: row.tenant.clone(),
        machine: row.machine.clone(),
        ring: row.ring.clone(),
        site: row.site.clone(),
        network: String::new(),
        tags: BTreeMap::new(),
        received_at_ms: row.received_at,
        raw_len: row.raw_len,
        content: Content::Inline,
    };
    Message { meta, value: Bytes::from_static(b"zstd") }
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A quiet hour of many drivers, then `outage` machines of one within four minutes.
pub(crate) fn history(outage: u32) -> Vec<CrashRow> {
    let now = now_ms();
    let quiet = [
        "nvlddmkm.sys",
        "ntfs.sys",
        "rtwlane6.sys",
        "igdkmd64.sys",
        "storport.sys",
        "tcpip.sys",
        "e1d68x64.sys",
    ];
    let mut rows = Vec::new();
    for (index, driver) in quiet.into_iter().enumerate() {
        for step in 0..(40 / (index + 1)) {
            let number = u32::try_from(index * 100 + step).unwrap();
            let ago = i64::try_from((step * 97 + index * 31) % 59).unwrap() * 60_000 + 5_000;
            let mut row = crash(driver, number, now - ago);
            row.bugcheck = [0x116, 0x24, 0xD1, 0x7E, 0x1A, 0xD1, 0x9F][index];
            row.bugcheck_name = [
                "VIDEO_TDR_FAILURE",
                "NTFS_FILE_SYSTEM",
                "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
                "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
                "MEMORY_MANAGEMENT",
                "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
                "DRIVER_POWER_STATE_FAILURE",
            ][index]
                .to_owned();
            rows.push(row);
        }
    }
    for number in 0..outage {
        let ago = 230_000 - i64::from(number) * 230_000 / i64::from(outage.max(1));
        let mut row = crash("csagent.sys", 10_000 + number, now - ago);
        row.site = ["Berlin", "Lyon", "Austin", "Pune"][number as usize % 4].to_owned();
        row.os_build = if number % 5 == 0 { 22631 } else { 19045 };
        if number % 3 == 0 {
            row.bugcheck = 0x7E;
            row.bugcheck_name = "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED".to_owned();
        }
        rows.push(row);
    }
    for number in 0..6 {
        let mut row = crash("", 500 + number, now - i64::from(number) * 300_000);
        row.culprit = "hardware".to_owned();
        row.bugcheck = 0x124;
        row.bugcheck_name = "WHEA_UNCORRECTABLE_ERROR".to_owned();
        rows.push(row);
    }
    let mut unreadable = crash("", 900, now - 60_000);
    unreadable.outcome = "unreadable".to_owned();
    unreadable.problem = "not a dump: it begins with 3c21444f (\"<!DO\")".to_owned();
    unreadable.kind = String::new();
    unreadable.bugcheck = 0;
    unreadable.bugcheck_name = String::new();
    unreadable.report = String::new();
    rows.push(unreadable);
    rows
}

/// Each hostile name in each place that a dump or a client can fill.
pub(crate) fn hostile_rows() -> Vec<CrashRow> {
    let now = now_ms();
    let row = |(index, name): (usize, String)| {
        let mut row = crash(&name, 2000 + u32::try_from(index).unwrap(), now - 30_000);
        for field in [
            &mut row.tenant,
            &mut row.machine,
            &mut row.ring,
            &mut row.site,
            &mut row.problem,
            &mut row.bugcheck_name,
            &mut row.bucket,
            &mut row.bucket_hash,
            &mut row.confidence,
            &mut row.rule,
            &mut row.process,
            &mut row.arch,
            &mut row.cpu,
            &mut row.vendor,
            &mut row.model,
            &mut row.bios,
        ] {
            field.clone_from(&name);
        }
        row.tags = vec![(name.clone(), name.clone())];
        row.report = report(&name);
        row
    };
    hostile().into_iter().enumerate().map(row).collect()
}

/// A report whose every string is `name`.
pub(crate) fn report(name: &str) -> String {
    serde_json::json!({
        "kind": "kernel", "dump_type": name,
        "bugcheck": { "code": 80, "raw_code": 0x1000_0050, "name": name, "parameters": [
            { "value": name, "meaning": name, "resolved": name }
        ]},
        "exception": { "code": 0xC000_0005_u32, "name": name, "address": name, "access": name, "accessed": name },
        "verdict": { "culprit": "driver", "name": name, "evidence": [name], "rule": name, "bucket": name },
        "stack": [
            { "address": name, "module": name, "offset": 1, "trust": name },
            { "address": name, "module": name, "offset": 1, "trust": name, "sp": name, "args": [name], "function": name,
                "function_offset": 1, "file": name, "line": 7, "inlined": true },
        ],
        "registers": [[name, name]],
        "machine": { "os": name, "product": name, "processors": 4 },
        "modules": [{ "name": name, "base": name, "size": 1, "timestamp": 2, "vendor": name }],
        "unloaded": [{ "name": name, "start": name, "end": name }],
        "problems": [name],
    })
    .to_string()
}

/// A crash whose page looks as a real one does.
pub(crate) fn crash(driver: &str, number: u32, received_at: i64) -> CrashRow {
    let crashed_at = received_at - 4_000;
    let time = u128::try_from(crashed_at).unwrap() << 80;
    let name = driver.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let id = time | (8 << 76) | (2 << 62) | (u128::from(name) << 24) | u128::from(number);
    let stem = driver.trim_end_matches(".sys");
    CrashRow {
        crash_id: Uuid::from_u128(id),
        crashed_at,
        received_at,
        stored_at: received_at,
        tenant: "acme".to_owned(),
        machine: format!("PC-{number:05}"),
        ring: ["canary", "early", "broad"][number as usize % 3].to_owned(),
        site: "Berlin".to_owned(),
        tags: vec![("asset".to_owned(), format!("A{number}"))],
        outcome: "analysed".to_owned(),
        problem: String::new(),
        kind: "kernel".to_owned(),
        bugcheck: 0x50,
        bugcheck_name: "PAGE_FAULT_IN_NONPAGED_AREA".to_owned(),
        parameters: vec![0x9c, 0, 0xffff_f804_14ed, 0],
        exception_code: 0xC000_0005,
        culprit: if driver.is_empty() { "unknown" } else { "driver" }.to_owned(),
        driver: driver.to_owned(),
        driver_timestamp: if driver.is_empty() { 0 } else { 0x6690_2C2A },
        driver_size: 0x0035_0000,
        fault_offset: if driver.is_empty() { 0 } else { 0xE14ED },
        bucket: format!("AV_R_INVALID_{stem}!unknown_function"),
        bucket_hash: "{3262b6cc-e7fe-31a1-8c4b-f8d8b5a4e8c4}".to_owned(),
        confidence: "high".to_owned(),
        rule: "faulting-module".to_owned(),
        process: "System".to_owned(),
        os_build: 19045,
        os_ubr: 4651,
        arch: "x64".to_owned(),
        cpu: "Intel(R) Core(TM) i5-1145G7 @ 2.60GHz".to_owned(),
        vendor: "Dell Inc.".to_owned(),
        model: "Latitude 5420".to_owned(),
        bios: "1.31.0".to_owned(),
        uptime_s: 41,
        drivers: vec!["ntoskrnl.exe".to_owned(), driver.to_owned()],
        driver_timestamps: vec![1, 0x6690_2C2A],
        driver_sizes: vec![0x0100_0000, 0x0035_0000],
        third_party: vec![driver.to_owned()],
        third_party_timestamps: vec![0x6690_2C2A],
        third_party_sizes: vec![0x0035_0000],
        stack_modules: vec![driver.to_owned(), "ntoskrnl.exe".to_owned()],
        report: csagent_report(driver),
        facts: String::new(),
        hardware_sign: String::new(),
        analyzer_version: 1,
        raw_len: 1_212_416,
        blob: String::new(),
        revision: 1,
        queue_id: String::new(),
        queue_partition: 0,
        queue_offset: 0,
    }
}

fn csagent_report(driver: &str) -> String {
    let frame = |address: &str, module: &str, offset: u64, trust: &str| serde_json::json!({ "address": address, "module": module, "offset": offset, "trust": trust });
    serde_json::json!({
        "analyzer_version": 1, "kind": "kernel", "dump_type": "kernel small dump (written by the kernel)",
        "dump_bytes": 1_212_416, "uptime_s": 41.5,
        "bugcheck": { "code": 0x50, "raw_code": 0x50, "name": "PAGE_FAULT_IN_NONPAGED_AREA", "parameters": [
            { "value": "0xffff840500000074", "meaning": "Memory referenced", "resolved": "" },
            { "value": "0x0", "meaning": "0 = read, 1 = write, 8 = execute", "resolved": "read" },
            { "value": "0xfffff8021dc414ed", "meaning": "Instruction that referenced it", "resolved": format!("{driver}+0xe14ed") },
            { "value": "0x2", "meaning": "Reserved", "resolved": "" },
        ]},
        "exception": null,
        "verdict": { "culprit": "driver", "name": driver, "timestamp": 0x6690_2C2A, "size": 0x35_0000, "offset": 0xE14ED,
            "confidence": "high", "rule": "faulting-module",
            "evidence": [
                format!("Parameter 3 of the bug check is the faulting instruction; it lies in {driver} at +0xe14ed."),
                format!("{driver} is a third-party driver; Windows' own drivers above it on the stack only called it."),
            ],
            "bucket": "AV_R_INVALID_csagent!unknown_function", "bucket_hash": "{3262b6cc-e7fe-31a1-8c4b-f8d8b5a4e8c4}" },
        "stack": [
            frame("0xfffff8021dc414ed", driver, 0xE14ED, "context"),
            frame("0xfffff8021dc1709e", driver, 0xB709E, "scan"),
            frame("0xfffff80218c2a5b1", "ntoskrnl.exe", 0x22A5B1, "scan"),
            frame("0xfffff80218e3d1f8", "ntoskrnl.exe", 0x43D1F8, "scan"),
        ],
        "registers": [["rip", "0xfffff8021dc414ed"], ["rsp", "0xffffb60f3c6f1a30"], ["rax", "0xffffb60f3c6f1d80"], ["r8", "0x9c"]],
        "machine": { "os": "Windows 10", "build": 19045, "ubr": 4651, "arch": "x64", "processors": 8, "product": "workstation" },
        "process": "System",
        "modules": [
            { "name": "ntoskrnl.exe", "base": "0xfffff80218a00000", "size": 0x0104_6000, "timestamp": 0x1ABC_0001, "vendor": "Microsoft", "inbox": true },
            { "name": driver, "base": "0xfffff8021db60000", "size": 0x35_0000, "timestamp": 0x6690_2C2A, "vendor": "CrowdStrike", "inbox": false },
        ],
        "unloaded": [{ "name": "dump_stornvm", "start": "0xfffff80220000000", "end": "0xfffff80220050000" }],
        "problems": [],
    })
    .to_string()
}

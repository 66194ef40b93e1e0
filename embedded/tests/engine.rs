//! The embedded engine through its HTTP endpoint: with the official client, and with bare sockets.
//! Skipped, with a line that says so, where no libchdb is found outside of CI.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers fail and speak as tests do")]

use std::path::Path;
use std::time::{Duration, Instant};

use bluescope_embedded::{self as embedded, Engine, EngineConfig, EngineError};
use clickhouse::Client;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

/// libchdb serves one folder a process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

struct Fixture {
    engine: Engine,
    dir: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Fixture {
    /// `None` where there is no libchdb, which CI does not accept.
    async fn new() -> Option<Self> {
        if let Err(error) = embedded::find_library(None) {
            assert!(std::env::var_os("CI").is_none(), "{error}");
            println!("skipped: no libchdb here");
            return None;
        }
        let turn = ONE_AT_A_TIME.lock().await;
        let dir = TempDir::new().unwrap();
        let engine = start(dir.path()).await.unwrap();
        Some(Self { engine, dir, _turn: turn })
    }

    fn client(&self) -> Client {
        Client::default()
            .with_url(self.engine.url())
            .with_user(self.engine.user())
            .with_password(self.engine.password())
            .with_compression(clickhouse::Compression::None)
    }

    async fn run(&self, sql: &str) {
        self.client().query_raw(sql).execute().await.unwrap();
    }

    async fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT count() FROM {table}");
        self.client().query_raw(&sql).fetch_one().await.unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.engine.url().strip_prefix("http://").unwrap()).await.unwrap()
    }

    /// Head of a request with credentials, but for its last line break.
    fn head(&self, method: &str, target: &str) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\n",
            self.engine.user(),
            self.engine.password()
        )
    }

    /// The whole answer to a request.
    async fn raw(&self, method: &str, target: &str, body: &[u8]) -> String {
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head(method, target), body.len());
        self.exchange(&[head.as_bytes(), body].concat()).await
    }

    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn stop(self) {
        self.engine.stop().await;
    }
}

async fn start(dir: &Path) -> Result<Engine, EngineError> {
    Engine::start(EngineConfig { dir: dir.to_path_buf(), library: None }).await
}

/// Asks again and again until it is so.
async fn eventually<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask().await {
        assert!(Instant::now() < deadline, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[track_caller]
fn check(answer: &str, status: &str, needle: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(needle), "{answer}");
}

#[derive(Debug, Clone, PartialEq, clickhouse::Row, Serialize, Deserialize)]
struct Item {
    id: u32,
    name: String,
    tags: Vec<(String, String)>,
    note: Option<String>,
}

const ITEMS: &str = "CREATE TABLE items (id UInt32, name LowCardinality(String), tags Map(String, String), \
                     note Nullable(String)) ENGINE = MergeTree ORDER BY id";

fn item(id: u32) -> Item {
    let note = id.is_multiple_of(2).then(|| "even; 'quoted' \\ \u{0} end".to_owned());
    Item { id, name: format!("item {}", id % 7), tags: vec![("k".to_owned(), id.to_string())], note }
}

async fn insert(client: &Client, ids: impl Iterator<Item = u32>) -> clickhouse::error::Result<()> {
    let mut insert = client.insert::<Item>("items").await?;
    for id in ids {
        insert.write(&item(id)).await?;
    }
    insert.end().await
}

#[tokio::test]
async fn the_official_client_creates_inserts_selects_and_binds() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.run("CREATE DATABASE shop").await;
    let client = fixture.client().with_database("shop");
    client.query_raw(ITEMS).execute().await.unwrap();
    insert(&client, 0..1000).await.unwrap();
    // With names and types, and without.
    insert(&client.clone().with_validation(false), 1000..1500).await.unwrap();

    let found: Vec<Item> = client.query("SELECT ?fields FROM items ORDER BY id").fetch_all().await.unwrap();
    assert_eq!(found, (0..1500).map(item).collect::<Vec<_>>());

    let hostile = "'; DROP TABLE items; -- \\ \t\n\u{0}";
    let bound: String = client.query("SELECT ?").bind(hostile).fetch_one().await.unwrap();
    assert_eq!(bound, hostile);
    let parameters: (String, u64, bool) = client
        .query_raw("SELECT {text:String}, {list:Array(UInt64)}[2], {none:Nullable(String)} IS NULL = 1")
        .param("text", hostile)
        .param("list", vec![7u64, 8])
        .param("none", None::<String>)
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(parameters, (hostile.to_owned(), 8, true));
    fixture.stop().await;
}

#[tokio::test]
async fn errors_have_clickhouses_codes_and_statuses() {
    let Some(fixture) = Fixture::new().await else { return };
    let cases = [
        ("SELEC 1", "400", "Code: 62. DB::Exception: "),
        ("SELECT 1; SELECT 2", "400", "Code: 62. DB::Exception: "),
        ("", "400", "Code: 62. DB::Exception: "),
        ("SELECT nope", "404", "Code: 47. DB::Exception: "),
        ("SELECT * FROM nope", "404", "Code: 60. DB::Exception: "),
        ("INSERT INTO nope FORMAT CSV\n1", "404", "Code: 60. DB::Exception: "),
        ("SELECT throwIf(1)", "500", "x-clickhouse-exception-code: 395"),
        ("SELECT 1 FORMAT Nope", "404", "Code: 73. DB::Exception: "),
    ];
    for (sql, status, needle) in cases {
        check(&fixture.raw("POST", "/", sql.as_bytes()).await, status, needle);
    }
    check(&fixture.raw("POST", "/?nonsense=1", b"SELECT 1").await, "404", "Code: 115. ");
    check(&fixture.raw("POST", "/?database=nope", b"SELECT 1").await, "404", "Code: 81. ");
    check(&fixture.raw("POST", "/?session_id=1", b"SELECT 1").await, "501", "Code: 48. ");
    check(&fixture.raw("GET", "/other", b"").await, "404", "/ping");
    let error = fixture.client().query_raw("SELECT * FROM nope").fetch_all::<u8>().await.unwrap_err();
    assert!(error.to_string().contains("Code: 60. DB::Exception"), "{error}");
    fixture.stop().await;
}

#[tokio::test]
async fn every_request_needs_the_password() {
    let Some(fixture) = Fixture::new().await else { return };
    let wrong = fixture.client().with_password("wrong");
    let error = wrong.query_raw("SELECT 1").fetch_one::<u8>().await.unwrap_err();
    assert!(error.to_string().contains("Code: 516. "), "{error}");
    let nobody = fixture
        .exchange(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\nSELECT 1");
    check(&nobody.await, "403", "Code: 516. ");
    // curl's --user, here for the default user without a password.
    let basic = fixture.exchange(b"GET /?query=SELECT+1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic ZGVmYXVsdDo=\r\n\r\n");
    check(&basic.await, "403", "Code: 516. ");
    let url = format!(
        "/?user={}&password={}&query=SELECT+41%2B1",
        fixture.engine.user(),
        fixture.engine.password()
    );
    let request = format!("GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    check(&fixture.exchange(request.as_bytes()).await, "200", "42\n");
    let ping = fixture.exchange(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    check(&ping.await, "200", "Ok.\n");
    fixture.stop().await;
}

#[tokio::test]
async fn nothing_leaks_from_one_request_into_the_next() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.run("CREATE DATABASE other").await;
    let sql = "SELECT getSetting('max_block_size'), currentDatabase()";
    let usual = fixture.raw("POST", "/", sql.as_bytes()).await;
    let set = fixture.raw("POST", "/?max_block_size=77&database=other", sql.as_bytes()).await;
    check(&set, "200", "77\tother\n");
    fixture.run("SET max_block_size = 78").await;
    fixture.run("USE other").await;
    fixture.run("CREATE TEMPORARY TABLE mine (a UInt8)").await;
    let again = fixture.raw("POST", "/", sql.as_bytes()).await;
    let said = |answer: &str| answer.lines().find(|line| line.contains('\t')).expect("a row").to_owned();
    assert_eq!(said(&usual), said(&again));
    check(&fixture.raw("POST", "/", b"SELECT * FROM mine").await, "404", "Code: 60. ");
    // A GET may not write, nor lift that.
    check(
        &fixture.raw("GET", "/?query=CREATE+TABLE+x(a+UInt8)ENGINE=Memory&readonly=0", b"").await,
        "500",
        "Code: 164. ",
    );
    fixture.stop().await;
}

#[tokio::test]
async fn a_connection_serves_questions_of_one_session_again_and_nothing_leaks() {
    let Some(fixture) = Fixture::new().await else { return };
    let whose = async |path: &str| {
        let answer = fixture.raw("POST", path, b"SELECT getSetting('log_comment')").await;
        answer.lines().find(|line| line.len() == 36).expect("a mark").to_owned()
    };
    let first = whose("/?max_threads=1").await;
    assert_eq!(whose("/?max_threads=1").await, first);
    assert_ne!(whose("/?max_threads=2").await, first);
    assert_ne!(whose("/?max_threads=1&database=system").await, first);
    let ask = async |path: &str, sql: &str| fixture.raw("POST", path, sql.as_bytes()).await;
    // A value that was bound is not bound to the next; one that is held whole has its own limit.
    for format in ["TSV", "JSON"] {
        let sql = format!("SELECT {{a:UInt8}} FORMAT {format}");
        assert!(ask("/?max_threads=1&param_a=7", &sql).await.contains('7'));
        check(&ask("/?max_threads=1", &sql).await, "400", "Code: 456. ");
    }
    check(&ask("/?max_threads=1", "SELECT getSetting('max_result_bytes')").await, "200", "0\n");
    check(&ask("/?max_threads=1", "SELECT 1 SETTINGS max_block_size = 5").await, "200", "1\n");
    check(&ask("/?max_threads=1", "SELECT getSetting('max_block_size') = 5").await, "200", "0\n");
    // One that failed serves nobody again.
    let before = whose("/?max_threads=3").await;
    check(&ask("/?max_threads=3", "SELECT throwIf(1)").await, "500", "Code: 395. ");
    assert_ne!(whose("/?max_threads=3").await, before);
    // The client goes away once it has its one row: nothing is left to be ended.
    let client = fixture.client().with_setting("max_threads", "4").with_setting("max_block_size", "9");
    let one = async || {
        let asked = client.query_raw("SELECT getSetting('log_comment')").fetch_one::<String>();
        asked.await.unwrap()
    };
    let first = one().await;
    for _ in 0..20 {
        assert_eq!(one().await, first);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn queries_run_at_once_each_with_its_own_settings() {
    let Some(fixture) = Fixture::new().await else { return };
    let client = fixture.client();
    let tasks: Vec<_> = (0..40u64)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                client
                    .query_raw("SELECT getSetting('max_block_size') + {n:UInt64} + sleep(0.02)")
                    .with_setting("max_block_size", (1000 + number).to_string())
                    .param("n", number)
                    .fetch_one::<u64>()
                    .await
            })
        })
        .collect();
    for (task, number) in tasks.into_iter().zip(0..) {
        assert_eq!(task.await.unwrap().unwrap(), 1000 + 2 * number);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn what_nobody_waits_for_runs_one_at_a_time_beside_the_rest() {
    let Some(fixture) = Fixture::new().await else { return };
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for priority in ["2", "2", "2", "1"] {
        let client = fixture.client();
        tasks.spawn(async move {
            let query = client.query_raw("SELECT sleep(0.5)").with_setting("priority", priority);
            query.fetch_one::<u8>().await.unwrap();
            priority
        });
    }
    let mut ended = Vec::new();
    while let Some(task) = tasks.join_next().await {
        ended.push(task.unwrap());
    }
    assert_eq!(ended.last(), Some(&"2"), "nobody waits behind them: {ended:?}");
    assert!(begun.elapsed() >= Duration::from_millis(1_500), "three in turn: {:?}", begun.elapsed());
    fixture.stop().await;
}

#[tokio::test]
async fn large_results_arrive_in_pieces_and_late_errors_as_errors() {
    let Some(fixture) = Fixture::new().await else { return };
    let client = fixture.client();
    let mut rows = client
        .query_raw("SELECT number, toString(number) FROM numbers(500000)")
        .fetch::<(u64, String)>()
        .unwrap();
    let mut expected = 0;
    while let Some((number, text)) = rows.next().await.unwrap() {
        assert_eq!((number, text), (expected, expected.to_string()));
        expected += 1;
    }
    assert_eq!(expected, 500_000);

    let late =
        "SELECT throwIf(number = 400000, 'too late') FROM numbers(500000) SETTINGS max_block_size = 1000";
    let error = client.query_raw(late).fetch_all::<u8>().await.unwrap_err();
    assert!(error.to_string().contains("too late"), "{error}");

    let empty: Vec<(u64, String)> =
        client.query_raw("SELECT 1::UInt64, '' WHERE 0").fetch_all().await.unwrap();
    assert!(empty.is_empty());
    let json = fixture.raw("POST", "/?default_format=JSON", b"SELECT number FROM numbers(100000)").await;
    check(&json, "200", "\"rows\": 100000");
    assert_eq!(json.matches("\"meta\"").count(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn inserts_stream_in_every_form() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.run("CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a").await;
    let insert = async |target: &str, body: &str| {
        let answer = fixture.raw("POST", target, body.as_bytes()).await;
        check(&answer, "200", "x-clickhouse-summary: ");
        answer
    };
    insert("/?query=INSERT+INTO+t+FORMAT+JSONEachRow", "{\"a\":1,\"b\":\"x;y\"}\n{\"a\":2}").await;
    insert("/?query=INSERT+INTO+t+VALUES", "(3, 'a''b'), (4, ';')").await;
    insert("/?query=INSERT+INTO+t(a)+FORMAT+TSV", "5\n6\n").await;
    insert("/?param_p=p%27p", "INSERT INTO t VALUES (7, 'in the body'), (3 + 5, {p:String});").await;
    insert("/", "INSERT INTO t FORMAT CSV\n9,\"quoted, twice\"\n10,x\n").await;
    insert("/", "INSERT INTO t SELECT number, 'selected; not streamed' FROM numbers(11, 2)").await;
    let written = insert("/?query=INSERT+INTO+t+FORMAT+RowBinary", "\n\0\0\0\u{2};\n").await;
    assert!(written.contains("\"written_rows\":\"1\""), "{written}");
    let all: Vec<(u32, String)> =
        fixture.client().query_raw("SELECT a, b FROM t ORDER BY a, b").fetch_all().await.unwrap();
    let expected = [
        (1, "x;y"),
        (2, ""),
        (3, "a'b"),
        (4, ";"),
        (5, ""),
        (6, ""),
        (7, "in the body"),
        (8, "p'p"),
        (9, "quoted, twice"),
        (10, ";\n"),
        (10, "x"),
        (11, "selected; not streamed"),
        (12, "selected; not streamed"),
    ];
    assert_eq!(all, expected.map(|(a, b)| (a, b.to_owned())));

    // Rows that are none are an error, and nothing of them stays.
    let broken =
        fixture.raw("POST", "/?query=INSERT+INTO+t+FORMAT+JSONEachRow", b"{\"a\":99}\nnonsense").await;
    check(&broken, "400", "Code: 27. ");
    assert_eq!(fixture.count("t").await, 13);
    fixture.stop().await;
}

#[tokio::test]
async fn a_large_insert_flows_through() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.run(ITEMS).await;
    insert(&fixture.client(), 0..300_000).await.unwrap();
    assert_eq!(fixture.count("items").await, 300_000);
    fixture.stop().await;
}

#[tokio::test]
async fn an_insert_whose_client_dies_is_cancelled() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.run(ITEMS).await;
    // More of them than statements may run at once: a leak of one turn each would stop the engine.
    for _ in 0..20 {
        let mut stream = fixture.connect().await;
        let head = fixture.head("POST", "/?query=INSERT+INTO+items+FORMAT+JSONEachRow");
        let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n9\r\n{{\"id\":1}}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        drop(stream);
    }
    insert(&fixture.client(), 0..3).await.unwrap();
    assert_eq!(fixture.count("items").await, 3);
    fixture.stop().await;
}

#[tokio::test]
async fn a_query_whose_client_dies_is_ended() {
    let Some(fixture) = Fixture::new().await else { return };
    let running = || async {
        let sql = "SELECT count() FROM system.processes WHERE query LIKE '%endless%' AND query NOT LIKE '%processes%'";
        fixture.client().query_raw(sql).fetch_one::<u64>().await.unwrap()
    };
    for format in ["RowBinary", "JSON"] {
        let mut streams = Vec::new();
        for _ in 0..3 {
            let mut stream = fixture.connect().await;
            let sql = "SELECT sum(cityHash64(number)) AS endless FROM numbers(100000000000000)";
            let head = fixture.head("POST", &format!("/?default_format={format}"));
            let request = format!("{head}Content-Length: {}\r\n\r\n{sql}", sql.len());
            stream.write_all(request.as_bytes()).await.unwrap();
            streams.push(stream);
        }
        eventually("three endless queries run", async || running().await == 3).await;
        drop(streams);
        eventually("no endless query runs", async || running().await == 0).await;
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_folder_is_opened_once_and_found_again() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.run(ITEMS).await;
    insert(&fixture.client(), 0..10).await.unwrap();

    let second = start(fixture.dir.path()).await.unwrap_err();
    assert!(matches!(second, EngineError::AlreadyRunning { .. }), "{second}");
    // What another process would find.
    let status = std::fs::File::open(fixture.dir.path().join("status")).unwrap();
    assert!(matches!(status.try_lock(), Err(std::fs::TryLockError::WouldBlock)));

    let Fixture { engine, dir, _turn } = fixture;
    engine.stop().await;
    // As if another process had opened it since.
    let status = dir.path().join("status");
    std::fs::write(&status, "PID: 4711\nStarted at: 2026-01-01 00:00:00\n").unwrap();
    let held = std::fs::File::open(&status).unwrap();
    held.lock().unwrap();
    let locked = start(dir.path()).await.unwrap_err();
    assert!(matches!(locked, EngineError::InUse { pid: Some(4711), .. }), "{locked}");
    assert!(locked.to_string().contains("is in use by another process (process 4711)"), "{locked}");
    // It died and left its file behind.
    drop(held);

    let fixture = Fixture { engine: start(dir.path()).await.unwrap(), dir, _turn };
    assert_eq!(fixture.count("items").await, 10);
    fixture.stop().await;
}

#[tokio::test]
async fn stopping_ends_what_does_not_end_by_itself() {
    let Some(fixture) = Fixture::new().await else { return };
    let client = fixture.client();
    let endless = tokio::spawn(async move {
        client
            .query_raw("SELECT sum(cityHash64(number)) FROM numbers(100000000000000)")
            .fetch_one::<u64>()
            .await
    });
    let running = async || {
        let sql = "SELECT count() FROM system.processes WHERE query LIKE '%100000000000000%' AND query NOT LIKE '%processes%'";
        fixture.client().query_raw(sql).fetch_one::<u64>().await.unwrap() == 1
    };
    eventually("the query runs", running).await;
    let Fixture { engine, dir, _turn } = fixture;
    engine.stop().await;
    endless.await.unwrap().unwrap_err();
    start(dir.path()).await.unwrap().stop().await;
}

#[tokio::test]
async fn the_limits_for_a_small_machine_are_in_force() {
    let Some(fixture) = Fixture::new().await else { return };
    let sql = "SELECT name, value FROM (SELECT name, value FROM system.server_settings UNION ALL \
               SELECT name, value FROM system.settings WHERE name NOT LIKE 'background%') \
               WHERE name IN {names:Array(String)}";
    let expected = [
        ("async_insert", "0"),
        ("background_pool_size", "2"),
        ("compiled_expression_cache_size", "16777216"),
        ("implicit_select", "0"),
        ("index_mark_cache_size", "16777216"),
        ("mark_cache_size", "67108864"),
        ("max_bytes_before_external_group_by", "402653184"),
        ("max_bytes_before_external_sort", "402653184"),
        ("max_execution_time", "600"),
        ("max_io_thread_pool_size", "16"),
        ("max_memory_usage", "1073741824"),
        ("max_server_memory_usage", "1610612736"),
        ("max_thread_pool_free_size", "8"),
        ("mmap_cache_size", "0"),
        ("primary_index_cache_size", "67108864"),
    ];
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let mut found: Vec<(String, String)> =
        fixture.client().query_raw(sql).param("names", names).fetch_all().await.unwrap();
    found.sort_unstable();
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    fixture.stop().await;
}

//! A running `bluescope` and what tests ask of it. Waits for conditions with a deadline, never for a time.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dump::synth::{Crash, SmallDump, Template};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a loaded two-core machine, short enough to fail a hung test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The executable under test.
pub(crate) fn executable() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bluescope"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUST_BACKTRACE");
    command
}

/// The TLS provider that reqwest needs, once per process.
pub(crate) fn client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The folder of real dumps, or `None` with a line that says so.
pub(crate) fn samples(kind: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples").join(kind);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

/// A receiver of webhooks that believes only what is signed with the secret of demonstrations, and the target that sends
/// to it.
pub(crate) async fn receiver(address: SocketAddr) -> fleet::receiver::Receiver {
    rustls::crypto::ring::default_provider().install_default().ok();
    let secret = fleet::receiver::DEMO_SECRET.to_owned();
    let config = fleet::receiver::ReceiverConfig { listen: address, secret };
    fleet::receiver::Receiver::start(&config).await.unwrap()
}

/// Configuration of a webhook to this address.
pub(crate) fn target(address: SocketAddr) -> String {
    let secret = fleet::receiver::DEMO_SECRET;
    format!(
        "[[alerts.targets]]\nname = \"on-call\"\nurl = \"http://{address}/hook\"\nsecret = \"{secret}\"\nallow_private = true\n"
    )
}

/// Waits until `check` gives something, at most [`PATIENCE`].
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `bluescope up` on its own port and folder. Killed when dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    folder: TempDir,
    configuration: String,
    child: Option<Child>,
}

impl Service {
    /// Starts it with the defaults and waits until it is ready.
    pub(crate) async fn start() -> Self {
        Self::configured("").await
    }

    /// Starts it with these lines of configuration.
    pub(crate) async fn configured(configuration: &str) -> Self {
        let mut service = Self {
            address: free_address(),
            http: client(),
            folder: tempfile::tempdir().unwrap(),
            configuration: configuration.to_owned(),
            child: None,
        };
        service.start_again().await;
        service
    }

    /// Starts the process (again) on the same folder and port; returns how long it took to be ready.
    pub(crate) async fn start_again(&mut self) -> Duration {
        assert!(self.child.is_none(), "it runs already");
        let file = self.folder.path().join("bluescope.toml");
        std::fs::write(&file, &self.configuration).unwrap();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let begun = Instant::now();
        let child = executable()
            .args(["up", "--listen", &self.address.to_string()])
            .args(["--config".as_ref(), file.as_os_str()])
            .args(["--data".as_ref(), self.folder.path().join("data").as_os_str()])
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.child = Some(child);
        loop {
            if let Ok(response) = self.http.get(self.url("/readyz")).send().await
                && response.status().is_success()
            {
                return begun.elapsed();
            }
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("it ended with {status} instead of becoming ready:\n{}", self.log());
            }
            assert!(begun.elapsed() < PATIENCE, "not ready after {PATIENCE:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its folder: `data` is its data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// SIGKILL, as a power cut or an OOM killer would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; it must end by itself, cleanly.
    pub(crate) async fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        // The shell's own kill: a small machine has no other.
        let kill = format!("kill -TERM {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "still running {PATIENCE:?} after SIGTERM:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(status.success(), "ended with {status}:\n{}", self.log());
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// JSON of an API path.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    }

    /// HTML of a page.
    pub(crate) async fn page(&self, path: &str) -> String {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.text().await.unwrap()
    }

    /// Uploads a raw dump; the crash id, or status and body.
    pub(crate) async fn upload(&self, machine: &str, bytes: Vec<u8>) -> Result<String, (u16, String)> {
        let request =
            self.http.post(self.url("/v1/crashes")).header("x-bluescope-machine", machine).body(bytes);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        if status != 200 {
            return Err((status, text));
        }
        let answer: Value = serde_json::from_str(&text).unwrap();
        Ok(answer["crash_id"].as_str().unwrap().to_owned())
    }

    /// POSTs JSON; status and the answer.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.http.post(self.url(path)).json(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// Crashes of this many machines at twenty sites, as fast as they are taken: an outage of the dump's driver.
    pub(crate) async fn outage(&self, dump: &SmallDump, machines: u64) {
        let crashes = Crashes::of(dump);
        for number in 0..machines {
            let request = self
                .http
                .post(self.url("/v1/crashes"))
                .header("x-bluescope-machine", format!("pc-{number:04}"))
                .header("x-bluescope-site", format!("site-{:02}", number % 20))
                .header("x-bluescope-ring", if number % 10 == 0 { "early" } else { "broad" })
                .body(crashes.number(number));
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
    }

    /// The incident about a driver, once it is there, with all that its page knows.
    pub(crate) async fn incident(&self, driver: &str) -> Value {
        let id = eventually("an incident", || async {
            let all = self.json("/api/v1/incidents").await;
            let mut all = all["incidents"].as_array().unwrap().iter();
            all.find(|incident| incident["driver"] == driver)
                .map(|incident| incident["incident_id"].as_str().unwrap().to_owned())
        })
        .await;
        self.json(&format!("/api/v1/incidents/{id}")).await
    }

    /// The ledger as `/api/v1/status` gives it.
    pub(crate) async fn ledger(&self) -> Ledger {
        let status = self.json("/api/v1/status").await;
        let count =
            |name: &str| status["ledger"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {status}"));
        Ledger {
            accepted: count("accepted"),
            analysed: count("analysed"),
            unreadable: count("unreadable"),
            dead_lettered: count("dead_lettered"),
            queued: count("queued"),
            crashes: count("crashes"),
            balanced: status["ledger"]["balanced"].as_bool().unwrap(),
        }
    }

    /// Waits until nothing is queued, and returns the ledger, which must balance.
    pub(crate) async fn settled(&self) -> Ledger {
        let ledger = eventually("the queue to be empty and the ledger to balance", || async {
            let ledger = self.ledger().await;
            (ledger.queued == 0 && ledger.balanced).then_some(ledger)
        })
        .await;
        assert_eq!(ledger.accepted, ledger.analysed + ledger.unreadable + ledger.dead_lettered);
        ledger
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// accepted = analysed + unreadable + dead-lettered + queued; crashes = distinct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) accepted: u64,
    pub(crate) analysed: u64,
    pub(crate) unreadable: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) queued: u64,
    pub(crate) crashes: u64,
    pub(crate) balanced: bool,
}

/// Distinct crashes of one template, at about now.
pub(crate) struct Crashes {
    template: Template,
    time: u64,
}

impl Crashes {
    pub(crate) fn of(dump: &SmallDump) -> Self {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let time = 116_444_736_000_000_000 + u64::try_from(unix.as_nanos() / 100).unwrap();
        Self { template: Template::new(dump), time }
    }

    /// The crash with this number: the same bytes each time.
    pub(crate) fn number(&self, number: u64) -> Vec<u8> {
        self.template.with(&Crash {
            system_time: self.time + number,
            uptime: 36_000_000_000 + number,
            parameters: [0x28 + number, 2, 0, 0xffff_f800_1234_5678],
            boot_id: 7,
        })
    }
}

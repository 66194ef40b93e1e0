//! What people see, looked at in real Chromium: Playwright's specs of `tests/browser/` against the real executable. One
//! service goes through the drill, another is fed names that nobody should trust, a third wants to know who looks.
//!
//! Pictures of every page and traces of what failed are in `target/browser/`.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it saw"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "end_to_end/support.rs"]
#[expect(dead_code, reason = "the end-to-end tests use all of it")]
mod support;

#[path = "browser/hostile.rs"]
mod hostile;

use support::Service;
use tokio::sync::Mutex;

/// A service with its engine and a browser are enough for a small machine.
static TURN: Mutex<()> = Mutex::const_new(());

/// What Chromium is called by those who package it.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Playwright with the system's own Chromium.
struct Browser {
    chromium: PathBuf,
    specs: PathBuf,
}

impl Browser {
    /// `None`, with a line that says so, where Chromium, node or Playwright are missing; under CI that fails.
    fn find() -> Option<Self> {
        let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
        let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
        let chromium = named.or_else(|| CHROMIUM.iter().find_map(|name| on_path(name)));
        let missing = match &chromium {
            None => "Chromium",
            Some(_) if on_path("node").is_none() => "node",
            Some(_) if !specs.join("node_modules/@playwright/test").is_dir() => "tests/browser/node_modules",
            Some(_) => return chromium.map(|chromium| Self { chromium, specs }),
        };
        assert!(std::env::var_os("CI").is_none(), "{missing} is missing: run scripts/setup --test");
        println!("skipped: {missing} is missing; scripts/setup --test installs it");
        None
    }

    /// Runs the specs of these projects; fails with what they printed. The specs end by themselves: `globalTimeout`.
    async fn look(self, service: &Service, projects: &'static [&'static str]) {
        let url = service.url("");
        let ended = tokio::task::spawn_blocking(move || {
            Command::new("node")
                .current_dir(&self.specs)
                .args(["node_modules/@playwright/test/cli.js", "test"])
                .args(projects.iter().map(|name| format!("--project={name}")))
                .env("BLUESCOPE_URL", url)
                .env("BLUESCOPE_EXECUTABLE", env!("CARGO_BIN_EXE_bluescope"))
                .env("CHROMIUM", self.chromium)
                .env("NO_COLOR", "1")
                .stdin(Stdio::null())
                .output()
                .unwrap()
        });
        let output = ended.await.unwrap();
        println!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(
            output.status.success(),
            "the specs failed, as they say above\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            service.log()
        );
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_is_seen_and_every_page_is_fit_to_be_looked_at() {
    let Some(browser) = Browser::find() else { return };
    let _turn = TURN.lock().await;
    let service = Service::start().await;
    browser.look(&service, &["drill", "pages", "changes", "paint"]).await;
    service.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_do_nothing_on_any_page() {
    let Some(browser) = Browser::find() else { return };
    let _turn = TURN.lock().await;
    let service = Service::start().await;
    hostile::fill(&service).await;
    browser.look(&service, &["hostile"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_sees_nothing_and_who_has_one_is_named() {
    let Some(browser) = Browser::find() else { return };
    let _turn = TURN.lock().await;
    let tokens = "[access]\nadmin_tokens = [\"correct-horse-battery-staple-admin\"]";
    let service = Service::configured(tokens).await;
    browser.look(&service, &["signin"]).await;
}

//! A real Kafka broker for these tests: the one that `KAFKA_BROKERS` names, or one started by `scripts/kafka`.

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Ends the broker when dropped, also by a panic; `scripts/kafka` watches this process for the rest.
pub(crate) struct Broker {
    address: String,
    own: Option<TempDir>,
}

impl Broker {
    /// None where there is no Java or no Kafka, which is a failure under CI.
    pub(crate) fn find() -> Option<Self> {
        if let Ok(address) = std::env::var("KAFKA_BROKERS") {
            return Some(Self { address, own: None });
        }
        Self::start()
    }

    /// A broker of our own, which may be stopped.
    pub(crate) fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let output = run(&["start", dir.path().to_str().unwrap(), "0", &std::process::id().to_string()]);
        // From here on the guard stops it.
        let mut broker = Self { address: String::new(), own: Some(dir) };
        if output.status.code() == Some(3) {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(std::env::var_os("CI").is_none(), "CI needs a Kafka broker: {reason}");
            println!("skipped, no Kafka broker: {}", reason.trim());
            return None;
        }
        assert!(output.status.success(), "{output:?}");
        broker.address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Some(broker)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn stop(&self) {
        let dir = self.own.as_ref().expect("only a broker of our own is stopped").path();
        let output = run(&["stop", dir.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn start_again(&self) {
        let dir = self.own.as_ref().unwrap().path();
        let output = run(&["start", dir.to_str().unwrap(), "0", &std::process::id().to_string()]);
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(dir) = &self.own {
            let output = run(&["stop", dir.path().to_str().unwrap()]);
            if !output.status.success() {
                println!("the broker in {} was not stopped: {output:?}", dir.path().display());
            }
        }
    }
}

fn run(arguments: &[&str]) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/kafka");
    Command::new(script).args(arguments).output().unwrap()
}

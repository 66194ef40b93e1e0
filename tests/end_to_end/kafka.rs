//! The same service on a real Kafka broker, and the roles as processes of their own next to it.

use std::path::Path;
use std::process::Command;

use dump::synth::SmallDump;

use crate::support::{Crashes, Service};

/// A broker of this test's own. Stopped when dropped; it also ends when this process does.
struct Broker {
    folder: tempfile::TempDir,
    address: String,
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka"))
}

impl Broker {
    /// `None`, with a line that says so, where Java or Kafka's jars are missing; under CI that fails.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let pid = std::process::id().to_string();
        let output = script().arg("start").arg(folder.path()).args(["0", &pid]).output().unwrap();
        if output.status.success() {
            let address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
            return Some(Self { folder, address });
        }
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(3) && std::env::var_os("CI").is_none(), "no broker: {reason}");
        println!("skipped: {reason}");
        None
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        script().arg("stop").arg(self.folder.path()).status().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_go_through_kafka_and_survive_kills() {
    let Some(broker) = Broker::start() else { return };
    let configuration =
        format!("[queue]\nkind = \"kafka\"\nbrokers = \"{}\"\npartitions = 4\n", broker.address);
    let mut service = Service::configured(&configuration).await;
    let crashes = Crashes::of(&SmallDump::example());
    let mut sent = 0;
    for _ in 0..3 {
        for number in sent..sent + 40 {
            let machine = format!("pc-{}", number % 7);
            service.upload(&machine, crashes.number(number)).await.unwrap();
        }
        sent += 40;
        service.kill();
        service.start_again().await;
    }
    // Uploads of before, again: accepted, and counted once.
    for number in 0..10 {
        service.upload("pc-1", crashes.number(number)).await.unwrap();
    }
    let ledger = service.settled().await;
    assert_eq!((ledger.accepted, ledger.crashes), (sent + 10, sent));
    assert_eq!((ledger.unreadable, ledger.dead_lettered), (0, 0));
    service.stop().await;
}

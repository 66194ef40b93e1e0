//! A page that nobody takes, then SIGKILL: it arrives all the same, signed, and once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dump::synth::SmallDump;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::{Service, eventually, free_address, receiver, target};

/// Answers every other request with 503, and the ones between never.
async fn sick_target(address: SocketAddr, requests: Arc<AtomicU64>) -> JoinHandle<()> {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let number = requests.fetch_add(1, Ordering::Relaxed);
            if number.is_multiple_of(2) {
                let mut head = [0; 1];
                connection.read_exact(&mut head).await.ok();
                let answer =
                    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                connection.write_all(answer).await.ok();
            }
            held.push(connection);
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_survives_a_sick_target_and_a_kill() {
    let address = free_address();
    let requests = Arc::new(AtomicU64::new(0));
    let sick = sick_target(address, requests.clone()).await;
    let mut service = Service::configured(&target(address)).await;
    service.outage(&SmallDump::example(), 60).await;
    let before = service.incident("rtwlane.sys").await;
    eventually("an attempt that was refused and one that hangs", || async {
        (requests.load(Ordering::Relaxed) >= 2).then_some(())
    })
    .await;

    service.kill();
    sick.abort();
    sick.await.unwrap_err();
    let receiver = receiver(address).await;
    service.start_again().await;
    eventually("the page", || async { receiver.arrivals().iter().any(|one| one.is_page()).then_some(()) })
        .await;
    let after = service.incident("rtwlane.sys").await;
    assert_eq!(before["incident_id"], after["incident_id"], "the same incident goes on");
    eventually("every notification to be delivered", || async {
        let incident = service.incident("rtwlane.sys").await;
        let notifications = incident["notifications"].as_array().unwrap();
        let all = notifications.iter().all(|one| one["state"] == "delivered");
        (!notifications.is_empty() && all).then_some(())
    })
    .await;

    let arrivals = receiver.arrivals();
    let begun: BTreeSet<&str> =
        arrivals.iter().filter(|one| one.kind() == "incident.opened").map(|one| one.id.as_str()).collect();
    assert_eq!(begun.len(), 1, "an incident begins once, however often that is told: {arrivals:?}");
    let mut ids = BTreeSet::new();
    assert!(arrivals.iter().all(|one| ids.insert(&one.id) != one.repeated), "{arrivals:?}");
    assert!(arrivals.iter().all(|one| one.incident_id() == before["incident_id"]), "{arrivals:?}");
    assert_eq!(receiver.refused(), 0, "an unsigned request");
}

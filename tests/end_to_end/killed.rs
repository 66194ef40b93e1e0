//! SIGKILL at any moment: nothing that was answered 200 is lost, nothing is counted twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dump::synth::SmallDump;
use tokio::sync::Mutex;

use crate::support::{Crashes, Service, client};

const KILLS: u32 = 20;
const UPLOADERS: u64 = 6;

/// Uploads crash after crash until told to stop. A crash that was not answered is sent again, as a machine would.
async fn upload(
    url: String,
    crashes: Arc<Crashes>,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<BTreeSet<String>>>,
) {
    let http = client();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let bytes = crashes.number(number);
        loop {
            let machine = format!("pc-{:04}", number % 1000);
            let request = http.post(&url).header("x-bluescope-machine", machine).body(bytes.clone());
            if let Ok(response) = request.send().await
                && response.status() == 200
                && let Ok(answer) = response.json::<serde_json::Value>().await
            {
                accepted.lock().await.insert(answer["crash_id"].as_str().unwrap().to_owned());
                break;
            }
            // Nobody listens at the moment, or the answer was cut: the machine does not know, so it tries again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_and_double_nothing() {
    let mut service = Service::start().await;
    let crashes = Arc::new(Crashes::of(&SmallDump::example()));
    let next = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    let uploaders: Vec<_> = (0..UPLOADERS)
        .map(|_| {
            let (crashes, next, stop, accepted) =
                (crashes.clone(), next.clone(), stop.clone(), accepted.clone());
            tokio::spawn(upload(service.url("/v1/crashes"), crashes, next, stop, accepted))
        })
        .collect();

    for kill in 0..KILLS {
        // At another point of the batch each time, and never before something new was accepted.
        let before = accepted.lock().await.len();
        let begun = Instant::now();
        let uptime = Duration::from_millis(u64::from(kill) * 67 % 900);
        while begun.elapsed() < uptime || accepted.lock().await.len() < before + 20 {
            assert!(begun.elapsed() < Duration::from_secs(30), "uploads stand still:\n{}", service.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        service.kill();
        service.start_again().await;
    }
    stop.store(true, Ordering::Relaxed);
    for uploader in uploaders {
        uploader.await.unwrap();
    }

    let ledger = service.settled().await;
    let accepted = accepted.lock().await;
    println!("{KILLS} kills: {} crashes answered 200, ledger {ledger:?}", accepted.len());
    assert_eq!(ledger.crashes, accepted.len() as u64, "crashes answered 200 and rows differ");
    assert_eq!(ledger.crashes, next.load(Ordering::Relaxed), "every crash was sent until it was answered");
    assert_eq!((ledger.unreadable, ledger.dead_lettered), (0, 0));
    for id in accepted.iter().step_by(97) {
        service.json(&format!("/api/v1/crashes/{id}")).await;
    }
}

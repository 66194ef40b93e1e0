//! Sources that fail, in every way; the answer comes in bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bluescope_symbols::fetch::{BreakerConfig, BreakerState};
use bluescope_symbols::{Missing, Want};
use tokio::net::TcpListener;

use crate::server::{Reply, Server};
use crate::support::*;

#[tokio::test]
async fn what_is_not_there_is_not_asked_for_again() {
    let server = Server::start(|_| Reply::status(404)).await;
    let (library, cache) = library(&[server.url("/")]);
    assert_eq!(get_image(&library, 1).await, NOT_FOUND);
    assert_eq!(get_names(&library, 1).await, NOT_FOUND);
    let asked = server.paths().len();
    assert_eq!(get_image(&library, 1).await, NOT_FOUND);
    let again = open(config(cache.path(), &[server.url("/")]));
    assert_eq!(get_image(&again, 1).await, NOT_FOUND);
    assert_eq!(get_names(&again, 1).await, NOT_FOUND);
    assert_eq!(server.paths().len(), asked, "neither by this process nor by the next one");
    age(cache.path(), ".failed", Duration::from_secs(3_700));
    assert_eq!(get_image(&again, 1).await, NOT_FOUND);
    assert!(server.paths().len() > asked, "until its time is over");
}

#[tokio::test]
async fn a_source_that_is_added_is_asked_at_once() {
    let (empty, full) = (Server::with_files([]).await, Server::with_files([(image_path(1), image(1))]).await);
    let (library, cache) = library(&[empty.url("/")]);
    assert_eq!(get_image(&library, 1).await, NOT_FOUND);
    let asked = empty.count(&image_path(1));
    let library = open(config(cache.path(), &[empty.url("/"), full.url("/")]));
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(empty.count(&image_path(1)), asked);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let server = Server::start(|request| match (request.path.as_str(), request.number) {
        (path, 0) if path == image_path(1) => Reply::status(500),
        (path, 1) if path == image_path(1) => Reply::status(429).with("Retry-After", "0"),
        (path, _) if path == image_path(1) => Reply::ok(image(1)),
        (path, _) if path == image_path(2) => Reply::status(503).with("Retry-After", "3600"),
        _ => Reply::status(404),
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.retries = 2;
    let library = open(config);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(server.count(&image_path(1)), 3);
    assert_eq!(get_image(&library, 2).await, UNREACHABLE);
    assert_eq!(server.count(&image_path(2)), 1, "it wants to be left alone for an hour");
}

#[tokio::test]
async fn a_refusal_is_neither_tried_again_nor_taken_for_not_found() {
    let server = Server::start(|_| Reply::status(401)).await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.retries = 5;
    let library = open(config);
    assert_eq!(get_image(&library, 1).await, UNREACHABLE);
    assert_eq!(server.count(&image_path(1)), 1);
    let health = library.health();
    let (why, _) = health[0].last_error.clone().unwrap();
    assert!(why.contains("401") && why.contains("token"), "{why}");
    assert_eq!(health[0].state, BreakerState::Closed, "it does answer");
}

#[tokio::test]
async fn a_hundred_wants_at_a_dead_server_are_answered_in_time() {
    // Takes connections and never says a word; and a port where nobody listens.
    let mute = Server::start(|_| Reply::Silence).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for source in [mute.url("/"), closed] {
        let cache = tempfile::tempdir().unwrap();
        let mut config = config(cache.path(), std::slice::from_ref(&source));
        config.timeouts.connect = Duration::from_millis(200);
        config.timeouts.idle = Duration::from_millis(200);
        config.retries = 1;
        let library = open(config);
        let wants: Vec<Want> = (0..100).map(|number| Want::Image(image_id(number))).collect();
        let begun = Instant::now();
        let answers = library.get("tenant", &wants).await;
        let took = begun.elapsed();
        println!("a hundred wants at {source}: {} ms", took.as_millis());
        assert!(answers.iter().all(|(_, answer)| word(answer) == UNREACHABLE));
        assert!(took < Duration::from_secs(10), "{took:?}");
        let health = library.health().remove(0);
        assert_eq!(health.state, BreakerState::Open);
        assert_eq!(health.answered_at, None);
        assert_eq!(health.source, source.trim_end_matches('/'));
    }
    assert!(mute.paths().len() < 20, "{} requests", mute.paths().len());
}

#[tokio::test]
async fn a_source_that_recovers_is_found_out_by_one_probe() {
    let ill = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&ill);
    let server = Server::start(move |request| match state.load(Ordering::Relaxed) {
        true => Reply::status(503),
        false if request.path == image_path(9) => Reply::ok(image(9)),
        false => Reply::status(404),
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.breaker = BreakerConfig { failures: 3, open: Duration::from_millis(300) };
    let library = open(config);
    for number in 0..3 {
        assert_eq!(library.health()[0].state, BreakerState::Closed);
        assert_eq!(get_image(&library, number).await, UNREACHABLE);
    }
    let asked = server.paths().len();
    assert_eq!(library.health()[0].state, BreakerState::Open);
    assert_eq!(get_image(&library, 9).await, UNREACHABLE);
    assert_eq!(server.paths().len(), asked, "left alone");
    ill.store(false, Ordering::Relaxed);
    until("half open", || library.health()[0].state == BreakerState::HalfOpen).await;
    assert_eq!(get_image(&library, 9).await, Got::Image, "what was not asked for is not kept as a failure");
    assert_eq!(library.health()[0].state, BreakerState::Closed);
}

#[tokio::test]
async fn a_trickle_ends_with_the_time_for_a_file() {
    let server = Server::start(|request| match request.path == image_path(1) {
        true => Reply::Trickle { body: image(1), every: Duration::from_millis(50) },
        false => Reply::status(404),
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.timeouts.whole = Duration::from_secs(2);
    config.retries = 3;
    let library = open(config);
    let begun = Instant::now();
    assert_eq!(get_image(&library, 1).await, UNREACHABLE);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let (why, _) = library.health()[0].last_error.clone().unwrap();
    assert!(why.contains("not whole in time"), "{why}");
}

#[tokio::test]
async fn a_download_goes_on_behind_the_back_of_who_could_not_wait() {
    let server = Server::start(|request| match request.path == image_path(1) {
        true => Reply::Trickle { body: image(1), every: Duration::from_micros(300) },
        false => Reply::status(404),
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.timeouts.wants = Duration::from_millis(100);
    let library = open(config);
    assert_eq!(get_image(&library, 1).await, Got::Missing(Missing::Unreachable));
    until("the file is there", || !files(cache.path(), "/driver1.sys").is_empty()).await;
    until("it was loaded", || files(cache.path(), ".part").is_empty()).await;
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(server.count(&image_path(1)), 1);
}

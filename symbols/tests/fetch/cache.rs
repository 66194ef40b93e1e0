//! The cache on disk and the one in memory, shared by many.

use std::fs::File;
use std::time::Duration;

use bluescope_symbols::{Library, Want};
use futures_util::future::join_all;
use prometheus_client::registry::Registry;

use crate::server::{Reply, Server};
use crate::support::*;

fn wants(numbers: std::ops::Range<u32>) -> Vec<Want> {
    numbers.map(|number| Want::Image(image_id(number))).collect()
}

async fn many() -> Server {
    let known: Vec<_> = (0..20).map(|number| (image_path(number), image(number))).collect();
    Server::start(move |request| {
        let file = known.iter().find(|(path, _)| *path == request.path);
        file.map_or(Reply::status(404), |(_, file)| Reply::ok(file.clone()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_and_many_callers_download_each_file_once() {
    let server = many().await;
    let cache = tempfile::tempdir().unwrap();
    let libraries = [(); 2].map(|()| open(config(cache.path(), &[server.url("/")])));
    let wants = wants(0..20);
    let calls = (0..10).map(|call| libraries[call % 2].get("tenant", &wants));
    for answers in join_all(calls).await {
        assert_eq!(answers.iter().map(|(want, _)| want.clone()).collect::<Vec<_>>(), wants);
        assert!(answers.iter().all(|(_, answer)| word(answer) == Got::Image));
    }
    for number in 0..20 {
        assert_eq!(server.count(&image_path(number)), 1, "{number}");
    }
}

#[tokio::test]
async fn another_process_that_never_finishes_is_not_waited_for_endlessly() {
    let server = many().await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.timeouts.whole = Duration::from_secs(2);
    let library = open(config);
    let folder = cache.path().join("v1/driver1.sys").join(image_id(1).key().to_ascii_lowercase());
    std::fs::create_dir_all(&folder).unwrap();
    let held = File::create(folder.join(".image.part")).unwrap();
    held.lock().unwrap();
    assert_eq!(get_image(&library, 1).await, UNREACHABLE);
    assert_eq!(server.count(&image_path(1)), 0);
    drop(held);
    assert_eq!(get_image(&library, 1).await, Got::Image, "that is not kept as a failure");
}

#[tokio::test]
async fn what_was_used_longest_ago_is_evicted() {
    let server = many().await;
    let cache = tempfile::tempdir().unwrap();
    // Each file counts as a block of 4 KiB.
    let mut limits = config(cache.path(), &[server.url("/")]);
    limits.cache_bytes = 10 * 4096;
    let library = open(limits.clone());
    for number in 0..10 {
        assert_eq!(get_image(&library, number).await, Got::Image);
    }
    assert_eq!(files(cache.path(), ".sys").len(), 10);
    age(cache.path(), ".sys", Duration::from_secs(5_000));
    age(cache.path(), "driver3.sys", Duration::from_secs(9_000));
    age(cache.path(), "driver4.sys", Duration::from_secs(8_000));
    // Used again, by another process: that counts.
    assert_eq!(get_image(&open(limits.clone()), 3).await, Got::Image);
    assert_eq!(get_image(&library, 10).await, Got::Image);
    let left = files(cache.path(), ".sys");
    let has = |number: u32| left.iter().any(|path| path.ends_with(format!("driver{number}.sys")));
    assert!(left.len() <= 9, "{left:?}");
    assert!(has(3) && has(10) && !has(4), "{left:?}");
    assert!(!cache.path().join("v1/driver4.sys").exists(), "empty folders go, too");
    // Failures count as well: names out of hostile dumps must not fill the disk.
    for number in 100..140 {
        assert_eq!(get_image(&library, number).await, NOT_FOUND);
    }
    assert!(files(cache.path(), "").len() <= 10, "{:?}", files(cache.path(), ""));
    // What is in memory is there nevertheless.
    assert_eq!(get_image(&library, 4).await, Got::Image);
}

#[tokio::test]
async fn what_was_left_behind_is_swept() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("v1/a.sys/1");
    std::fs::create_dir_all(&folder).unwrap();
    for name in [".image.part", ".image.note", ".image.unpacked", ".image.0123.failed", "a.sys"] {
        std::fs::write(folder.join(name), "x").unwrap();
        age(&folder, name, Duration::from_secs(2 * 24 * 3_600));
    }
    std::fs::create_dir_all(cache.path().join("v1/b.sys/1")).unwrap();
    std::fs::write(cache.path().join("v1/b.sys/1/.image.part"), "young").unwrap();
    let _library = open(config(cache.path(), &[]));
    let left: Vec<_> = files(cache.path(), "").iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert_eq!(left, ["a.sys", ".image.part"]);
}

#[tokio::test]
async fn leftovers_are_evicted_unless_somebody_is_at_them() {
    let cache = tempfile::tempdir().unwrap();
    let folder = |name: &str| cache.path().join("v1").join(name).join("1");
    for name in ["left.sys", "busy.sys"] {
        std::fs::create_dir_all(folder(name)).unwrap();
        for file in [".image.part", ".image.note", ".image.unpacked"] {
            std::fs::write(folder(name).join(file), "x").unwrap();
        }
    }
    std::fs::create_dir_all(folder("new.sys")).unwrap();
    std::fs::write(folder("new.sys").join("new.sys"), "x").unwrap();
    // Old enough to go first, and too young to be swept.
    age(cache.path(), ".part", Duration::from_secs(3_600));
    age(cache.path(), ".note", Duration::from_secs(3_600));
    age(cache.path(), ".unpacked", Duration::from_secs(3_600));
    let busy = File::open(folder("busy.sys").join(".image.part")).unwrap();
    busy.lock().unwrap();
    // Seven files, each of which counts as 4 KiB.
    let mut config = config(cache.path(), &[]);
    config.cache_bytes = 5 * 4096;
    let _library = open(config);
    let left = files(cache.path(), "");
    assert_eq!(left.iter().filter(|path| path.starts_with(folder("busy.sys"))).count(), 3, "{left:?}");
    assert_eq!(left.iter().filter(|path| path.starts_with(folder("left.sys"))).count(), 0, "{left:?}");
    assert!(left.contains(&folder("new.sys").join("new.sys")), "{left:?}");
    assert!(!cache.path().join("v1/left.sys").exists());
}

#[tokio::test]
async fn a_damaged_file_in_the_cache_is_fetched_anew() {
    let server = many().await;
    let (library, cache) = library(&[server.url("/")]);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    // A power cut.
    std::fs::write(&files(cache.path(), "driver1.sys")[0], vec![0; 1_000]).unwrap();
    let again = open(config(cache.path(), &[server.url("/")]));
    assert_eq!(get_image(&again, 1).await, Got::Image);
    assert_eq!(server.count(&image_path(1)), 2);
    assert_eq!(std::fs::read(&files(cache.path(), "driver1.sys")[0]).unwrap(), image(1));
}

#[tokio::test]
async fn memory_is_bounded_and_metrics_tell_where_answers_came_from() {
    let server = many().await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.memory_bytes = 4_000;
    let mut registry = Registry::default();
    drop(rustls::crypto::ring::default_provider().install_default());
    let library = Library::open(config, None, &mut registry).unwrap();
    // An image holds 1.5 KiB: two fit.
    for number in [0, 1, 1, 2, 0, 200] {
        get_image(&library, number).await;
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "symbols_lookups_total{place=\"source\"} 3",
        "symbols_lookups_total{place=\"memory\"} 1",
        "symbols_lookups_total{place=\"disk\"} 1",
        "symbols_lookups_total{place=\"missing\"} 1",
        "symbols_loaded_files 2",
        "symbols_cache_bytes 16384",
        "symbols_under_way 0",
        &format!("symbols_files_total{{source=\"{}\",outcome=\"found\"}} 3", server.url("")),
        &format!("symbols_breaker_open{{source=\"{}\"}} 0", server.url("")),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

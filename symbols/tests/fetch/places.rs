//! Kinds of sources: folders, stores of two tiers, buckets.

use std::fs;
use std::time::Duration;

use bluescope_symbols::fetch::BreakerState;

use crate::server::{Reply, Server};
use crate::support::*;

fn put(root: &std::path::Path, path: &str, content: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn folders_are_stores_or_just_folders() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), &image_path(1).to_ascii_uppercase(), &image(1));
    put(root.path(), "driver2.SYS", &image(2));
    put(root.path(), "driver3.sys", &image(2));
    put(root.path(), "driver4.sym", &sym(4));
    put(root.path(), &format!("{}x", image_path(5)), &image(5));
    let pointer = image_path(5).rsplit_once('/').unwrap().0.to_owned() + "/file.ptr";
    put(root.path(), &pointer, b"PATH:Driver5.sysx");
    let (library, cache) = library(&[root.path().display().to_string()]);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(get_image(&library, 2).await, Got::Image);
    assert_eq!(get_image(&library, 3).await, NOT_FOUND, "another build of that name is nothing wrong");
    assert_eq!(get_names(&library, 4).await, Got::Names);
    assert_eq!(get_image(&library, 5).await, Got::Image);
    assert!(!cache.path().join("v1/driver3.sys").exists(), "nothing to keep, nothing left");
    // People put a file there and try again at once.
    put(root.path(), "Driver3.sys", &image(3));
    assert_eq!(get_image(&library, 3).await, Got::Image);
}

#[tokio::test]
async fn a_folder_of_two_tiers() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "index2.txt", b"");
    put(root.path(), &format!("Dr{}", image_path(1)), &image(1));
    let (library, _cache) = library(&[format!("file://{}", root.path().display())]);
    assert_eq!(get_image(&library, 1).await, Got::Image);
}

#[tokio::test]
async fn a_server_of_two_tiers_is_found_out_once() {
    let server = Server::with_files([
        ("/store/index2.txt".to_owned(), Vec::new()),
        (format!("/store/Dr{}", image_path(1)), image(1)),
        (format!("/store/Dr{}", image_path(2)), image(2)),
    ])
    .await;
    let (library, _cache) = library(&[server.url("/store")]);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(get_image(&library, 2).await, Got::Image);
    assert_eq!(server.paths().len(), 3, "{:?}", server.paths());
}

#[tokio::test]
async fn a_server_that_cannot_say_whether_it_has_two_tiers_is_asked_for_files() {
    let server = Server::start(|request| match request.path.as_str() {
        "/index2.txt" => Reply::status(500),
        path if path == image_path(1) => Reply::ok(image(1)),
        path if path == format!("/Dr{}", image_path(2)) => Reply::ok(image(2)),
        _ => Reply::status(404),
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.breaker.failures = 1;
    let library = open(config);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(get_image(&library, 2).await, Got::Image, "it may have two: {:?}", server.paths());
    assert_eq!(get_image(&library, 3).await, NOT_FOUND);
    assert_eq!(server.count("/index2.txt"), 1, "not again within a minute");
    assert_eq!(library.health()[0].state, BreakerState::Closed);
    assert!(library.has_remote_sources());
}

#[tokio::test]
async fn a_folder_that_fails_is_left_alone_as_others_are() {
    let root = tempfile::tempdir().unwrap();
    // It ends in itself: the system refuses to follow it, with an error that is none of rights.
    std::os::unix::fs::symlink("Driver1.sys", root.path().join("Driver1.sys")).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[root.path().display().to_string()]);
    config.breaker.failures = 1;
    let library = open(config);
    assert!(!library.has_remote_sources());
    assert_eq!(get_image(&library, 2).await, NOT_FOUND);
    let health = library.health().remove(0);
    assert!(health.answered_at.is_some() && health.state == BreakerState::Closed, "{health:?}");
    assert_eq!(get_image(&library, 1).await, UNREACHABLE);
    assert_eq!(library.health()[0].state, BreakerState::Open);
    assert!(files(cache.path(), ".failed").is_empty());
}

fn denied(code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>").into();
    let headers = vec![("x-amz-request-id", "1".to_owned())];
    Reply::Answer { status: 403, headers, body }
}

#[tokio::test]
async fn a_storage_that_does_not_know_us_has_not_said_what_it_has() {
    for (code, expected) in [
        ("AccessDenied", NOT_FOUND),
        ("InvalidAccessKeyId", UNREACHABLE),
        ("RequestTimeTooSkewed", UNREACHABLE),
    ] {
        let server = Server::start(move |_| denied(code)).await;
        let cache = tempfile::tempdir().unwrap();
        let mut bucket = config(cache.path(), &["s3://bucket".to_owned()]);
        bucket.sources[0].options = vec![
            ("aws_endpoint".to_owned(), server.url("").into()),
            ("aws_region".to_owned(), "eu-central-1".into()),
            ("aws_access_key_id".to_owned(), "AKID".into()),
            ("aws_secret_access_key".to_owned(), "hunter2".into()),
        ];
        assert_eq!(get_image(&open(bucket), 1).await, expected, "a bucket: {code}");
        let (library, _cache) = library(&[server.url("/")]);
        assert_eq!(get_image(&library, 1).await, expected, "a server: {code}");
    }
}

#[tokio::test]
async fn a_bucket_is_asked_as_s3_is_and_resumed() {
    let key = format!("/bucket/some/prefix{}", image_path(1));
    let path = key.clone();
    let server = Server::start(move |request| {
        let stamp = |reply: Reply| {
            reply.with("ETag", "\"one\"").with("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        };
        let body = image(1);
        match (request.path == path, request.header("range")) {
            // Who may not list is told that it is forbidden.
            (false, _) => denied("AccessDenied"),
            (true, None) => stamp(Reply::Cut { headers: Vec::new(), body, sent: 800 }),
            (true, Some(range)) => {
                let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
                let whole = body.len();
                stamp(Reply::Answer { status: 206, headers: Vec::new(), body: body[from..].to_vec() })
                    .with("Content-Range", format!("bytes {from}-{}/{whole}", whole - 1))
            }
        }
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &["s3://bucket/some/prefix/".to_owned()]);
    config.sources[0].options = vec![
        ("aws_endpoint".to_owned(), server.url("").into()),
        ("aws_region".to_owned(), "eu-central-1".into()),
        ("aws_access_key_id".to_owned(), "AKID".into()),
        ("aws_secret_access_key".to_owned(), "hunter2".into()),
    ];
    let library = open(config);
    assert_eq!(get_image(&library, 2).await, NOT_FOUND);
    assert_eq!(get_image(&library, 1).await, UNREACHABLE);
    age(cache.path(), ".failed", Duration::from_secs(100));
    assert_eq!(get_image(&library, 1).await, Got::Image);
    let last = server.requests().into_iter().rfind(|request| request.path == key).unwrap();
    assert_eq!((last.header("range"), last.header("if-match")), (Some("bytes=799-"), Some("\"one\"")));
    assert!(last.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKID/"));
    assert!(!format!("{library:?}").contains("hunter2"));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_at_the_start() {
    let cache = tempfile::tempdir().unwrap();
    let fault = |source: &str, change: fn(&mut bluescope_symbols::fetch::SourceConfig)| {
        let mut config = config(cache.path(), &[source.to_owned()]);
        change(&mut config.sources[0]);
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut registry = prometheus_client::registry::Registry::default();
        bluescope_symbols::Library::open(config, None, &mut registry).unwrap_err().to_string()
    };
    let text = fault("s3://bucket", |source| source.options = vec![("aws_nonsense".to_owned(), "x".into())]);
    assert!(text.contains("aws_nonsense"), "{text}");
    let text = fault("http://host/", |source| source.headers = vec![("two words".to_owned(), "x".into())]);
    assert!(text.contains("two words"), "{text}");
    let text = fault("http://host/", |source| source.token = Some("two\nhunter2".into()));
    assert!(text.contains("token") && !text.contains("hunter2"), "{text}");
}

//! What is refused, with which status and code, and that the queue never sees it.

use std::time::{Duration, Instant};

use dump::synth::{UserDump, user_minidump};
use ingest::IngestConfig;
use reqwest::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::server::{
    FORM, MIB, answer, assert_error, assert_refused, config, crash_id, example, form, gzip, incompressible,
    request, start, start_with,
};

#[tokio::test]
async fn wrong_methods_types_and_encodings() {
    let server = start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let url = format!("http://{}/v1/crashes", server.address);
        let response = server.client.request(method, url).body(example()).send().await.unwrap();
        assert_eq!(response.headers()["allow"], "POST");
        assert_refused(response, 405, "method_not_allowed").await;
    }
    for encoding in ["br", "deflate", "gzip, gzip", "gzip,zstd", "lz4", "GZIP2", "\u{1f600}"] {
        let post = server.post().header("content-encoding", encoding.as_bytes()).body(example());
        assert_refused(post.send().await.unwrap(), 415, "unsupported_encoding").await;
    }
    let twice = server.post().header("content-encoding", "gzip").header("content-encoding", "gzip");
    assert_refused(twice.body(example()).send().await.unwrap(), 415, "unsupported_encoding").await;
    for kind in ["text/html", "multipart/mixed; boundary=x", "image/png", "multipart", "nonsense"] {
        let post = server.post().header("content-type", kind).body(example());
        assert_refused(post.send().await.unwrap(), 415, "unsupported_type").await;
    }
    assert!(server.queued().await.is_empty());
}

#[tokio::test]
async fn bodies_that_are_no_dump() {
    let server = start().await;
    let dump = example();
    let zip = [b"PK\x03\x04\x14\0\0\0".as_slice(), &dump].concat();
    let zstd = zstd::encode_all(dump.as_slice(), 1).unwrap();
    let user = user_minidump(&UserDump::example());
    let cases: &[(&[u8], u16, &str)] = &[
        (b"", 400, "empty"),
        (b"M", 422, "not_a_dump"),
        (b"hello", 422, "not_a_dump"),
        (b"PAGEDUMB................", 422, "not_a_dump"),
        (&zip, 422, "not_a_dump"),
        (&gzip(&dump), 422, "not_a_dump"),
        (&zstd, 422, "not_a_dump"),
        (b"7z\xbc\xaf\x27\x1c", 422, "not_a_dump"),
        (&dump[..8], 400, "truncated"),
        (&dump[..4096], 400, "truncated"),
        (&user[..31], 400, "truncated"),
    ];
    for (body, status, code) in cases {
        let response = server.post().body(body.to_vec()).send().await.unwrap();
        assert_refused(response, *status, code).await;
    }
    // Cut behind its header: what is there still names a crash, the analyzer says what is missing.
    crash_id(server.post().body(dump[..dump.len() / 2].to_vec()).send().await.unwrap()).await;
    assert_eq!(server.queued().await.len(), 1);
}

#[tokio::test]
async fn names_and_values_that_are_not_acceptable() {
    let server = start().await;
    let long = "x".repeat(256);
    let headers: &[(&str, &[u8])] = &[
        ("x-bluescope-machine", b"caf\xe9"),
        ("x-bluescope-machine", b"\xff\xfe"),
        ("x-bluescope-machine", b"a\tb"),
        ("x-bluescope-machine", "a\u{85}b".as_bytes()),
        ("x-bluescope-machine", long.as_bytes()),
        ("x-bluescope-ring", long.as_bytes()),
        ("x-bluescope-site", long.as_bytes()),
        ("x-bluescope-tag-a", b"\xc3\x28"),
        ("x-bluescope-tag-a", &[b'x'; 257]),
        ("x-bluescope-tag-aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg", b"x"),
    ];
    for (name, value) in headers {
        let post = server.post().header(*name, *value).body(example());
        assert_refused(post.send().await.unwrap(), 400, "bad_value").await;
    }
    let twice = server.post().header("x-bluescope-machine", "a").header("x-bluescope-machine", "b");
    assert_refused(twice.body(example()).send().await.unwrap(), 400, "bad_value").await;
    let many = (0..33).fold(server.post(), |post, i| post.header(format!("x-bluescope-tag-{i}"), "x"));
    assert_refused(many.body(example()).send().await.unwrap(), 400, "bad_value").await;

    let dump = example();
    let fields: &[(&str, &[u8])] = &[
        ("machine", b"a\nb"),
        ("machine", long.as_bytes()),
        ("guid", b"\x01"),
        ("ring", b"\0"),
        ("site", b"\xff"),
        ("anything", b"abc\xff"),
        ("anything", b"\xf0\x9f"),
    ];
    for (name, value) in fields {
        let body = form(&[("upload_file_minidump", Some("a"), &dump), (name, None, value)]);
        let post = server.post().header("content-type", FORM).body(body);
        assert_refused(post.send().await.unwrap(), 400, "bad_value").await;
    }
    assert!(server.queued().await.is_empty());
}

#[tokio::test]
async fn forms_that_cannot_be_read() {
    let server = start().await;
    let dump = example();
    let whole = form(&[("upload_file_minidump", Some("a"), &dump)]);
    let twice =
        form(&[("upload_file_minidump", Some("a"), &dump), ("upload_file_minidump", Some("b"), &dump)]);
    let many = form(&vec![("x", None, b"x".as_slice()); 257]);
    let endless_header = [b"--XXBOUND\r\nContent-Disposition: ".as_slice(), &vec![b'a'; MIB]].concat();
    let no_first_boundary = vec![b'-'; MIB];
    let cases: &[(&[u8], &str)] = &[
        (b"", "bad_form"),
        (b"--XXBOUND--\r\n", "no_dump"),
        (&form(&[("file", Some("a.dmp"), &dump)]), "no_dump"),
        (&form(&[("upload_file_minidump", Some("a"), b"")]), "empty"),
        (&whole[..whole.len() - 20], "bad_form"),
        (&whole[..60], "bad_form"),
        (&twice, "bad_form"),
        (&many, "bad_form"),
        (&endless_header, "bad_form"),
        (&no_first_boundary, "bad_form"),
        (b"--XXBOUND\r\nnot a header\r\n\r\nx\r\n--XXBOUND--\r\n", "bad_form"),
    ];
    for (body, code) in cases {
        let post = server.post().header("content-type", FORM).body(body.to_vec());
        assert_refused(post.send().await.unwrap(), 400, code).await;
    }
    let zip = form(&[("upload_file_minidump", Some("a.zip"), b"PK\x03\x04")]);
    let post = server.post().header("content-type", FORM).body(zip);
    assert_refused(post.send().await.unwrap(), 422, "not_a_dump").await;
    let post = server.post().header("content-type", "multipart/form-data").body(whole);
    assert_refused(post.send().await.unwrap(), 400, "bad_form").await;
    assert!(server.queued().await.is_empty());
}

#[tokio::test]
async fn more_than_the_limit() {
    let server = start_with(IngestConfig { max_upload_bytes: MIB as u64, ..config() }, 64 * MIB as u64).await;
    let mut large = example();
    large.resize(MIB + 1, 0);
    let too_large = [
        server.post().body(large.clone()),
        server.post().body(gzip(&large)).header("content-encoding", "gzip"),
        server.post().body(zstd::encode_all(large.as_slice(), 1).unwrap()).header("content-encoding", "zstd"),
        server.post().body(form(&[("upload_file_minidump", Some("a"), &large)])).header("content-type", FORM),
        server
            .post()
            .body(form(&[("upload_file_minidump", Some("a"), &gzip(&large))]))
            .header("content-type", FORM),
        server.post().body(vec![0; 3 * MIB]),
    ];
    for post in too_large {
        assert_refused(post.send().await.unwrap(), 413, "too_large").await;
    }
    large.truncate(MIB);
    crash_id(server.post().body(large).send().await.unwrap()).await;
    // Ten gigabytes are refused by their announcement, and one who waits for leave to send gets none.
    for headers in ["", "Expect: 100-continue\r\n"] {
        let begin = Instant::now();
        let (status, json) = server.raw(&request(headers, 10_000_000_000u64, b""), false).await.unwrap();
        assert_eq!(status, 413);
        assert_error(&json, "too_large");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn bodies_that_come_too_slowly() {
    let limits = IngestConfig {
        idle_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(800),
        ..config()
    };
    let server = start_with(limits, 64 * MIB as u64).await;
    let dump = example();
    for headers in ["", "Content-Encoding: gzip\r\n", "Content-Type: multipart/form-data; boundary=XX\r\n"] {
        let (status, json) = server.raw(&request(headers, dump.len(), b""), false).await.unwrap();
        assert_eq!(status, 408, "{json}");
        assert_error(&json, "timeout");
    }
    // Never idle for long, and never done.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&request("", dump.len(), b"")).await.unwrap();
    let begin = Instant::now();
    let (mut reading, mut writing) = stream.into_split();
    let drip = tokio::spawn(async move {
        for byte in dump {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut text = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut text).await.ok();
    drip.abort();
    assert!(String::from_utf8_lossy(&text).starts_with("HTTP/1.1 408"), "{text:?}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    server.assert_up().await;
}

#[tokio::test]
async fn bodies_that_end_too_early() {
    let server = start().await;
    let dump = example();
    for cut in [0, 1, 100, 8192, dump.len() - 1] {
        let (status, json) = server.raw(&request("", dump.len(), &dump[..cut]), true).await.unwrap();
        assert_eq!(status, 400, "{json}");
        assert_error(&json, "incomplete_body");
    }
    let chunked =
        b"POST /v1/crashes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nPAGED\r\nzz";
    let (status, json) = server.raw(chunked, true).await.unwrap();
    assert_eq!(status, 400);
    assert_error(&json, "incomplete_body");
    for (encoding, whole) in [("gzip", gzip(&dump)), ("zstd", zstd::encode_all(dump.as_slice(), 1).unwrap())]
    {
        for body in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], &whole[..5]] {
            let post = server.post().header("content-encoding", encoding).body(body.to_vec());
            assert_refused(post.send().await.unwrap(), 400, "bad_encoding").await;
        }
        let with_garbage = [whole.as_slice(), b"garbage"].concat();
        let post = server.post().header("content-encoding", encoding).body(with_garbage);
        assert_refused(post.send().await.unwrap(), 400, "bad_encoding").await;
        let post = server.post().header("content-encoding", encoding).body(dump.clone());
        assert_refused(post.send().await.unwrap(), 400, "bad_encoding").await;
    }
    assert!(server.queued().await.is_empty());
}

#[tokio::test]
async fn a_full_queue_asks_to_come_again() {
    let server = start_with(config(), 100 * 1024).await;
    let mut accepted = 0u64;
    let refused = loop {
        let response = server.post().body(example()).send().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        accepted += 1;
    };
    assert!(accepted > 0);
    assert_refused(refused, 503, "queue_full").await;
    assert_eq!(server.queue.state().await.unwrap().accepted, accepted);

    // One that went to the blob store first leaves nothing there when not even its key fits.
    let server = start_with(config(), 100).await;
    let large = [example(), incompressible(2 * MIB)].concat();
    assert_refused(server.post().body(large).send().await.unwrap(), 503, "queue_full").await;
    assert!(server.metrics().contains("ingest_spilled_total 1"));
    assert_eq!(server.blobs.size().await.unwrap(), 0);
}

#[tokio::test]
async fn a_queue_that_is_away_asks_to_come_again() {
    let server = start().await;
    server.queue.clone().close().await;
    assert_refused(server.post().body(example()).send().await.unwrap(), 503, "unavailable").await;
    assert!(server.metrics().contains("ingest_uploads_total{outcome=\"unavailable\"} 1"));
}

#[tokio::test]
async fn more_at_once_than_memory_allows() {
    let limits =
        IngestConfig { max_in_flight_bytes: 3 * MIB, admission_wait: Duration::from_millis(100), ..config() };
    let server = start_with(limits, 64 * MIB as u64).await;
    // One upload that takes its time holds its share (of a form: the whole worst case).
    let body = form(&[("upload_file_minidump", Some("a"), &example())]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("Content-Type: {FORM}\r\n");
    stream.write_all(&request(&head, body.len(), &body[..1000])).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.metrics().contains("ingest_under_way 1") {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    let post = server.post().header("content-type", FORM).body(body.clone());
    assert_refused(post.send().await.unwrap(), 503, "busy").await;
    stream.write_all(&body[1000..]).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().0, 200);
    crash_id(server.post().header("content-type", FORM).body(body).send().await.unwrap()).await;
    assert!(server.metrics().contains("ingest_held_bytes 0"), "{}", server.metrics());
    assert_eq!(server.queue.state().await.unwrap().accepted, 2);
}

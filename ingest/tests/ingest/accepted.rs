//! What is taken, and what of it reaches the queue.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use bytes::Bytes;
use dump::synth::{SmallDump, UserDump, user_minidump};
use futures_util::stream;
use ingest::IngestConfig;
use reqwest::Body;
use storage::message::Content;

use crate::server::{
    FORM, MIB, assert_refused, config, crash_id, example, form, gunzip, gzip, incompressible, start,
    start_with, token,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_crash_has_one_id_however_it_is_sent() {
    let server = start().await;
    let dump = example();
    let zstd = zstd::encode_all(dump.as_slice(), 3).unwrap();
    let two_members = [gzip(&dump[..5000]), gzip(&dump[5000..])].concat();
    let as_form = form(&[("upload_file_minidump", Some("a.dmp"), &dump)]);
    let as_form_gzip_part = form(&[("upload_file_minidump", Some("a.dmp.gz"), &gzip(&dump))]);
    let chunks: Vec<io::Result<Bytes>> = dump.chunks(777).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    assert_eq!(gunzip(&gzip(&dump)), dump);
    let requests = [
        server.post().body(dump.clone()),
        server.post().body(dump.clone()).header("content-type", "application/octet-stream"),
        server.post().body(dump.clone()).header("content-type", "application/x-www-form-urlencoded"),
        server.post().body(dump.clone()).header("content-encoding", "identity"),
        server.post().body(gzip(&dump)).header("content-encoding", "gzip"),
        server.post().body(two_members).header("content-encoding", "X-GZip"),
        server.post().body(zstd).header("content-encoding", "zstd"),
        server.post().body(Body::wrap_stream(stream::iter(chunks))),
        server.post().body(as_form.clone()).header("content-type", FORM),
        server.post().body(gzip(&as_form)).header("content-type", FORM).header("content-encoding", "gzip"),
        server.post().body(as_form_gzip_part).header("content-type", FORM),
    ];
    let count = requests.len();
    let mut ids = BTreeSet::new();
    for request in requests {
        ids.insert(crash_id(request.send().await.unwrap()).await);
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    let queued = server.queued().await;
    assert_eq!(queued.len(), count);
    for message in &queued {
        assert_eq!(message.meta.crash_id.to_string(), *ids.first().unwrap());
        assert_eq!(message.meta.content, Content::Inline);
        assert_eq!(message.meta.raw_len, dump.len() as u64);
        assert_eq!(server.dump_of(message).await, dump);
    }
    let other = SmallDump { system_time: SmallDump::example().system_time + 1, ..SmallDump::example() };
    let other = crash_id(server.post().body(other.to_bytes()).send().await.unwrap()).await;
    assert!(!ids.contains(&other));
}

#[tokio::test]
async fn a_form_is_answered_as_its_sender_expects() {
    let server = start().await;
    let body = form(&[("upload_file_minidump", Some("a.dmp"), &example())]);
    let post = || server.post().header("content-type", FORM).body(body.clone());
    let text = post().send().await.unwrap().text().await.unwrap();
    assert!(text.ends_with('\n') && text.len() == 48, "{text:?}");
    let json = post().header("accept", "application/json").send().await.unwrap().text().await.unwrap();
    let id = text.strip_prefix("CrashID=bp-").unwrap().trim_end();
    assert_eq!(json, format!("{{\"crash_id\":\"{id}\"}}"));
}

#[tokio::test]
async fn who_crashed_is_told_by_headers_and_fields() {
    let server = start().await;
    let dump = example();
    let named = server
        .post()
        .header("x-bluescope-machine", " POS-42 ")
        .header("x-bluescope-ring", "broad")
        .header("x-bluescope-site", "Z\u{fc}rich".as_bytes())
        .header("x-bluescope-tag-Shift", "night")
        .header("x-bluescope-tag-empty", "")
        .body(dump.clone());
    crash_id(named.send().await.unwrap()).await;

    let many: Vec<String> = (0..50).map(|i| format!("annotation{i}")).collect();
    let long = "\u{e4}".repeat(5000);
    let mut parts: Vec<(&str, Option<&str>, &[u8])> = vec![
        ("guid", None, b"6e6a3f0c-1111"),
        ("prod", None, b"till"),
        ("ver", None, b"7.2"),
        ("ring", None, b"early"),
        ("ring", None, b"late"),
        ("log", Some("log.txt"), b"an attachment"),
        ("upload_file_minidump", Some("a.dmp"), &dump),
        ("lines", None, b"one\ntwo"),
        ("long", None, long.as_bytes()),
    ];
    parts.extend(many.iter().map(|name| (name.as_str(), None, b"x".as_slice())));
    let body = form(&parts);
    for machine in [None, Some("HDR")] {
        let mut post = server.post().header("content-type", FORM).body(body.clone());
        if let Some(machine) = machine {
            post = post.header("x-bluescope-machine", machine).header("x-bluescope-tag-prod", "header");
        }
        crash_id(post.send().await.unwrap()).await;
    }
    crash_id(server.post().body(dump.clone()).send().await.unwrap()).await;

    let metas: Vec<_> = server.queued().await.into_iter().map(|message| message.meta).collect();
    let [named, by_form, by_both, nameless] = metas.as_slice() else { panic!("{} queued", metas.len()) };
    assert_eq!((&*named.machine, &*named.ring, &*named.site), ("POS-42", "broad", "Z\u{fc}rich"));
    assert_eq!(named.tags, [("shift".to_owned(), "night".to_owned())].into());
    assert_eq!((&*by_form.machine, &*by_form.ring, &*by_form.site), ("6e6a3f0c-1111", "early", ""));
    assert_eq!(by_form.tags.len(), 32);
    assert_eq!(
        (&*by_form.tags["prod"], &*by_form.tags["ver"], &*by_form.tags["lines"]),
        ("till", "7.2", "one two")
    );
    assert_eq!(by_form.tags["long"], "\u{e4}".repeat(128));
    assert_eq!((&*by_both.machine, &*by_both.tags["prod"]), ("HDR", "header"));
    assert_eq!(nameless.machine, "addr-127.0.0.1");
    assert_eq!(nameless.tenant, "");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!((now - 60_000..=now).contains(&nameless.received_at_ms));
    assert!(server.metrics().contains("ingest_dropped_tags_total 44"), "{}", server.metrics());
}

#[tokio::test]
async fn a_large_dump_goes_to_the_blob_store() {
    let server = start().await;
    // What does not compress: 3 MiB stay 3 MiB.
    let mut dump = example();
    dump.extend(incompressible(3 * MIB));
    let sent = [
        server.post().body(dump.clone()),
        server.post().body(form(&[("upload_file_minidump", Some("a"), &dump)])).header("content-type", FORM),
    ];
    for post in sent {
        crash_id(post.send().await.unwrap()).await;
    }
    let queued = server.queued().await;
    assert_eq!(queued.len(), 2);
    for message in &queued {
        let Content::Blob(key) = &message.meta.content else { panic!("{:?}", message.meta) };
        assert!(key.starts_with(&format!("spool/{}/", message.meta.crash_id)));
        assert!(message.value.is_empty());
        assert_eq!(message.meta.raw_len, dump.len() as u64);
        assert_eq!(server.dump_of(message).await, dump);
    }
    assert!(server.metrics().contains("ingest_spilled_total 2"));
}

#[tokio::test]
async fn an_inline_limit_above_the_queues_own_is_survived() {
    let server = start_with(
        IngestConfig { max_inline_bytes: 100 * MIB, max_upload_bytes: 100 * MIB as u64, ..config() },
        512 * MIB as u64,
    )
    .await;
    let mut dump = example();
    dump.extend(incompressible(65 * MIB));
    crash_id(server.post().body(dump.clone()).send().await.unwrap()).await;
    let queued = server.queued().await;
    assert!(matches!(queued[0].meta.content, Content::Blob(_)));
    assert!(server.dump_of(&queued[0]).await == dump);
}

#[tokio::test]
async fn dumps_of_processes_are_taken() {
    let server = start().await;
    let dump = user_minidump(&UserDump::example());
    let first = crash_id(server.post().body(dump.clone()).send().await.unwrap()).await;
    let second = crash_id(server.post().body(dump).send().await.unwrap()).await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn tokens_tell_the_tenant() {
    let tokens = vec![token("secret-a", "alpha"), token("secret-b", "beta")];
    let server = start_with(IngestConfig { tokens, ..config() }, 64 * MIB as u64).await;
    let by_query = |token: &str| {
        server.client.post(format!("http://{}/v1/crashes?x=1&token={token}", server.address)).body(example())
    };
    crash_id(server.post().bearer_auth("secret-b").body(example()).send().await.unwrap()).await;
    crash_id(server.post().header("authorization", "bEARER  secret-a").body(example()).send().await.unwrap())
        .await;
    crash_id(by_query("secret-a").send().await.unwrap()).await;
    let tenants: Vec<String> = server.queued().await.into_iter().map(|message| message.meta.tenant).collect();
    assert_eq!(tenants, ["beta", "alpha", "alpha"]);

    let wrong = [
        server.post(),
        server.post().bearer_auth("secret-c"),
        server.post().bearer_auth(""),
        server.post().bearer_auth("secret-a secret-b"),
        server.post().basic_auth("secret-a", Some("secret-a")),
        server.post().header("authorization", "secret-a"),
        server.post().header("authorization", b"Bearer \xff".as_slice()),
        by_query(""),
        by_query("secret"),
        by_query("%ff"),
    ];
    for post in wrong {
        let response = post.body(example()).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_refused(response, 401, "unauthorized").await;
    }
    assert_eq!(server.queued().await.len(), 3);
}

/// Real dumps, where they are at hand: each is taken, under the id that its first bytes give it.
#[tokio::test(flavor = "multi_thread")]
async fn real_dumps_are_taken() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    if !samples.is_dir() {
        println!("skipped: no samples of real dumps in {}", samples.display());
        return;
    }
    let server = start().await;
    let mut taken = 0;
    for kind in ["kernel", "user"] {
        for entry in std::fs::read_dir(samples.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "dmp") {
                continue;
            }
            let dump = std::fs::read(&path).unwrap();
            let post = server.post().header("content-encoding", "gzip").body(gzip(&dump));
            let id = crash_id(post.send().await.unwrap()).await;
            let digest = blake3::hash(&dump);
            let expected = dump::identify(&dump, digest.as_bytes(), dump.len() as u64).unwrap();
            assert_eq!(id, expected.id.to_string(), "{}", path.display());
            taken += 1;
        }
    }
    assert!(taken > 0, "no dumps in {}", samples.display());
    let queued = server.queued().await;
    assert_eq!(queued.len(), taken);
    for message in &queued {
        assert_eq!(server.dump_of(message).await.len() as u64, message.meta.raw_len);
    }
}

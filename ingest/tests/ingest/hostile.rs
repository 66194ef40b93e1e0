//! Hundreds of inputs that nobody sends by accident: each gets a clear answer, and the service stays up.

use std::io::Read as _;

use dump::synth::{hash, noise};

use crate::server::{FORM, MIB, assert_refused, example, form, gzip, request, start};

/// A clear refusal: a 4xx with a code.
fn is_clear(answer: &Option<(u16, serde_json::Value)>) -> bool {
    answer.as_ref().is_some_and(|(status, json)| {
        let error = &json["error"];
        (400..500).contains(status) && error["code"].is_string() && error["message"].is_string()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bodies() {
    let server = start().await;
    let dump = example();
    for seed in 0..120u64 {
        let mut body = noise(seed, (hash(seed) % 20_000) as usize);
        // Some with a beginning that leads further in.
        match seed % 6 {
            0 => body.splice(..body.len().min(8), *b"PAGEDU64").count(),
            1 => body.splice(..body.len().min(8), *b"PAGEDUMP").count(),
            2 => body.splice(..body.len().min(4), *b"MDMP").count(),
            3 => body.splice(..body.len().min(2), *b"\x1f\x8b").count(),
            4 => body.splice(..body.len().min(4), *b"\x28\xb5\x2f\xfd").count(),
            _ => 0,
        };
        for headers in ["", "Content-Encoding: gzip\r\n", "Content-Encoding: zstd\r\n"] {
            let answer = server.raw(&request(headers, body.len(), &body), false).await;
            // A kernel header full of noise is still a header: such a crash is counted, and the analyzer says what is
            // wrong with it.
            let may_pass = headers.is_empty() && seed % 6 < 3;
            let passed = matches!(&answer, Some((200, _)));
            assert!(is_clear(&answer) || may_pass && passed, "seed {seed} {headers:?}: {answer:?}");
        }
        let as_form =
            form(&[("upload_file_minidump", Some("x"), &body[..body.len() / 2]), ("x", None, &body)]);
        let head = format!("Content-Type: {FORM}\r\n");
        let answer = server.raw(&request(&head, as_form.len(), &as_form), false).await;
        assert!(is_clear(&answer), "form, seed {seed}: {answer:?}");
    }
    for cut in (0..0x1000).step_by(64) {
        let answer = server.raw(&request("", cut, &dump[..cut]), false).await;
        assert!(is_clear(&answer), "cut at {cut}: {answer:?}");
    }
    server.assert_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_dumps_with_a_flipped_byte() {
    let server = start().await;
    let dump = example();
    let zstd = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        std::io::Write::write_all(&mut encoder, &dump).unwrap();
        encoder.finish().unwrap()
    };
    let mut harmless = 0;
    for (encoding, whole) in [("gzip", gzip(&dump)), ("zstd", zstd)] {
        for i in 0..60usize {
            // Behind gzip's header, whose fields nobody checks.
            let at = 10 + hash(i as u64) as usize % (whole.len() - 10);
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (i % 8);
            // A copy from further back, where the same bytes stand, is another way to say the same.
            let is_harmless = inflated(encoding, &flipped).is_some_and(|bytes| bytes == dump);
            let post = server.post().header("content-encoding", encoding).body(flipped);
            let status = post.send().await.unwrap().status();
            assert_eq!(status.is_client_error(), !is_harmless, "{encoding} at {at}: {status}");
            harmless += usize::from(is_harmless);
        }
    }
    assert!(harmless < 10);
    assert_eq!(server.queued().await.len(), harmless);
    server.assert_up().await;
}

fn inflated(encoding: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    if encoding == "zstd" {
        return zstd::decode_all(bytes).ok();
    }
    let mut inflated = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut inflated).ok()?;
    Some(inflated)
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs() {
    let server = start().await;
    let mut zeros = example();
    zeros.truncate(0x2000);
    zeros.resize(30 * MIB, 0);
    let mut gz = zeros.clone();
    for _ in 0..2 {
        gz = gzip(&gz);
    }
    let zstd = zstd::encode_all(zeros.as_slice(), 19).unwrap();
    assert!(zstd.len() < 100_000);
    let bombs = [
        server.post().header("content-encoding", "zstd").body(zstd.clone()),
        server.post().header("content-encoding", "gzip").body(gzip(&zeros)),
        server.post().header("content-type", FORM).body(form(&[(
            "upload_file_minidump",
            Some("x"),
            &gzip(&zeros),
        )])),
        // Inside a form inside gzip, in a part nobody reads.
        server.post().header("content-type", FORM).header("content-encoding", "gzip").body(gzip(&form(&[(
            "attachment",
            Some("x"),
            &zeros,
        )]))),
    ];
    for post in bombs {
        assert_refused(post.send().await.unwrap(), 413, "inflates_too_much").await;
    }
    // Twice compressed is not a dump.
    let post = server.post().header("content-encoding", "gzip").body(gz);
    assert_refused(post.send().await.unwrap(), 422, "not_a_dump").await;
    // A frame that asks for a window of 1 GiB.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
    let post = server.post().header("content-encoding", "zstd").body(window.to_vec());
    assert_refused(post.send().await.unwrap(), 400, "bad_encoding").await;
    assert!(server.queued().await.is_empty());
    server.assert_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_lie() {
    let server = start().await;
    let dump = example();
    let heads = [
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length: 10\r\nContent-Length: 20\r\n",
        "Content-Length: ten\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
        "No colon here\r\n",
    ];
    for head in heads {
        let bytes =
            [format!("POST /v1/crashes HTTP/1.1\r\nHost: x\r\n{head}\r\n").as_bytes(), &dump].concat();
        // The HTTP server itself answers most of these, without a body of ours.
        if let Some((status, _)) = server.raw(&bytes, true).await {
            assert!((400..500).contains(&status), "{head:?}: {status}");
        }
    }
    // More than was announced: the rest is the next request, and none.
    let bytes = request("", 100, &dump);
    assert!(is_clear(&server.raw(&bytes, true).await));
    // A hundred that hang up in the middle.
    for i in 0..100usize {
        let bytes = request("", dump.len(), &dump[..i * 100]);
        drop(server.raw(&bytes, true).await);
    }
    server.assert_up().await;
    assert!(server.metrics().contains("ingest_under_way 0"), "{}", server.metrics());
}

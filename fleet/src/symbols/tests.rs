//! Files against the stand-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use super::{Filed, Pushed, Pusher, Receipt, looks_useful};
use crate::stand_in::{Manners, StandIn};

async fn push(manners: Manners, name: &str, content: &[u8]) -> (anyhow::Result<Pushed>, u64) {
    let server = StandIn::start(manners).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a & b.pdb"), content).unwrap();
    let pusher = Pusher::new(&server.url, Some("secret")).unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&sent);
    let pushed =
        pusher.push(&folder.path().join(name), move |gone| told.store(gone, Ordering::Relaxed)).await;
    (pushed, sent.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_file_arrives_whole_under_its_name_however_busy_the_server_is() {
    let manners = Manners { busy: 2, token: Some("secret"), ..Manners::default() };
    let content = vec![7; 300_000];
    let (pushed, sent) = push(manners, "a & b.pdb", &content).await;
    let filed = Filed { id: "a & b.pdb".to_owned(), kind: "pdb".to_owned(), bytes: 300_000 };
    assert_eq!(pushed.unwrap(), Pushed::Filed(Receipt { files: vec![filed], refused: Vec::new() }));
    assert_eq!(sent, 300_000);
}

#[tokio::test]
async fn refusals_and_missing_files_say_so() {
    let manners = Manners { refuses: Some(StatusCode::UNPROCESSABLE_ENTITY), ..Manners::default() };
    let (pushed, _) = push(manners, "a & b.pdb", b"x").await;
    assert_eq!(pushed.unwrap(), Pushed::Refused("422 Unprocessable Entity".to_owned()));
    let (pushed, sent) = push(Manners::default(), "none.pdb", b"x").await;
    assert!(pushed.unwrap_err().to_string().contains("none.pdb"));
    assert_eq!(sent, 0);
}

#[tokio::test]
async fn missing_files_are_asked_for_page_by_page() {
    let server = StandIn::start(Manners::default()).await;
    let pusher = Pusher::new(&server.url, None).unwrap();
    let all = pusher.missing(10_000).await.unwrap();
    let ids: Vec<&str> = all.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(ids, ["a&b.pdb/1", "c d.sys/2", "e.pdb/3"]);
    assert_eq!(pusher.missing(1).await.unwrap(), all[..1]);
}

#[test]
fn files_are_known_by_their_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    let useful = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        looks_useful(&file).unwrap()
    };
    assert!(useful(b"MZ\x90") && useful(b"Microsoft C/C++ MSF 7.00\r\n\x1aDS") && useful(b"PK\x03\x04"));
    assert!(!useful(b"") && !useful(b"M") && !useful(b"hello") && !useful(b"\x7fELF"));
}

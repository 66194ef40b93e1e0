//! Real files against the stand-in.

use axum::http::StatusCode;
use dump::synth::SmallDump;

use super::{Sender, Sent};
use crate::stand_in::{Manners, StandIn};

async fn send(manners: Manners, name: &str) -> (anyhow::Result<Sent>, StandIn) {
    let server = StandIn::start(manners).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mini.dmp"), SmallDump::example().to_bytes()).unwrap();
    let sender = Sender::new(&server.url, None, Some("laptop-42".into())).unwrap();
    (sender.send(&folder.path().join(name)).await, server)
}

#[tokio::test]
async fn a_file_becomes_a_crash_of_its_machine() {
    let (sent, server) = send(Manners { busy: 2, ..Manners::default() }, "mini.dmp").await;
    let seen = server.seen();
    let id = seen.crashes.iter().next().unwrap().clone();
    assert_eq!(sent.unwrap(), Sent::Accepted(id));
    assert!(seen.machines.contains("laptop-42"));
}

#[tokio::test]
async fn refusals_and_missing_files_say_so() {
    let (sent, _server) =
        send(Manners { refuses: Some(StatusCode::FORBIDDEN), ..Manners::default() }, "mini.dmp").await;
    assert_eq!(sent.unwrap(), Sent::Rejected("403 Forbidden".into()));
    let (sent, server) = send(Manners::default(), "missing.dmp").await;
    assert!(sent.unwrap_err().to_string().contains("missing.dmp"));
    assert_eq!(server.seen().uploads, 0);
}

//! The receiver against requests as a sender makes them.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use standardwebhooks::Webhook;
use tokio_util::sync::CancellationToken;

use super::{DEMO_SECRET, Receiver, ReceiverConfig, run};
use crate::clock::now_ms;

const BODY: &str = r#"{"type":"incident.opened","data":{"driver":"csagent.sys"}}"#;

fn config(listen: &str) -> ReceiverConfig {
    ReceiverConfig { listen: listen.parse().unwrap(), secret: DEMO_SECRET.into() }
}

async fn start() -> Receiver {
    Receiver::start(&config("127.0.0.1:0")).await.unwrap()
}

async fn post(address: SocketAddr, secret: &str, id: &str, body: &str) -> u16 {
    let client = crate::client::Client::new("http://unused", None, 1).unwrap();
    let seconds = now_ms() / 1000;
    let signature = Webhook::new(secret).unwrap().sign(id, seconds, BODY.as_bytes()).unwrap();
    let request = client
        .http()
        .post(format!("http://{address}/hooks/any"))
        .timeout(Duration::from_secs(5))
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature)
        .body(body.to_owned());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_signed_notification_is_remembered_and_a_repetition_known() {
    let receiver = start().await;
    let before = now_ms();
    assert_eq!(post(receiver.address(), DEMO_SECRET, "msg_1", BODY).await, 204);
    assert_eq!(post(receiver.address(), DEMO_SECRET, "msg_1", BODY).await, 204);
    let arrivals = receiver.arrivals();
    assert_eq!(arrivals.iter().map(|arrival| arrival.repeated).collect::<Vec<_>>(), [false, true]);
    assert_eq!((arrivals[0].kind(), arrivals[0].driver()), ("incident.opened", "csagent.sys"));
    assert!((before..=now_ms()).contains(&arrivals[0].at_ms));
    assert_eq!(receiver.next().await, arrivals[0]);
    assert_eq!(receiver.next().await, arrivals[1]);
    receiver.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_signed_by_us_is_refused() {
    let receiver = start().await;
    assert_eq!(post(receiver.address(), "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "msg_1", BODY).await, 401);
    assert_eq!(post(receiver.address(), DEMO_SECRET, "msg_2", "{}").await, 401);
    assert_eq!(receiver.refused(), 2);
    assert!(receiver.arrivals().is_empty());
    receiver.stop().await.unwrap();
}

#[tokio::test]
async fn it_shows_what_comes_until_it_is_stopped() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stop = CancellationToken::new();
    let sender = tokio::spawn(async move {
        // refused while it is not yet listening
        let client = crate::client::Client::new("http://unused", None, 1).unwrap();
        while client.http().get(format!("http://{address}/")).send().await.is_err() {
            tokio::task::yield_now().await;
        }
        post(address, DEMO_SECRET, "msg_1", BODY).await
    });
    let mut shown = Vec::new();
    let (config, stopped) = (config(&address.to_string()), stop.clone());
    let receiving = run(&config, stopped, |arrival| {
        shown.push(arrival.to_string());
        stop.cancel();
    });
    tokio::time::timeout(Duration::from_secs(30), receiving).await.unwrap().unwrap();
    assert_eq!(sender.await.unwrap(), 204);
    assert_eq!(shown, ["incident.opened msg_1 \"\""]);
}

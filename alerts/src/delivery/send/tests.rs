//! How answers are judged, and which addresses are refused.

use super::super::samples::{SECRET, target};
use super::*;

fn hook(url: &str) -> Target {
    Target { allow_private: false, ..target("hook", TargetKind::Webhook { secret: SECRET.into() }, url) }
}

fn courier() -> Courier {
    // Another test of this process may have installed it.
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    Courier::new(Duration::from_secs(5)).unwrap()
}

#[test]
fn answers_are_judged() {
    let hook = TargetKind::Webhook { secret: SECRET.into() };
    let retry = |kind: &TargetKind, status: u16, after: Option<&str>| {
        judge(kind, StatusCode::from_u16(status).unwrap(), after, 946_684_700_000)
    };
    for status in [200, 202, 204] {
        assert_eq!(retry(&hook, status, None), Ok(()));
    }
    for status in [301, 307, 410] {
        assert_eq!(retry(&hook, status, Some("5")), Err(Retry::Never), "{status}");
    }
    for status in [400, 401, 404, 408, 413, 422, 425, 500, 502, 503] {
        assert_eq!(retry(&hook, status, None), Err(Retry::Later), "{status}");
    }
    for status in [400, 413] {
        assert_eq!(retry(&TargetKind::Slack, status, None), Err(Retry::Few), "{status}");
    }
    assert_eq!(retry(&TargetKind::Slack, 404, None), Err(Retry::Later));
    let after = |seconds| Err(Retry::After(Duration::from_secs(seconds)));
    assert_eq!(retry(&hook, 429, None), after(1));
    assert_eq!(retry(&hook, 429, Some("7")), after(7));
    assert_eq!(retry(&hook, 503, Some("999999999")), after(600));
    assert_eq!(retry(&hook, 503, Some("Sat, 01 Jan 2000 00:00:00 GMT")), after(100));
    assert_eq!(retry(&hook, 503, Some("Fri, 31 Dec 1999 23:00:00 GMT")), Err(Retry::Later));
    assert_eq!(retry(&hook, 503, Some("soon")), Err(Retry::Later));
}

#[tokio::test]
async fn inner_addresses_are_refused_however_they_are_written() {
    let courier = courier();
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]:80/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:9/",
        "https://192.168.1.1/",
        "http://0.0.0.0/",
    ] {
        let failure = courier.send(&hook(url), "id", "{}", 0).await.unwrap_err();
        assert_eq!(failure.retry, Retry::Never, "{url}: {}", failure.reason);
        assert!(failure.reason.contains("allow_private"), "{url}: {}", failure.reason);
    }
}

#[tokio::test]
async fn where_it_is_allowed_an_inner_address_is_merely_not_there() {
    let courier = courier();
    for url in ["http://127.0.0.1:1/", "http://localhost:1/"] {
        let allowed = Target { allow_private: true, ..hook(url) };
        let failure = courier.send(&allowed, "id", "{}", 0).await.unwrap_err();
        assert_eq!(failure.retry, Retry::Later, "{url}: {}", failure.reason);
        assert!(!failure.reason.contains("127.0.0.1:1/"), "no URL in a reason: {}", failure.reason);
    }
}

#[tokio::test]
async fn public_literals_pass_the_check() {
    assert_eq!(literal(&Url::parse("https://9.9.9.9/").unwrap(), false), Ok(()));
    assert!(literal(&Url::parse("https://10.0.0.1/").unwrap(), false).is_err());
    assert_eq!(literal(&Url::parse("https://10.0.0.1/").unwrap(), true), Ok(()));
}

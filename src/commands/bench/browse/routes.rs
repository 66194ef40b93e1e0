//! What is asked, and how fast it must be: one line a page. A page that is not there yet is said to be missing.

use std::time::Duration;

use super::Known;

/// An address, or a page and its API.
pub(super) struct Route {
    /// As it stands in the table.
    pub(super) name: &'static str,
    /// Address of the page.
    pub(super) page: String,
    /// Address of the same as JSON.
    pub(super) api: String,
    /// What one answer in twenty may exceed, where that was promised.
    pub(super) goal: Option<Duration>,
}

const PAGE: Option<Duration> = Some(Duration::from_millis(300));
const CRASH: Option<Duration> = Some(Duration::from_millis(50));
const SEARCH: Option<Duration> = Some(Duration::from_millis(800));

pub(super) fn all(known: &Known) -> Vec<Route> {
    let Known { busy, rare, incident, crash, machine, bucket } = known;
    let bucket = encode(bucket);
    let route = |name, goal, path: String| Route {
        name,
        page: path.clone(),
        api: format!(
            "/api/v1{}",
            if path.starts_with("/?") { path.replacen("/?", "/fleet?", 1) } else { path }
        ),
        goal,
    };
    vec![
        route("Fleet, 1 h", PAGE, "/?range=1h".to_owned()),
        route("Fleet, 24 h", PAGE, "/?range=24h".to_owned()),
        route("Fleet, 7 d", PAGE, "/?range=7d".to_owned()),
        route("Driver, busy, 24 h", PAGE, format!("/drivers/{busy}?range=24h")),
        route("Driver, busy, 7 d", PAGE, format!("/drivers/{busy}?range=7d")),
        route("Driver, rare, 7 d", PAGE, format!("/drivers/{rare}?range=7d")),
        route("Incidents", PAGE, "/incidents".to_owned()),
        route("Incident", PAGE, format!("/incidents/{incident}")),
        route("Bucket, 24 h", PAGE, format!("/buckets/{bucket}?range=24h")),
        route("Bucket, 7 d", PAGE, format!("/buckets/{bucket}?range=7d")),
        route("Crash", CRASH, format!("/crashes/{crash}")),
        route("Machine", None, format!("/machines/{machine}")),
        route("Search, all of 7 d", SEARCH, "/search?q=".to_owned()),
        route("Search, one driver", SEARCH, format!("/search?q=driver%3A{busy}")),
        route(
            "Search, a conjunction",
            SEARCH,
            format!("/search?q=driver%3A{busy}%20build%3A22631%20-ring%3Acanary"),
        ),
        route("Status", None, "/status".to_owned()),
    ]
}

/// As one segment of a path.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn a_bucket_is_one_segment() {
        assert_eq!(encode("AV_W_NULL_kvm4242!unknown/é"), "AV_W_NULL_kvm4242%21unknown%2F%C3%A9");
    }
}

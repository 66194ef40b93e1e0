//! Asks addresses as a browser would, compressed, and takes the time until the last byte.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::StatusCode;
use serde_json::Value;

use super::super::process::Usage;
use super::figures::Measured;
use super::routes::Route;

/// The fleet page is kept for a second: asked again before, it costs nothing and says nothing.
const KEPT: Duration = Duration::from_millis(1_100);
/// A page that takes longer is no page.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plain client of one service. It does not inflate: what it counts is what went over the wire.
pub(super) struct Browser {
    http: reqwest::Client,
    url: String,
    /// The service's process: what it spends on an answer tells on a busy machine too.
    process: u32,
}

/// One answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) took: Duration,
    pub(super) body: Vec<u8>,
}

impl Browser {
    pub(super) fn new(url: &str, process: u32) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_gzip().build()?;
        Ok(Self { http, url: url.to_owned(), process })
    }

    async fn send(&self, path: &str, encoding: &str) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        let request = self.http.get(format!("{}{path}", self.url)).header("accept-encoding", encoding);
        let response = request.send().await.with_context(|| format!("cannot ask for {path}"))?;
        let status = response.status();
        let body = response.bytes().await.with_context(|| format!("{path} broke off"))?.to_vec();
        Ok(Answer { status, took: begun.elapsed(), body })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(path, "gzip").await
    }

    pub(super) async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send(path, "identity").await?;
        anyhow::ensure!(answer.status.is_success(), "{path}: {}", answer.status);
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Bytes of a page with what it links, compressed. Each is fetched once by a browser that has nothing kept.
    async fn weight(&self, path: &str) -> anyhow::Result<usize> {
        let html = self.send(path, "identity").await?.body;
        let mut bytes = self.get(path).await?.body.len();
        for asset in assets(&String::from_utf8_lossy(&html)) {
            bytes += self.get(&asset).await?.body.len();
        }
        Ok(bytes)
    }
}

/// Style sheets, scripts, icons and pictures of ours that a page has a browser fetch.
fn assets(html: &str) -> BTreeSet<String> {
    let tags = html.split('<').filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag);
    let linked = tags.filter_map(|tag| {
        let attribute = match tag.split_whitespace().next()? {
            "link" => " href=\"",
            "script" | "img" => " src=\"",
            _ => return None,
        };
        let (_, value) = tag.split_once(attribute)?;
        Some(value.split_once('"')?.0.replace("&amp;", "&"))
    });
    linked.filter(|path| path.starts_with('/') && !path.starts_with("//")).collect()
}

/// Every route in turn, round after round, so that no answer is one that was kept from the round before.
pub(super) async fn measure(
    browser: &Browser,
    routes: &[Route],
    times: usize,
) -> anyhow::Result<Vec<Measured>> {
    let mut all = Vec::new();
    for route in routes {
        for (name, path, goal) in [
            (route.name.to_owned(), &route.page, route.goal),
            (format!("{}, API", route.name), &route.api, None),
        ] {
            all.push((path.clone(), Measured { name, goal, ..Measured::default() }));
        }
    }
    // Pages first, then the API: the two share what is kept.
    let (pages, apis): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(place, _)| place % 2 == 0);
    let mut halves = [pages, apis].map(|half| half.into_iter().map(|(_, one)| one).collect::<Vec<_>>());
    let bar = crate::terminal::bar(u64::try_from(times + 2)?, "asking")?;
    for round in 0..times + 2 {
        for half in &mut halves {
            let begun = Instant::now();
            for (path, measured) in half.iter_mut().filter(|(_, measured)| measured.missing.is_none()) {
                let before = Usage::of(browser.process)?.cpu_s;
                let answer = browser.get(path).await?;
                let spent = Usage::of(browser.process)?.cpu_s - before;
                if !answer.status.is_success() {
                    measured.missing = Some(answer.status.as_u16());
                    continue;
                }
                match round {
                    0 => measured.cold = answer.took,
                    1 => {}
                    _ => {
                        measured.times.push(answer.took);
                        measured.cpu_s += spent;
                    }
                }
            }
            tokio::time::sleep(KEPT.saturating_sub(begun.elapsed())).await;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let [pages, apis] = halves;
    let mut report = Vec::new();
    for ((path, mut page), (_, api)) in pages.into_iter().zip(apis) {
        if page.missing.is_none() {
            page.bytes = Some(browser.weight(&path).await?);
        }
        report.extend([page, api]);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::assets;

    #[test]
    fn what_a_page_links_is_found() {
        let html = "<!DOCTYPE html><html><head><link rel=\"stylesheet\" href=\"/style.css?v=1&amp;x\">\
                    <script defer src=\"/app.js\"></script><link rel=\"icon\" href=\"/favicon.svg\"></head>\
                    <body><a href=\"/status\">s</a><img src=\"https://elsewhere/x.png\" alt=\"\"></body></html>";
        let found: Vec<_> = assets(html).into_iter().collect();
        assert_eq!(found, ["/app.js", "/favicon.svg", "/style.css?v=1&x"]);
    }
}

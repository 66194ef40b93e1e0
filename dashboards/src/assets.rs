//! What a page loads beside itself, from the executable: the style sheet, the scripts, the icon. Each address carries a
//! hash of its content, so that browsers keep a file for good and never an old one.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::routes::Routes;

struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const SHEET: &str = "text/css; charset=utf-8";

static ASSETS: [Asset; 6] = [
    Asset { path: "/style.css", kind: SHEET, text: include_str!("../assets/style.css") },
    Asset { path: "/uplot.css", kind: SHEET, text: include_str!(concat!(env!("OUT_DIR"), "/uplot.css")) },
    Asset { path: "/htmx.js", kind: SCRIPT, text: include_str!(concat!(env!("OUT_DIR"), "/htmx.js")) },
    Asset { path: "/uplot.js", kind: SCRIPT, text: include_str!(concat!(env!("OUT_DIR"), "/uplot.js")) },
    Asset { path: "/app.js", kind: SCRIPT, text: include_str!("../assets/app.js") },
    Asset { path: "/favicon.svg", kind: "image/svg+xml", text: include_str!("../assets/favicon.svg") },
];

/// Addresses by kind, with their hashes, in the order in which they are loaded.
pub(crate) struct Loaded {
    pub(crate) sheets: Vec<String>,
    pub(crate) scripts: Vec<String>,
}

pub(crate) static LOADED: LazyLock<Loaded> = LazyLock::new(|| {
    let of = |kind| ASSETS.iter().filter(|asset| asset.kind == kind).map(address).collect();
    Loaded { sheets: of(SHEET), scripts: of(SCRIPT) }
});

/// Whether a path is one of them.
pub(crate) fn is(path: &str) -> bool {
    ASSETS.iter().any(|asset| asset.path == path)
}

fn address(asset: &Asset) -> String {
    let hash = blake3::hash(asset.text.as_bytes()).to_hex();
    format!("{}?v={}", asset.path, hash.get(..12).unwrap_or_default())
}

/// `GET` of each.
pub(crate) fn routes() -> Routes {
    ASSETS.iter().fold(Routes::default(), |routes, asset| {
        // Without its hash an address is somebody's bookmark, or a style sheet's own.
        let answer = move |uri: axum::http::Uri| async move {
            let keep = if uri.query().is_some_and(|query| query.starts_with("v=")) {
                "public, max-age=31536000, immutable"
            } else {
                "public, max-age=300"
            };
            ([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, keep)], asset.text).into_response()
        };
        routes.route(asset.path, get(answer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_a_hash() {
        let all: Vec<&String> = LOADED.sheets.iter().chain(&LOADED.scripts).collect();
        assert_eq!(all.len(), ASSETS.len() - 1);
        for address in all {
            let (_path, hash) = address.split_once("?v=").unwrap();
            assert!(hash.len() == 12 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{address}");
        }
    }
}

//! How to act on an incident. Pure.

use maud::{Markup, html};
use uuid::Uuid;

use crate::text;

pub(super) fn card(incident_id: Uuid, url: &str) -> Markup {
    let address = format!("{}/api/v1/incidents/{incident_id}", url.trim_end_matches('/'));
    let act = |act: &str, body: &str| {
        format!("curl -H 'Content-Type: application/json' -d '{body}' \\\n     {address}/{act}\n")
    };
    let all = [
        act("acknowledge", r#"{"by":"ada"}"#),
        act("mute", r#"{"by":"ada","for":"2h"}"#),
        act("unmute", r#"{"by":"ada"}"#),
        act("comment", r#"{"by":"ada","words":"rollback has begun"}"#),
        act("resolve", r#"{"by":"ada"}"#),
    ];
    html! {
        details.card {
            summary { h2 { "Acknowledge, mute, comment, resolve" } }
            p {
                "From this server itself, or with " code { "-H 'Authorization: Bearer …'" } " where "
                code { "server.acts_token" } " is configured. The step shows up here within seconds."
            }
            pre { code { @for one in &all { (lines(one)) "\n" } } }
        }
    }
}

/// The address is the operator's own, and still shown as any text is.
fn lines(text: &str) -> Markup {
    html! { @for line in text.lines() { (text::visible(line)) "\n" } }
}

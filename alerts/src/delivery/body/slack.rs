//! An incoming webhook of Slack. What comes from dumps stands in rich text only, where Slack reads no mark-up: a driver's
//! name can neither mention a channel nor draw a link.

use serde_json::{Value, json};

use super::fit;
use crate::delivery::plain::cut;
use crate::delivery::story::{Fact, Story};

/// Longest title of a message.
const LONGEST_TITLE: usize = 149;
/// What a message may hold is told in characters of text; this leaves room for the frame.
const LONGEST_BODY: usize = 30_000;

/// The message.
pub(in crate::delivery) fn body(story: &Story) -> Value {
    fit(LONGEST_BODY, &story.facts, |facts| message(story, facts))
}

fn message(story: &Story, facts: &[Fact]) -> Value {
    let mut lines = vec![text(&format!("{}\n", story.line), false)];
    for fact in facts {
        lines.push(text(&format!("{}  ", fact.label), true));
        lines.push(text(&format!("{}\n", fact.value), false));
    }
    lines.push(json!({ "type": "link", "url": story.link, "text": "Open in Bluescope" }));
    for link in &story.more {
        lines.push(text("\n", false));
        lines.push(json!({ "type": "link", "url": link.url, "text": link.text }));
    }
    json!({
        // What a phone's notification shows.
        "text": escape(&story.line),
        "mrkdwn": false,
        "blocks": [
            {
                "type": "header",
                "text": { "type": "plain_text", "text": cut(&story.title, LONGEST_TITLE), "emoji": false },
            },
            {
                "type": "rich_text",
                "elements": [{ "type": "rich_text_section", "elements": lines }],
            },
        ],
    })
}

fn text(words: &str, bold: bool) -> Value {
    match bold {
        true => json!({ "type": "text", "text": words, "style": { "bold": true } }),
        false => json!({ "type": "text", "text": words }),
    }
}

/// The three characters that Slack wants escaped; `<!channel>` would ring for everybody.
fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

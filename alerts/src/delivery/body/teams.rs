//! A workflow of Teams: a message with one adaptive card. What comes from dumps stands in text runs, where Teams reads
//! no mark-up.

use serde_json::{Value, json};

use super::fit;
use crate::delivery::plain::cut;
use crate::delivery::story::{Fact, Story};

/// What Teams accepts: 28 KB for the whole message. It drops larger ones after it has said that it took them.
const LONGEST_BODY: usize = 27_000;
/// Longest title.
const LONGEST_TITLE: usize = 150;
/// Longest line, so that the rest fits whatever its characters.
const LONGEST_LINE: usize = 1500;

/// The message.
pub(in crate::delivery) fn body(story: &Story) -> Value {
    fit(LONGEST_BODY, &story.facts, |facts| message(story, facts))
}

fn message(story: &Story, facts: &[Fact]) -> Value {
    let mut card = vec![
        text(vec![json!({
            "type": "TextRun", "text": cut(&story.title, LONGEST_TITLE), "weight": "Bolder", "size": "Large",
        })]),
        text(vec![run(&cut(&story.line, LONGEST_LINE))]),
    ];
    card.extend(facts.iter().map(|fact| {
        let label = json!({ "type": "TextRun", "text": format!("{}  ", fact.label), "weight": "Bolder" });
        text(vec![label, run(&fact.value)])
    }));
    let open = |title: &str, url: &str| json!({ "type": "Action.OpenUrl", "title": title, "url": url });
    let more = story.more.iter().map(|link| open(&link.text, &link.url));
    let actions: Vec<Value> = std::iter::once(open("Open in Bluescope", &story.link)).chain(more).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": { "width": "Full" },
                "fallbackText": cut(&story.line, LONGEST_LINE),
                "body": card,
                "actions": actions,
            },
        }],
    })
}

fn text(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

fn run(words: &str) -> Value {
    json!({ "type": "TextRun", "text": words })
}

//! What people did to an incident that its steps do not say: tickets, and what the alerts role has not taken yet. Pure.

use serde::{Deserialize, Serialize};
use storage::questions::ActRow;
use utoipa::ToSchema;

use super::record::Happened;
use crate::act::Kind;
use crate::link;

/// The alerts role takes an act within seconds; what is older than this had no effect.
const WAITS_MS: i64 = 120_000;
/// Two machines' clocks differ by no more.
const CLOCKS_MS: i64 = 10_000;
/// Tickets that are shown.
const MOST_TICKETS: usize = 10;

/// Where else it is worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Ticket {
    /// When somebody said so, ms since 1970.
    pub(crate) at_ms: i64,
    /// Who said so.
    pub(crate) by: String,
    /// An address or an id.
    pub(crate) ticket: String,
    /// The address, where it is one that may be followed.
    pub(crate) url: Option<String>,
}

/// What somebody did that is no step of the incident yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Waiting {
    /// When it was done, ms since 1970.
    pub(crate) at_ms: i64,
    /// Who did it.
    pub(crate) by: String,
    /// `acknowledge`, `resolve`, `mute`, `unmute`, `comment`.
    pub(crate) kind: String,
    /// What a comment says; else empty.
    pub(crate) words: String,
    /// Whether it will be one within seconds; else it is a comment that came after the end.
    pub(crate) soon: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    words: String,
    ticket: String,
}

fn detail(act: &ActRow) -> Detail {
    serde_json::from_str(&act.detail).unwrap_or_default()
}

/// Tickets, the newest first, each once.
pub(super) fn tickets(acts: &[ActRow]) -> Vec<Ticket> {
    let mut found: Vec<Ticket> = Vec::new();
    for act in acts.iter().rev().filter(|act| Kind::named(&act.kind) == Some(Kind::Ticket)) {
        let ticket = detail(act).ticket;
        if found.len() < MOST_TICKETS
            && !ticket.is_empty()
            && found.iter().all(|known| known.ticket != ticket)
        {
            let url = link::outside(&ticket).map(str::to_owned);
            found.push(Ticket { at_ms: act.at_ms, by: act.by.clone(), ticket, url });
        }
    }
    found
}

/// Acts without their step.
pub(super) fn waiting(acts: &[ActRow], events: &[Happened], now_ms: i64) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    for act in acts {
        let Some((kind, step)) = Kind::named(&act.kind).and_then(|kind| Some((kind, kind.step()?))) else {
            continue;
        };
        // What is said while something is done is in both rows, and is a comment of its own.
        let words = if kind == Kind::Comment { detail(act).words } else { String::new() };
        let is_its_step = |happened: &Happened| {
            happened.event.kind == step
                && happened.by == act.by
                && happened.event.at_ms.saturating_add(CLOCKS_MS) >= act.at_ms
                && (kind != Kind::Comment || happened.words == words)
        };
        let soon = now_ms.saturating_sub(act.at_ms) < WAITS_MS;
        if (soon || kind == Kind::Comment) && !events.iter().any(is_its_step) {
            let (by, kind) = (act.by.clone(), act.kind.clone());
            waiting.push(Waiting { at_ms: act.at_ms, by, kind, words, soon });
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use storage::questions::IncidentEvent;
    use uuid::Uuid;

    use super::*;

    const NOW_MS: i64 = 1_721_362_140_000;

    fn act(kind: &str, by: &str, ago_ms: i64, detail: &str) -> ActRow {
        ActRow {
            act_id: Uuid::nil(),
            incident_id: Uuid::nil(),
            at_ms: NOW_MS - ago_ms,
            by: by.to_owned(),
            kind: kind.to_owned(),
            detail: detail.to_owned(),
            written_at_ms: 0,
        }
    }

    fn step(kind: &str, by: &str, ago_ms: i64, words: &str) -> Happened {
        let detail = serde_json::json!({ "severity": "sev1", "by": by, "words": words }).to_string();
        Happened::of(&IncidentEvent {
            incident_id: Uuid::nil(),
            seq: 0,
            at_ms: NOW_MS - ago_ms,
            kind: kind.to_owned(),
            tenant: String::new(),
            driver: String::new(),
            detail,
        })
    }

    #[test]
    fn an_act_waits_until_it_is_a_step() {
        let acts = [
            act("acknowledge", "ada", 3_000, "{}"),
            act("comment", "ada", 3_000, r#"{"words":"on it"}"#),
            act("mute", "bob", 300_000, r#"{"until_ms":1}"#),
            act("comment", "bob", 9_000_000, r#"{"words":"it was the cache"}"#),
            act("ticket", "bob", 3_000, r#"{"ticket":"OPS-1"}"#),
            act("praise", "bob", 3_000, "not JSON"),
        ];
        let kinds = |events: &[Happened]| -> Vec<(String, bool)> {
            waiting(&acts, events, NOW_MS).into_iter().map(|one| (one.kind, one.soon)).collect()
        };
        let comment = |soon| ("comment".to_owned(), soon);
        let acknowledge = || ("acknowledge".to_owned(), true);
        assert_eq!(kinds(&[]), [acknowledge(), comment(true), comment(false)]);
        let taken = step("acknowledged", "ada", 1_000, "");
        assert_eq!(kinds(&[taken]), [comment(true), comment(false)]);
        let others = [step("acknowledged", "bob", 1_000, ""), step("acknowledged", "ada", 60_000, "")];
        assert_eq!(kinds(&others).len(), 3, "somebody else's, and an earlier one, are not it");
        assert_eq!(kinds(&[step("commented", "ada", 1_000, "on it")]), [acknowledge(), comment(false)]);
    }

    #[test]
    fn tickets_are_links_where_they_are_addresses() {
        let acts = [
            act("ticket", "ada", 9_000, r#"{"ticket":"OPS-1"}"#),
            act("ticket", "bob", 8_000, r#"{"ticket":"https://jira.example/OPS-1"}"#),
            act("ticket", "bob", 7_000, r#"{"ticket":"OPS-1"}"#),
            act("ticket", "bob", 6_000, r#"{"ticket":"javascript:alert(1)"}"#),
            act("ticket", "bob", 5_000, r#"{"ticket":""}"#),
        ];
        let found = tickets(&acts);
        let shown: Vec<(&str, Option<&str>)> =
            found.iter().map(|one| (one.ticket.as_str(), one.url.as_deref())).collect();
        let url = "https://jira.example/OPS-1";
        assert_eq!(shown, [("javascript:alert(1)", None), ("OPS-1", None), (url, Some(url))]);
        assert_eq!(found[1].by, "bob", "who said it last");
    }
}

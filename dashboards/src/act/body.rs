//! What a request to act says, and whether it makes sense. Pure.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Kind;
use crate::access::{self, Who, person};
use crate::link;
use crate::respond::Fault;

/// Characters of a comment.
const MOST_WORDS: usize = 2_000;
/// Characters of a ticket's address.
const MOST_TICKET: usize = 500;
/// Longer than this, an incident that is muted is one that nobody will ever hear of again.
const MOST_MUTE: Duration = Duration::from_hours(30 * 24);

/// As a program writes it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ActBody)]
pub(super) struct Body {
    /// Who does it; whoever has signed in is already known.
    pub(super) by: String,
    /// Why, or what there is to say.
    words: String,
    /// Until when it is muted: `2026-01-31T09:00:00Z`.
    until: Option<String>,
    /// Or for how long: `30m`, `2h`, `3d`.
    #[serde(rename = "for")]
    length: Option<String>,
    /// Where else it is worked on: an address, or an id.
    ticket: Option<String>,
}

impl Body {
    pub(super) fn of_json(bytes: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(bytes)
            .map_err(|error| Fault::BadRequest(format!("The body is no JSON object as expected: {error}.")))
    }
}

/// As a form of our own page says it: fields that nobody filled are there, and empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    by: String,
    words: String,
    /// Of a field for a moment, without a zone: UTC, as the page says.
    until: String,
    /// The button: a length, or `until`.
    #[serde(rename = "for")]
    length: String,
    ticket: String,
}

impl Form {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        serde_urlencoded::from_bytes(bytes)
            .map_err(|_not_a_form| Fault::BadRequest("The body is no form.".to_owned()))
    }
}

impl From<Form> for Body {
    fn from(form: Form) -> Self {
        let given = |text: String| Some(text).filter(|text| !text.trim().is_empty());
        let (until, length) = match form.length.as_str() {
            "until" => (given(form.until).map(|until| format!("{}Z", until.trim())), None),
            _ => (None, given(form.length)),
        };
        // Browsers send line ends as mail has them.
        let words = form.words.replace("\r\n", "\n");
        Self { by: form.by, words, until, length, ticket: given(form.ticket) }
    }
}

/// A body that makes sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Act {
    /// What lengths of time are counted from.
    pub(super) at_ms: i64,
    pub(super) by: String,
    pub(super) words: String,
    pub(super) until_ms: Option<i64>,
    /// An address, or an id; empty where the act is about none.
    pub(super) ticket: String,
}

impl Act {
    /// What the audit log says beside what was done: words stand in the time line.
    pub(super) fn detail(&self) -> String {
        match self.until_ms.map(Timestamp::from_millisecond) {
            Some(Ok(until)) => format!("until {until}"),
            _ => self.ticket.clone(),
        }
    }
}

pub(super) fn must(holds: bool, why: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::BadRequest(why.to_owned())) }
}

/// Under which name: that of the sign-in, or else the one given.
pub(super) fn by(who: &Who, given: &str) -> Result<String, Fault> {
    if who.is_named() { Ok(who.name.clone()) } else { person(given, "by") }
}

/// Who acts by a button alone, which asks for no name: that of the sign-in, the one told before, or `somebody` there.
pub(super) fn by_form(who: &Who, somebody: &str) -> Who {
    let remembered = access::current().map(|visit| visit.remembered).unwrap_or_default();
    who.called(&by(who, &remembered).unwrap_or_else(|_none| somebody.to_owned()))
}

/// Checks a body against what the act needs.
pub(super) fn act(who: &Who, kind: Kind, body: Body, now_ms: i64) -> Result<Act, Fault> {
    let by = by(who, &body.by)?;
    let words = body.words.trim();
    must(words.chars().count() <= MOST_WORDS, "`words` are longer than 2000 characters.")?;
    must(
        !words.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')),
        "`words` have control characters.",
    )?;
    must(kind != Kind::Comment || !words.is_empty(), "`words` are missing: a comment needs them.")?;
    let until_ms = until_ms(kind, body.until.as_deref(), body.length.as_deref(), now_ms)?;
    let ticket = match (kind, &body.ticket) {
        (Kind::Ticket, ticket) => self::ticket(ticket.as_deref().unwrap_or_default())?,
        (_, None) => String::new(),
        _ => return Err(Fault::BadRequest("`ticket` is for `ticket` only.".to_owned())),
    };
    Ok(Act { at_ms: now_ms, by, words: words.to_owned(), until_ms, ticket })
}

fn until_ms(
    kind: Kind,
    until: Option<&str>,
    length: Option<&str>,
    now_ms: i64,
) -> Result<Option<i64>, Fault> {
    let until_ms = match (kind, until, length) {
        (Kind::Mute, Some(until), None) => moment(until)?,
        (Kind::Mute, None, Some(length)) => now_ms.saturating_add(length_ms(length)?),
        (Kind::Mute, _, _) => {
            return Err(Fault::BadRequest("`mute` needs either `until` or `for`.".to_owned()));
        }
        (_, None, None) => return Ok(None),
        _ => return Err(Fault::BadRequest("`until` and `for` are for `mute` only.".to_owned())),
    };
    let most_ms = i64::try_from(MOST_MUTE.as_millis()).unwrap_or(i64::MAX);
    let ahead_ms = until_ms.saturating_sub(now_ms);
    must(ahead_ms > 0, "The end of the mute is past.")?;
    must(ahead_ms <= most_ms, "A mute lasts 30 days at most.")?;
    Ok(Some(until_ms))
}

/// `https://jira.example/browse/OPS-7`, `OPS-7`, `team/repo#7`.
fn ticket(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '#' | '/');
    must(!text.is_empty(), "`ticket` is missing: an address or an id.")?;
    must(text.chars().count() <= MOST_TICKET, "`ticket` is longer than 500 characters.")?;
    must(
        text.chars().all(is_id) || link::outside(text).is_some(),
        "`ticket` is neither an address that begins with https:// or http:// nor an id of letters, digits, -, # and /.",
    )?;
    Ok(text.to_owned())
}

fn moment(text: &str) -> Result<i64, Fault> {
    let parsed = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    parsed.map_err(|_not_a_time| {
        Fault::BadRequest("`until` is no time such as 2026-01-31T09:00:00Z.".to_owned())
    })
}

fn length_ms(text: &str) -> Result<i64, Fault> {
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let length = span.ok().and_then(|length| i64::try_from(length.as_millis()).ok());
    length.ok_or_else(|| Fault::BadRequest("`for` is no length such as 30m, 2h or 3d.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Means, Role};

    const NOW_MS: i64 = 1_721_362_140_000;

    fn who(means: Means) -> Who {
        Who { name: "Grace".to_owned(), role: Role::Responder, means, peer: String::new() }
    }

    fn check(kind: Kind, body: &str, expected: Result<Option<i64>, &str>) {
        let found =
            Body::of_json(body.as_bytes()).and_then(|body| act(&who(Means::Here), kind, body, NOW_MS));
        let found = found.map(|act| act.until_ms);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{body}"),
            (Err(Fault::BadRequest(why)), Err(expected)) => assert!(why.contains(expected), "{body}: {why}"),
            (found, expected) => panic!("{body}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_body_is_what_its_act_needs() {
        check(Kind::Acknowledge, r#"{"by":"ada"}"#, Ok(None));
        check(Kind::Resolve, r#"{"by":"Grüße","words":"two\nlines"}"#, Ok(None));
        check(Kind::Mute, r#"{"by":"ada","for":"2h"}"#, Ok(Some(NOW_MS + 7_200_000)));
        check(Kind::Mute, r#"{"by":"ada","for":"3d"}"#, Ok(Some(NOW_MS + 259_200_000)));
        check(Kind::Mute, r#"{"by":"ada","until":"2024-07-19T06:09:00+02:00"}"#, Err("past"));
        check(
            Kind::Mute,
            r#"{"by":"ada","until":"2024-07-19T06:39:00+02:00"}"#,
            Ok(Some(NOW_MS + 1_800_000)),
        );
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (kind, body, why) in [
            (Kind::Acknowledge, "", "no JSON"),
            (Kind::Acknowledge, "[]", "`by` is missing"),
            (Kind::Acknowledge, r#"{"by":7}"#, "no JSON"),
            (Kind::Acknowledge, r#"{"by":"ada","who":"ada"}"#, "no JSON"),
            (Kind::Acknowledge, r#"{"by":" "}"#, "`by` is missing"),
            (Kind::Acknowledge, r#"{"by":"a\u001bb"}"#, "control"),
            (Kind::Acknowledge, r#"{"by":"ada","for":"2h"}"#, "`mute` only"),
            (Kind::Comment, r#"{"by":"ada"}"#, "`words` are missing"),
            (Kind::Comment, r#"{"by":"ada","words":"a\u0000"}"#, "control"),
            (Kind::Mute, r#"{"by":"ada"}"#, "either"),
            (Kind::Mute, r#"{"by":"ada","for":"2h","until":"2024-07-19T06:09:00Z"}"#, "either"),
            (Kind::Mute, r#"{"by":"ada","for":"31d"}"#, "30 days"),
            (Kind::Mute, r#"{"by":"ada","for":"-2h"}"#, "past"),
            (Kind::Mute, r#"{"by":"ada","for":"ever"}"#, "no length"),
            (Kind::Mute, r#"{"by":"ada","for":"9999999999999h"}"#, "no length"),
            (Kind::Mute, r#"{"by":"ada","until":"tomorrow"}"#, "no time"),
        ] {
            check(kind, body, Err(why));
        }
        check(Kind::Comment, &format!(r#"{{"by":"ada","words":"{}"}}"#, "x".repeat(2001)), Err("longer"));
        check(Kind::Comment, &format!(r#"{{"by":"{}","words":"x"}}"#, "x".repeat(101)), Err("longer"));
    }

    #[test]
    fn a_ticket_is_an_address_or_an_id() {
        let ticket = |text: &str| {
            let body = Body { by: "ada".to_owned(), ticket: Some(text.to_owned()), ..Body::default() };
            act(&who(Means::Here), Kind::Ticket, body, NOW_MS).map(|act| act.ticket)
        };
        for good in ["OPS-4711", "#12", "team/repo#7", "https://jira.example/browse/OPS-4711?a=b"] {
            assert_eq!(ticket(&format!(" {good} ")), Ok(good.to_owned()));
        }
        for bad in ["", "javascript:alert(1)", "a b", "<b>", "OPS\n1", "https://a@b/", "\u{202e}7", "ÖPS-1"]
        {
            assert!(ticket(bad).is_err(), "{bad}");
        }
        assert!(ticket(&"x".repeat(501)).is_err());
        check(Kind::Comment, r#"{"by":"ada","words":"x","ticket":"OPS-1"}"#, Err("`ticket` only"));
    }

    #[test]
    fn whoever_is_signed_in_acts_under_that_name() {
        let body = || Body { by: "somebody else".to_owned(), ..Body::default() };
        for (means, by) in [
            (Means::Session, "Grace"),
            (Means::Proxy, "Grace"),
            (Means::Token, "somebody else"),
            (Means::Here, "somebody else"),
        ] {
            assert_eq!(act(&who(means), Kind::Acknowledge, body(), NOW_MS).unwrap().by, by);
        }
    }

    #[test]
    fn a_form_says_the_same_in_the_words_of_a_form() {
        let read = |text: &str| {
            let form = Form::read(text.as_bytes()).unwrap();
            act(&who(Means::Session), Kind::Mute, form.into(), NOW_MS).map(|act| act.until_ms)
        };
        assert_eq!(read("csrf=x&by=&for=30m&until="), Ok(Some(NOW_MS + 1_800_000)));
        assert_eq!(
            read("for=30m&until=2030-01-01T00%3A00"),
            Ok(Some(NOW_MS + 1_800_000)),
            "the button counts"
        );
        assert_eq!(read("for=until&until=2024-07-19T04%3A39"), Ok(Some(NOW_MS + 1_800_000)));
        assert!(read("for=until&until=").is_err());
        assert!(read("").is_err());
        assert!(Form::read(b"for=1&for=2").is_err());
    }
}

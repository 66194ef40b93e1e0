//! The query language of the search: `driver:csagent.sys build:19045 -ring:canary time:24h`.
//!
//! Terms are joined by AND, `-` negates one, commas are OR, stars at either end of a value stand for any text, quotes hold
//! spaces. Bare words look for a driver, a machine or a bucket. Pure: text in, conditions or a fault with its place out,
//! and what was understood as text again. Never asks the database.

use std::fmt;

use serde::Serialize;
use storage::questions::{Condition, Range};
use utoipa::ToSchema;

use crate::text;

pub(crate) use complete::wanted;
pub(crate) use key::Key;
use moment::Stretch;

mod complete;
mod key;
mod meaning;
mod moment;
mod scan;
#[cfg(test)]
mod tests;

/// The longest query: a name that a dump brings is cut at 4 KB, and has to fit.
const LONGEST: usize = 16 << 10;
/// Nobody asks for more at once.
const MOST_VALUES: usize = 64;
/// How far back a search looks that says nothing of time.
const USUAL_MS: i64 = 7 * 86_400_000;

/// A place in a query, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    at: usize,
    length: usize,
}

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct QueryFault {
    /// First wrong character, counted in Unicode characters from 0.
    pub(crate) at: usize,
    /// How many are wrong.
    pub(crate) length: usize,
    /// What is wrong, in a sentence for people.
    pub(crate) message: String,
    /// The whole query as it may have been meant.
    pub(crate) suggestion: Option<String>,
}

/// A text that is looked for, with stars.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: String,
    open_start: bool,
    open_end: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Pattern(Pattern),
    Compared(Comparison, String),
    Between(String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    negated: bool,
    key: Option<Key>,
    values: Vec<Value>,
    /// What it means; the term about time means a stretch instead.
    condition: Condition,
}

/// A query that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    terms: Vec<Term>,
    time: Option<Stretch>,
}

impl QueryFault {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { at: span.at, length: span.length, message: message.into(), suggestion: None }
    }

    /// What could stand in the wrong place.
    fn instead(mut self, text: String) -> Self {
        self.suggestion = Some(text);
        self
    }

    /// The suggestion within its query.
    fn within(mut self, query: &str) -> Self {
        self.suggestion = self.suggestion.map(|instead| {
            let before: String = query.chars().take(self.at).collect();
            let after: String = query.chars().skip(self.at + self.length).collect();
            format!("{before}{instead}{after}")
        });
        self
    }
}

impl Query {
    /// Understands a query, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryFault> {
        if text.len() > LONGEST {
            let rest = text.chars().count().saturating_sub(LONGEST / 4);
            let span = Span { at: LONGEST / 4, length: rest };
            return Err(QueryFault::new(span, "The query is too long."));
        }
        Self::understand(text).map_err(|fault| fault.within(text))
    }

    fn understand(text: &str) -> Result<Self, QueryFault> {
        let mut query = Self { terms: Vec::new(), time: None };
        let mut values = 0;
        for raw in scan::terms(text)? {
            values += raw.values.len();
            if values > MOST_VALUES {
                return Err(QueryFault::new(raw.span, format!("At most {MOST_VALUES} values in one query.")));
            }
            let key = match &raw.key {
                None => None,
                Some((name, span)) => Some(Key::named(name).ok_or_else(|| unknown_key(name, *span))?),
            };
            if key == Some(Key::Time) {
                query.time = Some(meaning::time(&raw, query.time.is_some())?);
            }
            query.terms.push(meaning::term(&raw, key)?);
        }
        Ok(query)
    }

    /// What is asked of each crash.
    pub(crate) fn condition(&self) -> Condition {
        Condition::All(self.terms.iter().map(|term| term.condition.clone()).collect())
    }

    /// Whether it says when.
    pub(crate) fn says_when(&self) -> bool {
        self.time.is_some()
    }

    /// The stretch of time it looks at.
    pub(crate) fn range(&self, now_ms: i64) -> Range {
        self.time
            .as_ref()
            .map_or(Range { from_ms: now_ms - USUAL_MS, to_ms: now_ms }, |time| time.range(now_ms))
    }

    /// Whether it has a term for this value of a key by itself.
    pub(crate) fn asks_for(&self, key: Key, value: &str) -> bool {
        let wanted = written(false, key, value).to_lowercase();
        self.terms.iter().any(|term| term.to_string().to_lowercase() == wanted)
    }

    /// The query with one more term, or without it where it had it.
    pub(crate) fn toggled(&self, key: Key, value: &str) -> String {
        let wanted = written(false, key, value);
        if self.asks_for(key, value) {
            let wanted = wanted.to_lowercase();
            return joined(
                self.terms.iter().map(Term::to_string).filter(|term| term.to_lowercase() != wanted),
            );
        }
        joined(self.terms.iter().map(Term::to_string).chain([wanted]))
    }

    /// The query with all that has this value left out.
    pub(crate) fn excluding(&self, key: Key, value: &str) -> String {
        let (with, without) = (written(false, key, value).to_lowercase(), written(true, key, value));
        let others = self.terms.iter().map(Term::to_string);
        joined(
            others
                .filter(|term| ![&with, &without.to_lowercase()].contains(&&term.to_lowercase()))
                .chain([without.clone()]),
        )
    }

    /// The query over another stretch of time.
    pub(crate) fn over(&self, time: &str) -> String {
        let others = self.terms.iter().filter(|term| term.key != Some(Key::Time)).map(Term::to_string);
        joined(others.chain([format!("{}:{time}", Key::Time.name())]))
    }
}

/// A term that asks for exactly this value.
pub(crate) fn written(negated: bool, key: Key, value: &str) -> String {
    let pattern = Pattern { text: value.to_owned(), open_start: false, open_end: false };
    format!("{}{}:{pattern}", if negated { "-" } else { "" }, key.name())
}

fn joined(terms: impl Iterator<Item = String>) -> String {
    terms.collect::<Vec<_>>().join(" ")
}

fn unknown_key(name: &str, span: Span) -> QueryFault {
    let known = Key::nearest(name);
    let message = match known {
        Some(key) => format!("There is no key {name}. {} is: {}.", key.name(), key.hint()),
        None => format!(
            "There is no key {name}. Put the word in quotes to look for it, or use one of: {}.",
            Key::all().map(Key::name).collect::<Vec<_>>().join(", ")
        ),
    };
    let fault = QueryFault::new(span, message);
    match known {
        Some(key) => fault.instead(key.name().to_owned()),
        None => fault,
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = |open: bool| if open { "*" } else { "" };
        if self.text.is_empty() && self.open_start && self.open_end {
            return f.write_str("*");
        }
        f.write_str(star(self.open_start))?;
        quote(f, &self.text, self.open_start || self.open_end)?;
        f.write_str(star(self.open_end))
    }
}

/// A text as one value: in quotes where it would be read as something else, with what nobody could see spelt out.
fn quote(f: &mut fmt::Formatter<'_>, text: &str, beside_a_star: bool) -> fmt::Result {
    let special =
        |c: char| c.is_whitespace() || matches!(c, '"' | ',' | '\\' | '*' | ':') || text::is_hidden(c);
    let must = (text.is_empty() && !beside_a_star)
        || text.starts_with(['-', '<', '>'])
        || text.contains("..")
        || text.contains(special);
    if !must {
        return f.write_str(text);
    }
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if text::is_hidden(c) => write!(f, "{}", c.escape_unicode())?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => pattern.fmt(f),
            Self::Compared(comparison, text) => {
                let sign = match comparison {
                    Comparison::Above => ">",
                    Comparison::AtLeast => ">=",
                    Comparison::Below => "<",
                    Comparison::AtMost => "<=",
                };
                write!(f, "{sign}{text}")
            }
            Self::Between(from, to) => write!(f, "{from}..{to}"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negated { "-" } else { "" })?;
        if let Some(key) = self.key {
            write!(f, "{}:", key.name())?;
        }
        for (index, value) in self.values.iter().enumerate() {
            write!(f, "{}{value}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// What was understood, as a query that means the same.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(self.terms.iter().map(Term::to_string)))
    }
}

//! What the terms of a query mean: words of people to conditions of the database, each fault with its place.

use storage::questions::{self as ask, Condition, NumberField, Place, TextField};

use super::key::{Key, Reading};
use super::moment::{Stretch, length_s};
use super::scan::{Raw, RawTerm};
use super::{Comparison, Pattern, QueryFault, Term, Value};

/// Understands one term.
pub(super) fn term(raw: &RawTerm, key: Option<Key>) -> Result<Term, QueryFault> {
    let mut values = Vec::with_capacity(raw.values.len());
    let mut any = Vec::with_capacity(raw.values.len());
    for raw in &raw.values {
        let value = value(raw, key)?;
        any.push(match key {
            None => bare(&value),
            Some(key) => meaning(key, &value).map_err(|wrong| wrong.at(raw))?,
        });
        values.push(value);
    }
    let condition = match (key, raw.negated) {
        (Some(Key::Time), _) => Condition::All(Vec::new()),
        (_, true) => Condition::Not(Box::new(Condition::Any(any))),
        (_, false) => Condition::Any(any),
    };
    Ok(Term { negated: raw.negated, key, values, condition })
}

/// Understands the term about time, of which there is one.
pub(super) fn time(raw: &RawTerm, already: bool) -> Result<Stretch, QueryFault> {
    let refuse = |message: &str| Err(QueryFault::new(raw.span, message));
    match raw.values.as_slice() {
        _ if already => refuse("A search has one stretch of time."),
        _ if raw.negated => refuse("A search has one stretch of time: it cannot leave one out."),
        [only] => {
            Stretch::of(&value(only, Some(Key::Time))?).map_err(|said| QueryFault::new(only.span, said))
        }
        _ => refuse("A search has one stretch of time. Write from..to for a longer one."),
    }
}

/// What is wrong with a value, and what could stand instead.
struct Wrong {
    message: String,
    instead: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), instead: None }
    }

    fn at(self, raw: &Raw) -> QueryFault {
        let fault = QueryFault::new(raw.span, self.message);
        match self.instead {
            Some(text) => fault.instead(text),
            None => fault,
        }
    }
}

fn value(raw: &Raw, key: Option<Key>) -> Result<Value, QueryFault> {
    if !key.is_some_and(|key| key.reading().is_ordered()) || !raw.is_plain() {
        return raw.pattern().map(Value::Pattern);
    }
    let text = raw.text();
    let signs = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::Above),
        ("<", Comparison::Below),
    ];
    let compared =
        signs.into_iter().find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)));
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['<', '>', '*']) && !text.contains("..");
    let (from, to) = match compared {
        Some((comparison, rest)) if is_plain(rest) => {
            return Ok(Value::Compared(comparison, rest.to_owned()));
        }
        Some(_) => return Err(QueryFault::new(raw.span, "One value stands after a sign: >7, <=1h.")),
        None => match text.split_once("..") {
            None => return raw.pattern().map(Value::Pattern),
            Some(ends) => ends,
        },
    };
    match (is_plain(from), is_plain(to)) {
        (true, true) => Ok(Value::Between(from.to_owned(), to.to_owned())),
        (true, false) if to.is_empty() => {
            Err(QueryFault::new(raw.span, "A range has two ends.").instead(format!(">={from}")))
        }
        (false, true) if from.is_empty() => {
            Err(QueryFault::new(raw.span, "A range has two ends.").instead(format!("<={to}")))
        }
        _ => Err(QueryFault::new(raw.span, "A range is written from..to.")),
    }
}

fn pattern(pattern: &Pattern) -> ask::Pattern {
    let place = match (pattern.open_start, pattern.open_end) {
        (false, false) => Place::Whole,
        (false, true) => Place::Start,
        (true, false) => Place::End,
        (true, true) => Place::Within,
    };
    ask::Pattern { text: pattern.text.clone(), place }
}

/// A word without a key: part of a driver's, a machine's or a bucket's name, unless stars say which part.
fn bare(value: &Value) -> Condition {
    let Value::Pattern(word) = value else { return Condition::Any(Vec::new()) };
    let mut word = pattern(word);
    if word.place == Place::Whole {
        word.place = Place::Within;
    }
    let fields = [TextField::Driver, TextField::Machine, TextField::Bucket];
    Condition::Any(fields.into_iter().map(|field| Condition::Text(field, word.clone())).collect())
}

fn meaning(key: Key, value: &Value) -> Result<Condition, Wrong> {
    match (key.reading(), value) {
        (Reading::Time, _) => Ok(Condition::All(Vec::new())),
        (Reading::Number(field), _) => number(field, value, &plain_number),
        (Reading::Version, _) => number(NumberField::Version, value, &timestamp),
        (Reading::Uptime, _) => number(NumberField::Uptime, value, &uptime),
        (Reading::Build, _) => build(value),
        (Reading::Bugcheck, _) => bugcheck(value),
        // No other key has comparisons.
        (_, Value::Compared(..) | Value::Between(..)) => Err(Wrong::new("This key has no ranges.")),
        (reading, Value::Pattern(word)) => text_of(reading, word),
    }
}

fn text_of(reading: Reading, word: &Pattern) -> Result<Condition, Wrong> {
    let wanted = pattern(word);
    match reading {
        Reading::Text(field) => Ok(Condition::Text(field, wanted)),
        Reading::Bucket if word.text.starts_with('{') => Ok(Condition::Any(vec![
            Condition::Text(TextField::BucketHash, wanted.clone()),
            Condition::Text(TextField::Bucket, wanted),
        ])),
        Reading::Bucket => Ok(Condition::Text(TextField::Bucket, wanted)),
        Reading::Module => Ok(Condition::OnStack(wanted)),
        Reading::Loaded => loaded(word),
        Reading::Tag => tag(word),
        Reading::Fault => {
            let is_hash = word.text.len() == 32 && word.text.chars().all(|c| c.is_ascii_hexdigit());
            if is_hash && wanted.place == Place::Whole {
                Ok(Condition::FaultSite(word.text.to_ascii_lowercase()))
            } else {
                Err(Wrong::new("A fault site is 32 hexadecimal digits, as crashes and buckets show it."))
            }
        }
        Reading::Number(_)
        | Reading::Version
        | Reading::Bugcheck
        | Reading::Build
        | Reading::Uptime
        | Reading::Time => Err(Wrong::new("This key has numbers.")),
    }
}

/// `name`, `name@timestamp`; a name may have an `@` itself where no number follows.
fn loaded(word: &Pattern) -> Result<Condition, Wrong> {
    let build = word.text.rsplit_once('@').filter(|_| !word.open_end);
    match build.and_then(|(name, build)| Some((name, u32::try_from(timestamp(build).ok()?).ok()?))) {
        None => Ok(Condition::Loaded { driver: pattern(word), timestamp: None }),
        Some((name, build)) => {
            let name = Pattern { text: name.to_owned(), ..word.clone() };
            Ok(Condition::Loaded { driver: pattern(&name), timestamp: Some(build) })
        }
    }
}

fn tag(word: &Pattern) -> Result<Condition, Wrong> {
    if word.open_start {
        return Err(Wrong::new("A tag is written tag:key=value; a star stands only at its end."));
    }
    match word.text.split_once('=') {
        Some((key, text)) => {
            let value = Pattern { text: text.to_owned(), ..word.clone() };
            Ok(Condition::Tag { key: key.to_owned(), value: Some(pattern(&value)) })
        }
        None if word.open_end => {
            Err(Wrong::new("A tag is written tag:key=value; a star stands only at its end."))
        }
        None => Ok(Condition::Tag { key: word.text.clone(), value: None }),
    }
}

type Read<'r> = &'r dyn Fn(&str) -> Result<u64, Wrong>;

fn number(field: NumberField, value: &Value, read: Read<'_>) -> Result<Condition, Wrong> {
    let (from, to) = match value {
        Value::Pattern(word) if word.open_start || word.open_end => {
            return Err(Wrong::new("Numbers have no stars; ranges are written from..to."));
        }
        Value::Pattern(word) => read(&word.text).map(|number| (number, number))?,
        Value::Compared(comparison, text) => {
            let at = read(text)?;
            match comparison {
                Comparison::AtLeast => (at, u64::MAX),
                Comparison::AtMost => (0, at),
                Comparison::Above => at.checked_add(1).map_or((1, 0), |from| (from, u64::MAX)),
                Comparison::Below => at.checked_sub(1).map_or((1, 0), |to| (0, to)),
            }
        }
        Value::Between(from, to) => {
            let (least, most) = (read(from)?, read(to)?);
            if least > most {
                let instead = Some(format!("{to}..{from}"));
                return Err(Wrong { message: "The smaller end of a range comes first.".to_owned(), instead });
            }
            (least, most)
        }
    };
    Ok(Condition::Number { field, from, to })
}

fn plain_number(text: &str) -> Result<u64, Wrong> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let parsed = match hex {
        Some(digits) => hexadecimal(digits),
        None => text.parse().ok().filter(|_| !text.starts_with('+')),
    };
    parsed.ok_or_else(|| {
        let instead = hexadecimal(text).map(|_| format!("0x{text}"));
        Wrong { message: "This is no number: write 1234 or 0x4d2.".to_owned(), instead }
    })
}

fn hexadecimal(digits: &str) -> Option<u64> {
    let all = digits.chars().all(|c| c.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| all)
}

fn timestamp(text: &str) -> Result<u64, Wrong> {
    match hexadecimal(text).filter(|_| text.len() == 8) {
        Some(number) => Ok(number),
        None => plain_number(text),
    }
}

fn uptime(text: &str) -> Result<u64, Wrong> {
    let seconds = length_s(text).or_else(|| plain_number(text).ok());
    seconds.ok_or_else(|| Wrong::new("This is no length of time: write 90s, 45m, 2h or 3d."))
}

fn build(value: &Value) -> Result<Condition, Wrong> {
    if let Value::Pattern(word) = value
        && let Some((build, ubr)) = word.text.split_once('.').filter(|_| !word.open_start && !word.open_end)
    {
        let (build, ubr) = (plain_number(build)?, plain_number(ubr)?);
        let exactly = |field, number| Condition::Number { field, from: number, to: number };
        return Ok(Condition::All(vec![exactly(NumberField::Build, build), exactly(NumberField::Ubr, ubr)]));
    }
    number(NumberField::Build, value, &plain_number)
}

/// Codes are hexadecimal with or without `0x`, because nobody says them otherwise. What is no code is a name.
fn bugcheck(value: &Value) -> Result<Condition, Wrong> {
    let code =
        |text: &str| hexadecimal(text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text));
    let read =
        |text: &str| code(text).ok_or_else(|| Wrong::new("A range of bug checks has codes: 0x100..0x1ff."));
    match value {
        Value::Pattern(word) if word.open_start || word.open_end || code(&word.text).is_none() => {
            if !word.open_end && word.text.starts_with("0x") {
                return Err(Wrong::new("This is no bug check: write 0x50, or its name."));
            }
            Ok(Condition::Text(TextField::BugcheckName, pattern(word)))
        }
        // An exception that has no name is called by its code, and a program's crash has no bug check.
        Value::Pattern(word) if code(&word.text).is_some_and(|code| code >= 0x8000_0000) => {
            Ok(Condition::Any(vec![
                number(NumberField::Bugcheck, value, &read)?,
                Condition::Text(TextField::BugcheckName, pattern(word)),
            ]))
        }
        _ => number(NumberField::Bugcheck, value, &read),
    }
}

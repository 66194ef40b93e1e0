//! The words of a query with their places: quotes, stars, commas. Knows no meaning of any.

use super::{Pattern, QueryFault, Span};

/// One value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raw {
    /// Each character, and whether quotes protect it.
    chars: Vec<(char, bool)>,
    pub(super) span: Span,
}

/// One term as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawTerm {
    pub(super) negated: bool,
    /// The text before the colon.
    pub(super) key: Option<(String, Span)>,
    pub(super) values: Vec<Raw>,
    pub(super) span: Span,
}

impl Raw {
    /// What it says, whatever was quoted.
    pub(super) fn text(&self) -> String {
        self.chars.iter().map(|(c, _)| c).collect()
    }

    /// Whether nothing of it is in quotes: only then are `>` and `..` more than text.
    pub(super) fn is_plain(&self) -> bool {
        self.chars.iter().all(|(_, quoted)| !quoted)
    }

    /// With stars at either end taken for what they mean.
    pub(super) fn pattern(&self) -> Result<Pattern, QueryFault> {
        let star = ('*', false);
        let mut rest = self.chars.as_slice();
        let open_start = rest.first() == Some(&star);
        if open_start {
            rest = rest.get(1..).unwrap_or_default();
        }
        let open_end = rest.last() == Some(&star) || (open_start && rest.is_empty());
        if rest.last() == Some(&star) {
            rest = rest.get(..rest.len() - 1).unwrap_or_default();
        }
        if rest.contains(&star) {
            let fixed = Pattern { text: rest.iter().map(|(c, _)| c).collect(), open_start, open_end };
            let fault = QueryFault::new(
                self.span,
                "A star stands for any text only at the beginning or the end of a value. In quotes it is a star.",
            );
            return Err(fault.instead(fixed.to_string()));
        }
        Ok(Pattern { text: rest.iter().map(|(c, _)| c).collect(), open_start, open_end })
    }
}

struct Scanner<'c> {
    chars: &'c [char],
    at: usize,
}

/// The terms of a query.
pub(super) fn terms(text: &str) -> Result<Vec<RawTerm>, QueryFault> {
    let chars: Vec<char> = text.chars().collect();
    let mut scanner = Scanner { chars: &chars, at: 0 };
    let mut terms = Vec::new();
    loop {
        while scanner.peek().is_some_and(char::is_whitespace) {
            scanner.at += 1;
        }
        if scanner.peek().is_none() {
            return Ok(terms);
        }
        terms.push(scanner.term()?);
    }
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn span(&self, from: usize) -> Span {
        Span { at: from, length: self.at - from }
    }

    fn term(&mut self) -> Result<RawTerm, QueryFault> {
        let begin = self.at;
        let negated = self.take('-');
        let key = self.key();
        let mut values = vec![self.value()?];
        while self.take(',') {
            values.push(self.value()?);
        }
        let span = self.span(begin);
        if let Some(empty) = values.iter().find(|value| value.chars.is_empty() && value.span.length == 0) {
            let said = match (&key, negated) {
                (Some((key, _)), _) => format!("{key}: needs a value; \"\" stands for the empty one."),
                (None, true) => "A minus needs something to leave out.".to_owned(),
                (None, false) => "A comma stands between two values.".to_owned(),
            };
            let at = Span { at: empty.span.at.saturating_sub(1), length: 1 };
            return Err(QueryFault::new(if key.is_some() { span } else { at }, said));
        }
        Ok(RawTerm { negated, key, values, span })
    }

    /// Letters up to a colon.
    fn key(&mut self) -> Option<(String, Span)> {
        let rest = self.chars.get(self.at..)?;
        let length =
            rest.iter().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).count();
        if length == 0 || rest.get(length) != Some(&':') {
            return None;
        }
        let name = rest.iter().take(length).collect();
        let span = Span { at: self.at, length };
        self.at += length + 1;
        Some((name, span))
    }

    fn value(&mut self) -> Result<Raw, QueryFault> {
        let begin = self.at;
        let mut chars = Vec::new();
        while let Some(c) = self.peek().filter(|c| !c.is_whitespace() && *c != ',') {
            self.at += 1;
            if c == '"' {
                self.quoted(&mut chars)?;
            } else {
                chars.push((c, false));
            }
        }
        Ok(Raw { chars, span: self.span(begin) })
    }

    /// Up to the closing quote. `\"`, `\\` and `\u{..}` are what they are in most languages; any other backslash is one,
    /// because paths have them.
    fn quoted(&mut self, chars: &mut Vec<(char, bool)>) -> Result<(), QueryFault> {
        let begin = self.at - 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            match (c, self.peek()) {
                ('"', _) => return Ok(()),
                ('\\', Some(next @ ('"' | '\\'))) => {
                    self.at += 1;
                    chars.push((next, true));
                }
                ('\\', Some('u')) => chars.push((self.escape().unwrap_or(c), true)),
                _ => chars.push((c, true)),
            }
        }
        let fault = QueryFault::new(self.span(begin), "This quote is not closed.");
        let inner: String = self.chars.iter().skip(begin).collect();
        Err(fault.instead(format!("{}\"", inner.trim_end_matches('\\'))))
    }

    /// `u{202e}` after a backslash; nothing is taken where it is something else.
    fn escape(&mut self) -> Option<char> {
        let rest = self.chars.get(self.at + 2..).filter(|_| self.chars.get(self.at + 1) == Some(&'{'))?;
        let digits: String = rest.iter().take(6).take_while(|c| c.is_ascii_hexdigit()).collect();
        let c = char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?;
        (rest.get(digits.len()) == Some(&'}')).then(|| {
            self.at += digits.len() + 3;
            c
        })
    }
}

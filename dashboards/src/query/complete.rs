//! What somebody who is typing may want next: a key, or a value of one. Pure; the values themselves come from the database.

use storage::questions::ValuesOf;

use super::{Key, Pattern, Span};

/// Stretches of time that are offered.
const TIMES: [(&str, &str); 4] =
    [("1h", "the last hour"), ("24h", "the last day"), ("7d", "the last week"), ("30d", "the last 30 days")];

/// What belongs where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What a suggestion takes the place of.
    span: Span,
    /// The key before the colon, where there is one.
    key: Option<Key>,
    /// What is there already, without quotes and stars.
    pub(crate) part: String,
}

impl Wanted {
    pub(crate) fn at(&self) -> usize {
        self.span.at
    }

    pub(crate) fn length(&self) -> usize {
        self.span.length
    }

    /// Keys that begin so, with what they are.
    pub(crate) fn keys(&self) -> Vec<(String, &'static str)> {
        if self.key.is_some() {
            return Vec::new();
        }
        let part = self.part.to_lowercase();
        let fits = |key: &Key| key.name().starts_with(&part);
        Key::all().filter(fits).map(|key| (format!("{}:", key.name()), key.hint())).collect()
    }

    /// Values that need no database.
    pub(crate) fn fixed(&self) -> Vec<(String, &'static str)> {
        let times = TIMES.into_iter().filter(|_| self.key == Some(Key::Time));
        times
            .filter(|(text, _)| text.starts_with(&self.part))
            .map(|(text, hint)| (text.to_owned(), hint))
            .collect()
    }

    /// Whose values to look for. A word without a key may become a driver.
    pub(crate) fn values(&self) -> Option<ValuesOf> {
        match self.key {
            Some(key) => key.values(),
            None if self.part.chars().count() >= 2 => Key::Driver.values(),
            None => None,
        }
    }

    /// A value as it would stand in the query.
    pub(crate) fn written(&self, value: &str) -> String {
        let pattern = Pattern { text: value.to_owned(), open_start: false, open_end: false };
        match self.key {
            Some(Key::Tag) => format!("{pattern}="),
            Some(_) => pattern.to_string(),
            None => format!("{}:{pattern}", Key::Driver.name()),
        }
    }

    /// The query with a suggestion in its place.
    pub(crate) fn applied(&self, query: &str, suggestion: &str) -> String {
        let before: String = query.chars().take(self.span.at).collect();
        let after: String = query.chars().skip(self.span.at + self.span.length).collect();
        format!("{before}{suggestion}{after}")
    }
}

/// What belongs at a place of a query, in characters; without one, at its end.
pub(crate) fn wanted(query: &str, at: Option<usize>) -> Wanted {
    let chars: Vec<char> = query.chars().collect();
    let at = at.unwrap_or(chars.len()).min(chars.len());
    let (mut begin, mut key, mut quoted, mut escaped) = (0, None, false, false);
    for (index, c) in chars.iter().copied().enumerate().take(at) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            c if c.is_whitespace() => (begin, key) = (index + 1, None),
            '-' if index == begin && key.is_none() => begin = index + 1,
            ',' => begin = index + 1,
            ':' if key.is_none() => {
                let name: String = chars.iter().skip(begin).take(index - begin).collect();
                if let Some(found) = Key::named(&name) {
                    (begin, key) = (index + 1, Some(found));
                }
            }
            _ => {}
        }
    }
    let ends = |c: &char| if quoted { *c == '"' } else { c.is_whitespace() || *c == ',' };
    let rest = chars.iter().skip(at).take_while(|c| !ends(c)).count();
    let closing = usize::from(quoted && chars.get(at + rest) == Some(&'"'));
    let part = chars.iter().skip(begin).take(at - begin).filter(|c| !matches!(c, '"' | '*')).collect();
    Wanted { span: Span { at: begin, length: at + rest + closing - begin }, key, part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_decides() {
        for (query, at, place, length, key, part) in [
            ("", None, 0, 0, None, ""),
            ("dri", None, 0, 3, None, "dri"),
            ("ring:canary -dri", None, 13, 3, None, "dri"),
            ("driver:cs", None, 7, 2, Some(Key::Driver), "cs"),
            ("driver:a.sys,nv ring:x", Some(15), 13, 2, Some(Key::Driver), "nv"),
            ("model:\"Lati 5", None, 6, 7, Some(Key::Model), "Lati 5"),
            ("model:\"Lati\" x", Some(11), 6, 6, Some(Key::Model), "Lati"),
            ("ring:canary", Some(7), 5, 6, Some(Key::Ring), "ca"),
            ("nokey:x", None, 0, 7, None, "nokey:x"),
            ("x", Some(99), 0, 1, None, "x"),
        ] {
            let found = wanted(query, at);
            assert_eq!(
                (found.at(), found.length(), found.key, found.part.as_str()),
                (place, length, key, part),
                "{query}"
            );
        }
    }

    #[test]
    fn suggestions_fit_in() {
        let query = "model:Lat ring:x";
        let found = wanted(query, Some(9));
        assert_eq!(found.applied(query, &found.written("Latitude 5440")), "model:\"Latitude 5440\" ring:x");
        let word = wanted("csa", None);
        assert_eq!(word.applied("csa", &word.written("csagent.sys")), "driver:csagent.sys");
        assert_eq!(wanted("bu", None).keys().len(), 3, "bugcheck, bucket, build");
        assert_eq!(wanted("time:2", None).fixed(), [("24h".to_owned(), "the last day")]);
    }
}

//! Just enough of SQL's surface to see where an INSERT's data begins, which FORMAT a statement asks for, and whether
//! there is more than one statement. Pure; the engine's own parser decides about everything else.

/// What a text is, as far as HTTP must know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `INSERT ... FORMAT name` or `INSERT ... VALUES`: data follows at `data`.
    Insert {
        /// Where the statement ends without its FORMAT or VALUES.
        end: usize,
        /// Format of the data.
        format: String,
        /// Where the data begins, or the blanks before it.
        data: usize,
    },
    /// A SELECT, with its FORMAT clause where it has one. `plain` when its output may come in pieces.
    Select { format: Option<String>, plain: bool },
    /// Anything else.
    Other { format: Option<String> },
    /// Two statements or more.
    Several,
    /// The text breaks off before it can be told.
    Incomplete,
}

/// Looks at a text from its beginning; `complete` when nothing follows it.
pub(crate) fn shape(text: &[u8], complete: bool) -> Shape {
    let mut tokens = Tokens::new(text);
    let Some(first) = tokens.next() else {
        return if complete { Shape::Other { format: None } } else { Shape::Incomplete };
    };
    if first.is_word(text, b"INSERT") {
        return insert(tokens, complete);
    }
    if !complete {
        return Shape::Incomplete;
    }
    rest(tokens, first)
}

fn insert(mut tokens: Tokens<'_>, complete: bool) -> Shape {
    let text = tokens.text;
    let cut = |token: &Token| token.end == text.len() && !complete;
    // A table may be called like a keyword: names follow INTO, TABLE, FUNCTION and a dot.
    let mut name_next = false;
    while let Some(token) = tokens.next() {
        if cut(&token) {
            return Shape::Incomplete;
        }
        let is = |word: &[u8]| !name_next && token.depth == 0 && token.is_word(text, word);
        if is(b"VALUES") {
            return Shape::Insert { end: token.start, format: "Values".to_owned(), data: token.end };
        }
        if is(b"FORMAT") {
            return match tokens.next() {
                Some(name) if cut(&name) => Shape::Incomplete,
                Some(name) if name.word => Shape::Insert {
                    end: token.start,
                    format: String::from_utf8_lossy(name.bytes(text)).into_owned(),
                    data: name.end,
                },
                Some(_) => Shape::Other { format: None },
                None if complete => Shape::Other { format: None },
                None => Shape::Incomplete,
            };
        }
        if is(b"SELECT") || is(b"WITH") || is(b"FROM") || is(b"WATCH") {
            return if complete { rest(tokens, token) } else { Shape::Incomplete }.or_other();
        }
        name_next = token.bytes(text) == b"."
            || [&b"INTO"[..], b"TABLE", b"FUNCTION"].iter().any(|word| token.is_word(text, word));
    }
    if complete { Shape::Other { format: None } } else { Shape::Incomplete }
}

fn rest(mut tokens: Tokens<'_>, first: Token) -> Shape {
    let text = tokens.text;
    let select = first.is_word(text, b"SELECT") || first.is_word(text, b"WITH") || first.bytes(text) == b"(";
    let (mut format, mut totals, mut after_format) = (None, false, false);
    while let Some(token) = tokens.next() {
        if token.depth == 0 && token.bytes(text) == b";" {
            if tokens.next().is_some() {
                return Shape::Several;
            }
            break;
        }
        if after_format && token.word {
            format = Some(String::from_utf8_lossy(token.bytes(text)).into_owned());
        }
        after_format = token.depth == 0 && token.is_word(text, b"FORMAT");
        totals |= token.is_word(text, b"TOTALS");
    }
    if select { Shape::Select { format, plain: !totals } } else { Shape::Other { format } }
}

impl Shape {
    fn or_other(self) -> Self {
        match self {
            Self::Select { format, .. } => Self::Other { format },
            shape => shape,
        }
    }
}

/// Where data that follows `FORMAT name` begins: after blanks, and after one line break.
pub(crate) fn skip_to_data(bytes: &[u8]) -> usize {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = bytes.get(blanks..).unwrap_or_default();
    blanks
        + match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        }
}

/// A text literal.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[derive(Debug, Clone, Copy)]
struct Token {
    start: usize,
    end: usize,
    /// Brackets open around it; of a bracket itself, those outside of it.
    depth: u32,
    word: bool,
}

impl Token {
    fn bytes<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }

    fn is_word(&self, text: &[u8], word: &[u8]) -> bool {
        self.word && self.bytes(text).eq_ignore_ascii_case(word)
    }
}

/// Words, quoted things and single marks of a text; blanks and comments are left out.
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn left(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            let left = self.left();
            let skipped = match left {
                [byte, ..] if byte.is_ascii_whitespace() => 1,
                [b'-', b'-', ..] => left.iter().position(|&byte| byte == b'\n').unwrap_or(left.len()),
                [b'/', b'*', ..] => {
                    let end = left.windows(2).skip(2).position(|pair| pair == b"*/");
                    end.map_or(left.len(), |end| end + 4)
                }
                _ => return,
            };
            self.at += skipped;
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let left = self.left();
        let &first = left.first()?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        let word = is_word(first);
        let length = match first {
            _ if word => left.iter().take_while(|&&byte| is_word(byte)).count(),
            b'\'' | b'"' | b'`' => quoted_length(left, first),
            _ => 1,
        };
        match first {
            b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let token = Token { start: self.at, end: self.at + length, depth: self.depth, word };
        if matches!(first, b'(' | b'[' | b'{') {
            self.depth = self.depth.saturating_add(1);
        }
        self.at += length;
        Some(token)
    }
}

/// Length of a quoted thing with its quotes; a backslash and a doubled quote do not end it.
fn quoted_length(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'\\' => 2,
            _ if byte == quote && text.get(at + 1) == Some(&quote) => 2,
            _ if byte == quote => return at + 1,
            _ => 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Shape) {
        assert_eq!(shape(text.as_bytes(), true), expected, "{text}");
    }

    fn check_insert(text: &str, statement: &str, format: &str, data: &str) {
        let Shape::Insert { end, format: found, data: start } = shape(text.as_bytes(), true) else {
            panic!("no insert: {text}");
        };
        let start = start + skip_to_data(&text.as_bytes()[start..]);
        let found = (text.get(..end).unwrap().trim(), found.as_str(), text.get(start..).unwrap());
        assert_eq!(found, (statement, format, data), "{text}");
    }

    #[test]
    fn inserts_with_data() {
        check_insert("INSERT INTO t FORMAT RowBinary", "INSERT INTO t", "RowBinary", "");
        check_insert(
            "insert into `a;b`.t(`format`, values) format CSV\n1,2",
            "insert into `a;b`.t(`format`, values)",
            "CSV",
            "1,2",
        );
        check_insert(
            "/* FORMAT x */ INSERT INTO TABLE format VALUES (1, ';')",
            "/* FORMAT x */ INSERT INTO TABLE format",
            "Values",
            "(1, ';')",
        );
        check_insert(
            "INSERT INTO db.values SETTINGS a = 'FORMAT b' FORMAT JSONEachRow\r\n{}",
            "INSERT INTO db.values SETTINGS a = 'FORMAT b'",
            "JSONEachRow",
            "{}",
        );
    }

    #[test]
    fn inserts_without_data() {
        check("INSERT INTO t SELECT 1 FORMAT Null", Shape::Other { format: Some("Null".to_owned()) });
        check("INSERT INTO t (a) WITH 1 AS x SELECT x", Shape::Other { format: None });
        check("INSERT INTO t", Shape::Other { format: None });
        check("INSERT INTO t FORMAT", Shape::Other { format: None });
    }

    #[test]
    fn selects_and_others() {
        let select = |format: Option<&str>| Shape::Select { format: format.map(str::to_owned), plain: true };
        check("SELECT 1", select(None));
        check("-- about\n(SELECT ';', `a\\`;b`, \"c\"\";d\") ; -- end", select(None));
        check("WITH 1 AS x SELECT format('a', x) FORMAT JSON", select(Some("JSON")));
        check("SELECT (SELECT 1 FORMAT CSV)", select(None));
        check(
            "SELECT a, count() FROM t GROUP BY a WITH TOTALS",
            Shape::Select { format: None, plain: false },
        );
        check("SHOW TABLES FORMAT TSV", Shape::Other { format: Some("TSV".to_owned()) });
        check("", Shape::Other { format: None });
        check("SELECT 1; DROP TABLE t", Shape::Several);
        check("SET a = 1;;", Shape::Several);
    }

    #[test]
    fn a_cut_text_is_incomplete_until_it_can_be_told() {
        let text = "INSERT INTO t (a) FORMAT RowBinary\n";
        for cut in 0..text.len() - 1 {
            assert_eq!(shape(&text.as_bytes()[..cut], false), Shape::Incomplete, "{cut}");
        }
        assert!(matches!(shape(text.as_bytes(), false), Shape::Insert { .. }));
        assert_eq!(shape(b"SELECT 1", false), Shape::Incomplete);
    }

    #[test]
    fn quotes() {
        assert_eq!(quote(r"it's \ ok"), r"'it\'s \\ ok'");
    }
}

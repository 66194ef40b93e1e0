//! Lines, fields and colours. Knows nothing of crashes.

use std::borrow::Cow;
use std::fmt::Display;

use super::shown;

/// Width of the field names' column.
const NAMES: usize = 27;

/// Colours used.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    Bold,
    Red,
    Yellow,
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Red => "1;31",
            Self::Yellow => "1;33",
            Self::Dim => "2",
        }
    }
}

/// Text under way.
pub(super) struct Page {
    text: String,
    colour: bool,
}

impl Page {
    pub(super) fn new(colour: bool) -> Self {
        Self { text: String::new(), colour }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn painted(&mut self, paint: Paint, text: &str) {
        if self.colour {
            self.text.push_str("\x1b[");
            self.text.push_str(paint.code());
            self.text.push('m');
            self.text.push_str(text);
            self.text.push_str("\x1b[0m");
        } else {
            self.text.push_str(text);
        }
    }

    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.end_line();
    }

    pub(super) fn end_line(&mut self) {
        self.text.push('\n');
    }

    /// One empty line, never two.
    pub(super) fn blank(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.end_line();
        }
    }

    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.painted(Paint::Dim, &format!("{:<NAMES$}", format!("{name}:")));
        self.line(&format!(" {value}"));
    }

    pub(super) fn optional(&mut self, name: &str, value: Option<Cow<'_, str>>) {
        if let Some(value) = value {
            self.field(name, &value);
        }
    }

    /// A text of the report, where there is one.
    pub(super) fn known(&mut self, name: &str, value: &Option<String>) {
        self.optional(name, value.as_deref().map(shown));
    }

    /// A number or name of the report's own, where there is one.
    pub(super) fn some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.field(name, &value.to_string());
        }
    }

    pub(super) fn heading(&mut self, title: &str, note: &str) {
        self.blank();
        self.painted(Paint::Bold, title);
        if !note.is_empty() {
            self.text.push_str("  ");
            self.painted(Paint::Dim, &format!("({note})"));
        }
        self.end_line();
    }
}

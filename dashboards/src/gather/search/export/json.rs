//! One JSON object, written while it is read: `query`, `between`, `crashes`, and at its end `rows` and `cut`.

use storage::questions::{CrashSummary, Range};

use crate::respond::Fault;

/// What is written first, and whether a comma is due.
pub(super) struct Json {
    query: String,
    between: Range,
    begun: bool,
}

impl Json {
    pub(super) fn new(query: String, between: Range) -> Self {
        Self { query, between, begun: false }
    }

    pub(super) fn head(&self) -> String {
        let query = serde_json::Value::from(self.query.as_str());
        let Range { from_ms, to_ms } = self.between;
        format!("{{\"query\":{query},\"between\":{{\"from_ms\":{from_ms},\"to_ms\":{to_ms}}},\"crashes\":[")
    }

    pub(super) fn rows(&mut self, rows: &[CrashSummary]) -> Result<String, Fault> {
        let mut text = String::new();
        for row in rows {
            text.push_str(if self.begun { ",\n" } else { "\n" });
            self.begun = true;
            // Plain data: it cannot fail, and where it does the export must not go on as if it had not.
            text.push_str(&serde_json::to_string(row).map_err(|_| Fault::Away)?);
        }
        Ok(text)
    }
}

/// `cut` says whether there would be more.
pub(super) fn tail(written: usize, cut: bool) -> String {
    format!("\n],\"rows\":{written},\"cut\":{cut}}}\n")
}

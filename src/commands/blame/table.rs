//! Verdicts as a table for people. Every text of it is cleaned here, whoever made it.

use blame::{Confidence, Culprit, Verdict};
use serde_json::Value;

use super::{Ids, printable};

/// Widest that a column becomes for what is in it.
const WIDEST: usize = 40;

/// Rows are written as they come, so the first of them sets the width of the first column.
pub(super) struct Table {
    colour: bool,
    id_width: Option<usize>,
}

impl Table {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, id_width: None }
    }

    /// A verdict, below the heading where it is the first.
    pub(super) fn row(&mut self, ids: &Ids, number: u64, code: u32, verdict: &Verdict) -> String {
        let who = match (verdict.culprit, &verdict.process_name) {
            (Culprit::Driver | Culprit::Module, _) => short(&verdict.image_name),
            (Culprit::Process, Some(name)) => format!("process {}", short(name)),
            (other, _) => format!("({})", other.as_str()),
        };
        let paint = match verdict.confidence {
            Confidence::High => "1;31",
            Confidence::Medium => "1;33",
            Confidence::Low => "",
            Confidence::None => "2",
        };
        let code = if code == 0 { "-".to_owned() } else { format!("{code:#x}") };
        let confidence = self.painted(paint, &format!("{:<10}", verdict.confidence.as_str()));
        let rule = verdict.rule.as_str();
        let rest =
            format!("{code:<10}  {who:<24}  {confidence}  {rule:<20}  {}", short(&verdict.failure_bucket_id));
        self.line(ids, number, &rest)
    }

    /// A line that holds no facts; why, is said elsewhere.
    pub(super) fn refused(&mut self, ids: &Ids, number: u64) -> String {
        let text = self.painted("2", "(no facts of a crash)");
        self.line(ids, number, &format!("{:<10}  {text}", "-"))
    }

    fn line(&mut self, ids: &Ids, number: u64, rest: &str) -> String {
        let name = ids.id.as_ref().or(ids.crash_id.as_ref());
        let name = match name {
            Some(Value::String(name)) => short(name),
            Some(other) => short(&other.to_string()),
            None => format!("line {number}"),
        };
        let first = self.id_width.is_none();
        let width = *self.id_width.get_or_insert_with(|| name.chars().count().clamp(8, WIDEST));
        let row = format!("{name:<width$}  {rest}");
        if !first {
            return row;
        }
        let heading = format!(
            "{:<width$}  {:<10}  {:<24}  {:<10}  {:<20}  {}",
            "id", "bug check", "culprit", "confidence", "rule", "bucket"
        );
        format!("{}\n{row}", self.painted("1", &heading))
    }

    fn painted(&self, paint: &str, text: &str) -> String {
        if self.colour && !paint.is_empty() { format!("\x1b[{paint}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Cleaned, and no longer than a bucket.
fn short(text: &str) -> String {
    const LONGEST: usize = 300;
    printable(&text.chars().take(LONGEST).collect::<String>())
}

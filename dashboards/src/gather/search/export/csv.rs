//! CSV as RFC 4180 has it, harmless in a spreadsheet: what a dump brings never becomes a formula.

use jiff::Timestamp;
use storage::questions::CrashSummary;

const HEAD: [&str; 24] = [
    "crash_id",
    "happened_at",
    "crashed_at",
    "received_at",
    "tenant",
    "machine",
    "ring",
    "site",
    "outcome",
    "problem",
    "kind",
    "bugcheck",
    "bugcheck_name",
    "culprit",
    "driver",
    "driver_timestamp",
    "fault_offset",
    "fault_site",
    "bucket",
    "confidence",
    "os_build",
    "os_ubr",
    "model",
    "note",
];

/// Names of the columns.
pub(super) fn head() -> String {
    line(HEAD.map(str::to_owned).into())
}

/// A last line that says so, where there would be more: in the column that is empty elsewhere.
pub(super) fn tail(written: usize, cut: bool) -> String {
    if !cut {
        return String::new();
    }
    let mut cells = vec![String::new(); HEAD.len()];
    if let Some(last) = cells.last_mut() {
        *last = format!("cut after {written} crashes: there are more");
    }
    line(cells)
}

/// A line for each crash.
pub(super) fn rows(rows: &[CrashSummary]) -> String {
    rows.iter().map(row).collect()
}

fn row(row: &CrashSummary) -> String {
    let text = |text: &String| harmless(text);
    line(vec![
        row.crash_id.to_string(),
        time(row.happened_at_ms),
        time(row.crashed_at_ms),
        time(row.received_at_ms),
        text(&row.tenant),
        text(&row.machine),
        text(&row.ring),
        text(&row.site),
        text(&row.outcome),
        text(&row.problem),
        text(&row.kind),
        format!("0x{:x}", row.bugcheck),
        text(&row.bugcheck_name),
        text(&row.culprit),
        text(&row.driver),
        format!("0x{:x}", row.driver_timestamp),
        format!("0x{:x}", row.fault_offset),
        text(&row.fault_site),
        text(&row.bucket),
        text(&row.confidence),
        row.os_build.to_string(),
        row.os_ubr.to_string(),
        text(&row.model),
        String::new(),
    ])
}

/// Empty where a dump has no time.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).ok().filter(|_| ms != 0).map(|at| at.to_string()).unwrap_or_default()
}

/// Spreadsheets run a cell that begins so. A quote before it makes it text.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn line(cells: Vec<String>) -> String {
    let quoted = |cell: String| {
        if cell.contains([',', '"', '\r', '\n']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    let mut line = cells.into_iter().map(quoted).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, cell) in [
            ("csagent.sys", "csagent.sys"),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("-two\r\nlines", "\"'-two\r\nlines\""),
        ] {
            assert_eq!(line(vec![harmless(text)]), format!("{cell}\r\n"));
        }
    }

    #[test]
    fn every_line_has_as_many_cells() {
        let cells = |line: &str| line.matches(',').count();
        let summary = serde_json::json!({
            "crash_id": uuid::Uuid::nil(), "crashed_at_ms": 0, "happened_at_ms": 1, "received_at_ms": 1, "tenant": "",
            "machine": "", "ring": "", "site": "", "outcome": "", "problem": "", "kind": "", "bugcheck": 80,
            "bugcheck_name": "", "culprit": "", "driver": "", "driver_timestamp": 1, "fault_offset": 1, "fault_site": "",
            "bucket": "", "confidence": "", "os_build": 1, "os_ubr": 1, "model": "", "uptime_s": 1
        });
        let others = HEAD.len() - 1;
        // Ids are read where they stand, which a value in memory cannot give.
        let summary: CrashSummary = serde_json::from_str(&summary.to_string()).unwrap();
        assert_eq!([cells(&head()), cells(&row(&summary)), cells(&tail(7, true))], [others; 3]);
        assert_eq!(tail(7, false), "");
        assert!(tail(7, true).ends_with(",cut after 7 crashes: there are more\r\n"));
        assert_eq!([time(0), time(1_721_362_140_000)], ["", "2024-07-19T04:09:00Z"]);
    }
}

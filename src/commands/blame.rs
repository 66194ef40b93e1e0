//! `bluescope blame`: facts in, verdicts out, a line each, in order. What a line is read into and written as is here; who is
//! to blame is the `blame` crate's business. Holds one line at a time, however many come.

mod lines;
mod table;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use analyzer::Owners;
use anyhow::Context as _;
use blame::{Facts, FactsError, Verdict, judge};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use self::lines::{Line, next_line};
use self::table::Table;
use crate::cli::BlameArgs;
use crate::config::load;
use crate::terminal;

/// Bytes of one line: facts of a real crash take a few thousand, a debugger's whole output some ten thousand.
const MOST_LINE: usize = 16 << 20;

/// What a line is called, echoed so that verdicts can be joined to what they are about.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Ids {
    #[serde(deserialize_with = "name", skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    #[serde(deserialize_with = "name", skip_serializing_if = "Option::is_none")]
    crash_id: Option<Value>,
}

/// A text or a number; anything larger would be held in memory many times its size.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    struct Name;

    impl Visitor<'_> for Name {
        type Value = Option<Value>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a number")
        }

        fn visit_str<E>(self, text: &str) -> Result<Option<Value>, E> {
            Ok(Some(text.into()))
        }

        fn visit_u64<E>(self, number: u64) -> Result<Option<Value>, E> {
            Ok(Some(number.into()))
        }

        fn visit_i64<E>(self, number: i64) -> Result<Option<Value>, E> {
            Ok(Some(number.into()))
        }

        fn visit_unit<E>(self) -> Result<Option<Value>, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Name)
}

#[derive(Serialize)]
struct Judged<'v> {
    #[serde(flatten)]
    ids: &'v Ids,
    #[serde(flatten)]
    verdict: &'v Verdict,
}

#[derive(Serialize)]
struct Refused<'e> {
    #[serde(flatten)]
    ids: &'e Ids,
    error: &'e str,
    line: u64,
}

/// Why a line has no verdict.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("not facts of a crash: the line is longer than {} MiB", MOST_LINE >> 20)]
    TooLong,
    #[error("not facts of a crash: the line is not UTF-8")]
    NotText,
    #[error(transparent)]
    NoFacts(#[from] FactsError),
}

/// Judges every line of the files, or of standard input; fails where one of them holds no facts.
pub(crate) fn run(arguments: &BlameArgs) -> anyhow::Result<ExitCode> {
    let owners = match &arguments.config {
        Some(file) => load(Some(file), std::env::vars())?.owners()?,
        None => Owners::default(),
    };
    let table = arguments.table.then(|| Table::new(terminal::colours(arguments.color)));
    let mut session = Session { owners, table, out: io::stdout().lock(), failed: false };
    let outcome = session.all(&arguments.files);
    match outcome {
        // A reader that has seen enough (`| head`) ends the command without a word.
        Err(error) if is_closed(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
        Ok(()) => Ok(if session.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

struct Session<W> {
    owners: Owners,
    /// For people; else JSON lines.
    table: Option<Table>,
    out: W,
    failed: bool,
}

impl<W: Write> Session<W> {
    fn all(&mut self, files: &[PathBuf]) -> anyhow::Result<()> {
        if files.is_empty() {
            return self.read(io::stdin().lock(), "standard input");
        }
        for file in files {
            let name = file.display().to_string();
            if file == Path::new("-") {
                self.read(io::stdin().lock(), "standard input")?;
                continue;
            }
            // One that cannot be read never hides the next.
            match File::open(file).with_context(|| format!("cannot read {name}")) {
                Ok(opened) => self.read(opened, &name)?,
                Err(error) => {
                    self.failed = true;
                    terminal::error(&error);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, input: impl Read, name: &str) -> anyhow::Result<()> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let mut text = Vec::new();
        let mut pending = Vec::new();
        let mut number = 0u64;
        loop {
            // Whoever feeds line after line and waits for each answer gets it: nothing is held back while nothing is there.
            if input.buffer().is_empty() {
                self.flush(&mut pending)?;
            }
            let line = next_line(&mut input, &mut text, MOST_LINE)
                .with_context(|| format!("{}: cannot read on after line {number}", printable(name)))?;
            number = number.saturating_add(1);
            let line = match line {
                Line::End => break,
                Line::Text(bytes) if bytes.trim_ascii().is_empty() => continue,
                Line::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| Refusal::NotText),
                Line::TooLong => Err(Refusal::TooLong),
            };
            self.answer(&mut pending, line, name, number)?;
        }
        self.flush(&mut pending)
    }

    fn flush(&mut self, pending: &mut Vec<u8>) -> anyhow::Result<()> {
        if !pending.is_empty() {
            self.out.write_all(pending)?;
            self.out.flush()?;
            pending.clear();
        }
        Ok(())
    }

    /// The answer to a line goes to the end of what is not yet written.
    fn answer(
        &mut self,
        pending: &mut Vec<u8>,
        line: Result<&str, Refusal>,
        name: &str,
        number: u64,
    ) -> anyhow::Result<()> {
        let ids = line.as_ref().ok().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let facts = line.and_then(|line| Ok(Facts::from_json(line)?));
        let text = match facts {
            Ok(facts) => {
                let verdict = judge(&facts, &self.owners);
                match &mut self.table {
                    Some(table) => table.row(&ids, number, facts.raw_code(), &verdict),
                    None => json(&Judged { ids: &ids, verdict: &verdict })?,
                }
            }
            Err(refusal) => {
                self.failed = true;
                let error = refusal.to_string();
                // Both may go to one terminal: first what was asked for, then the remark.
                self.flush(pending)?;
                terminal::remark(&printable(&format!("{name}:{number}: {error}")));
                match &mut self.table {
                    Some(table) => table.refused(&ids, number),
                    None => json(&Refused { ids: &ids, error: &error, line: number })?,
                }
            }
        };
        pending.extend_from_slice(text.as_bytes());
        pending.push(b'\n');
        if pending.len() >= 1 << 16 {
            self.flush(pending)?;
        }
        Ok(())
    }
}

/// One line of JSON. It escapes some control characters itself; the others, and those that reorder what is read, may only
/// stand in its strings, so that escaping them wherever they are changes nothing for whoever reads it.
fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let plain = serde_json::to_string(value)?;
    if plain.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return Ok(plain);
    }
    let mut escaped = String::with_capacity(plain.len());
    for c in plain.chars() {
        if blame::is_deceptive(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    Ok(escaped)
}

/// A text for a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if blame::is_deceptive(c) { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests;

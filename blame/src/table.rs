//! `data/blame.toml`: per bug check, which rules are asked in which order, how far the answer may be trusted, and the shape
//! of the bucket id. Owns its reading; the rules themselves are functions in `kernel`.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use dump::{BugCheck, Role, Strategy, bugcheck, without_flag};
use serde::Deserialize;

use crate::verdict::{Confidence, HardwareSign, Rule};

/// How a crash of one bug check is judged: its own lines of the table over those of its strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Rules, strongest evidence first; the first that finds somebody decides.
    pub(crate) look: Vec<Rule>,
    /// The verdict is never surer than this.
    pub(crate) cap: Confidence,
    /// What one rule finds is never surer than this.
    caps: HashMap<Rule, Confidence>,
    /// A sentence that every verdict on this bug check carries.
    pub(crate) because: Option<&'static str>,
    /// Parts of the bucket id.
    pub(crate) bucket: &'static str,
    /// What this says of the machine.
    pub(crate) sign: Option<HardwareSign>,
    /// The subcode's name, as buckets have it.
    pub(crate) name: Option<&'static str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    strategy: HashMap<Strategy, Lines>,
    bugcheck: BTreeMap<String, BugCheckLines>,
    #[serde(default)]
    exception: BTreeMap<String, ExceptionLines>,
}

/// What an exception says whatever bug check reports it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionLines {
    cap: Confidence,
    because: String,
}

/// What a section may say. What it leaves out, the section behind it says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lines {
    look: Option<Vec<Rule>>,
    cap: Option<Confidence>,
    caps: Option<HashMap<Rule, Confidence>>,
    because: Option<String>,
    bucket: Option<String>,
    sign: Option<HardwareSign>,
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BugCheckLines {
    /// Another strategy than the table of bug checks has.
    strategy: Option<Strategy>,
    /// Number of the parameter (1 to 4) that selects a case; where it is left out, that of the table of bug checks.
    by: Option<usize>,
    look: Option<Vec<Rule>>,
    cap: Option<Confidence>,
    caps: Option<HashMap<Rule, Confidence>>,
    because: Option<String>,
    bucket: Option<String>,
    sign: Option<HardwareSign>,
    name: Option<String>,
    /// Names of subcodes, in buckets: `"0x3" = "CORRUPT_LIST_ENTRY"`.
    names: BTreeMap<String, String>,
    /// Subcodes that are judged in their own way; several in one key, with blanks between them.
    case: BTreeMap<String, Lines>,
}

#[derive(Debug, Default)]
struct Entry {
    by: Option<usize>,
    row: Option<Row>,
    cases: HashMap<u64, Row>,
    names: HashMap<u64, &'static str>,
}

/// The table, read.
#[derive(Debug, Default)]
pub(crate) struct Table {
    strategies: HashMap<Strategy, Row>,
    entries: HashMap<u32, Entry>,
    exceptions: HashMap<u64, Exception>,
}

#[derive(Debug)]
struct Exception {
    cap: Confidence,
    because: &'static str,
}

const TEXT: &str = include_str!("../data/blame.toml");

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(TEXT).unwrap_or_default());

/// The bucket of a bug check whose lines do not say.
const BUCKET: &str = "code sub name vrf symbol";

fn number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok()
}

fn by_number(key: &str) -> Result<u64, String> {
    number(key).ok_or_else(|| format!("{key}: not a number such as 0x3"))
}

/// The table is never dropped: what it says lives as long as the program.
fn leak(text: Option<String>) -> Option<&'static str> {
    text.map(|text| &*Box::leak(text.into_boxed_str()))
}

impl Lines {
    fn over(self, below: &Row) -> Row {
        Row {
            look: self.look.unwrap_or_else(|| below.look.clone()),
            cap: self.cap.unwrap_or(below.cap),
            caps: self.caps.unwrap_or_else(|| below.caps.clone()),
            because: leak(self.because).or(below.because),
            bucket: leak(self.bucket).unwrap_or(below.bucket),
            sign: self.sign.or(below.sign),
            name: leak(self.name).or(below.name),
        }
    }
}

impl Table {
    fn read(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let base = Row {
            look: vec![Rule::Nobody],
            cap: Confidence::High,
            caps: HashMap::new(),
            because: None,
            bucket: BUCKET,
            sign: None,
            name: None,
        };
        let strategies: HashMap<_, _> =
            file.strategy.into_iter().map(|(strategy, lines)| (strategy, lines.over(&base))).collect();
        let mut entries = HashMap::new();
        for (key, lines) in file.bugcheck {
            let code = number(&key).and_then(|code| u32::try_from(code).ok());
            let code = code.ok_or_else(|| format!("bugcheck.{key}: not a number such as 0xd1"))?;
            let known = bugcheck(without_flag(code), code).map(|known| known.strategy);
            let strategy =
                lines.strategy.or(known).ok_or_else(|| format!("bugcheck.{key}: not a bug check"))?;
            let below = strategies.get(&strategy).unwrap_or(&base);
            entries
                .insert(code, Entry::read(lines, below).map_err(|error| format!("bugcheck.{key}.{error}"))?);
        }
        let mut exceptions = HashMap::new();
        for (key, lines) in file.exception {
            let code = by_number(&key).map_err(|error| format!("exception.{error}"))?;
            let because = leak(Some(lines.because)).unwrap_or_default();
            exceptions.insert(code, Exception { cap: lines.cap, because });
        }
        Ok(Self { strategies, entries, exceptions })
    }

    /// How a crash is judged, and the value of the parameter that selects.
    pub(crate) fn row(&'static self, raw: u32, parameters: &[u64; 4]) -> Judged {
        let code = without_flag(raw);
        let known = bugcheck(code, raw);
        let entry = self.entries.get(&code).or_else(|| self.entries.get(&raw));
        let by = entry.and_then(|entry| entry.by);
        let selected = by.and_then(|by| parameters.get(by.checked_sub(1)?).copied());
        let sub = selected.or_else(|| known?.subcode(parameters));
        let case = entry.and_then(|entry| entry.cases.get(&sub?));
        let strategy = known.map_or(Strategy::Stack, |known| known.strategy);
        let row = case.or(entry.and_then(|entry| entry.row.as_ref()));
        let name = entry.and_then(|entry| entry.names.get(&sub?).copied());
        let exception = known.and_then(|known| self.exceptions.get(&exception_code(known, parameters)?));
        Judged { known, row: row.or(self.strategies.get(&strategy)), exception, sub, name }
    }
}

/// The exception that a parameter of the bug check is, however it was extended.
fn exception_code(known: &BugCheck, parameters: &[u64; 4]) -> Option<u64> {
    let roles = known.roles(parameters);
    let (_, code) = roles.iter().zip(parameters).find(|(role, _)| **role == Role::ExcCode)?;
    Some(code & 0xFFFF_FFFF)
}

impl Entry {
    fn read(lines: BugCheckLines, below: &Row) -> Result<Self, String> {
        let BugCheckLines { look, cap, caps, because, bucket, sign, name, .. } = lines;
        let row = Lines { look, cap, caps, because, bucket, sign, name }.over(below);
        let mut entry = Self { by: lines.by, ..Self::default() };
        for (keys, case) in lines.case {
            let row = case.over(&row);
            for key in keys.split_whitespace() {
                let twice = entry.cases.insert(by_number(key)?, row.clone()).is_some();
                if twice {
                    return Err(format!("{key}: judged twice"));
                }
            }
        }
        for (key, name) in lines.names {
            entry.names.extend(Some((by_number(&key)?, leak(Some(name)).unwrap_or_default())));
        }
        entry.row = Some(row);
        Ok(entry)
    }
}

/// What the tables say of one crash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) known: Option<&'static BugCheck>,
    row: Option<&'static Row>,
    exception: Option<&'static Exception>,
    /// Value of the parameter that selects.
    pub(crate) sub: Option<u64>,
    name: Option<&'static str>,
}

impl Judged {
    pub(crate) fn look(&self) -> &'static [Rule] {
        self.row.map_or(&[Rule::Nobody], |row| row.look.as_slice())
    }

    pub(crate) fn cap(&self) -> Confidence {
        let row = self.row.map_or(Confidence::High, |row| row.cap);
        self.exception.map_or(row, |exception| exception.cap.min(row))
    }

    /// How sure at most what a rule found is.
    pub(crate) fn cap_of(&self, rule: Rule) -> Confidence {
        let own = self.row.and_then(|row| row.caps.get(&rule).copied());
        own.map_or(self.cap(), |own| own.min(self.cap()))
    }

    /// Of the exception, else of the bug check.
    pub(crate) fn because(&self) -> Option<&'static str> {
        self.exception.map(|exception| exception.because).or_else(|| self.row?.because)
    }

    pub(crate) fn bucket(&self) -> &'static str {
        self.row.map_or(BUCKET, |row| row.bucket)
    }

    pub(crate) fn sign(&self) -> Option<HardwareSign> {
        self.row?.sign
    }

    /// Whether the debugger calls the processor's maker the image.
    pub(crate) fn names_vendor(&self) -> bool {
        self.sign() == Some(HardwareSign::MachineCheck)
            || self.bucket().split(' ').any(|part| part == "vendor_image")
    }

    /// The subcode's name in buckets.
    pub(crate) fn name(&self) -> Option<&'static str> {
        self.name.or(self.row?.name)
    }
}

/// What an exception says wherever it is met: how sure at most, and why.
pub(crate) fn exception(code: u64) -> Option<(Confidence, &'static str)> {
    TABLE.exceptions.get(&code).map(|exception| (exception.cap, exception.because))
}

/// What the tables say of a crash.
pub(crate) fn judged(raw: u32, parameters: &[u64; 4]) -> Judged {
    TABLE.row(raw, parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::is_part;

    #[test]
    fn the_table_reads_and_every_bug_check_has_a_way() {
        let table = Table::read(TEXT).unwrap();
        let mut own = 0;
        for known in dump::bugchecks() {
            let judged = TABLE.row(known.code, &[0; 4]);
            let row = judged.row.unwrap_or_else(|| panic!("{:#x}: no strategy", known.code));
            assert_eq!(row.look.last(), Some(&Rule::Nobody), "{:#x}: every way ends somewhere", known.code);
            own += usize::from(table.entries.contains_key(&without_flag(known.code)));
        }
        assert!(own >= 60, "{own} bug checks with lines of their own");
    }

    #[test]
    fn buckets_are_made_of_parts() {
        let table = Table::read(TEXT).unwrap();
        let entries = table.entries.values();
        let rows = entries
            .flat_map(|entry| entry.row.iter().chain(entry.cases.values()))
            .chain(table.strategies.values());
        for row in rows {
            for part in row.bucket.split(' ') {
                assert!(is_part(part), "{part:?} in {:?}", row.bucket);
            }
        }
    }

    #[test]
    fn faults_of_the_table_are_told() {
        let check = |text: &str, expected: &str| {
            let error = Table::read(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("[strategy]\n[bugcheck.0xABCDE]", "not a bug check");
        check("[strategy]\n[bugcheck.d1]", "not a number");
        check("[strategy]\n[bugcheck.0xd1]\nlook = [\"guess\"]", "guess");
        check("[strategy]\n[bugcheck.0x1a.case.\"0x403 404\"]\ncap = \"low\"", "bugcheck.0x1a.404");
        check(
            "[strategy]\n[bugcheck.0x1a.case.\"0x403 0x403\"]\ncap = \"low\"",
            "bugcheck.0x1a.0x403: judged twice",
        );
        check("[strategy]\n[bugcheck]\n[exception.0xc0000006]\ncap = \"low\"", "because");
    }
}

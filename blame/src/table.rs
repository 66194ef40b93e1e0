//! `data/blame.toml`: per bug check, which rules are asked in which order, how far the answer may be trusted, and the shape
//! of the bucket id. Owns its reading; the rules themselves are functions in `kernel`.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use dump::{BugCheck, Strategy, bugcheck};
use serde::Deserialize;

use crate::verdict::{Confidence, HardwareSign, Rule};

/// How a crash of one bug check is judged: its own lines of the table over those of its strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Rules, strongest evidence first; the first that finds somebody decides.
    pub(crate) look: Vec<Rule>,
    /// The verdict is never surer than this.
    pub(crate) cap: Confidence,
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
}

/// What a section may say. What it leaves out, the section behind it says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lines {
    look: Option<Vec<Rule>>,
    cap: Option<Confidence>,
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
    because: Option<String>,
    bucket: Option<String>,
    sign: Option<HardwareSign>,
    name: Option<String>,
    /// Names of subcodes, in buckets: `"0x3" = "CORRUPT_LIST_ENTRY"`.
    names: BTreeMap<String, String>,
    /// Subcodes that are judged in their own way.
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
}

const TEXT: &str = include_str!("../data/blame.toml");

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(TEXT).unwrap_or_default());

/// The bucket of a bug check whose lines do not say.
const BUCKET: &str = "code sub name vrf symbol";

fn number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok()
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
            let known = bugcheck(code & 0x0FFF_FFFF, code).map(|known| known.strategy);
            let strategy =
                lines.strategy.or(known).ok_or_else(|| format!("bugcheck.{key}: not a bug check"))?;
            let below = strategies.get(&strategy).unwrap_or(&base);
            entries
                .insert(code, Entry::read(lines, below).map_err(|error| format!("bugcheck.{key}.{error}"))?);
        }
        Ok(Self { strategies, entries })
    }

    /// How a crash is judged, and the value of the parameter that selects.
    pub(crate) fn row(&'static self, raw: u32, parameters: &[u64; 4]) -> Judged {
        let code = raw & 0x0FFF_FFFF;
        let known = bugcheck(code, raw);
        let entry = self.entries.get(&code).or_else(|| self.entries.get(&raw));
        let by = entry.and_then(|entry| entry.by);
        let selected = by.and_then(|by| parameters.get(by.checked_sub(1)?).copied());
        let sub = selected.or_else(|| known?.subcode(parameters));
        let case = entry.and_then(|entry| entry.cases.get(&sub?));
        let strategy = known.map_or(Strategy::Stack, |known| known.strategy);
        let row = case.or(entry.and_then(|entry| entry.row.as_ref()));
        let name = entry.and_then(|entry| entry.names.get(&sub?).copied());
        Judged { known, row: row.or(self.strategies.get(&strategy)), sub, name }
    }
}

impl Entry {
    fn read(lines: BugCheckLines, below: &Row) -> Result<Self, String> {
        let BugCheckLines { look, cap, because, bucket, sign, name, .. } = lines;
        let row = Lines { look, cap, because, bucket, sign, name }.over(below);
        let by_number = |key: &str| number(key).ok_or_else(|| format!("{key}: not a number such as 0x3"));
        let mut entry = Self { by: lines.by, ..Self::default() };
        for (key, case) in lines.case {
            entry.cases.insert(by_number(&key)?, case.over(&row));
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
    /// Value of the parameter that selects.
    pub(crate) sub: Option<u64>,
    name: Option<&'static str>,
}

impl Judged {
    pub(crate) fn look(&self) -> &'static [Rule] {
        self.row.map_or(&[Rule::Nobody], |row| row.look.as_slice())
    }

    pub(crate) fn cap(&self) -> Confidence {
        self.row.map_or(Confidence::High, |row| row.cap)
    }

    pub(crate) fn because(&self) -> Option<&'static str> {
        self.row?.because
    }

    pub(crate) fn bucket(&self) -> &'static str {
        self.row.map_or(BUCKET, |row| row.bucket)
    }

    pub(crate) fn sign(&self) -> Option<HardwareSign> {
        self.row?.sign
    }

    /// The subcode's name in buckets.
    pub(crate) fn name(&self) -> Option<&'static str> {
        self.name.or(self.row?.name)
    }
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
            own += usize::from(table.entries.contains_key(&(known.code & 0x0FFF_FFFF)));
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
    }
}

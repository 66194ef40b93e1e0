//! Bug checks: names, what each parameter means, and what kind of thing it is. Owns the table `data/bugchecks.json` (426
//! codes after Microsoft's documentation, in own words) and the lookup in it; never looks into a dump.

mod role;

pub use role::{Role, Strategy};

use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

use serde::{Deserialize, Serialize};

/// The documentation whose pages [`BugCheck::page`] names.
const DOCUMENTATION: &str = "https://learn.microsoft.com/windows-hardware/drivers/debugger/";

/// What is known of a bug check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BugCheck {
    /// Number: `0xD1`; with its flag (`0x1000007E`) where the table has that for itself.
    pub code: u32,
    /// `DRIVER_IRQL_NOT_LESS_OR_EQUAL`.
    pub name: &'static str,
    /// How its culprit is found.
    #[serde(rename = "blame")]
    pub strategy: Strategy,
    /// The four parameters, before any of them selects the meaning of the others.
    pub params: [Param; 4],
    /// What it is good to know; nothing of it is needed.
    pub notes: Option<&'static str>,
    /// Whether the notes tell what was seen in dumps rather than what the documentation says.
    #[serde(default)]
    pub practice: bool,
    /// Whether the machine went on running: it exists as a live dump only.
    #[serde(default)]
    pub live: bool,
    /// Numbers of the parameters (1 to 4) that lie in the culprit or name it.
    #[serde(default)]
    pub direct: Vec<u8>,
    /// Numbers of the parameters (1 to 4) that lead to the culprit: a context, an IRP.
    #[serde(default)]
    pub indirect: Vec<u8>,
    /// The same bug check without its flag.
    pub alias: Option<u32>,
    page: Option<&'static str>,
    #[serde(default)]
    subcodes: Vec<Subcode>,
}

/// A parameter of a bug check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param(
    /// What kind of thing it is.
    pub Role,
    /// What it means.
    #[serde(borrow)]
    pub &'static str,
);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Subcode {
    value: u64,
    roles: [Option<Role>; 4],
    meaning: Option<&'static str>,
}

/// One line of the table, read at the first question about it: all 426 take milliseconds, one takes microseconds.
struct Row {
    code: u32,
    text: &'static str,
    entry: OnceLock<Option<BugCheck>>,
}

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = include_str!("../data/bugchecks.json").lines();
    let rows = lines.filter_map(|line| {
        let text = line.trim_end_matches(',');
        let code = text.strip_prefix("{\"code\":")?.split(',').next()?.parse().ok()?;
        Some(Row { code, text, entry: OnceLock::new() })
    });
    rows.collect()
});

impl Row {
    /// A row that does not parse fails the tests below, so it cannot be shipped.
    fn entry(&'static self) -> Option<&'static BugCheck> {
        self.entry.get_or_init(|| serde_json::from_str(self.text).ok()).as_ref()
    }
}

/// A bug check without the flag that small dumps set above it: 0x1000007E is 0x7E. Codes that are statuses (`0xC0000142`)
/// or marks (`0xDEADDEAD`) use these digits themselves.
pub fn without_flag(raw: u32) -> u32 {
    const FLAG: u32 = 0x1000_0000;
    const FLAGS: u32 = 0xF000_0000;
    if raw & FLAGS == FLAG { raw & !FLAGS } else { raw }
}

/// What is known of a bug check, by its code without flags and as written. Codes that lose digits with the flags
/// (`0xDEADDEAD`, `0xC000021A`) are found as written.
pub fn bugcheck(code: u32, raw: u32) -> Option<&'static BugCheck> {
    let find = |code| TABLE.binary_search_by_key(&code, |row| row.code).ok();
    find(without_flag(raw)).or_else(|| find(code)).and_then(|index| TABLE.get(index)?.entry())
}

/// Everything that is known, by rising code.
pub fn bugchecks() -> impl Iterator<Item = &'static BugCheck> {
    TABLE.iter().filter_map(Row::entry)
}

impl BugCheck {
    /// The parameter that selects the meaning of the others.
    pub fn subcode(&self, parameters: &[u64; 4]) -> Option<u64> {
        let at = self.params.iter().position(|param| param.0 == Role::Subcode)?;
        parameters.get(at).copied()
    }

    /// What the selecting parameter's value stands for.
    pub fn subcode_meaning(&self, parameters: &[u64; 4]) -> Option<&'static str> {
        self.selected(parameters)?.meaning
    }

    fn selected(&self, parameters: &[u64; 4]) -> Option<&Subcode> {
        let value = self.subcode(parameters)?;
        self.subcodes.iter().find(|subcode| subcode.value == value)
    }

    /// The role of each parameter, with the subcode applied.
    pub fn roles(&self, parameters: &[u64; 4]) -> [Role; 4] {
        let selected = self.selected(parameters).map(|subcode| subcode.roles).unwrap_or_default();
        let [a, b, c, d] = selected;
        let [pa, pb, pc, pd] = self.params;
        [a.unwrap_or(pa.0), b.unwrap_or(pb.0), c.unwrap_or(pc.0), d.unwrap_or(pd.0)]
    }

    /// What a parameter (0 to 3) means; the selecting one also says what its value stands for.
    pub fn meaning(&self, index: usize, parameters: &[u64; 4]) -> Cow<'static, str> {
        let Some(Param(role, meaning)) = self.params.get(index).copied() else { return Cow::Borrowed("") };
        match self.subcode_meaning(parameters) {
            Some(selected) if role == Role::Subcode => Cow::Owned(format!("{meaning}: {selected}")),
            _ => Cow::Borrowed(meaning),
        }
    }

    /// Address of its page in Microsoft's documentation.
    pub fn page(&self) -> Option<String> {
        self.page.map(|page| format!("{DOCUMENTATION}{page}"))
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests know how long a list is")]
mod tests {
    use super::*;

    #[test]
    fn the_table_loads_whole() {
        let all: Vec<_> = bugchecks().collect();
        assert_eq!((TABLE.len(), all.len()), (426, 426), "a row did not parse");
        assert!(all.windows(2).all(|pair| pair[0].code < pair[1].code), "the search needs order");
        let count = |wanted: fn(&BugCheck) -> bool| all.iter().filter(|entry| wanted(entry)).count();
        assert_eq!(count(|entry| entry.notes.is_some()), 131);
        assert_eq!(count(|entry| entry.live), 51);
        assert_eq!(count(|entry| !entry.subcodes.is_empty()), 42);
        assert!(
            all.iter()
                .flat_map(|entry| entry.direct.iter().chain(&entry.indirect))
                .all(|n| (1..=4).contains(n))
        );
    }

    #[test]
    fn codes_with_flags() {
        assert_eq!(bugcheck(0x7E, 0x1000_007E).unwrap().name, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED");
        assert_eq!(bugcheck(0x0EAD_DEAD, 0xDEAD_DEAD).unwrap().strategy, Strategy::Manual);
        assert_eq!(bugcheck(0x021A, 0xC000_021A).unwrap().code, 0xC000_021A);
        assert_eq!(bugcheck(0x0ABC_DEF0, 0x0ABC_DEF0), None);
    }

    #[test]
    fn only_the_flag_of_small_dumps_is_taken_off() {
        for (raw, code) in [
            (0x1000_007E, 0x7E),
            (0x7E, 0x7E),
            (0xC000_0142, 0xC000_0142),
            (0xC000_021A, 0xC000_021A),
            (0xDEAD_DEAD, 0xDEAD_DEAD),
        ] {
            assert_eq!(without_flag(raw), code, "{raw:#x}");
        }
    }

    #[test]
    fn a_subcode_selects() {
        let power = bugcheck(0x9F, 0x9F).unwrap();
        let roles = |kind| power.roles(&[kind, 0, 0, 0]);
        assert_eq!(roles(3), [Role::Subcode, Role::DeviceObj, Role::TriageBlock, Role::Irp]);
        assert_eq!(roles(4), [Role::Subcode, Role::Value, Role::Thread, Role::TriageBlock]);
        assert_eq!(roles(2)[3], Role::DriverObj);
        assert_eq!(roles(77), [Role::Subcode, Role::Depends, Role::TriageBlock, Role::Irp], "the row's own");
        assert!(power.meaning(0, &[3, 0, 0, 0]).contains("IRP"), "the subcode explains itself");
        assert_eq!(power.meaning(4, &[3, 0, 0, 0]), "");
        assert_eq!(bugcheck(0xC1, 0xC1).unwrap().subcode(&[1, 2, 3, 0x23]), Some(0x23), "it may be the last");
    }

    #[test]
    fn pages() {
        let page = bugcheck(0x1, 0x1).unwrap().page().unwrap();
        assert!(page.ends_with("/debugger/bug-check-0x1--apc-index-mismatch"), "{page}");
    }
}

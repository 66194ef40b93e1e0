//! `data/bugchecks.json`: 426 bug checks with the role of each parameter. Owns the lookup, not the rules built on it.

use std::sync::LazyLock;

use serde::Deserialize;

/// What a parameter is; only the roles that some rule or explanation acts on, everything else is [`Role::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    InstrAddr,
    CodePtr,
    CallerAddr,
    ModulePtr,
    ModuleBase,
    DriverObj,
    DeviceObj,
    DriverNamePtr,
    ExcRecord,
    CtxRecord,
    TrapFrame,
    Irp,
    Ntstatus,
    ExcCode,
    PoolTag,
    Subcode,
    AccessType,
    RefAddr,
    None,
    Depends,
    #[serde(other)]
    Other,
}

/// How a bug check's culprit is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strategy {
    ParamIp,
    ParamPtr,
    Context,
    TrapFrame,
    Stack,
    Thread,
    DeviceStack,
    Wdf,
    Verifier,
    Pool,
    Unloaded,
    Patchguard,
    Hardware,
    Process,
    Boot,
    Manual,
    Livedump,
    DriverSpecific,
    None,
}

#[derive(Debug, Clone, Deserialize)]
struct Param(Role, String);

#[derive(Debug, Clone, Deserialize)]
struct Subcode {
    value: u64,
    roles: [Option<Role>; 4],
    #[serde(default)]
    meaning: String,
}

/// One bug check.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BugCheck {
    code: u32,
    /// `DRIVER_IRQL_NOT_LESS_OR_EQUAL`.
    pub(crate) name: String,
    /// How its culprit is found.
    #[serde(rename = "blame")]
    pub(crate) strategy: Strategy,
    params: [Param; 4],
    #[serde(default)]
    subcodes: Vec<Subcode>,
}

static TABLE: LazyLock<Vec<BugCheck>> = LazyLock::new(|| {
    // A table that does not parse fails every test of this crate, so it cannot be shipped; without it the analyzer
    // would still name faulting instructions, only unexplained.
    let mut table: Vec<BugCheck> =
        serde_json::from_str(include_str!("../../data/bugchecks.json")).unwrap_or_default();
    table.sort_by_key(|entry| entry.code);
    table
});

/// Looks a bug check up by its masked code; `0xdeaddead` and `0xc000021a`, which lose bits to the mask, by the raw one.
pub(crate) fn bugcheck(code: u32, raw: u32) -> Option<&'static BugCheck> {
    let find = |code| TABLE.binary_search_by_key(&code, |entry: &BugCheck| entry.code).ok();
    find(raw)
        .filter(|_| raw > 0x0FFF_FFFF && raw & 0xF000_0000 != 0x1000_0000)
        .or_else(|| find(code))
        .and_then(|index| TABLE.get(index))
}

impl BugCheck {
    /// The parameter that selects the meaning of the others.
    pub(crate) fn subcode(&self, parameters: &[u64; 4]) -> Option<u64> {
        let at = self.params.iter().position(|param| param.0 == Role::Subcode)?;
        parameters.get(at).copied()
    }

    fn selected(&self, parameters: &[u64; 4]) -> Option<&Subcode> {
        let value = self.subcode(parameters)?;
        self.subcodes.iter().find(|subcode| subcode.value == value)
    }

    /// The role of each parameter, with the subcode applied.
    pub(crate) fn roles(&self, parameters: &[u64; 4]) -> [Role; 4] {
        let selected = self.selected(parameters);
        std::array::from_fn(|index| {
            selected
                .and_then(|subcode| subcode.roles.get(index).copied().flatten())
                .or_else(|| self.params.get(index).map(|param| param.0))
                .unwrap_or(Role::Other)
        })
    }

    /// What each parameter means; the selecting one also says what its value stands for.
    pub(crate) fn meaning(&self, index: usize, parameters: &[u64; 4]) -> String {
        let Some(Param(role, meaning)) = self.params.get(index) else { return String::new() };
        match self.selected(parameters) {
            Some(subcode) if *role == Role::Subcode && !subcode.meaning.is_empty() => {
                format!("{meaning}: {}", subcode.meaning)
            }
            _ => meaning.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_loads_whole() {
        assert_eq!(TABLE.len(), 426);
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn minidump_codes_and_subcodes() {
        assert_eq!(bugcheck(0x7E, 0x1000_007E).unwrap().name, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED");
        assert_eq!(bugcheck(0x0EAD_DEAD, 0xDEAD_DEAD).unwrap().strategy, Strategy::Manual);
        assert!(bugcheck(0x0ABC_DEF0, 0x0ABC_DEF0).is_none());
        let power = bugcheck(0x9F, 0x9F).unwrap();
        assert_eq!(power.roles(&[3, 0, 0, 0])[3], Role::Irp);
        assert_eq!(power.roles(&[2, 0, 0, 0])[3], Role::DriverObj);
        assert!(power.meaning(0, &[3, 0, 0, 0]).contains("IRP"), "the subcode explains itself");
        assert_eq!(bugcheck(0xC1, 0xC1).unwrap().subcode(&[1, 2, 3, 0x23]), Some(0x23));
    }
}

//! The keys of the query language: what each is called, what its values look like, and which column it means.

use storage::questions::{NumberField, TextField, ValuesOf};

/// What a term can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Driver,
    Version,
    Bugcheck,
    Bucket,
    Fault,
    Offset,
    Module,
    Loaded,
    Build,
    Model,
    Vendor,
    Bios,
    Cpu,
    Arch,
    Ring,
    Site,
    Tag,
    Tenant,
    Machine,
    Time,
    Uptime,
    Confidence,
    Process,
    Kind,
    Culprit,
    Outcome,
    Rule,
    Hardware,
}

/// How the values of a key are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A word of a column.
    Text(TextField),
    /// A number, decimal or `0x..`, or a range of them.
    Number(NumberField),
    /// A PE timestamp: 8 digits are hexadecimal, as symbol servers write it.
    Version,
    /// A code, always hexadecimal, or a name.
    Bugcheck,
    /// An id, or a hash in braces.
    Bucket,
    /// `19045`, `19045.4651`.
    Build,
    /// A length of time.
    Uptime,
    /// 32 hexadecimal digits.
    Fault,
    /// A module's name.
    Module,
    /// A driver's name, with `@timestamp` for one build of it.
    Loaded,
    /// `key=value`.
    Tag,
    /// The stretch of time.
    Time,
}

impl Reading {
    /// Whether values may be compared: `>1h`, `1h..2h`.
    pub(super) fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Number(_) | Self::Version | Self::Bugcheck | Self::Build | Self::Uptime | Self::Time
        )
    }
}

/// In the order in which people are told of them.
const KEYS: [(Key, &str, &str); 28] = [
    (Key::Driver, "driver", "blamed driver or module: csagent.sys, nv*"),
    (Key::Bugcheck, "bugcheck", "0x50, PAGE_FAULT_IN_NONPAGED_AREA, *WATCHDOG*"),
    (Key::Bucket, "bucket", "bucket id or FAILURE_ID_HASH"),
    (Key::Version, "version", "PE timestamp of the blamed image: 66902c2a, 0x66902c2a"),
    (Key::Offset, "offset", "offset of the fault inside the image: 0xe14ed"),
    (Key::Fault, "fault", "hash of the fault site, 32 digits"),
    (Key::Module, "module", "a module on the stack: tcpip.sys"),
    (Key::Loaded, "loaded", "a driver that was loaded: csagent.sys, csagent.sys@66902c2a"),
    (Key::Time, "time", "24h, >2026-11-20, 2026-11-20T04:00..2026-11-20T05:30"),
    (Key::Build, "build", "Windows build: 19045, 19045.4651, >=22621"),
    (Key::Model, "model", "system model: \"Latitude 5440\""),
    (Key::Vendor, "vendor", "system vendor"),
    (Key::Bios, "bios", "BIOS version"),
    (Key::Cpu, "cpu", "processor: *Ryzen*"),
    (Key::Arch, "arch", "x64, arm64, x86"),
    (Key::Ring, "ring", "ring of a rollout: canary"),
    (Key::Site, "site", "site"),
    (Key::Machine, "machine", "machine: PC-0042, PC-*"),
    (Key::Tenant, "tenant", "tenant"),
    (Key::Tag, "tag", "what the client said: tag:asset=A17"),
    (Key::Uptime, "uptime", "time since boot: <1h, 1h..2d"),
    (Key::Process, "process", "process: chrome.exe"),
    (Key::Kind, "kind", "kernel, live, user"),
    (Key::Confidence, "confidence", "how sure the blame is: high, medium, low, none"),
    (Key::Culprit, "culprit", "what is blamed: driver, module, hardware, process, manual, unknown"),
    (Key::Outcome, "outcome", "analysed, unreadable, dead_letter"),
    (Key::Rule, "rule", "the rule that decided"),
    (Key::Hardware, "hardware", "sign of bad hardware: memory, machine check, single bit"),
];

/// What people call them elsewhere.
const OTHER_NAMES: [(&str, Key); 18] = [
    ("bsod", Key::Bugcheck),
    ("code", Key::Bugcheck),
    ("stop", Key::Bugcheck),
    ("stack", Key::Module),
    ("image", Key::Driver),
    ("blame", Key::Driver),
    ("timestamp", Key::Version),
    ("host", Key::Machine),
    ("hostname", Key::Machine),
    ("computer", Key::Machine),
    ("pc", Key::Machine),
    ("os", Key::Build),
    ("ubr", Key::Build),
    ("since", Key::Time),
    ("location", Key::Site),
    ("hash", Key::Bucket),
    ("processor", Key::Cpu),
    ("status", Key::Outcome),
];

impl Key {
    /// Every key, in the order in which people are told of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        KEYS.into_iter().map(|(key, _, _)| key)
    }

    fn entry(self) -> (&'static str, &'static str) {
        KEYS.into_iter().find(|(key, _, _)| *key == self).map_or(("", ""), |(_, name, hint)| (name, hint))
    }

    /// As it stands in a query.
    pub(crate) fn name(self) -> &'static str {
        self.entry().0
    }

    /// What its values look like.
    pub(crate) fn hint(self) -> &'static str {
        self.entry().1
    }

    /// The key of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        KEYS.into_iter().find(|(_, known, _)| name.eq_ignore_ascii_case(known)).map(|(key, _, _)| key)
    }

    /// The key that was meant, where a name is near enough to one.
    pub(super) fn nearest(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let other = OTHER_NAMES.into_iter().find(|(other, _)| *other == name).map(|(_, key)| key);
        let begun = || Self::all().find(|key| !name.is_empty() && key.name().starts_with(&name));
        other.or_else(begun).or_else(|| {
            let distance = |key: Self| strsim::damerau_levenshtein(&name, key.name());
            // A third of the letters wrong is a slip; more is another word.
            Self::all()
                .min_by_key(|key| distance(*key))
                .filter(|key| distance(*key) <= key.name().len().div_ceil(3))
        })
    }

    pub(super) fn reading(self) -> Reading {
        match self {
            Self::Driver => Reading::Text(TextField::Driver),
            Self::Version => Reading::Version,
            Self::Bugcheck => Reading::Bugcheck,
            Self::Bucket => Reading::Bucket,
            Self::Fault => Reading::Fault,
            Self::Offset => Reading::Number(NumberField::Offset),
            Self::Module => Reading::Module,
            Self::Loaded => Reading::Loaded,
            Self::Build => Reading::Build,
            Self::Model => Reading::Text(TextField::Model),
            Self::Vendor => Reading::Text(TextField::Vendor),
            Self::Bios => Reading::Text(TextField::Bios),
            Self::Cpu => Reading::Text(TextField::Cpu),
            Self::Arch => Reading::Text(TextField::Arch),
            Self::Ring => Reading::Text(TextField::Ring),
            Self::Site => Reading::Text(TextField::Site),
            Self::Tag => Reading::Tag,
            Self::Tenant => Reading::Text(TextField::Tenant),
            Self::Machine => Reading::Text(TextField::Machine),
            Self::Time => Reading::Time,
            Self::Uptime => Reading::Uptime,
            Self::Confidence => Reading::Text(TextField::Confidence),
            Self::Process => Reading::Text(TextField::Process),
            Self::Kind => Reading::Text(TextField::Kind),
            Self::Culprit => Reading::Text(TextField::Culprit),
            Self::Outcome => Reading::Text(TextField::Outcome),
            Self::Rule => Reading::Text(TextField::Rule),
            Self::Hardware => Reading::Text(TextField::Hardware),
        }
    }

    /// Whose values can be offered while somebody types; `None` where there is no list of them.
    pub(super) fn values(self) -> Option<ValuesOf> {
        match self.reading() {
            Reading::Text(field) => Some(ValuesOf::Text(field)),
            Reading::Bucket => Some(ValuesOf::Text(TextField::Bucket)),
            Reading::Bugcheck => Some(ValuesOf::Text(TextField::BugcheckName)),
            Reading::Version => Some(ValuesOf::Number(NumberField::Version)),
            Reading::Build => Some(ValuesOf::Number(NumberField::Build)),
            Reading::Number(_) | Reading::Uptime | Reading::Fault | Reading::Time => None,
            Reading::Module => Some(ValuesOf::StackModules),
            Reading::Loaded => Some(ValuesOf::Loaded),
            Reading::Tag => Some(ValuesOf::TagNames),
        }
    }
}

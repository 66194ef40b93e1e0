//! Who may be blamed: `data/drivers.json`, and what the operator says of drivers of their own. Owns the three classes and
//! the look-up; which rule asks is not its business.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// How far an image may be blamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The kernel and what serves it: never blamed while anybody else is in sight.
    Ignore,
    /// A framework, which runs other people's drivers: a definite one lower down wins.
    Maybe,
    /// Everything else, listed or not: the first one wins.
    Definite,
}

/// A known driver.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Driver {
    /// Base name in lower case.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// Whether it comes with Windows.
    pub inbox: bool,
    /// How far it may be blamed.
    pub owner: Owner,
}

/// What the operator says of drivers, before the table is asked. A name may end in `*`; the longest match wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnersConfig {
    /// Never to be skipped: our own filter driver.
    pub definite: Vec<String>,
    /// Blamed only where nobody else is.
    pub maybe: Vec<String>,
    /// Never to blame while anybody else is in sight.
    pub ignore: Vec<String>,
}

/// What is wrong with an [`OwnersConfig`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnersError {
    /// Not the name of an image.
    #[error(
        "`{0}` is not the name of a driver: write its file name, such as `filter.sys`, or its beginning and `*`"
    )]
    Name(String),
    /// One name in two lists.
    #[error("`{0}` stands in two lists: a driver has one class")]
    Twice(String),
}

/// The classes, as the rules ask for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    exact: HashMap<String, Owner>,
    /// Names as debuggers spell them, where that is another way.
    respelt: HashMap<String, Owner>,
    /// Beginnings of names, longest first.
    prefixes: Vec<(String, Owner)>,
}

/// The names are our own: nobody can choose them so that they collide.
type Table = HashMap<&'static str, &'static Driver, foldhash::fast::FixedState>;

static LIST: LazyLock<Vec<Driver>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/drivers.json")).unwrap_or_default());

static TABLE: LazyLock<Table> =
    LazyLock::new(|| LIST.iter().map(|driver| (driver.name.as_str(), driver)).collect());

/// What debuggers call drivers whose names cannot stand in a symbol expression: `ovpn_dco` for `ovpn-dco.sys`.
static RESPELT: LazyLock<HashMap<String, &'static Driver>> = LazyLock::new(|| {
    let respelt = |driver: &'static Driver| Some((debugger_spelling(&driver.name)?, driver));
    LIST.iter().filter_map(respelt).collect()
});

/// The name as debuggers spell it, where that is another one; the extension stays.
fn debugger_spelling(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let odd = |c: char| !c.is_alphanumeric() && c != '_';
    stem.contains(odd).then(|| {
        let stem = stem.replace(odd, "_");
        if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
    })
}

/// Kernel helpers whose names carry a vendor or a transport: `mcupdate_AuthenticAMD.dll`, `kdnet.dll`, and the copies
/// of the storage stack that write the dump or the hibernation file.
const IGNORED_PREFIXES: [&str; 5] = ["dump_", "hiber_", "mcupdate", "kdnet", "kd_"];

/// The kernel, whatever it was built as; `nt` is the debugger's name.
const KERNELS: [&str; 7] =
    ["ntoskrnl.exe", "ntkrnlmp.exe", "ntkrnlpa.exe", "ntkrpamp.exe", "ntkrnl.exe", "nt", "ntoskrnl"];

/// Longest name that the operator may list: `MAX_PATH`.
const MOST_NAME: usize = 260;

/// What a driver is called whose name is not in the dump: by what symbol servers know its file by.
pub fn unnamed(timestamp: u32, size: u32) -> String {
    format!("{UNNAMED}{timestamp:08X}{size:x}")
}

/// Whether a name is one of [`unnamed`].
pub(crate) fn is_unnamed(name: &str) -> bool {
    name.starts_with(UNNAMED)
}

const UNNAMED: &str = "unnamed_";

/// Whether a name, in whatever case, is the kernel's.
pub fn is_kernel(name: &str) -> bool {
    KERNELS.iter().any(|kernel| kernel.eq_ignore_ascii_case(name))
}

/// What is known of a driver, by its file name or the debugger's name for it, in whatever case.
pub fn known(name: &str) -> Option<&'static Driver> {
    let mut lower = [0; MOST_NAME];
    let lower = lower_case(name, &mut lower)?;
    if let Some(driver) = TABLE.get(lower) {
        return Some(driver);
    }
    if lower.contains('.') {
        return RESPELT.get(lower).copied();
    }
    // The debugger leaves the extension out.
    ["sys", "dll", "exe"].into_iter().find_map(|extension| {
        let name = format!("{lower}.{extension}");
        TABLE.get(name.as_str()).or_else(|| RESPELT.get(&name)).copied()
    })
}

/// The known driver whose name begins so, where there is only one.
pub(crate) fn only_one_that_begins(beginning: &str) -> Option<&'static str> {
    let begins =
        |name: &str| name.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning));
    let mut found = LIST.iter().map(|driver| driver.name.as_str()).filter(|name| begins(name));
    found.next().filter(|_| found.next().is_none())
}

/// A name in lower case, on the stack: a dump has two hundred, and all are looked up.
fn lower_case<'b>(name: &str, buffer: &'b mut [u8; MOST_NAME]) -> Option<&'b str> {
    let lower = buffer.get_mut(..name.len()).filter(|lower| !lower.is_empty())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

impl Owners {
    /// The table, and what the operator says.
    ///
    /// # Errors
    /// All names that are none, or stand in two lists.
    pub fn new(config: &OwnersConfig) -> Result<Self, Vec<OwnersError>> {
        let mut owners = Self::default();
        let mut errors = Vec::new();
        let lists = [
            (&config.definite, Owner::Definite),
            (&config.maybe, Owner::Maybe),
            (&config.ignore, Owner::Ignore),
        ];
        for (name, owner) in
            lists.iter().flat_map(|(list, owner)| list.iter().map(move |name| (name, *owner)))
        {
            if let Err(error) = owners.add(name, owner) {
                errors.push(error);
            }
        }
        owners.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        if errors.is_empty() { Ok(owners) } else { Err(errors) }
    }

    fn add(&mut self, name: &str, owner: Owner) -> Result<(), OwnersError> {
        let lower = name.trim().to_ascii_lowercase();
        let stem = lower.strip_suffix('*').unwrap_or(&lower);
        let is_name = !stem.is_empty() && stem.len() <= MOST_NAME && !stem.contains(['\\', '/', '*', '!']);
        if !is_name {
            return Err(OwnersError::Name(name.to_owned()));
        }
        let twice = if lower.ends_with('*') {
            let there = self.prefixes.iter().any(|(prefix, _)| prefix == stem);
            self.prefixes.push((stem.to_owned(), owner));
            there
        } else {
            self.respelt.extend(debugger_spelling(&lower).map(|name| (name, owner)));
            self.exact.insert(lower.clone(), owner).is_some()
        };
        if twice { Err(OwnersError::Twice(name.to_owned())) } else { Ok(()) }
    }

    /// What the operator says of an image.
    pub(crate) fn told(&self, name: &str) -> Option<Owner> {
        if self.exact.is_empty() && self.prefixes.is_empty() {
            return None;
        }
        let lower = name.to_ascii_lowercase();
        let find = |name: &str| self.exact.get(name).or_else(|| self.respelt.get(name));
        let with_extension = || if lower.contains('.') { None } else { find(&format!("{lower}.sys")) };
        let exact = find(&lower).or_else(with_extension);
        let prefix = || self.prefixes.iter().find(|(prefix, _)| lower.starts_with(prefix.as_str()));
        exact.copied().or_else(|| prefix().map(|(_, owner)| *owner))
    }

    /// The class of an image. One that nobody knows is somebody's driver; no name at all is nobody's.
    pub fn of(&self, name: &str) -> Owner {
        if let Some(owner) = self.told(name) {
            return owner;
        }
        let starts =
            |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        match known(name) {
            _ if name.is_empty() || is_kernel(name) => Owner::Ignore,
            Some(driver) => driver.owner,
            None if IGNORED_PREFIXES.iter().any(|prefix| starts(prefix)) => Owner::Ignore,
            None => Owner::Definite,
        }
    }

    /// Whether an image comes with Windows, and the operator says nothing else of it.
    pub(crate) fn is_inbox(&self, name: &str) -> bool {
        self.told(name).is_none() && known(name).is_some_and(|driver| driver.inbox)
    }

    /// Whether an image that may be blamed is somebody's own driver all the same: the display drivers of the old model draw
    /// by calling `win32k`, which calls them, so below a fault of its they say nothing. A fault inside of one is its own.
    pub(crate) fn is_third_party_framework(&self, name: &str) -> bool {
        self.told(name).is_none()
            && known(name).is_some_and(|driver| driver.owner == Owner::Maybe && !driver.inbox)
    }

    /// Whether an image is a definite one that does not come with Windows, or one that the operator calls definite.
    pub fn is_third_party(&self, name: &str) -> bool {
        self.told(name) == Some(Owner::Definite)
            || (self.of(name) == Owner::Definite && !known(name).is_some_and(|driver| driver.inbox))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        assert_eq!(TABLE.len(), 551);
        assert!(TABLE.keys().all(|name| name.len() <= MOST_NAME));
        let check = |name, owner| assert_eq!(Owners::default().of(name), owner, "{name}");
        check("ntoskrnl.exe", Owner::Ignore);
        check("NT", Owner::Ignore);
        check("hal", Owner::Ignore);
        // The display's log, and who calls for its bug checks: the complaint is of the frame below.
        check("watchdog", Owner::Ignore);
        check("dump_iaStorA.sys", Owner::Ignore);
        check("mcupdate_AuthenticAMD.dll", Owner::Ignore);
        check("NDIS.sys", Owner::Maybe);
        check("NETIO", Owner::Maybe);
        check("ks.sys", Owner::Maybe);
        // They come with Windows, but run nobody else's code: what fails in them is theirs, and a third party behind them in
        // the same chain of calls is the stack rule's affair.
        check("fileinfo.sys", Owner::Definite);
        check("winhvr.sys", Owner::Definite);
        // The debugger's spelling.
        check("ovpn_dco", Owner::Definite);
        assert_eq!(known("OVPN_DCO").map(|driver| driver.name.as_str()), Some("ovpn-dco.sys"));
        assert_eq!(known("ovpn_dco.sys").map(|driver| driver.name.as_str()), Some("ovpn-dco.sys"));
        // Where a processor waits: whatever a watchdog wanted, it was not this.
        check("intelppm", Owner::Maybe);
        check("amdppm.sys", Owner::Maybe);
        check("processr.sys", Owner::Maybe);
        check("csagent", Owner::Definite);
        check("never_heard_of_it.sys", Owner::Definite);
        check("", Owner::Ignore);
    }

    #[test]
    fn the_frameworks_are_frameworks() {
        let names = "fltmgr ntfs ndis usbport usbhub usbccgp usbxhci acpi pci wdf01000 storport scsiport ataport classpnp \
                     disk partmgr volmgr volsnap fvevol tcpip netio afd dxgkrnl dxgmms1 dxgmms2 win32k \
                     win32kbase win32kfull ks portcls hidclass hidusb bthport cng fwpkclnt verifierext";
        for name in names.split_whitespace() {
            assert_eq!(Owners::default().of(name), Owner::Maybe, "{name}");
        }
    }

    #[test]
    fn the_operator_has_the_first_word_and_the_longest_match_wins() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let owners = Owners::new(&OwnersConfig {
            definite: list(&["ndis.sys", "acme_core*"]),
            maybe: list(&["acme*"]),
            ignore: list(&["shim.sys", "acme-one.sys"]),
        })
        .unwrap();
        for (name, owner) in [
            ("ndis.sys", Owner::Definite),
            ("NDIS", Owner::Definite),
            ("acme_core2.sys", Owner::Definite),
            ("Acme_net.sys", Owner::Maybe),
            ("shim.sys", Owner::Ignore),
            ("acme_one", Owner::Ignore),
            ("acme-one.sys", Owner::Ignore),
            ("ntfs.sys", Owner::Maybe),
        ] {
            assert_eq!(owners.of(name), owner, "{name}");
        }
        assert!(owners.is_third_party("ndis.sys") && !owners.is_third_party("shim.sys"));
    }

    #[test]
    fn all_faults_of_a_list_are_told() {
        let config = OwnersConfig {
            definite: vec!["a.sys".to_owned(), "*".to_owned()],
            ignore: vec!["A.sys".to_owned(), "c:\\b.sys".to_owned()],
            ..OwnersConfig::default()
        };
        let errors = Owners::new(&config).unwrap_err();
        assert_eq!(
            errors,
            [
                OwnersError::Name("*".to_owned()),
                OwnersError::Twice("A.sys".to_owned()),
                OwnersError::Name("c:\\b.sys".to_owned())
            ]
        );
    }
}

//! What is known about a kernel crash before anybody is blamed: plain data, gathered by `kernel`, judged by `blame`.
//! Holds no opinion and reads no dump.

use dump::{BugCheck, Role, Strategy};

use crate::tables::{KnownDriver, Rank};

/// A loaded image.
#[derive(Debug, Clone)]
pub(crate) struct Image<'a> {
    /// Base name as the dump has it, cleaned.
    pub(crate) name: &'a str,
    pub(crate) rank: Rank,
    pub(crate) kernel: bool,
    pub(crate) known: Option<&'static KnownDriver>,
    pub(crate) size: u32,
    pub(crate) timestamp: u32,
}

/// A place inside a loaded image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site {
    /// Index into [`KernelFacts::images`].
    pub(crate) image: usize,
    pub(crate) offset: u64,
}

/// Who owns an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Nobody,
    Loaded(Site),
    /// Index into [`KernelFacts::unloaded`], offset inside it.
    Unloaded(usize, u64),
}

/// Where the context of the fault comes from, best first. Only [`Origin::BugCheckCaller`] is not the fault itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The header's context of a bug check where it already is the fault.
    Header,
    /// A CONTEXT that this parameter (1 to 4) points at.
    ContextRecord(u8),
    /// A trap frame that this parameter points at.
    TrapFrame(u8),
    /// What the processor pushed when it trapped at the instruction that this parameter names, found on the stack.
    MachineFrame(u8),
    /// The first interrupt on the stack: what ran when a watchdog fired.
    Interrupted,
    /// The instruction is named by this parameter, its stack pointer is not known.
    Parameter(u8),
    /// The header's context, taken inside `KeBugCheckEx`.
    BugCheckCaller,
}

/// The instruction that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) address: u64,
    pub(crate) owner: Owner,
    pub(crate) origin: Origin,
    /// Its stack pointer, where it is known.
    pub(crate) sp: Option<u64>,
}

impl Fault {
    /// Whether this is the failing instruction itself and not the reporting of it.
    pub(crate) fn is_exact(&self) -> bool {
        self.origin != Origin::BugCheckCaller
    }
}

/// What was done to a memory address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Execute,
}

impl Access {
    /// As the report says it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
        }
    }
}

/// The exception behind a bug check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) code: u32,
    pub(crate) address: u64,
    pub(crate) access: Option<Access>,
    pub(crate) accessed: Option<u64>,
}

/// A return address, or a word on the stack that looks like one: of those, one in four or five is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) address: u64,
    pub(crate) site: Site,
    /// Whether it and everything above it was unwound, nothing guessed.
    pub(crate) certain: bool,
}

/// A driver that a kernel object led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Led {
    /// 1 to 4.
    pub(crate) parameter: u8,
    /// `IRP`, `device object`, `driver object`.
    pub(crate) object: &'static str,
    /// Start of the driver's image.
    pub(crate) site: Site,
}

/// A driver that a parameter spells out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// 1 to 4.
    pub(crate) parameter: u8,
    /// Cleaned.
    pub(crate) name: String,
    /// The loaded image of that name.
    pub(crate) image: Option<usize>,
}

/// Everything the kernel rules look at.
#[derive(Debug, Clone)]
pub(crate) struct KernelFacts<'a> {
    pub(crate) code: u32,
    pub(crate) parameters: [u64; 4],
    pub(crate) entry: Option<&'static BugCheck>,
    pub(crate) roles: [Role; 4],
    /// A live kernel dump: the machine kept running.
    pub(crate) live: bool,
    pub(crate) images: Vec<Image<'a>>,
    /// Cleaned names, newest first.
    pub(crate) unloaded: Vec<&'a str>,
    pub(crate) owners: [Owner; 4],
    pub(crate) fault: Option<Fault>,
    /// Return address on top of the stack where the processor ran off to an address that holds no code.
    pub(crate) bad_jump_caller: Option<Owner>,
    pub(crate) exception: Option<Exception>,
    /// From the fault's stack pointer upwards; frames above the trap are not in it.
    pub(crate) stack: Vec<Hit>,
    pub(crate) led: Vec<Led>,
    /// In a power failure: the image of the bus driver that made the device.
    pub(crate) bus: Option<Site>,
    pub(crate) named: Option<Named>,
    pub(crate) process: Option<&'a str>,
    /// `GenuineIntel`.
    pub(crate) processor_vendor: Option<&'a str>,
}

impl KernelFacts<'_> {
    /// How the table says the culprit is found.
    pub(crate) fn strategy(&self) -> Strategy {
        self.entry.map_or(Strategy::Stack, |entry| entry.strategy)
    }

    /// `csagent.sys+0xe14ed`.
    pub(crate) fn site_text(&self, site: Site) -> String {
        let name = self.images.get(site.image).map_or("?", |image| image.name);
        format!("{name}+0x{:x}", site.offset)
    }

    /// Name of an image.
    pub(crate) fn name(&self, site: Site) -> &str {
        self.images.get(site.image).map_or("?", |image| image.name)
    }

    /// Rank of the image at a site.
    pub(crate) fn rank(&self, site: Site) -> Rank {
        self.images.get(site.image).map_or(Rank::Core, |image| image.rank)
    }

    /// Whether the image at a site is a definite one that does not come with Windows.
    pub(crate) fn is_third_party(&self, site: Site) -> bool {
        let inbox = |image: &Image<'_>| image.known.is_some_and(|known| known.inbox);
        self.rank(site) == Rank::Definite && !self.images.get(site.image).is_some_and(inbox)
    }

    /// Whether the stack shows an image for certain, or so often that it is no chance.
    pub(crate) fn is_sign(&self, hit: &Hit, times: usize) -> bool {
        hit.certain || self.times_on_stack(hit.site.image) >= times
    }

    /// How many different words on the stack point into an image.
    pub(crate) fn times_on_stack(&self, image: usize) -> usize {
        let mut addresses: Vec<u64> =
            self.stack.iter().filter(|hit| hit.site.image == image).map(|hit| hit.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.len()
    }

    /// The fault, where it is the failing instruction itself and lies in a loaded image.
    pub(crate) fn fault_site(&self) -> Option<(Fault, Site)> {
        let fault = self.fault.filter(Fault::is_exact)?;
        match fault.owner {
            Owner::Loaded(site) => Some((fault, site)),
            Owner::Nobody | Owner::Unloaded(..) => None,
        }
    }
}

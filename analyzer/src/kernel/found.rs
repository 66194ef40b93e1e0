//! What was found in a kernel dump, by index into its lists: plain data, gathered by `gather`, told to `blame` by `facts`.
//! Holds no opinion and reads no dump.

use dump::{Access, BugCheck};

/// A loaded image.
#[derive(Debug, Clone)]
pub(super) struct Image<'a> {
    /// Base name as the dump has it, cleaned.
    pub(super) name: &'a str,
    pub(super) known: Option<&'static blame::Driver>,
    pub(super) size: u32,
    pub(super) timestamp: u32,
}

/// A place inside a loaded image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    /// Index into [`Found::images`].
    pub(super) image: usize,
    pub(super) offset: u64,
}

/// Who owns an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    Loaded(Site),
    /// Index into [`Found::unloaded`], offset inside it.
    Unloaded(usize, u64),
}

/// Where the context of the fault comes from, best first. Only [`Origin::BugCheckCaller`] is not the fault itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
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
pub(super) struct Fault {
    pub(super) address: u64,
    pub(super) owner: Owner,
    pub(super) origin: Origin,
    /// Its stack pointer, where it is known.
    pub(super) sp: Option<u64>,
}

impl Fault {
    /// Whether this is the failing instruction itself and not the reporting of it.
    pub(super) fn is_exact(&self) -> bool {
        self.origin != Origin::BugCheckCaller
    }
}

/// The exception behind a bug check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) code: u32,
    pub(super) address: u64,
    pub(super) access: Option<Access>,
    pub(super) accessed: Option<u64>,
}

/// A return address, or a word on the stack that looks like one: of those, one in four or five is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) address: u64,
    pub(super) site: Site,
    pub(super) trust: blame::Trust,
    /// Whether it is the instruction itself and not a return address.
    pub(super) exact: bool,
}

/// A driver that a kernel object led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Led {
    /// 1 to 4.
    pub(super) parameter: u8,
    /// By what.
    pub(super) by: blame::Led,
    /// Start of the driver's image.
    pub(super) site: Site,
}

/// A driver that a parameter spells out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// 1 to 4.
    pub(super) parameter: u8,
    /// Cleaned.
    pub(super) name: String,
    /// The loaded image of that name.
    pub(super) image: Option<usize>,
}

/// Everything that was found.
#[derive(Debug, Clone)]
pub(super) struct Found<'a> {
    pub(super) code: u32,
    pub(super) raw_code: u32,
    pub(super) parameters: [u64; 4],
    pub(super) entry: Option<&'static BugCheck>,
    /// A live kernel dump: the machine kept running.
    pub(super) live: bool,
    pub(super) images: Vec<Image<'a>>,
    /// Cleaned names, newest first.
    pub(super) unloaded: Vec<&'a str>,
    pub(super) owners: [Owner; 4],
    pub(super) fault: Option<Fault>,
    /// Return address on top of the stack where the processor ran off to an address that holds no code.
    pub(super) bad_jump_caller: Option<Owner>,
    pub(super) exception: Option<Exception>,
    /// From the fault's stack pointer upwards; frames above the trap are not in it.
    pub(super) stack: Vec<Hit>,
    pub(super) led: Vec<Led>,
    pub(super) named: Option<Named>,
    pub(super) process: Option<&'a str>,
    /// `GenuineIntel`.
    pub(super) processor_vendor: Option<&'a str>,
}

impl Found<'_> {
    /// Name of an image.
    pub(super) fn name(&self, site: Site) -> &str {
        self.images.get(site.image).map_or("?", |image| image.name)
    }
}

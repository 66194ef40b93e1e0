//! Facts made ready for the rules: which frames count, where the fault is, what the parameters are. Every question that
//! several rules ask is answered here, once; no rule is here.

mod images;

use dump::{Role, Strategy};

use self::images::Images;
use crate::bucket::ACCESS_VIOLATION;
use crate::facts::{Access, Exception, Facts, Fault, Frame, Kind, Lead, Number, Origin, Place, Trust};
use crate::owners::{Owner, Owners, is_kernel};
use crate::plumbing;
use crate::table::{Judged, judged};

/// Whether a bug check only exists as a live dump, whatever the dump's header says: the display was reset and went on.
pub fn always_live(code: u32) -> bool {
    matches!(code, 0x117 | 0x141 | 0x142)
}

/// First build whose buckets have today's grammar: Windows 8.
const MODERN: u32 = 9200;

/// What the rules look at.
pub(crate) struct Scene<'s> {
    pub(crate) facts: &'s Facts<'s>,
    pub(crate) owners: &'s Owners,
    pub(crate) judged: Judged,
    /// Without the flag of small dumps.
    pub(crate) code: u32,
    pub(crate) parameters: [u64; 4],
    pub(crate) roles: [Role; 4],
    /// Frames of the reporting and of the processor's way in.
    pub(crate) above: &'s [Frame<'s>],
    /// The frames below the fault, down to where the process begins.
    pub(crate) stack: &'s [Frame<'s>],
    pub(crate) fault: Option<Fault<'s>>,
    /// As it was recorded, else as the parameters say.
    pub(crate) exception: Option<Exception>,
    pub(crate) verifier: bool,
    /// Windows 7 and before.
    pub(crate) classic: bool,
    images: Images<'s>,
}

impl<'s> Scene<'s> {
    pub(crate) fn new(facts: &'s Facts<'s>, owners: &'s Owners) -> Self {
        let parameters = facts.parameters();
        let judged = judged(facts.raw_code(), &parameters);
        let roles = judged.known.map_or([Role::Undocumented; 4], |known| known.roles(&parameters));
        let in_kernel = in_kernel(&facts.stack);
        let (above, below) = in_kernel.split_at(reporting(in_kernel));
        let trapped = above.last().is_some_and(|frame| plumbing::is_trap(&frame.place));
        let (fault, stack) = match (&facts.fault, below) {
            (Some(fault), [first, rest @ ..]) if fault.place == first.place => (Some(fault.clone()), rest),
            (Some(fault), _) => (Some(fault.clone()), below),
            (None, [first, rest @ ..])
                if first.trust == Trust::Unwound
                    && (trapped || (above.is_empty() && has_context(&roles) && is_walked(facts, first))) =>
            {
                (Some(below_trap(first)), rest)
            }
            (None, _) => (None, below),
        };
        Self {
            facts,
            owners,
            judged,
            code: facts.code(),
            parameters,
            roles,
            above,
            stack,
            fault,
            exception: facts.exception.clone().or_else(|| in_parameters(facts.code(), &roles, &parameters)),
            verifier: facts.verifier
                || in_kernel.iter().any(|frame| plumbing::is_verifier(&frame.place))
                || in_special_pool(facts, &roles, &parameters),
            classic: is_classic(facts),
            images: Images::new(stack, owners),
        }
    }

    /// The machine kept running: the dump says so, or the bug check exists as a live dump only.
    pub(crate) fn live(&self) -> bool {
        let only = self.judged.known.is_some_and(|known| known.strategy == Strategy::Livedump);
        self.facts.kind == Kind::Live || only || always_live(self.code)
    }

    /// Where the process was when it entered the kernel.
    pub(crate) fn process_place(&self) -> Option<&'s Place<'s>> {
        let kernel = in_kernel(&self.facts.stack).len();
        self.facts.stack.get(kernel).map(|frame| &frame.place).filter(|place| !place.module.is_empty())
    }

    pub(crate) fn owner(&self, place: &Place<'_>) -> Owner {
        self.images.owner(&place.module).unwrap_or_else(|| self.owners.of(&place.module))
    }

    pub(crate) fn is_definite(&self, place: &Place<'_>) -> bool {
        self.owner(place) == Owner::Definite
    }

    /// The failing instruction, where it lies in an image that is there.
    pub(crate) fn fault_in_image(&self) -> Option<(&Fault<'s>, &Place<'s>)> {
        let fault = self.fault.as_ref()?;
        (!fault.place.module.is_empty() && !fault.place.unloaded).then_some((fault, &fault.place))
    }

    /// Whether different words on the stack point into an image. One word there may be chance, two are a sign.
    pub(crate) fn is_repeated(&self, module: &str) -> bool {
        self.images.is_repeated(module)
    }

    /// Whether a driver that is on the stack as a word is there by more than chance.
    pub(crate) fn is_sign(&self, place: &Place<'_>) -> bool {
        self.images.is_sign(&place.module)
    }

    /// Whether all frameworks on the stack come with Windows.
    pub(crate) fn only_windows(&self) -> bool {
        self.images.only_windows()
    }

    /// How many different words on the stack point into an image. Sorts them: asked once, of whom a rule has found.
    pub(crate) fn times_on_stack(&self, module: &str) -> usize {
        let mut places: Vec<_> = self
            .stack
            .iter()
            .filter(|frame| frame.place.module == module)
            .map(|frame| (frame.place.offset, &frame.place.function, frame.place.function_offset))
            .collect();
        places.sort_unstable();
        places.dedup();
        places.len()
    }

    /// Where code ran that belongs to no image, and whether that is certain: an address that could not be fetched from is
    /// a jump gone wrong, and without the address that was accessed the two cannot be told apart.
    pub(crate) fn outside(&self) -> Option<(Number, bool)> {
        let fault =
            self.fault.as_ref().filter(|fault| fault.place.module.is_empty() && !fault.place.unloaded)?;
        let at = fault.address;
        let ran = self.facts.caller.is_none() && fault.origin != Origin::Interrupted;
        let exception = self.exception.as_ref();
        let executed = exception.is_some_and(|exception| exception.access == Some(Access::Execute));
        if !ran || executed || !is_kernel_address(&self.facts.arch, at.0) {
            return None;
        }
        match exception.and_then(|exception| exception.accessed) {
            Some(accessed) if accessed == at => None,
            accessed => Some((at, accessed.is_some())),
        }
    }

    /// Whether the kernel was serving a driver's page fault when it failed itself: from the fault down to such a frame lies
    /// another way in of the processor that no exception was being made of. Touching memory that is not there yet is no
    /// mistake.
    pub(crate) fn serves(&self, depth: usize) -> bool {
        let mut link = false;
        self.stack.iter().take(depth).any(|frame| {
            let was_link = std::mem::replace(&mut link, plumbing::is_link(&frame.place));
            plumbing::is_trap(&frame.place) && !link && !was_link
        })
    }

    /// Parameters that lead to an image.
    pub(crate) fn leads(&self) -> impl Iterator<Item = (&Lead<'s>, Role)> {
        self.facts.leads.iter().filter_map(|lead| {
            let role = *self.roles.get(usize::from(lead.parameter.checked_sub(1)?))?;
            Some((lead, role))
        })
    }

    /// Who stopped the machine, whoever is to blame: the first unwound frame behind the reporting.
    pub(crate) fn noticed(&self) -> Option<&'s Place<'s>> {
        let (above, stack): (&'s [Frame<'s>], &'s [Frame<'s>]) = (self.above, self.stack);
        let frame = above.iter().chain(stack).find(|frame| !plumbing::reports(&frame.place))?;
        (!above.is_empty() && frame.trust == Trust::Unwound).then_some(&frame.place)
    }

    /// First frame of the unwound part of the stack that is the caller of the bug check itself.
    pub(crate) fn bug_check_caller(&self) -> Option<&Frame<'s>> {
        let reported = self.above.last().is_some_and(|frame| plumbing::reports(&frame.place));
        self.stack.first().filter(|frame| reported && frame.trust == Trust::Unwound)
    }
}

/// The frames before the process's own.
fn in_kernel<'s>(stack: &'s [Frame<'s>]) -> &'s [Frame<'s>] {
    let mut end = stack.len();
    for (index, frame) in stack.iter().enumerate() {
        let next = stack.get(index + 1).map(|next| &next.place);
        if plumbing::is_user(&frame.place) {
            end = index;
            break;
        }
        // A driver that makes a system call leaves a frame of the kernel below the way in.
        if plumbing::is_system_call(&frame.place) && next.is_some_and(|next| !is_kernel(&next.module)) {
            end = index + 1;
            break;
        }
    }
    stack.get(..end).unwrap_or(stack)
}

/// How many frames on top are the reporting of the crash: down to the processor's way in, where there is one among the
/// kernel's own frames.
fn reporting(stack: &[Frame<'_>]) -> usize {
    let starts_with_it = stack.iter().take(2).any(|frame| {
        let place = &frame.place;
        plumbing::reports(place)
            || plumbing::is_trap(place)
            || place.function.as_deref().is_some_and(raises_page_fault)
    });
    if !starts_with_it {
        return 0;
    }
    let kernel = stack.iter().take_while(|frame| is_kernel(&frame.place.module)).count();
    let top = stack.get(..kernel).unwrap_or(stack);
    let Some(trap) = top.iter().position(|frame| plumbing::is_trap(&frame.place)) else {
        return top.iter().take_while(|frame| plumbing::reports(&frame.place)).count();
    };
    // The first one is the crash's: further down are those that Windows was serving when it failed. What hands an exception
    // on stands above the way in that it belongs to.
    let links = top.iter().skip(trap).take_while(|frame| plumbing::is_link(&frame.place)).count();
    let entry = top.get(trap + links).is_some_and(|frame| plumbing::is_trap(&frame.place));
    trap + links + usize::from(entry)
}

/// Memory management's part in a page fault: on top of stacks whose first frames were left out.
fn raises_page_fault(function: &str) -> bool {
    ["MmAccessFault", "MiSystemFault"].iter().any(|name| function.starts_with(name))
}

/// Whether the stack of such a bug check is printed from the context that a parameter leads to.
fn has_context(roles: &[Role; 4]) -> bool {
    roles.iter().any(|role| matches!(role, Role::CtxRecord | Role::TrapFrame | Role::ExcRecord))
}

/// Whether a stack without reporting begins where a debugger or symbols say so. The first word of a scan is just a word.
fn is_walked(facts: &Facts<'_>, first: &Frame<'_>) -> bool {
    facts.facts_version == 0 || first.place.function.is_some()
}

fn below_trap<'s>(frame: &Frame<'s>) -> Fault<'s> {
    let place = frame.place.clone();
    // In no image, the offset is the address.
    let address = place.offset.filter(|_| place.module.is_empty()).unwrap_or_default();
    Fault { address, place, origin: Origin::Debugger, ..Fault::default() }
}

/// Whether an address is of the kernel's half.
fn is_kernel_address(arch: &str, address: u64) -> bool {
    match arch {
        "x86" => (0x8000_0000..0x1_0000_0000).contains(&address),
        _ => address >= 0xFFFF_8000_0000_0000,
    }
}

/// The exception that the parameters of a bug check tell of.
fn in_parameters(code: u32, roles: &[Role; 4], parameters: &[u64; 4]) -> Option<Exception> {
    /// `KMODE_EXCEPTION_NOT_HANDLED` has the first two words of the exception's information in its last parameters.
    const WITH_INFORMATION: u32 = 0x1E;
    let find =
        |wanted| roles.iter().zip(parameters).find(|(role, _)| **role == wanted).map(|(_, value)| *value);
    let status = find(Role::ExcCode).map(|code| code & 0xFFFF_FFFF);
    let [_, _, kind, address] = *parameters;
    let (access, accessed) = match status {
        Some(ACCESS_VIOLATION) if code == WITH_INFORMATION => (Access::from_raw(kind), Some(address)),
        Some(_) => (None, None),
        None => (find(Role::AccessType).and_then(Access::from_raw), find(Role::RefAddr)),
    };
    (status.is_some() || accessed.is_some()).then(|| Exception {
        code: Number(status.unwrap_or(0)),
        access,
        accessed: accessed.map(Number),
        detail: None,
    })
}

/// Windows 8.1 and the first two of Windows 10 keep Driver Verifier's special pool at a fixed place; a fault there means
/// that it is on. Seen in a 0xD1 of `vmswitch` at `ffffcf81'085c9000`, whose bucket has the mark.
fn in_special_pool(facts: &Facts<'_>, roles: &[Role; 4], parameters: &[u64; 4]) -> bool {
    const SPECIAL_POOL: std::ops::Range<u64> = 0xFFFF_CF80_0000_0000..0xFFFF_D000_0000_0000;
    let fixed = facts.arch == "x64" && (9600..=10586).contains(&facts.os_build);
    fixed
        && roles
            .iter()
            .zip(parameters)
            .any(|(role, value)| *role == Role::RefAddr && SPECIAL_POOL.contains(value))
}

/// Windows 7 and before write buckets in another grammar. Without a build, addresses tell: until Windows 8 drivers of x64
/// lay at `fffff880...`, the session's at `fffff960...`; and hardly any x86 came later.
fn is_classic(facts: &Facts<'_>) -> bool {
    const OLD_DRIVERS: std::ops::Range<u64> = 0xFFFF_F880_0000_0000..0xFFFF_F980_0000_0000;
    if facts.os_build != 0 {
        return facts.os_build < MODERN;
    }
    let eight = |frame: &Frame<'_>| frame.place.function.as_deref() == Some("KiBugCheck2");
    match facts.arch.as_ref() {
        "x86" => !facts.stack.iter().any(eight),
        "x64" => facts.parameters().iter().any(|value| OLD_DRIVERS.contains(value)),
        _ => false,
    }
}

impl Scene<'_> {
    /// Whether what was found differs in one bit from what belongs there.
    ///
    /// Two ways of knowing: 0x1A with 41792 says what an empty page table entry holds; and an address of the kernel has its 16
    /// upper bits set, so one that lacks exactly one of them was such an address until a bit was lost.
    pub(crate) fn is_single_bit(&self) -> bool {
        const ENTRY_NOT_EMPTY: u64 = 0x41792;
        /// Below are an entry's flags. One of those alone is an entry that Windows wrote: 0x80 is memory that can be read and
        /// written and was never touched.
        const FRAME: u64 = 1 << 12;
        let [kind, _, low, high] = self.parameters;
        if (self.code, kind) == (0x1A, ENTRY_NOT_EMPTY) {
            let entry = if self.facts.arch == "x86" { (high << 32) | (low & 0xFFFF_FFFF) } else { low };
            return entry.is_power_of_two() && entry >= FRAME;
        }
        let accessed = self.exception.as_ref().and_then(|exception| exception.accessed);
        accessed.is_some_and(|address| lacks_one_bit(&self.facts.arch, address.0))
    }
}

/// Whether an address was one of the kernel until one of its upper bits was lost.
fn lacks_one_bit(arch: &str, address: u64) -> bool {
    /// Where ARM64 leaves its mark in a signed pointer whose signature is wrong: that is one bit, too.
    const SIGNATURE: u64 = (0b11 << 61) | (0b11 << 53);
    /// Small negative numbers, such as the end of a list or the largest number with a sign, are no addresses.
    const NEGATIVE: u64 = 0xFFFF_FFFF_8000_0000;
    let lost = !address & (0xFFFF << 48);
    let whole = address | lost;
    match arch {
        "x64" => {}
        "arm64" if lost & SIGNATURE == 0 => {}
        _ => return false,
    }
    lost.is_power_of_two() && address & (1 << 47) != 0 && whole < NEGATIVE
}

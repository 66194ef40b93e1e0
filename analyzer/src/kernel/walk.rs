//! Walks a kernel stack frame by frame: by unwind information where the image is there, by frame pointer, else by the next
//! word that looks like a return address; each frame says which. Follows traps onto the stack they came from. How one
//! frame is undone is the `symbols` crate's; this owns the order of attempts and where a walk ends.

mod registers;

use dump::{KernelDump, Machine, Registers};
use symbols::FrameWalker;
use symbols::unwind::Caller;

use self::registers::Known;
use super::found::{Fault, Origin, Site};
use super::images::ImageMap;
use crate::Limits;
use crate::module_symbols::{CodeSite, ModuleSymbols, Trust, Walked};

/// Frames of one walk. A kernel stack of 24 KiB holds a few hundred at most.
const MOST_FRAMES: usize = 256;
/// The first four arguments have a home on the stack.
const ARGUMENTS: u64 = 4;
/// An expanded kernel stack of x64 has 92 KiB: what is further away is another one.
const LARGEST_STACK: u64 = 128 << 10;
/// Where pages of user memory end; a walk of the kernel's stack ends there.
const KERNEL_HALF: u64 = 0xFFFF_8000_0000_0000;
const KERNEL_HALF_32: u64 = 0x8000_0000;

/// What a walk reads.
pub(super) struct Source<'s> {
    pub(super) dump: &'s KernelDump<'s>,
    pub(super) map: &'s ImageMap,
    pub(super) symbols: &'s ModuleSymbols<'s>,
    pub(super) limits: &'s Limits,
}

/// A frame under way.
struct Current {
    registers: Known,
    trust: Trust,
    /// Whether the program counter is the instruction itself.
    exact: bool,
    site: Option<Site>,
}

impl Source<'_> {
    /// The stack of the crash, innermost first, and which frame of it is the fault.
    ///
    /// Where the header has the caller of `KeBugCheckEx`, everything from there is shown if it leads to the fault without
    /// a guess: unwinding the trap handler is the only way to all registers of the fault. Else the walk begins at the
    /// fault, with what is known of it.
    pub(super) fn stack(&self, fault: Option<&Fault>, registers: Option<&Registers>) -> (Vec<Walked>, usize) {
        let machine = self.dump.header().machine;
        let known = |registers: &Registers| Known::of(machine, registers);
        let from_header = || self.dump.context().map(|context| self.walk(known(context))).unwrap_or_default();
        let Some(fault) = fault.filter(|fault| fault.is_exact()) else { return (from_header(), 0) };
        if matches!(fault.origin, Origin::Header | Origin::ContextRecord(_))
            && let Some(registers) = registers
        {
            return (self.walk(known(registers)), 0);
        }
        let whole = from_header();
        let is_fault = |frame: &Walked| {
            frame.address == fault.address
                && frame.site.is_none_or(|site| site.exact)
                && frame.trust != Trust::Scan
        };
        let leads = whole.iter().take_while(|frame| frame.trust != Trust::Scan).position(is_fault);
        if let Some(at) = leads {
            return (whole, at);
        }
        let start = registers.map(known).or_else(|| Some(Known::at(machine, fault.address, fault.sp?)));
        match start {
            Some(start) => (self.walk(start), 0),
            None => (whole, 0),
        }
    }

    /// Frames from these registers on, innermost first.
    fn walk(&self, registers: Known) -> Vec<Walked> {
        let mut current =
            Current { trust: Trust::Context, exact: true, site: self.map.site(registers.pc()), registers };
        let mut frames = Vec::new();
        let mut grand_parameters = 0;
        // One budget of scanned words for the whole walk: a hostile stack is not scanned again from each of its words.
        let mut words_left = u64::try_from(self.limits.stack_bytes).unwrap_or(u64::MAX) / 4;
        while frames.len() < MOST_FRAMES {
            let parameters = current.site.and_then(|site| self.parameter_bytes(site)).unwrap_or(0);
            let next = self.next(&current, grand_parameters, &mut words_left);
            frames.push(self.frame(&current, next.as_ref()));
            grand_parameters = parameters;
            match next {
                Some(next) => current = next,
                None => break,
            }
        }
        frames
    }

    fn parameter_bytes(&self, site: Site) -> Option<u32> {
        (self.dump.header().machine == Machine::X86).then_some(())?;
        self.symbols.module(site.image)?.parameter_bytes(u32::try_from(site.offset).ok()?)
    }

    fn frame(&self, current: &Current, next: Option<&Current>) -> Walked {
        let (registers, word) = (&current.registers, current.registers.word());
        // What a call leaves above its return address: the home of the first four arguments, and on x86 themselves.
        let home = next.filter(|next| !next.exact).map(|next| next.registers.sp());
        let words = |home: u64| (0..ARGUMENTS).filter_map(move |n| home.checked_add(n.checked_mul(word)?));
        let args = home.filter(|_| registers.machine() != Machine::Arm64).map(words);
        Walked {
            address: registers.pc(),
            sp: Some(registers.sp()),
            trust: current.trust,
            site: current.site.map(|site| code_site(site, current.exact)),
            args: args.into_iter().flatten().map_while(|at| self.dump.read_word(at)).collect(),
        }
    }

    /// The frame below, by the best way there is.
    fn next(&self, current: &Current, grand_parameters: u32, words_left: &mut u64) -> Option<Current> {
        let advances = |next: &Current| self.advances(current, next);
        let next = self
            .by_unwind_info(current, grand_parameters)
            .filter(advances)
            .or_else(|| self.by_last_call(current).filter(advances))
            .or_else(|| self.by_frame_pointer(current).filter(advances))
            .or_else(|| self.by_scan(current, words_left))?;
        // A return address of 0 ends a stack; a trap there is a call of a null pointer.
        (next.registers.pc() != 0 || next.exact).then_some(next)
    }

    /// A walk that does not go up a stack leads nowhere, unless it goes to another one: by a trap, or where code switches
    /// stacks for a callout, which its unwind information tells. Loops end with [`MOST_FRAMES`].
    fn advances(&self, current: &Current, next: &Current) -> bool {
        let (from, to) = (current.registers.sp(), next.registers.sp());
        let kernel = is_kernel(current.registers.machine(), to);
        let another = next.trust == Trust::UnwindInfo
            && from.abs_diff(to) > LARGEST_STACK
            && self.dump.read_word(to).is_some();
        // ARM64 keeps the return address in a register: a leaf function needs no stack.
        let leaf = current.registers.machine() == Machine::Arm64 && current.exact && to == from;
        next.exact || (kernel && (to > from || another)) || leaf
    }

    fn by_unwind_info(&self, current: &Current, grand_parameters: u32) -> Option<Current> {
        let site = current.site?;
        let module = self.symbols.module(site.image)?;
        let instruction = current.registers.pc().checked_sub(u64::from(!current.exact))?;
        let mut walker = Walker {
            dump: self.dump,
            callee: &current.registers,
            caller: current.registers.kept(),
            instruction,
            exact: current.exact,
            grand_parameters,
        };
        let base = current.registers.pc().checked_sub(site.offset)?;
        let caller = module.walk_frame(base, &mut walker)?;
        let registers = walker.caller;
        Some(self.current(registers, Trust::UnwindInfo, caller == Caller::Trapped))
    }

    /// Control went to a place that holds no code: whatever is there, it has done nothing yet, so the return address is
    /// where the call left it.
    fn by_last_call(&self, current: &Current) -> Option<Current> {
        let holds_code = |site: Site| self.symbols.holds_code(site.image, site.offset);
        (current.exact && current.site.is_none_or(|site| !holds_code(site))).then_some(())?;
        let mut registers = current.registers.kept();
        let (sp, word) = (current.registers.sp(), current.registers.word());
        let (back, above) = match current.registers.machine() {
            Machine::Arm64 => (strip(Machine::Arm64, current.registers.get("lr")?), sp),
            Machine::X64 | Machine::X86 => (self.dump.read_word(sp)?, sp.checked_add(word)?),
            Machine::Unknown(_) => return None,
        };
        let site = self.map.code_site(back)?;
        // Code that is in no list may run here too, and an old return address may be on top of its stack. But only a call
        // through a pointer leads to such a place.
        let certain = self.symbols.called_by_pointer(site.image, site.offset);
        self.symbols.may_return_to(site.image, site.offset).then_some(())?;
        registers.set_pc(back);
        registers.set_sp(above);
        Some(self.current(registers, if certain { Trust::UnwindInfo } else { Trust::Scan }, false))
    }

    /// x86 and ARM64 chain their frames; x64 uses the register for anything.
    fn by_frame_pointer(&self, current: &Current) -> Option<Current> {
        let registers = &current.registers;
        matches!(registers.machine(), Machine::X86 | Machine::Arm64).then_some(())?;
        let (frame, word) = (registers.get(registers.fp_name())?, registers.word());
        (frame >= registers.sp() && frame.is_multiple_of(word)).then_some(())?;
        let behind = frame.checked_add(word)?;
        let (above, back) =
            (self.dump.read_word(frame)?, strip(registers.machine(), self.dump.read_word(behind)?));
        // The chain must lead up, and back into code.
        (above == 0 || above > frame).then_some(())?;
        let site = self.map.code_site(back)?;
        self.symbols.may_return_to(site.image, site.offset).then_some(())?;
        let mut caller = registers.kept();
        let _every_machine_has_one = caller.set(registers.fp_name(), above);
        caller.set_pc(back);
        caller.set_sp(behind.checked_add(word)?);
        Some(self.current(caller, Trust::FramePointer, false))
    }

    /// The next word that looks like a return address. Nothing but it and its place is known of the frame.
    fn by_scan(&self, current: &Current, words_left: &mut u64) -> Option<Current> {
        let machine = current.registers.machine();
        let (word, mut at) = (current.registers.word(), current.registers.sp());
        while let Some(left) = words_left.checked_sub(1) {
            *words_left = left;
            let value = strip(machine, self.dump.read_word(at)?);
            at = at.checked_add(word)?;
            let site = self.map.code_site(value);
            if site.is_some_and(|site| self.symbols.may_return_to(site.image, site.offset)) {
                let mut registers = Known::none(machine);
                registers.set_pc(value);
                registers.set_sp(at);
                return Some(self.current(registers, Trust::Scan, false));
            }
        }
        None
    }

    fn current(&self, registers: Known, trust: Trust, exact: bool) -> Current {
        Current { site: self.map.site(registers.pc()), registers, trust, exact }
    }
}

fn is_kernel(machine: Machine, address: u64) -> bool {
    address >= if machine == Machine::X86 { KERNEL_HALF_32 } else { KERNEL_HALF }
}

fn code_site(site: Site, exact: bool) -> CodeSite {
    CodeSite { module: site.image, offset: site.offset, exact }
}

/// Return addresses on ARM64 may be signed in the bits above the address.
fn strip(machine: Machine, address: u64) -> u64 {
    const ADDRESS: u64 = 0x0000_FFFF_FFFF_FFFF;
    match machine {
        Machine::Arm64 if address & (1 << 55) != 0 => address | !ADDRESS,
        Machine::Arm64 => address & ADDRESS,
        _ => address,
    }
}

/// One step, as the unwinders of the `symbols` crate see it.
struct Walker<'w> {
    dump: &'w KernelDump<'w>,
    callee: &'w Known,
    caller: Known,
    instruction: u64,
    exact: bool,
    grand_parameters: u32,
}

impl FrameWalker for Walker<'_> {
    fn get_instruction(&self) -> u64 {
        self.instruction
    }

    fn has_grand_callee(&self) -> bool {
        !self.exact
    }

    fn get_grand_callee_parameter_size(&self) -> u32 {
        if self.exact { 0 } else { self.grand_parameters }
    }

    fn get_register_at_address(&self, address: u64) -> Option<u64> {
        self.dump.read_word(address)
    }

    fn get_callee_register(&self, name: &str) -> Option<u64> {
        self.callee.get(name)
    }

    fn set_caller_register(&mut self, name: &str, value: u64) -> Option<()> {
        self.caller.set(name, value)
    }

    fn clear_caller_register(&mut self, name: &str) {
        self.caller.clear(name);
    }

    fn set_cfa(&mut self, value: u64) -> Option<()> {
        self.caller.set_sp(value);
        Some(())
    }

    fn set_ra(&mut self, value: u64) -> Option<()> {
        self.caller.set_pc(value);
        Some(())
    }
}

//! Where the machine really was: the header's context is the caller of `KeBugCheckEx` except for 0x7E and 0x8E, so the
//! records, trap frames and pushed frames that the parameters lead to come first.

use dump::{Access, KernelDump, Machine, Parameter, Registers, Resolved, Role};

use super::found::{Exception, Fault, Origin, Owner};
use super::images::ImageMap;
use super::stack::{MachineFrame, Stack};

/// Where the kernel's addresses begin, on 64-bit systems and on 32-bit ones.
const KERNEL_HALF: u64 = 0xFFFF_8000_0000_0000;
const KERNEL_HALF_32: u64 = 0x8000_0000;
/// Bug checks whose header context already is the fault, as small dumps carry them: the flag in their highest digit
/// says so. Without it (full dumps) the header has the caller of `KeBugCheckEx` as for any other.
const HEADER_IS_FAULT: [u32; 2] = [0x1000_007E, 0x1000_008E];
/// Bug checks of a watchdog: the stack holds what it interrupted.
const WATCHDOGS: [u32; 1] = [0x133];
/// `STATUS_ACCESS_VIOLATION` and `STATUS_IN_PAGE_ERROR` carry the access in their information.
const WITH_ACCESS: [u32; 2] = [0xC000_0005, 0xC000_0006];

/// Parameters, each with its number.
pub(super) fn numbered(parameters: &[Parameter]) -> impl Iterator<Item = (u8, &Parameter)> {
    (1..).zip(parameters)
}

fn is_plausible(context: &Registers) -> bool {
    let (kernel, word) = match context {
        Registers::X86(_) => (KERNEL_HALF_32, 4),
        Registers::X64(_) | Registers::Arm64(_) => (KERNEL_HALF, 8),
    };
    context.sp() >= kernel && context.sp().is_multiple_of(word)
}

/// The best context in the dump, and its registers where it has any.
pub(super) fn fault(
    dump: &KernelDump<'_>,
    parameters: &[Parameter],
    map: &ImageMap,
    stack_limit: usize,
) -> Option<(Fault, Option<Registers>)> {
    let code = dump.header().bugcheck;
    let of = |context: Registers, origin| {
        let (address, sp) = (context.pc(), Some(context.sp()));
        let fault = Fault { address, owner: map.owner(address), origin, sp };
        (fault, Some(context))
    };
    let header = dump.context().copied().filter(is_plausible);
    if HEADER_IS_FAULT.contains(&dump.header().bugcheck_raw)
        && let Some(context) = header
    {
        return Some(of(context, Origin::Header));
    }
    let record = numbered(parameters).find_map(|(number, parameter)| match &parameter.resolved {
        Some(Resolved::Context { registers, .. }) => Some(of(**registers, Origin::ContextRecord(number))),
        Some(Resolved::TrapFrame { registers, .. }) => Some(of(**registers, Origin::TrapFrame(number))),
        _ => None,
    });
    if let Some((fault, Some(context))) =
        record.filter(|(_, context)| context.as_ref().is_some_and(is_plausible))
    {
        return Some((fault, Some(context)));
    }
    let stack = Stack::saved(dump, stack_limit);
    let stack = stack.as_ref();
    let instruction =
        numbered(parameters).find(|(_, parameter)| parameter.role == Role::InstrAddr && parameter.value != 0);
    if let Some((number, address)) = instruction.map(|(number, parameter)| (number, parameter.value)) {
        let pushed = stack.and_then(|stack| stack.machine_frame(|ip| ip == address));
        let origin = if pushed.is_some() { Origin::MachineFrame(number) } else { Origin::Parameter(number) };
        let sp = pushed.as_ref().map(|frame| frame.sp);
        let registers = pushed.and_then(|frame| around(dump, &frame));
        return Some((Fault { address, owner: map.owner(address), origin, sp }, registers));
    }
    if WATCHDOGS.contains(&code)
        && let Some(frame) = stack.and_then(|stack| stack.machine_frame(|ip| map.code_site(ip).is_some()))
    {
        let owner = map.owner(frame.ip);
        return Some((
            Fault { address: frame.ip, owner, origin: Origin::Interrupted, sp: Some(frame.sp) },
            None,
        ));
    }
    header.map(|context| of(context, Origin::BugCheckCaller))
}

/// `Rip` and `Eip` in a `KTRAP_FRAME`: what the processor pushes is the end of the frame that the handler completes.
const TRAP_FRAME_RIP: u64 = 0x168;
const TRAP_FRAME_EIP: u64 = 0x68;

/// The registers of the trap frame around what the processor pushed.
fn around(dump: &KernelDump<'_>, frame: &MachineFrame) -> Option<Registers> {
    let before = match dump.header().machine {
        Machine::X64 => TRAP_FRAME_RIP,
        Machine::X86 => TRAP_FRAME_EIP,
        Machine::Arm64 | Machine::Unknown(_) => return None,
    };
    let trap_frame = dump.trap_frame_at(frame.at.checked_sub(before)?)?;
    (trap_frame.pc() == frame.ip).then_some(trap_frame)
}

/// The exception behind a bug check: its record where the dump holds it, else what the parameters say. The code is 0
/// where the bug check is a fault of its own and no exception was raised.
pub(super) fn exception(dump: &KernelDump<'_>, parameters: &[Parameter]) -> Option<Exception> {
    let recorded = parameters.iter().find_map(|parameter| match &parameter.resolved {
        Some(Resolved::Exception { record, .. }) => Some(record),
        _ => None,
    });
    if let Some(record) = recorded {
        let (access, accessed) = match record.information.as_slice() {
            [kind, address, ..] if WITH_ACCESS.contains(&record.code) => {
                (Access::from_raw(*kind), Some(*address))
            }
            _ => (None, None),
        };
        return Some(Exception { code: record.code, address: record.address, access, accessed });
    }
    let find = |wanted| {
        parameters.iter().find(|parameter| parameter.role == wanted).map(|parameter| parameter.value)
    };
    let address = find(Role::InstrAddr).unwrap_or(0);
    if let Some(code) = find(Role::ExcCode) {
        // Sign-extended in 64-bit dumps.
        let code = u32::try_from(code & 0xFFFF_FFFF).unwrap_or(0);
        let [_, _, kind, accessed] = dump.header().parameters;
        // 0x1E carries the first two words of the information in its last two parameters.
        let informed = dump.header().bugcheck == 0x1E && WITH_ACCESS.contains(&code);
        let (access, accessed) =
            if informed { (Access::from_raw(kind), Some(accessed)) } else { (None, None) };
        return Some(Exception { code, address, access, accessed });
    }
    let accessed = find(Role::RefAddr)?;
    let access = find(Role::AccessType).and_then(Access::from_raw);
    Some(Exception { code: 0, address, access, accessed: Some(accessed) })
}

/// Who called, where the processor ran off to an address without code: the return address on top of the stack.
pub(super) fn bad_jump_caller(
    dump: &KernelDump<'_>,
    fault: &Fault,
    exception: Option<Exception>,
    map: &ImageMap,
) -> Option<Owner> {
    let ran_off = fault.is_exact()
        && fault.owner == Owner::Nobody
        && exception
            .is_some_and(|it| it.access == Some(Access::Execute) || it.accessed == Some(fault.address));
    if !ran_off {
        return None;
    }
    map.code_site(dump.read_word(fault.sp?)?).map(Owner::Loaded)
}

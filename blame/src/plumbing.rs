//! Frames that are on a stack because of the reporting and not because of the crash, by the names of their functions. Owns
//! the lists; a frame without a function is never plumbing.

use crate::facts::Place;
use crate::owners::is_kernel;

/// Functions that end in the bug check, and those of a checked stop in the debugger.
const REPORTING: [&str; 10] = [
    "KeBugCheck",
    "KiBugCheck",
    "KiSystemFatalException",
    "DbgBreakPointWithStatus",
    "RtlpBreakWithStatusInstruction",
    "KiFatalExceptionHandler",
    "PspUnhandledExceptionInSystemThread",
    "PspSystemThreadStartup$",
    "PopTransitionSystemPowerStateEx$fin",
    "FatalExceptionFilter",
];

/// Functions through which the processor comes when an instruction fails. What is above them is reporting.
const TRAPS: [&str; 18] = [
    "KiPageFault",
    "KiTrap",
    "KiGeneralProtectionFault",
    "KiExceptionDispatch",
    "KiDispatchException",
    "CommonDispatchException",
    "KiExceptionExit",
    "Kei386EoiHelper",
    "KiRaiseSecurityCheckFailure",
    "KiDoubleFaultAbort",
    "KiDivideErrorFault",
    "KiInvalidOpcodeFault",
    "KiBreakpointTrap",
    "KiStackFault",
    "KiAlignmentFault",
    "KiFloatingErrorFault",
    "KiNpxNotAvailableFault",
    "KiXmmException",
];

/// Where system calls enter the kernel: what is below runs in the process, unless the kernel called itself.
const SYSTEM_CALLS: [&str; 4] = ["KiFastCallEntry", "KiSystemService", "KiSystemCall", "KiFastSystemCall"];

/// Modules of every process.
const USER_MODULES: [&str; 14] = [
    "ntdll",
    "kernel32",
    "kernelbase",
    "user32",
    "gdi32",
    "win32u",
    "wow64",
    "wow64cpu",
    "wow64win",
    "advapi32",
    "msvcrt",
    "ucrtbase",
    "rpcrt4",
    "combase",
];

/// Functions that Driver Verifier puts between a driver and the kernel.
const VERIFIER: [&str; 6] = ["Verifier", "Iov", "Vf", "Viper", "ViIrp", "ViPool"];

fn starts(place: &Place<'_>, names: &[&str]) -> bool {
    place.function.as_deref().is_some_and(|function| names.iter().any(|name| function.starts_with(name)))
}

/// Most frames of a dump have no function: nothing else is asked of those.
fn in_kernel(place: &Place<'_>, names: &[&str]) -> bool {
    place.function.is_some() && is_kernel(&place.module) && starts(place, names)
}

/// Whether a frame only reports.
pub(crate) fn reports(place: &Place<'_>) -> bool {
    in_kernel(place, &REPORTING)
}

/// Whether a frame is the processor's way in after a fault.
pub(crate) fn is_trap(place: &Place<'_>) -> bool {
    in_kernel(place, &TRAPS)
}

/// Whether a frame is the way in of system calls.
pub(crate) fn is_system_call(place: &Place<'_>) -> bool {
    in_kernel(place, &SYSTEM_CALLS)
}

/// Whether a frame runs in the process.
pub(crate) fn is_user(place: &Place<'_>) -> bool {
    let module = place.module.as_ref();
    let stem = module.rsplit_once('.').filter(|(_, extension)| extension.eq_ignore_ascii_case("dll"));
    let stem = stem.map_or(module, |(stem, _)| stem);
    USER_MODULES.iter().any(|known| known.eq_ignore_ascii_case(stem))
}

/// Whether a frame is of `watchdog.sys`, which keeps the display's log and calls for the bug check: in a 0x119 it stands
/// between the kernel and `dxgmms2`, whose complaint it is.
pub(crate) fn is_display_log(place: &Place<'_>) -> bool {
    place.module.eq_ignore_ascii_case("watchdog") || place.module.eq_ignore_ascii_case("watchdog.sys")
}

/// Whether a frame is Driver Verifier's, or exists because it is on.
pub(crate) fn is_verifier(place: &Place<'_>) -> bool {
    let module = place.module.as_ref();
    let extension =
        |name: &str| module.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    extension("verifierext") || module.eq_ignore_ascii_case("verifier.sys") || starts(place, &VERIFIER)
}

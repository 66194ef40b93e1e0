//! Frames that are on a stack because of the reporting and not because of the crash, by the names of their functions. Owns
//! the lists; a frame without a function is never plumbing.

use crate::facts::Place;
use crate::owners::is_kernel;

/// Functions that end in the bug check, and those of a checked stop in the debugger.
const REPORTING: [&str; 8] = [
    "KeBugCheck",
    "KiBugCheck",
    "KiSystemFatalException",
    "DbgBreakPointWithStatus",
    "RtlpBreakWithStatusInstruction",
    "KiFatalExceptionHandler",
    "PspUnhandledExceptionInSystemThread",
    "FatalExceptionFilter",
];

/// What the compiler calls the parts of an exception handler that it makes functions of. They run above the frame that
/// failed, to decide or to clean up: `PspSystemThreadStartup$filt$0`, `PopTransitionSystemPowerStateEx$fin$0`.
const FUNCLETS: [&str; 2] = ["$filt$", "$fin$"];

/// Functions through which the processor comes when an instruction fails. What is above them is reporting.
const TRAPS: [&str; 21] = [
    "KiPageFault",
    "KiTrap",
    "KiGeneralProtectionFault",
    "KiRaiseSecurityCheckFailure",
    "KiDoubleFaultAbort",
    "KiDivideErrorFault",
    "KiInvalidOpcodeFault",
    "KiBreakpointTrap",
    "KiDebugTrapOrFault",
    "KiOverflowTrap",
    "KiBoundFault",
    "KiInvalidTssFault",
    "KiSegmentNotPresentFault",
    "KiStackFault",
    "KiAlignmentFault",
    "KiFloatingErrorFault",
    "KiNpxNotAvailableFault",
    "KiXmmException",
    "KiControlProtectionFault",
    // ARM64; the first is the vector itself, on stacks of Windows 11 24H2.
    "KiArm64ExceptionVectors",
    "KiKernelExceptionHandler",
];

/// What hands a fault on inside the kernel; another of these or the processor's way in follows. On x86 the end of the way in
/// is printed under the name of what stands before it: `KiExceptionExit+192`, `Kei386EoiHelper+192`.
const LINKS: [&str; 7] = [
    "KiExceptionDispatch",
    "KiDispatchException",
    "CommonDispatchException",
    "KiExceptionExit",
    "Kei386EoiHelper",
    "KiSynchronousException",
    "KzSynchronousException",
];

/// Where system calls enter the kernel: what is below runs in the process, unless the kernel called itself. The last is
/// ARM64's.
const SYSTEM_CALLS: [&str; 5] =
    ["KiFastCallEntry", "KiSystemService", "KiSystemCall", "KiFastSystemCall", "KiUserExceptionHandler"];

/// Where a driver's request begins that another one serves: whoever asked is not in the path of what was asked.
const REQUESTS: [&str; 5] =
    ["IoCreateFile", "IopCreateFile", "IopParseDevice", "IopXxxControlFile", "IopSynchronousServiceTail"];

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

fn starts(function: &str, names: &[&str]) -> bool {
    names.iter().any(|name| function.starts_with(name))
}

/// Most frames of a dump have no function: nothing else is asked of those. Kernels of x86 are printed with the compiler's
/// underscore at times: `_KiTrap0E`.
fn in_kernel(place: &Place<'_>, names: &[&str]) -> bool {
    let function = place.function.as_deref().map(|function| function.trim_start_matches('_'));
    function.is_some_and(|function| starts(function, names)) && is_kernel(&place.module)
}

/// Whether a frame only reports.
pub(crate) fn reports(place: &Place<'_>) -> bool {
    let is_funclet = |function: &str| FUNCLETS.iter().any(|mark| function.contains(mark));
    in_kernel(place, &REPORTING)
        || (place.function.as_deref().is_some_and(is_funclet) && is_kernel(&place.module))
}

/// Whether a frame is the processor's way in after a fault, or a part of it.
pub(crate) fn is_trap(place: &Place<'_>) -> bool {
    in_kernel(place, &TRAPS) || is_link(place)
}

/// Whether a frame hands a fault on that came in below it.
pub(crate) fn is_link(place: &Place<'_>) -> bool {
    in_kernel(place, &LINKS)
}

/// Whether a request begins in a frame.
pub(crate) fn begins_request(place: &Place<'_>) -> bool {
    in_kernel(place, &REQUESTS) || is_system_call(place)
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

/// Whether a frame is Driver Verifier's, or exists because it is on.
pub(crate) fn is_verifier(place: &Place<'_>) -> bool {
    let module = place.module.as_ref();
    let extension =
        |name: &str| module.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    extension("verifierext")
        || module.eq_ignore_ascii_case("verifier.sys")
        || place.function.as_deref().is_some_and(|function| starts(function, &VERIFIER))
}

//! Rules about who is on the stack below the fault: unwound or scanned, drivers, frameworks, the kernel.

use super::faults::fault_text;
use super::{Finding, shown};
use crate::facts::{Frame, Place, Trust};
use crate::owners::{Owner, is_kernel};
use crate::plumbing;
use crate::scene::Scene;
use crate::verdict::Confidence;

/// A single word that points into an image is as likely chance; two are a sign.
const SIGN: usize = 2;

pub(super) fn bug_check_caller<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let caller = scene.bug_check_caller().filter(|frame| scene.is_definite(&frame.place))?;
    let why = format!("{} stopped the machine itself: it called KeBugCheckEx.", shown(&caller.place));
    Some(Finding::driver(&caller.place, Confidence::High, why))
}

fn unwound<'a, 's>(scene: &'a Scene<'s>) -> impl Iterator<Item = &'s Frame<'s>> + use<'a, 's> {
    let stack: &'s [Frame<'s>] = scene.stack;
    stack.iter().take_while(|frame| frame.trust == Trust::Unwound)
}

pub(super) fn stack_walk<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let frame = unwound(scene).find(|frame| scene.is_definite(&frame.place))?;
    let why = format!(
        "{}The first driver down the stack that is neither kernel nor framework is {} (return address {}). The stack was \
         unwound to there frame by frame, nothing guessed.",
        fault_text(scene),
        frame.place.module,
        shown(&frame.place)
    );
    Some(Finding::driver(&frame.place, Confidence::Medium, why))
}

pub(super) fn stack_scan<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    // Drivers of Windows are on many stacks by chance: a single word of theirs is no sign.
    let is_sign = |place: &Place<'_>| {
        scene.is_definite(place)
            && (scene.owners.is_third_party(&place.module) || scene.times_on_stack(&place.module) >= SIGN)
    };
    let frame = scene.stack.iter().find(|frame| is_sign(&frame.place))?;
    let times = match scene.times_on_stack(&frame.place.module) {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let why = format!(
        "{}The first driver further down the stack that is neither kernel nor framework is {} (return address {}, it is \
         there {times}). Found by looking at stack words, of which one in four or five is a real return address.",
        fault_text(scene),
        frame.place.module,
        shown(&frame.place)
    );
    Some(Finding::driver(&frame.place, Confidence::Low, why))
}

pub(super) fn framework_on_stack<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let is_sign = |frame: &&Frame<'_>| {
        let place = &frame.place;
        scene.owner(place) == Owner::Maybe
            // What Driver Verifier put there says nothing of the module that it stands in.
            && !plumbing::is_verifier(place)
            && !plumbing::is_display_log(place)
            && (frame.trust == Trust::Unwound || scene.times_on_stack(&place.module) >= SIGN)
    };
    let stack: &'s [Frame<'s>] = scene.stack;
    let frame = stack.iter().find(is_sign)?;
    let alone = !stack.iter().any(|frame| scene.is_definite(&frame.place));
    let alone = if alone { "Only parts of Windows are on the saved stack. " } else { "" };
    let why = format!(
        "{}{alone}The first part of Windows on the stack, outside the kernel, is {} (return address {}).",
        fault_text(scene),
        frame.place.module,
        shown(&frame.place)
    );
    Some(Finding::driver(&frame.place, Confidence::Low, why))
}

pub(super) fn kernel<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let place = kernel_place(scene)?;
    let why = format!(
        "{}Nothing but the kernel is at the fault or certain to be on the saved stack. The kernel is where the crash \
         was noticed, not necessarily where it was caused: this dump does not tell.",
        fault_text(scene)
    );
    Some(Finding::driver(&place, Confidence::Low, why))
}

/// The kernel's frame that the debugger names: the fault, else the first below the reporting.
pub(super) fn kernel_place<'s>(scene: &Scene<'s>) -> Option<Place<'s>> {
    let kernel = |place: &&Place<'s>| is_kernel(&place.module);
    let above = || scene.above.iter().map(|frame| &frame.place);
    // The one way in that debuggers never look behind.
    if let Some(fast_fail) = above().find(|place| place.function.as_deref() == Some("KiFastFailDispatch")) {
        return Some(fast_fail.clone());
    }
    let at_fault = scene.fault_in_image().map(|(_, place)| place.clone()).filter(|place| kernel(&place));
    if scene.classic
        && let Some(trap) = above().rfind(|place| plumbing::is_trap(place))
    {
        // Until Windows 7 the debugger named the way in itself: 0x50_nt!KiTrap0E+dc, X64_0xA_nt!KiPageFault+260.
        return Some(trap.clone());
    }
    let on_stack = || scene.stack.iter().map(|frame| &frame.place).find(kernel).cloned();
    let last = || above().rfind(|place| !plumbing::reports(place)).cloned();
    // Code of the kernel that a parameter points at, where symbols give it a name.
    let pointed = || {
        let mut leads = super::parameters::pointing(scene).map(|(lead, _)| &lead.place);
        leads.find(|place| is_kernel(&place.module) && place.function.is_some()).cloned()
    };
    let listed = || {
        let module = scene.facts.modules.iter().find(|module| is_kernel(&module.name))?;
        Some(Place { module: module.name.clone(), ..Place::default() })
    };
    // Nothing but the reporting: it is the kernel's, but where in the kernel is not known.
    let somewhere =
        || above().next_back().map(|place| Place { module: place.module.clone(), ..Place::default() });
    at_fault.or_else(pointed).or_else(on_stack).or_else(last).or_else(listed).or_else(somewhere)
}

//! Rules about who is on the stack below the fault: unwound or scanned, drivers, frameworks, the kernel.

use super::faults::fault_text;
use super::{Finding, shown};
use crate::facts::{Frame, Place, Trust};
use crate::owners::{Owner, is_kernel};
use crate::plumbing;
use crate::scene::Scene;
use crate::verdict::{Confidence, Rule};

pub(super) fn bug_check_caller<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let caller = scene.bug_check_caller().filter(|frame| scene.is_definite(&frame.place))?;
    let why = format!("{} stopped the machine itself: it called KeBugCheckEx.", shown(&caller.place));
    Some(Finding::driver(&caller.place, Confidence::High, why))
}

/// The frames that were unwound, and how far down each is.
fn unwound<'s>(scene: &Scene<'s>) -> impl Iterator<Item = (usize, &'s Frame<'s>)> + use<'s> {
    let stack: &'s [Frame<'s>] = scene.stack;
    stack.iter().take_while(|frame| frame.trust == Trust::Unwound).enumerate()
}

pub(super) fn stack_walk<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let (depth, frame) = unwound(scene).find(|(_, frame)| scene.is_definite(&frame.place))?;
    if let Some(behind) = third_party_behind(scene, depth, frame) {
        return Some(behind);
    }
    let place = &frame.place;
    let mut why = format!(
        "{}The first driver down the stack that is neither kernel nor framework is {} (return address {}). The stack was \
         unwound to there frame by frame, nothing guessed.",
        fault_text(scene),
        place.module,
        shown(place)
    );
    if !scene.serves(depth) {
        return Some(Finding::driver(place, Confidence::Medium, why));
    }
    why.push_str(
        " But the kernel failed while it served a page fault of this driver, which is no mistake of the driver's: bad \
         memory looks like this.",
    );
    Some(Finding::driver(place, Confidence::Low, why))
}

/// A third party that had the request before a driver of Windows had it: one that everybody runs is rarely what is wrong on
/// the machines that run both. Whoever only asked for something, by a system call or an open, is not in the path of it: seen
/// with `fileinfo` in a create that a test driver had asked for, where the debugger blames `fileinfo`.
fn third_party_behind<'s>(scene: &Scene<'s>, depth: usize, first: &'s Frame<'s>) -> Option<Finding<'s>> {
    let inbox = &first.place;
    let is_third_party = |place: &Place<'_>| scene.owners.is_third_party(&place.module);
    let at_fault = scene.fault_in_image().is_some_and(|(_, place)| place.module == inbox.module);
    if at_fault || is_third_party(inbox) {
        return None;
    }
    let mut behind = unwound(scene)
        .map(|(_, frame)| &frame.place)
        .skip(depth + 1)
        .take_while(|place| !plumbing::begins_request(place));
    let place = behind.find(|place| is_third_party(place))?;
    let why = format!(
        "{}The first driver down the stack that is neither kernel nor framework is {}, which comes with Windows and is not \
         where it failed; the first one behind it of another maker is {} (return address {}), in the same chain of calls. \
         The stack was unwound to there frame by frame.",
        fault_text(scene),
        inbox.module,
        place.module,
        shown(place)
    );
    Some(Finding::driver(place, Confidence::Low, why))
}

/// Drivers of Windows are on many stacks by chance: a single word of theirs is no sign.
pub(super) fn stack_scan<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let stack: &'s [Frame<'s>] = scene.stack;
    let depth = stack.iter().position(|frame| scene.is_sign(&frame.place))?;
    let frame = stack.get(depth)?;
    let place = &frame.place;
    let times = match scene.times_on_stack(&place.module) {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let skipped = stack.iter().take(depth).any(|frame| scene.is_definite(&frame.place));
    let but = if skipped { ", and no driver of Windows that is there by a single word," } else { "" };
    let how = match frame.trust {
        Trust::Unwound => "The stack was unwound to there.",
        Trust::Chained => {
            "Found along a chain of frame pointers, which leaves out functions that keep none, or below a guess."
        }
        Trust::Scanned => {
            "Found by looking at stack words, of which one in four or five is a real return address."
        }
    };
    let why = format!(
        "{}The first driver further down the stack that is neither kernel nor framework{but} is {} (return address {}, it \
         is there {times}). {how}",
        fault_text(scene),
        place.module,
        shown(place)
    );
    Some(Finding::driver(place, Confidence::Low, why))
}

/// Drivers that are on the stack, as those who look through it would take them one after the other.
pub(crate) fn further_down<'a, 's>(
    scene: &'a Scene<'s>,
) -> impl Iterator<Item = (Rule, Finding<'s>)> + use<'a, 's> {
    let walked = unwound(scene).count();
    let stack: &'s [Frame<'s>] = scene.stack;
    let mut last = "";
    stack.iter().enumerate().filter_map(move |(depth, frame)| {
        let place = &frame.place;
        let again = std::mem::replace(&mut last, place.module.as_ref()) == place.module;
        let rule = if depth < walked { Rule::StackWalk } else { Rule::StackScan };
        let wanted = !again && if depth < walked { scene.is_definite(place) } else { scene.is_sign(place) };
        wanted.then(|| {
            let why = format!("It is further down the stack, at {}.", shown(place));
            (rule, Finding::driver(place, Confidence::Low, why))
        })
    })
}

pub(super) fn framework_on_stack<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let is_sign = |frame: &&Frame<'_>| {
        let place = &frame.place;
        scene.owner(place) == Owner::Maybe
            // What Driver Verifier put there says nothing of the module that it stands in.
            && !plumbing::is_verifier(place)
            && (frame.trust == Trust::Unwound || scene.is_repeated(&place.module))
    };
    let stack: &'s [Frame<'s>] = scene.stack;
    let frame = stack.iter().find(is_sign)?;
    let alone = !stack.iter().any(|frame| scene.is_definite(&frame.place));
    let (only, first) = match scene.only_windows() {
        true => ("Only parts of Windows are", "part of Windows"),
        false => ("Only parts of Windows and frameworks are", "framework"),
    };
    let alone = if alone { format!("{only} on the saved stack. ") } else { String::new() };
    let why = format!(
        "{}{alone}The first {first} on the stack, outside the kernel, is {} (return address {}).",
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

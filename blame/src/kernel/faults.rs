//! Rules about the failing instruction: whose it is, whose it was, or who sent the processor there.

use super::{Finding, shown};
use crate::facts::{Fault, Led, Origin, Place};
use crate::owners::{Owner, is_kernel, known};
use crate::scene::Scene;
use crate::verdict::Confidence;

/// Where the address of the failing instruction was read.
fn origin(scene: &Scene<'_>, fault: &Fault<'_>) -> String {
    let parameter = fault.parameter;
    match fault.origin {
        Origin::Header => "the context in the dump's header".to_owned(),
        Origin::ContextRecord => format!("the context record in parameter {parameter}"),
        Origin::TrapFrame => format!("the trap frame in parameter {parameter}"),
        Origin::MachineFrame => {
            format!("parameter {parameter}, and the frame the processor pushed there is on the stack")
        }
        Origin::Interrupted => "the interrupt on the stack".to_owned(),
        Origin::Parameter => format!("parameter {parameter}"),
        Origin::Debugger if scene.facts.fault.is_some() => {
            "what the debugger calls the faulting instruction".to_owned()
        }
        Origin::Debugger if scene.above.is_empty() => {
            "the first frame: in this bug check the stack begins at the fault".to_owned()
        }
        Origin::Debugger => "the frame below the trap".to_owned(),
    }
}

fn tried(scene: &Scene<'_>) -> String {
    let exception = scene.exception.as_ref();
    exception
        .and_then(|exception| Some((exception.access?, exception.accessed?)))
        .map(|(access, accessed)| format!(" to {} {accessed}", access.as_str()))
        .unwrap_or_default()
}

/// `The failing instruction is at ks.sys+0x1ae9, which tried to read 0x29. `
pub(super) fn fault_text(scene: &Scene<'_>) -> String {
    let Some((fault, place)) = scene.fault_in_image() else { return String::new() };
    if fault.origin == Origin::Interrupted {
        return format!("What ran when the watchdog fired was {}. ", shown(place));
    }
    let tried = match tried(scene) {
        access if access.is_empty() => String::new(),
        access => format!(", which tried{access}"),
    };
    format!("The failing instruction is at {}{tried}. ", shown(place))
}

pub(super) fn unloaded_driver<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let confidence = |place: &Place<'_>| named(scene, place);
    let fault = scene.fault.as_ref().filter(|fault| fault.place.unloaded);
    if let Some((fault, confidence)) = fault.and_then(|fault| Some((fault, confidence(&fault.place)?))) {
        let at = if fault.address.0 == 0 { shown(&fault.place) } else { fault.address.to_string() };
        let why = format!(
            "The processor was running at {at}, where {} had been loaded until it was unloaded: something still called \
             into it.",
            fault.place.module
        );
        return Some(Finding::driver(&fault.place, confidence, why));
    }
    let mut leads = scene.facts.leads.iter().filter(|lead| lead.by == Led::Address && lead.place.unloaded);
    let (lead, confidence) = leads.find_map(|lead| Some((lead, confidence(&lead.place)?)))?;
    // That a value lies where a driver once was says much in bug checks about unloaded drivers, and little elsewhere.
    let about = matches!(scene.judged.known?.strategy, dump::Strategy::Unloaded);
    about.then_some(())?;
    let why = format!(
        "Parameter {} lies where {} was loaded: the driver was unloaded without cancelling what it had pending.",
        lead.parameter, lead.place.module
    );
    Some(Finding::driver(&lead.place, confidence, why))
}

/// How sure a driver is that the dump itself names. The operator may know better.
pub(super) fn named(scene: &Scene<'_>, place: &Place<'_>) -> Option<Confidence> {
    match scene.owners.told(&place.module) {
        Some(Owner::Maybe) => Some(Confidence::Medium),
        Some(Owner::Definite) => Some(Confidence::High),
        Some(Owner::Ignore) => None,
        None => (scene.owner(place) != Owner::Ignore).then_some(Confidence::High),
    }
}

pub(super) fn faulting_instruction<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let is_own = |fault: &Fault<'_>, place: &Place<'_>| {
        scene.is_definite(place)
            || scene.owners.is_third_party_framework(&place.module)
            // Found there by chance it only waited; but what fails there is its own.
            || (fault.origin != Origin::Interrupted && waits(place))
    };
    let (fault, place) = scene.fault_in_image().filter(|(fault, place)| is_own(fault, place))?;
    // What a watchdog interrupts is a sample, not a fault.
    let confidence = if fault.origin == Origin::Interrupted { Confidence::Medium } else { Confidence::High };
    let why = match fault.origin {
        Origin::Interrupted => format!("{} was running when the watchdog fired.", shown(place)),
        _ => format!("{}Known from {}.", fault_text(scene), origin(scene, fault)),
    };
    Some(Finding::driver(place, confidence, why))
}

pub(super) fn bad_jump_caller<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let place = scene.facts.caller.as_ref()?;
    let confidence = match scene.owner(place) {
        Owner::Definite => Confidence::Medium,
        Owner::Maybe | Owner::Ignore => return None,
    };
    let at = scene.fault.as_ref().map(|fault| fault.address).unwrap_or_default();
    let why = format!(
        "Control jumped to {at}, which holds no code; the return address on top of the stack is {}.",
        shown(place)
    );
    Some(Finding::driver(place, confidence, why))
}

pub(super) fn framework_at_fault<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let is_framework = |place| scene.owner(place) == Owner::Maybe;
    let at_fault = scene.fault_in_image().map(|(_, place)| place).filter(|place| is_framework(place));
    let (place, what) = match at_fault {
        Some(place) => (place, fault_text(scene)),
        None => {
            let (lead, _) = super::parameters::pointing(scene).find(|(lead, _)| is_framework(&lead.place))?;
            (&lead.place, format!("Parameter {} points into {}. ", lead.parameter, shown(&lead.place)))
        }
    };
    // Said beside another verdict too, where there is one.
    let alone = !scene.stack.iter().any(|frame| scene.is_definite(&frame.place));
    let alone = if alone { "; no other driver is on the saved stack" } else { "" };
    let why = format!("{what}{} {}{alone}.", place.module, part(scene, place));
    (!is_kernel(&place.module)).then(|| Finding::driver(place, Confidence::Low, why))
}

/// Images in which a processor waits for something to do.
const IDLE: [&str; 3] = ["intelppm.sys", "amdppm.sys", "processr.sys"];

fn waits(place: &Place<'_>) -> bool {
    known(&place.module).is_some_and(|driver| IDLE.contains(&driver.name.as_str()))
}

/// What an image is that may be blamed where nobody else is.
fn part(scene: &Scene<'_>, place: &Place<'_>) -> &'static str {
    match known(&place.module) {
        _ if scene.owners.told(&place.module).is_some() => {
            "is listed in the configuration as one to blame only where nobody else is"
        }
        Some(_) if waits(place) => "is where Windows lets a processor wait when there is nothing to do",
        Some(driver) if driver.inbox => "is a part of Windows that runs other drivers' code and data",
        _ => "runs other drivers' code and data",
    }
}

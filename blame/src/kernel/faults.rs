//! Rules about the failing instruction: whose it is, whose it was, or who sent the processor there.

use super::{Finding, shown};
use crate::facts::{Fault, Led, Origin};
use crate::owners::{Owner, is_kernel};
use crate::scene::Scene;
use crate::verdict::Confidence;

/// Where the address of the failing instruction was read.
fn origin(fault: &Fault<'_>) -> String {
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
    let Some((_, place)) = scene.fault_in_image() else { return String::new() };
    let tried = match tried(scene) {
        access if access.is_empty() => String::new(),
        access => format!(", which tried{access}"),
    };
    format!("The failing instruction is at {}{tried}. ", shown(place))
}

pub(super) fn unloaded_driver<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    if let Some(fault) = scene.fault.as_ref().filter(|fault| fault.place.unloaded) {
        let why = format!(
            "The processor was running at {}, where {} had been loaded until it was unloaded: something still called \
             into it.",
            fault.address, fault.place.module
        );
        return Some(Finding::driver(&fault.place, Confidence::High, why));
    }
    let lead = scene.facts.leads.iter().find(|lead| lead.by == Led::Address && lead.place.unloaded)?;
    // That a value lies where a driver once was says much in bug checks about unloaded drivers, and little elsewhere.
    let about = matches!(scene.judged.known?.strategy, dump::Strategy::Unloaded);
    about.then_some(())?;
    let why = format!(
        "Parameter {} lies where {} was loaded: the driver was unloaded without cancelling what it had pending.",
        lead.parameter, lead.place.module
    );
    Some(Finding::driver(&lead.place, Confidence::High, why))
}

pub(super) fn faulting_instruction<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let (fault, place) = scene.fault_in_image().filter(|(_, place)| scene.is_definite(place))?;
    // What a watchdog interrupts is a sample, not a fault.
    let confidence = if fault.origin == Origin::Interrupted { Confidence::Medium } else { Confidence::High };
    let why = match fault.origin {
        Origin::Interrupted => format!("{} was running when the watchdog fired.", shown(place)),
        _ => format!("{}Known from {}.", fault_text(scene), origin(fault)),
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
    let why =
        format!("{what}{} is a part of Windows that runs other drivers' code and data{alone}.", place.module);
    (!is_kernel(&place.module)).then(|| Finding::driver(place, Confidence::Low, why))
}

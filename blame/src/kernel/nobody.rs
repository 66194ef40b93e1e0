//! Rules that name no driver: somebody wanted the crash, the machine failed, a process ended, or nothing can be known.

use std::borrow::Cow;

use dump::Strategy;

use super::Finding;
use super::stacks::kernel_place;
use crate::facts::Place;
use crate::scene::Scene;
use crate::verdict::{Confidence, Culprit};

fn found<'s>(culprit: Culprit, confidence: Confidence, why: impl Into<String>) -> Option<Finding<'s>> {
    Some(Finding { culprit, place: None, confidence, why: why.into() })
}

#[expect(clippy::unnecessary_wraps, reason = "a rule like the others")]
pub(super) fn manual<'s>() -> Option<Finding<'s>> {
    Some(Finding {
        culprit: Culprit::Manual,
        place: None,
        confidence: Confidence::High,
        why: "Somebody asked for this crash, by keyboard, power button or tool: no driver is at fault."
            .to_owned(),
    })
}

pub(super) fn hardware<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let what = match &scene.facts.hardware {
        Some(error) if !error.summary.is_empty() => format!(" The error record says: {}.", error.summary),
        _ => String::new(),
    };
    let why = format!(
        "This bug check reports an error of the hardware (processor, memory, bus or disk), not of a driver.{what}"
    );
    // The kernel's place is where the debugger says it happened; it is not blamed for it.
    Some(Finding {
        culprit: Culprit::Hardware,
        place: kernel_place(scene),
        confidence: scene.judged.cap(),
        why,
    })
}

pub(super) fn memory<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let meaning = scene.judged.known.and_then(|known| known.subcode_meaning(&scene.parameters));
    let what = meaning.map(|meaning| format!(" ({meaning})")).unwrap_or_default();
    let why = format!(
        "What was found damaged{what} belongs to the memory manager, and nothing in the dump tells who wrote there: a \
         memory module or a driver that writes where it should not."
    );
    Some(Finding { culprit: Culprit::Memory, place: kernel_place(scene), confidence: Confidence::Low, why })
}

pub(super) fn process<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let name = scene.facts.process_name.as_deref().unwrap_or_default();
    if name.is_empty() {
        let why = "A process that Windows cannot live without ended; the dump does not hold its name.";
        return found(Culprit::Process, Confidence::Low, why);
    }
    // The current process is the one that died when it ended itself; when another one killed it, it is the killer.
    let why = format!(
        "A process that Windows cannot live without ended; the process current at the crash was {name}."
    );
    let place = Place { module: Cow::Owned(name.to_owned()), ..Place::default() };
    Some(Finding { culprit: Culprit::Process, place: Some(place), confidence: Confidence::Medium, why })
}

pub(super) fn nobody<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let why = match scene.judged.known.map(|known| known.strategy) {
        Some(Strategy::Boot) => {
            "Windows failed while it started: a driver, disk or setting may be missing or wrong."
        }
        Some(Strategy::None) => {
            "This bug check is about the system's state or settings; it points at no driver."
        }
        Some(Strategy::Patchguard) => {
            "The integrity check found changed kernel code or data; who changed it left no trace."
        }
        Some(Strategy::DeviceStack) => {
            "The request that got stuck is not in this dump, so its holder is not known."
        }
        _ => "Nothing in this dump points at anybody.",
    };
    found(Culprit::Unknown, Confidence::None, why)
}

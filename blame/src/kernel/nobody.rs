//! Rules that name no driver: somebody wanted the crash, the machine failed, a process ended, or nothing can be known.

use std::borrow::Cow;

use dump::{Role, Strategy};

use super::Finding;
use super::stacks::kernel_place;
use crate::facts::{Led, Place};
use crate::owners::{is_kernel, known};
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
    // What the table is not sure of is not ruled out here.
    let whose = match scene.judged.cap() {
        Confidence::High => {
            "This bug check reports an error of the hardware (processor, memory, bus or disk), not of a driver."
        }
        _ => {
            "This bug check is the hardware's or the firmware's (processor, memory, bus or disk) more often than a \
             driver's."
        }
    };
    let why = format!("{whose}{what}");
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
    let named = |name: &'s Option<Cow<'_, str>>| name.as_deref().filter(|name| !name.is_empty());
    let (dead, current) = (named(&scene.facts.dead_process), named(&scene.facts.process_name));
    let (name, confidence, why) = match (dead, current) {
        (Some(dead), Some(current)) if !dead.eq_ignore_ascii_case(current) => (
            dead,
            Confidence::Medium,
            format!(": {dead}. It was {current} that ran at the time, and may have ended it."),
        ),
        (Some(dead), _) => (dead, Confidence::Medium, format!(": {dead}.")),
        // Who runs is the one that died where it ended itself; where another one killed it, it is the killer.
        (None, Some(current)) => {
            let why = format!(
                "; the dump does not say which. It was {current} that ran at the time: the one that ended, or the one \
                 that ended it."
            );
            (current, Confidence::Low, why)
        }
        (None, None) => {
            let why = "A process that Windows cannot live without ended; the dump does not hold its name.";
            return found(Culprit::Process, Confidence::Low, why);
        }
    };
    let why = format!("A process that Windows cannot live without ended{why}");
    let place = Place { module: Cow::Borrowed(name), ..Place::default() };
    Some(Finding { culprit: Culprit::Process, place: Some(place), confidence, why })
}

/// `pci.sys, which is Windows' own`: why the owner of an object is not named. The operator may have left others out.
fn passed_over(place: &Place<'_>) -> String {
    let inbox = is_kernel(&place.module) || known(&place.module).is_some_and(|driver| driver.inbox);
    let why = if inbox { "Windows' own" } else { "nobody to blame as long as somebody else is in sight" };
    format!("{}, which is {why}", place.module)
}

/// Of what hangs on a device or a request: what of it the dump holds.
fn device(scene: &Scene<'_>) -> String {
    let holder = scene.facts.leads.iter().find(|lead| lead.by == Led::Irp);
    if let Some(lead) = holder {
        return format!(
            "The request in parameter {} waits in {}: whom that waits for is not in this dump.",
            lead.parameter,
            passed_over(&lead.place)
        );
    }
    let about = |wanted| scene.roles.contains(&wanted);
    let owned = scene.facts.leads.iter().find(|lead| matches!(lead.by, Led::Device | Led::Driver));
    match owned {
        Some(lead) if about(Role::Irp) => format!(
            "The request in this bug check's parameters is not in this dump, so its holder is not known. Its device is \
             one of {}.",
            passed_over(&lead.place)
        ),
        Some(lead) => format!(
            "The device in parameter {} is one of {}; nothing tells for whom it worked.",
            lead.parameter,
            passed_over(&lead.place)
        ),
        None if about(Role::Irp) => {
            "The request in this bug check's parameters is not in this dump, so its holder is not known."
                .to_owned()
        }
        None if about(Role::DeviceObj) || about(Role::DriverObj) => {
            "The device in this bug check's parameters is not in this dump, so its driver is not known."
                .to_owned()
        }
        None => NOTHING.to_owned(),
    }
}

const NOTHING: &str = "Nothing in this dump points at anybody.";

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
        Some(Strategy::DeviceStack) => return found(Culprit::Unknown, Confidence::None, device(scene)),
        _ => NOTHING,
    };
    found(Culprit::Unknown, Confidence::None, why)
}

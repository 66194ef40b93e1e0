//! Rules about what the bug check's parameters lead to: a pointer into an image, an object of a driver, its name.

use dump::{Role, Strategy};

use super::faults::named;
use super::{Finding, shown};
use crate::facts::{Lead, Led};
use crate::owners::Owner;
use crate::scene::Scene;
use crate::verdict::Confidence;

pub(super) fn irp_holder<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let lead = scene.facts.leads.iter().find(|lead| lead.by == Led::Irp)?;
    // Who holds the IRP is a fact; that a bus driver or a framework is to blame for holding it is not.
    let confidence = match scene.owner(&lead.place) {
        Owner::Definite => Confidence::High,
        Owner::Maybe => Confidence::Medium,
        Owner::Ignore => return None,
    };
    let why = format!(
        "The IRP in parameter {} has not been completed: its current stack location belongs to a device of {}.",
        lead.parameter, lead.place.module
    );
    Some(Finding::driver(&lead.place, confidence, why))
}

pub(super) fn driver_name<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let mut leads = scene.facts.leads.iter().filter(|lead| lead.by == Led::Name);
    let (lead, confidence) = leads.find_map(|lead| Some((lead, named(scene, &lead.place)?)))?;
    let why =
        format!("Parameter {} of this bug check names the driver: {}.", lead.parameter, lead.place.module);
    Some(Finding::driver(&lead.place, confidence, why))
}

/// Parameters that, by their role, are addresses inside the culprit. Verifier's codes are too many to be all in the
/// table: there any parameter may be one.
pub(super) fn pointing<'a, 's>(scene: &'a Scene<'s>) -> impl Iterator<Item = (&'a Lead<'s>, Role)> {
    let verifier = scene.judged.known.is_some_and(|known| known.strategy == Strategy::Verifier);
    scene.leads().filter(move |(lead, role)| {
        let points = matches!(
            role,
            Role::CodePtr | Role::CallerAddr | Role::ModulePtr | Role::ModuleBase | Role::InstrAddr
        );
        lead.by == Led::Address && !lead.place.unloaded && (points || (verifier && *role != Role::Subcode))
    })
}

pub(super) fn parameter_pointer<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let (lead, role) = pointing(scene).find(|(lead, _)| scene.is_definite(&lead.place))?;
    let confidence = match role {
        Role::CallerAddr | Role::ModulePtr | Role::ModuleBase | Role::InstrAddr => Confidence::High,
        _ => Confidence::Medium,
    };
    let index = usize::from(lead.parameter.saturating_sub(1));
    let meaning = scene.judged.known.map(|known| known.meaning(index, &scene.parameters));
    let meaning = meaning.filter(|meaning| !meaning.is_empty()).map(|meaning| format!(" ({meaning})"));
    let why = format!(
        "Parameter {} of this bug check points into {}{}.",
        lead.parameter,
        shown(&lead.place),
        meaning.unwrap_or_default()
    );
    Some(Finding::driver(&lead.place, confidence, why))
}

pub(super) fn parameter_object<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let object = |by| match by {
        Led::Irp => Some("IRP"),
        Led::Device => Some("device object"),
        Led::Driver => Some("driver object"),
        Led::Address | Led::Name => None,
    };
    let mut leads = scene.facts.leads.iter().filter_map(|lead| Some((lead, object(lead.by)?)));
    let (lead, object) = leads.find(|(lead, _)| scene.is_definite(&lead.place))?;
    let why = format!("The {object} in parameter {} belongs to {}.", lead.parameter, lead.place.module);
    Some(Finding::driver(&lead.place, Confidence::Medium, why))
}

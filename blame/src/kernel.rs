//! The kernel rules. Each looks at the scene and says whom it finds, how sure that is and why; none knows of the others, and
//! which are asked in which order is `data/blame.toml`'s.

mod faults;
mod nobody;
mod parameters;
mod recursion;
mod stacks;

pub(crate) use self::stacks::further_down;
use crate::facts::Place;
use crate::scene::Scene;
use crate::verdict::{Confidence, Culprit, Rule};

/// What a rule found.
pub(crate) struct Finding<'s> {
    pub(crate) culprit: Culprit,
    /// Where in which image; for a process its name stands for the module.
    pub(crate) place: Option<Place<'s>>,
    pub(crate) confidence: Confidence,
    pub(crate) why: String,
}

impl<'s> Finding<'s> {
    fn driver(place: &Place<'s>, confidence: Confidence, why: String) -> Self {
        Self { culprit: Culprit::Driver, place: Some(place.clone()), confidence, why }
    }
}

/// Asks one rule.
pub(crate) fn ask<'s>(rule: Rule, scene: &Scene<'s>) -> Option<Finding<'s>> {
    match rule {
        Rule::Manual => nobody::manual(),
        Rule::Hardware => nobody::hardware(scene),
        Rule::Memory => nobody::memory(scene),
        Rule::Process => nobody::process(scene),
        Rule::UnloadedDriver => faults::unloaded_driver(scene),
        Rule::IrpHolder => parameters::irp_holder(scene),
        Rule::DriverName => parameters::driver_name(scene),
        Rule::FaultingInstruction => faults::faulting_instruction(scene),
        Rule::BadJumpCaller => faults::bad_jump_caller(scene),
        Rule::ParameterPointer => parameters::parameter_pointer(scene),
        Rule::ParameterObject => parameters::parameter_object(scene),
        Rule::BugCheckCaller => stacks::bug_check_caller(scene),
        Rule::Recursion => recursion::recursion(scene),
        Rule::StackWalk => stacks::stack_walk(scene),
        Rule::StackScan => stacks::stack_scan(scene),
        Rule::FrameworkAtFault => faults::framework_at_fault(scene),
        Rule::FrameworkOnStack => stacks::framework_on_stack(scene),
        Rule::Kernel => stacks::kernel(scene),
        Rule::Nobody => nobody::nobody(scene),
        // Of processes alone.
        Rule::FaultingModule | Rule::ModuleOnStack => None,
    }
}

/// `csagent.sys+0xe14ed`, `fileinfo!FIPfFileFSOpPostCreate+0x2ff`.
fn shown(place: &Place<'_>) -> String {
    match (&place.function, place.offset) {
        (Some(function), _) => {
            let offset = place.function_offset.map(|offset| format!("+{offset}")).unwrap_or_default();
            format!("{}!{function}{offset}", place.module)
        }
        (None, Some(offset)) => format!("{}+{offset}", place.module),
        (None, None) => place.module.to_string(),
    }
}

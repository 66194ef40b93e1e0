//! A process's crash to the facts that are judged and stored.

use std::borrow::Cow;

use blame::{
    Exception, FACTS_VERSION, Facts, Fault, Kind, Module as FactModule, Number, Origin, Place, Trust,
};
use minidump::{MinidumpModule, Module};

use super::{UserException, base_name};
use crate::Limits;
use crate::analysis::{Frame, MachineReport};

/// Frames of a process that are judged: the culprit is near the top, or nobody knows.
const MOST_FRAMES: usize = 128;

/// What the facts are made from.
pub(super) struct Source<'s> {
    pub(super) exception: Option<&'s UserException>,
    pub(super) frames: &'s [Frame],
    pub(super) modules: &'s [&'s MinidumpModule],
    pub(super) process: Option<&'s str>,
    pub(super) machine: &'s MachineReport,
    pub(super) limits: &'s Limits,
}

/// The facts.
pub(super) fn facts<'s>(source: &Source<'s>) -> Facts<'s> {
    // The outermost of those that the compiler put into one: that is what a debugger calls it.
    let outer = source.frames.iter().filter(|frame| !frame.inlined).take(MOST_FRAMES);
    Facts {
        facts_version: FACTS_VERSION,
        kind: Kind::User,
        arch: Cow::Owned(source.machine.arch.clone()),
        os_build: source.machine.build,
        process_name: source.process.map(Cow::Borrowed),
        fault: source.exception.map(|exception| fault(source, exception)),
        exception: source.exception.map(|exception| Exception {
            code: exception.code.into(),
            access: exception.access,
            accessed: exception.accessed.map(Number),
            detail: exception.detail.map(Number),
        }),
        stack: outer.map(|frame| blame::Frame { place: place(frame), trust: trust(frame) }).collect(),
        modules: mentioned(source),
        ..Facts::default()
    }
}

fn trust(frame: &Frame) -> Trust {
    match frame.trust.as_str() {
        "scan" => Trust::Scanned,
        "frame-pointer" => Trust::Chained,
        _ => Trust::Unwound,
    }
}

fn place(frame: &Frame) -> Place<'_> {
    Place {
        module: Cow::Borrowed(&frame.module),
        offset: (!frame.module.is_empty()).then_some(Number(frame.offset)),
        function: frame.function.as_deref().map(Cow::Borrowed),
        function_offset: frame.function_offset.map(Into::into),
        unloaded: false,
    }
}

fn fault<'s>(source: &Source<'s>, exception: &UserException) -> Fault<'s> {
    let at = source.modules.iter().find_map(|module| {
        let offset = exception.address.checked_sub(module.base_address())?;
        (offset < module.size()).then_some((*module, offset))
    });
    let mut found = at.map(|(module, offset)| Place {
        module: Cow::Owned(base_name(&module.name, source.limits)),
        offset: Some(Number(offset)),
        ..Place::default()
    });
    // The walk began there: its first frame has the names.
    let outer = source.frames.iter().find(|frame| !frame.inlined);
    if let (Some(found), Some(frame)) = (&mut found, outer)
        && found.module == frame.module.as_str()
        && found.offset == Some(Number(frame.offset))
    {
        *found = place(frame);
    }
    Fault {
        address: Number(exception.address),
        place: found.unwrap_or_default(),
        origin: Origin::Header,
        parameter: 0,
    }
}

/// The modules that the facts name, each once.
fn mentioned(source: &Source<'_>) -> Vec<FactModule<'static>> {
    let mut modules: Vec<FactModule<'static>> = Vec::new();
    for module in source.modules {
        let name = base_name(&module.name, source.limits);
        let at_fault = source.exception.is_some_and(|exception| {
            let offset = exception.address.checked_sub(module.base_address());
            offset.is_some_and(|offset| offset < module.size())
        });
        let on_stack = source.frames.iter().take(MOST_FRAMES).any(|frame| frame.module == name);
        if (at_fault || on_stack) && !modules.iter().any(|known| known.name == name.as_str()) {
            let (timestamp, size) = (module.raw.time_date_stamp, module.raw.size_of_image);
            modules.push(FactModule { name: Cow::Owned(name), timestamp, size });
        }
    }
    modules
}

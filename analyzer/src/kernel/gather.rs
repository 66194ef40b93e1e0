//! A parsed dump to [`KernelFacts`]: the one place that asks the dump everything the rules want to know.

use std::borrow::Cow;

use dump::{KernelDump, Parameter, Registers, bugcheck};

use super::images::ImageMap;
use super::stack::Stack;
use super::walk;
use super::{context, objects, owned};
use crate::facts::{Hit, Image, KernelFacts, Named, Site};
use crate::module_symbols::{ModuleSymbols, Trust, Walked};
use crate::tables::{driver, is_kernel};
use crate::{Limits, text};

/// Stack words kept: a full stack of 92 KiB has 11,776, of which a few hundred point into images.
const MOST_HITS: usize = 2_000;

/// Names out of the dump, cleaned once; the facts borrow them.
pub(super) struct Names<'d> {
    drivers: Vec<Cow<'d, str>>,
    unloaded: Vec<Cow<'d, str>>,
    process: Option<String>,
    processor_vendor: Option<String>,
}

impl<'d> Names<'d> {
    pub(super) fn new(dump: &'d KernelDump<'_>, limits: &Limits) -> Self {
        let drivers = dump.drivers().iter().take(limits.modules);
        let unloaded = dump.unloaded().iter().take(limits.unloaded);
        Self {
            drivers: drivers.map(|driver| text::clean(&driver.name, limits.text)).collect(),
            unloaded: unloaded.map(|driver| text::clean(&driver.name, limits.text)).collect(),
            process: owned(dump.process_name(), limits),
            processor_vendor: owned(dump.processor().and_then(|processor| processor.vendor), limits),
        }
    }
}

/// The facts, and the registers at the fault where they are known.
pub(super) struct Gathered<'n> {
    pub(super) facts: KernelFacts<'n>,
    pub(super) registers: Option<Registers>,
    /// The whole stack, where it was walked.
    pub(super) walked: Option<Vec<Walked>>,
    /// The parameters, followed.
    pub(super) parameters: [Parameter; 4],
}

fn images<'n>(dump: &KernelDump<'_>, names: &'n Names<'_>) -> Vec<Image<'n>> {
    let image = |(loaded, name): (&dump::Driver, &'n Cow<'_, str>)| {
        let lower = name.to_ascii_lowercase();
        let (rank, known) = driver(&lower);
        Image {
            name: name.as_ref(),
            rank,
            kernel: is_kernel(&lower),
            known,
            size: loaded.size,
            timestamp: loaded.timestamp,
        }
    };
    dump.drivers().iter().zip(&names.drivers).map(image).collect()
}

/// The listed image that a driver's or service's name stands for. A name of eight characters may have been cut there.
fn image_named(images: &[Image<'_>], name: &str) -> Option<usize> {
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let wanted = stem(name);
    let exact = images.iter().position(|image| stem(image.name) == wanted);
    let cut = |image: &Image<'_>| wanted.len() == 8 && stem(image.name).starts_with(&wanted);
    exact.or_else(|| images.iter().position(cut))
}

/// Codes that only exist as live dumps, whatever the header's attributes say.
const ALWAYS_LIVE: [u32; 3] = [0x117, 0x141, 0x142];

/// Asks the dump everything.
pub(super) fn gather<'n>(
    dump: &KernelDump<'_>,
    names: &'n Names<'_>,
    symbols: &ModuleSymbols<'_>,
    limits: &Limits,
) -> Gathered<'n> {
    let header = dump.header();
    let entry = bugcheck(header.bugcheck, header.bugcheck_raw);
    let parameters = dump.parameters();
    let roles = parameters.each_ref().map(|parameter| parameter.role);
    let listed = dump.drivers().get(..limits.modules).unwrap_or(dump.drivers());
    let gone = dump.unloaded().get(..limits.unloaded).unwrap_or(dump.unloaded());
    let map = ImageMap::new(listed, gone);
    let images = images(dump, names);
    let found = context::fault(dump, &parameters, &map, limits.stack_bytes);
    let (fault, registers) = found.map_or((None, None), |(fault, registers)| (Some(fault), registers));
    let exception = context::exception(dump, &parameters);
    let walked = symbols.asked_for().then(|| {
        let source = walk::Source { dump, map: &map, symbols, limits };
        source.stack(fault.as_ref(), registers.as_ref())
    });
    let stack = match &walked {
        Some((frames, fault)) => below(frames, *fault),
        None => scan(dump, fault.and_then(|fault| fault.sp), &map, limits),
    };
    let led = objects::led(&parameters, &map);
    let named = objects::named(&parameters).map(|(parameter, name)| Named {
        parameter,
        image: image_named(&images, &name),
        name: text::clean(&name, limits.text).into_owned(),
    });
    let power_irp = header.bugcheck == 0x9F && led.iter().any(|led| led.object == "IRP");
    let facts = KernelFacts {
        code: header.bugcheck,
        parameters: header.parameters,
        entry,
        roles,
        live: header.live || ALWAYS_LIVE.contains(&header.bugcheck),
        unloaded: names.unloaded.iter().map(Cow::as_ref).collect(),
        owners: header.parameters.map(|parameter| map.owner(parameter)),
        bad_jump_caller: fault.and_then(|fault| context::bad_jump_caller(dump, &fault, exception, &map)),
        fault,
        exception,
        stack,
        bus: led.iter().find(|led| power_irp && led.object == "device object").map(|led| led.site),
        led,
        named,
        process: names.process.as_deref(),
        processor_vendor: names.processor_vendor.as_deref(),
        images,
    };
    Gathered { facts, registers, walked: walked.map(|(frames, _)| frames), parameters }
}

/// Words that point into images, from the fault's stack pointer upwards where it is known.
fn scan(dump: &KernelDump<'_>, sp: Option<u64>, map: &ImageMap, limits: &Limits) -> Vec<Hit> {
    let stack = match sp {
        Some(sp) => Stack::from(dump, sp, limits.stack_bytes),
        None => Stack::saved(dump, limits.stack_bytes),
    };
    stack.map(|stack| stack.hits(map, MOST_HITS)).unwrap_or_default()
}

/// The frames below the fault. What is below a guess is one; and a chain of frame pointers skips functions that keep none,
/// so it shows who is on the stack, not who is first.
fn below(frames: &[Walked], fault: usize) -> Vec<Hit> {
    let mut certain = true;
    let mut hits = Vec::new();
    for (depth, frame) in frames.iter().enumerate() {
        certain &= matches!(frame.trust, Trust::Context | Trust::UnwindInfo);
        if let Some(site) = frame.site.filter(|_| depth > fault) {
            let site = Site { image: site.module, offset: site.offset };
            hits.push(Hit { address: frame.address, site, certain });
        }
    }
    hits
}

//! The kernel rules, strongest evidence first: the first that finds somebody decides. Each returns its finding with the
//! evidence in words and knows nothing of the others.

use dump::{Role, Strategy};

use super::{Confidence, Culprit, Decision, Rule};
use crate::facts::{Fault, Hit, KernelFacts, Origin, Owner, Site};
use crate::tables::Rank;

/// What a rule says: who, how sure, and why.
struct Finding(Culprit, Confidence, String);

type Judge = fn(&KernelFacts<'_>) -> Option<Finding>;

/// In order of evidence. A new rule is a line here and a function below.
const RULES: [(Rule, Judge); 16] = [
    (Rule::Manual, manual),
    (Rule::Hardware, hardware),
    (Rule::Process, process),
    (Rule::UnloadedDriver, unloaded_driver),
    (Rule::IrpHolder, irp_holder),
    (Rule::DriverName, driver_name),
    (Rule::FaultingInstruction, faulting_instruction),
    (Rule::BadJumpCaller, bad_jump_caller),
    (Rule::ParameterPointer, parameter_pointer),
    (Rule::ParameterObject, parameter_object),
    (Rule::StackWalk, stack_walk),
    (Rule::StackScan, stack_scan),
    (Rule::FrameworkAtFault, framework_at_fault),
    (Rule::FrameworkOnStack, framework_on_stack),
    (Rule::Kernel, kernel),
    (Rule::Nobody, nobody),
];

/// Applies the rules and the caution that some bug checks ask for.
pub(crate) fn decide(facts: &KernelFacts<'_>) -> Decision {
    for (rule, judge) in RULES {
        if let Some(Finding(culprit, confidence, why)) = judge(facts) {
            let mut decision = Decision { culprit, rule, confidence, evidence: vec![why] };
            caution(facts, &mut decision);
            return decision;
        }
    }
    Decision {
        culprit: Culprit::Nobody,
        rule: Rule::Nobody,
        confidence: Confidence::None,
        evidence: Vec::new(),
    }
}

/// Bug checks that report damage after it was done. 0xC5 is filed under `stack` in the table, because that is where
/// WinDbg looks; it is pool corruption all the same.
const CORRUPTION: [u32; 9] = [0x19, 0x1A, 0x4E, 0xC1, 0xC2, 0xC5, 0xC6, 0x109, 0x13A];

fn is_corruption(facts: &KernelFacts<'_>) -> bool {
    CORRUPTION.contains(&facts.code) || matches!(facts.strategy(), Strategy::Pool | Strategy::Patchguard)
}

fn caution(facts: &KernelFacts<'_>, decision: &mut Decision) {
    if is_corruption(facts) && decision.confidence > Confidence::Low {
        decision.confidence = Confidence::Low;
    }
    if is_corruption(facts) {
        decision.evidence.push(
            "This bug check reports memory that was already damaged: the code that noticed is often not the code that \
             did it. Several different bug checks on one machine point at its memory modules."
                .to_owned(),
        );
    }
    if facts.live {
        decision.evidence.push("This is a live kernel dump: the machine kept running.".to_owned());
    }
}

fn manual(facts: &KernelFacts<'_>) -> Option<Finding> {
    (facts.strategy() == Strategy::Manual).then(|| {
        Finding(
            Culprit::Manual,
            Confidence::High,
            "Somebody asked for this crash, by keyboard, power button or tool: no driver is at fault."
                .to_owned(),
        )
    })
}

fn hardware(facts: &KernelFacts<'_>) -> Option<Finding> {
    // Clock and IPI watchdogs mean "one processor stopped answering": a driver that spins with interrupts off does
    // that too, hence no high confidence for anything but what the hardware itself reported.
    let reported = matches!(facts.code, 0x9C | 0x124 | 0x127 | 0x12B | 0x80);
    (facts.strategy() == Strategy::Hardware).then(|| {
        let confidence = if reported { Confidence::High } else { Confidence::Low };
        Finding(
            Culprit::Hardware,
            confidence,
            "This bug check reports an error of the hardware (processor, memory, bus or disk), not of a driver."
                .to_owned(),
        )
    })
}

fn process(facts: &KernelFacts<'_>) -> Option<Finding> {
    // 0x76 is filed under processes as well, but there a driver left a process's pages locked.
    if facts.strategy() != Strategy::Process || facts.code == 0x76 {
        return None;
    }
    let name = facts.process.unwrap_or_default();
    if name.is_empty() {
        let why = "A process that Windows cannot live without ended; the dump does not hold its name.";
        return Some(Finding(Culprit::Process(String::new()), Confidence::Low, why.to_owned()));
    }
    // The current process is the one that died when it ended itself; when another one killed it, it is the killer.
    Some(Finding(
        Culprit::Process(name.to_owned()),
        Confidence::Medium,
        format!(
            "A process that Windows cannot live without ended; the process current at the crash was {name}."
        ),
    ))
}

fn unloaded_driver(facts: &KernelFacts<'_>) -> Option<Finding> {
    let find = |owner: Owner| match owner {
        Owner::Unloaded(index, offset) => Some((index, offset)),
        Owner::Loaded(_) | Owner::Nobody => None,
    };
    if let Some((fault, (index, offset))) =
        facts.fault.filter(Fault::is_exact).and_then(|fault| Some((fault, find(fault.owner)?)))
    {
        let name = facts.unloaded.get(index).copied().unwrap_or_default();
        let why = format!(
            "The processor was running at 0x{:x}, where {name} had been loaded until it was unloaded: something still \
             called into it.",
            fault.address
        );
        return Some(Finding(Culprit::Unloaded(index, offset), Confidence::High, why));
    }
    if facts.strategy() != Strategy::Unloaded {
        return None;
    }
    let (parameter, (index, offset)) =
        (1..).zip(facts.owners).find_map(|(parameter, owner)| Some((parameter, find(owner)?)))?;
    let name = facts.unloaded.get(index).copied().unwrap_or_default();
    let why = format!(
        "Parameter {parameter} lies where {name} was loaded: the driver was unloaded without cancelling what it had \
         pending."
    );
    Some(Finding(Culprit::Unloaded(index, offset), Confidence::High, why))
}

fn irp_holder(facts: &KernelFacts<'_>) -> Option<Finding> {
    let led = facts
        .led
        .iter()
        .find(|led| led.object == "IRP")
        .filter(|_| facts.strategy() == Strategy::DeviceStack)?;
    let name = facts.name(led.site);
    // Who holds the IRP is a fact; that a bus driver or a framework is to blame for holding it is not.
    let confidence = match facts.rank(led.site) {
        Rank::Definite => Confidence::High,
        Rank::Framework => Confidence::Medium,
        Rank::Core => return None,
    };
    let why = format!(
        "The IRP in parameter {} has not been completed: its current stack location belongs to a device of {name}.",
        led.parameter
    );
    Some(Finding(Culprit::Image(Site { offset: 0, ..led.site }), confidence, why))
}

fn driver_name(facts: &KernelFacts<'_>) -> Option<Finding> {
    let named = facts.named.as_ref()?;
    let why = format!("Parameter {} of this bug check names the driver: {}.", named.parameter, named.name);
    let culprit = match named.image {
        Some(image) => Culprit::Image(Site { image, offset: 0 }),
        None => Culprit::Name(named.name.clone()),
    };
    Some(Finding(culprit, Confidence::High, why))
}

/// Where the address of the failing instruction was read.
fn origin_text(origin: Origin) -> String {
    match origin {
        Origin::Header => "the context in the dump's header".to_owned(),
        Origin::ContextRecord(parameter) => format!("the context record in parameter {parameter}"),
        Origin::TrapFrame(parameter) => format!("the trap frame in parameter {parameter}"),
        Origin::MachineFrame(parameter) => {
            format!("parameter {parameter}, and the frame the processor pushed there is on the stack")
        }
        Origin::Interrupted => "the interrupt on the stack".to_owned(),
        Origin::Parameter(parameter) => format!("parameter {parameter}"),
        Origin::BugCheckCaller => "the caller of the bug check".to_owned(),
    }
}

fn access_text(facts: &KernelFacts<'_>) -> String {
    facts
        .exception
        .and_then(|exception| Some((exception.access?, exception.accessed?)))
        .map(|(access, accessed)| format!(" to {} 0x{accessed:x}", access.as_str()))
        .unwrap_or_default()
}

fn faulting_instruction(facts: &KernelFacts<'_>) -> Option<Finding> {
    let (fault, site) = facts.fault_site().filter(|(_, site)| facts.rank(*site) == Rank::Definite)?;
    // What a watchdog interrupts is a sample, not a fault.
    let confidence = if fault.origin == Origin::Interrupted { Confidence::Medium } else { Confidence::High };
    let why = match fault.origin {
        Origin::Interrupted => {
            format!("{} was running when the watchdog fired.", facts.site_text(site))
        }
        origin => format!("{}Known from {}.", fault_text(facts), origin_text(origin)),
    };
    Some(Finding(Culprit::Image(site), confidence, why))
}

fn bad_jump_caller(facts: &KernelFacts<'_>) -> Option<Finding> {
    let Some(Owner::Loaded(site)) = facts.bad_jump_caller else { return None };
    let fault = facts.fault?;
    let confidence = match facts.rank(site) {
        Rank::Definite => Confidence::Medium,
        Rank::Framework => Confidence::Low,
        Rank::Core => return None,
    };
    let why = format!(
        "Control jumped to 0x{:x}, which holds no code; the return address on top of the stack is {}.",
        fault.address,
        facts.site_text(site)
    );
    Some(Finding(Culprit::Image(site), confidence, why))
}

/// Parameters that, by their role, are addresses inside the culprit. Verifier's codes are too many to be all in the
/// table: there any parameter may be one.
fn pointing<'f>(facts: &'f KernelFacts<'_>) -> impl Iterator<Item = (u8, Site, Role)> + use<'f> {
    (1..).zip(facts.owners).zip(facts.roles).filter_map(|((parameter, owner), role)| {
        let Owner::Loaded(site) = owner else { return None };
        let points = matches!(
            role,
            Role::CodePtr | Role::CallerAddr | Role::ModulePtr | Role::ModuleBase | Role::InstrAddr
        ) || (facts.strategy() == Strategy::Verifier && role != Role::Subcode);
        points.then_some((parameter, site, role))
    })
}

fn parameter_pointer(facts: &KernelFacts<'_>) -> Option<Finding> {
    let (parameter, site, role) = pointing(facts).find(|(_, site, _)| facts.rank(*site) == Rank::Definite)?;
    let confidence = match role {
        Role::CallerAddr | Role::ModulePtr | Role::ModuleBase | Role::InstrAddr => Confidence::High,
        _ => Confidence::Medium,
    };
    let meaning = facts.entry.map(|entry| entry.meaning(usize::from(parameter) - 1, &facts.parameters));
    let why = format!(
        "Parameter {parameter} of this bug check points into {}{}.",
        facts.site_text(site),
        meaning
            .filter(|meaning| !meaning.is_empty())
            .map(|meaning| format!(" ({meaning})"))
            .unwrap_or_default()
    );
    Some(Finding(Culprit::Image(site), confidence, why))
}

fn parameter_object(facts: &KernelFacts<'_>) -> Option<Finding> {
    // 0x9F_3: parameter 2 is the device of the bus; the culprit is who holds the IRP, and that is not known here.
    if (facts.code, facts.parameters[0]) == (0x9F, 3) {
        return None;
    }
    let led = facts.led.iter().find(|led| facts.rank(led.site) == Rank::Definite)?;
    let why =
        format!("The {} in parameter {} belongs to {}.", led.object, led.parameter, facts.name(led.site));
    Some(Finding(Culprit::Image(Site { offset: 0, ..led.site }), Confidence::Medium, why))
}

/// Whether the stack can tell anything: not where Windows failed to boot, where its settings are wrong, where its
/// integrity check found the damage, or where a power request got stuck (the stack is that of the timer).
fn stack_tells(facts: &KernelFacts<'_>) -> bool {
    !matches!(facts.strategy(), Strategy::Boot | Strategy::None | Strategy::Patchguard) && facts.code != 0x9F
}

fn stack_walk(facts: &KernelFacts<'_>) -> Option<Finding> {
    stack_tells(facts).then_some(())?;
    let mut unwound = facts.stack.iter().take_while(|hit| hit.certain);
    let hit = unwound.find(|hit| facts.rank(hit.site) == Rank::Definite)?;
    let why = format!(
        "{}The first driver down the stack that is neither kernel nor framework is {} (return address {}). The stack was \
         unwound to there frame by frame, nothing guessed.",
        fault_text(facts),
        facts.name(hit.site),
        facts.site_text(hit.site)
    );
    Some(Finding(Culprit::Image(hit.site), Confidence::Medium, why))
}

/// A single word that points into an image is as likely chance; two are a sign.
const SIGN: usize = 2;

fn stack_scan(facts: &KernelFacts<'_>) -> Option<Finding> {
    stack_tells(facts).then_some(())?;
    let at_fault = facts.fault_site();
    // Drivers of Windows are on many stacks by chance: a single word of theirs is no sign.
    let is_sign = |site: Site| {
        facts.rank(site) == Rank::Definite
            && (facts.is_third_party(site) || facts.times_on_stack(site.image) >= SIGN)
    };
    let hit = facts.stack.iter().find(|hit| is_sign(hit.site))?;
    let fault = match at_fault {
        Some(_) => fault_text(facts),
        None => String::new(),
    };
    let times = match facts.times_on_stack(hit.site.image) {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let why = format!(
        "{fault}The first driver further down the stack that is neither kernel nor framework is {} (return address {}, \
         it is there {times}). Found by looking at stack words, of which one in four or five is a real return address.",
        facts.name(hit.site),
        facts.site_text(hit.site)
    );
    Some(Finding(Culprit::Image(hit.site), Confidence::Low, why))
}

/// `The failing instruction is at ks.sys+0x1ae9, which tried to read 0x29. `
fn fault_text(facts: &KernelFacts<'_>) -> String {
    let Some((_, site)) = facts.fault_site() else { return String::new() };
    let tried = match access_text(facts) {
        access if access.is_empty() => String::new(),
        access => format!(", which tried{access}"),
    };
    format!("The failing instruction is at {}{tried}. ", facts.site_text(site))
}

fn framework_at_fault(facts: &KernelFacts<'_>) -> Option<Finding> {
    let (site, parameter) = match facts.fault_site() {
        Some((_, site)) if facts.rank(site) == Rank::Framework => (site, None),
        _ => pointing(facts)
            .find(|(_, site, _)| facts.rank(*site) == Rank::Framework)
            .map(|(parameter, site, _)| (site, Some(parameter)))?,
    };
    let what = match parameter {
        None => fault_text(facts),
        Some(parameter) => format!("Parameter {parameter} points into {}. ", facts.site_text(site)),
    };
    let why = format!(
        "{what}{} is a part of Windows that runs other drivers' code and data; no other driver is on the saved stack.",
        facts.name(site)
    );
    Some(Finding(Culprit::Image(site), Confidence::Low, why))
}

fn framework_on_stack(facts: &KernelFacts<'_>) -> Option<Finding> {
    stack_tells(facts).then_some(())?;
    let is_sign = |hit: &&Hit| facts.rank(hit.site) != Rank::Core && facts.is_sign(hit, SIGN);
    let hit = facts.stack.iter().find(is_sign)?;
    let why = format!(
        "{}Only parts of Windows are on the saved stack; {} is the first of them outside the kernel (return address {}).",
        fault_text(facts),
        facts.name(hit.site),
        facts.site_text(hit.site)
    );
    Some(Finding(Culprit::Image(hit.site), Confidence::Low, why))
}

fn kernel(facts: &KernelFacts<'_>) -> Option<Finding> {
    stack_tells(facts).then_some(())?;
    let is_kernel = |site: &Site| facts.images.get(site.image).is_some_and(|image| image.kernel);
    let at_fault = facts.fault.and_then(|fault| match fault.owner {
        Owner::Loaded(site) => Some(site),
        Owner::Nobody | Owner::Unloaded(..) => None,
    });
    let site = at_fault
        .filter(is_kernel)
        .or_else(|| facts.stack.iter().map(|hit| hit.site).find(is_kernel))
        .or_else(|| {
            facts.images.iter().position(|image| image.kernel).map(|image| Site { image, offset: 0 })
        })?;
    let why = format!(
        "{}Nothing but the kernel is at the fault or certain to be on the saved stack. The kernel is where the crash \
         was noticed, not necessarily where it was caused: this dump does not tell.",
        fault_text(facts)
    );
    Some(Finding(Culprit::Image(site), Confidence::Low, why))
}

fn nobody(facts: &KernelFacts<'_>) -> Option<Finding> {
    let why = match facts.strategy() {
        Strategy::Boot => {
            "Windows failed while it started: a driver, disk or setting may be missing or wrong."
        }
        Strategy::None => "This bug check is about the system's state or settings; it points at no driver.",
        Strategy::Patchguard => {
            "The integrity check found changed kernel code or data; who changed it left no trace."
        }
        Strategy::DeviceStack => {
            "The request that got stuck is not in this dump, so its holder is not known."
        }
        _ => "Nothing in this dump points at anybody.",
    };
    Some(Finding(Culprit::Nobody, Confidence::None, why.to_owned()))
}

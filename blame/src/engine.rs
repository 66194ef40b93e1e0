//! Facts to a verdict: asks the rules in the table's order, applies its caution, collects who else was in sight.

use crate::bucket;
use crate::facts::{Facts, Kind, Place};
use crate::kernel::{self, Finding};
use crate::owners::{Owners, is_kernel, is_unnamed};
use crate::scene::Scene;
use crate::table::Judged;
use crate::verdict::{Confidence, Culprit, HardwareSign, Rule, RunnerUp, Verdict};
use crate::{RULES_VERSION, user};

/// Others that are named beside the culprit.
const MOST_RUNNERS_UP: usize = 3;

/// Who is to blame.
pub fn judge(facts: &Facts<'_>, owners: &Owners) -> Verdict {
    let facts: &Facts<'_> = &facts.tidied();
    if facts.kind == Kind::User {
        return user::judge(facts, owners);
    }
    let scene = Scene::new(facts, owners);
    let mut findings =
        scene.judged.look().iter().filter_map(|rule| Some((*rule, kernel::ask(*rule, &scene)?)));
    let Some((rule, finding)) = findings.next() else { return Verdict::default() };
    let runners_up = others(&scene, &finding, findings);
    let mut verdict = verdict(&scene, rule, finding);
    caution(&scene, &mut verdict);
    verdict.runners_up = runners_up;
    verdict
}

/// Whether a rule has nothing better than who is on the stack.
fn goes_by_the_stack(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Recursion
            | Rule::StackWalk
            | Rule::StackScan
            | Rule::FrameworkAtFault
            | Rule::FrameworkOnStack
            | Rule::Kernel
            | Rule::Nobody
    )
}

/// Whom the other rules name, where it is somebody else; then the drivers that are further down the stack than the first one
/// that a rule takes.
fn others<'s>(
    scene: &Scene<'s>,
    first: &Finding<'s>,
    rest: impl Iterator<Item = (Rule, Finding<'s>)>,
) -> Vec<RunnerUp> {
    let name = |finding: &Finding<'s>| finding.place.as_ref().map(|place| place.module.clone());
    let mut seen = vec![name(first).unwrap_or_default()];
    let mut others = Vec::new();
    let by_stack = scene.judged.look().iter().any(|rule| matches!(rule, Rule::StackWalk | Rule::StackScan));
    let further = by_stack.then(|| kernel::further_down(scene)).into_iter().flatten();
    let rest = rest.filter(|(_, finding)| finding.culprit == Culprit::Driver);
    for (rule, finding) in rest.chain(further) {
        let Some(place) = &finding.place else { continue };
        let module = place.module.clone();
        // The kernel is always there: that is no news.
        if is_kernel(&module) || seen.contains(&module) {
            continue;
        }
        others.push(RunnerUp {
            image_name: bucket::image_name(place, &scene.facts.arch),
            rule,
            why: finding.why,
        });
        seen.push(module);
        if others.len() == MOST_RUNNERS_UP {
            break;
        }
    }
    others
}

fn verdict(scene: &Scene<'_>, rule: Rule, finding: Finding<'_>) -> Verdict {
    let facts = scene.facts;
    let place = finding.place.clone().unwrap_or_default();
    let blamed = finding.culprit == Culprit::Driver;
    let listed = facts.modules.iter().find(|module| blamed && module.name == place.module && !place.unloaded);
    let bucket = bucket::kernel(scene, &finding, true);
    let unrefined = bucket::kernel(scene, &finding, false);
    let process_name = (finding.culprit == Culprit::Process).then(|| place.module.to_string());
    let process_name = process_name.filter(|name| !name.is_empty());
    let (image_name, module_name) = names(scene, &finding, &place);
    Verdict {
        rules_version: RULES_VERSION,
        culprit: finding.culprit,
        symbol_name: if blamed { symbol_name(&place) } else { String::new() },
        image_name,
        module_name,
        process_name,
        image_timestamp: listed.map(|module| module.timestamp),
        image_size: listed.map(|module| module.size),
        offset: place.offset.filter(|_| blamed).map(|offset| offset.0),
        confidence: finding.confidence,
        rule,
        evidence: vec![finding.why],
        runners_up: Vec::new(),
        hardware_sign: hardware_sign(scene),
        failure_id_hash: bucket::hash("km:", &bucket),
        unrefined_bucket_id: (unrefined != bucket).then_some(unrefined),
        failure_bucket_id: bucket,
    }
}

/// Image and module as the debugger has them; for what is no image its own names.
fn names(scene: &Scene<'_>, finding: &Finding<'_>, place: &Place<'_>) -> (String, String) {
    let of = |place: &Place<'_>| {
        (bucket::image_name(place, &scene.facts.arch), bucket::module_name(&place.module))
    };
    let pseudo = |image: &str, module: &str| (image.to_owned(), module.to_owned());
    match finding.culprit {
        Culprit::Driver | Culprit::Module => of(place),
        Culprit::Process if place.module.is_empty() && scene.process_place().is_none() => {
            pseudo("Unknown_Image", "Unknown_Module")
        }
        Culprit::Process => of(scene.process_place().unwrap_or(place)),
        Culprit::Memory => {
            pseudo("memory_corruption", if scene.is_single_bit() { "hardware" } else { "memory_corruption" })
        }
        Culprit::Hardware if scene.judged.names_vendor() => {
            let Some(vendor) = scene.facts.processor_vendor.as_deref() else {
                return pseudo("hardware", "hardware");
            };
            (format!("{vendor}.sys"), vendor.to_owned())
        }
        Culprit::Hardware | Culprit::Manual | Culprit::Unknown => pseudo("Unknown_Image", "Unknown_Module"),
    }
}

/// `fileinfo!FIPfFileFSOpPostCreate+2ff`, `myfault+12d0`: a place as the debugger writes it.
pub fn symbol_name(place: &Place<'_>) -> String {
    let module = bucket::module_name(&place.module);
    let offset =
        |offset: Option<crate::Number>| offset.map(|offset| format!("+{:x}", offset.0)).unwrap_or_default();
    match &place.function {
        Some(function) => format!("{module}!{function}{}", offset(place.function_offset)),
        None => format!("{module}{}", offset(place.offset)),
    }
}

/// What the table says of every verdict on this bug check.
fn caution(scene: &Scene<'_>, verdict: &mut Verdict) {
    let judged: &Judged = &scene.judged;
    verdict.confidence = verdict.confidence.min(judged.cap_of(verdict.rule));
    if let Some(because) = judged.because() {
        verdict.evidence.push(because.to_owned());
    }
    if verdict.hardware_sign == Some(HardwareSign::SingleBit) {
        verdict.confidence = verdict.confidence.min(Confidence::Low);
        let text = "The damage is a single bit: a sign of bad memory rather than of a driver.";
        verdict.evidence.push(text.to_owned());
    }
    if goes_by_the_stack(verdict.rule)
        && let Some((at, ran)) = scene.outside()
    {
        verdict.confidence = verdict.confidence.min(Confidence::Low);
        let jump = if ran { "" } else { ", or a jump to where no code is" };
        verdict.evidence.push(format!(
            "The failing instruction is at {at}, outside every driver that the dump lists: code that was mapped by hand or \
             is unloaded by now{jump}. Who is on the stack may have called it, and need not be at fault."
        ));
    }
    if is_unnamed(&verdict.image_name) {
        verdict.confidence = verdict.confidence.min(Confidence::Low);
        let text = "The dump was cut before the drivers' names: this one is called by its PE timestamp and size, and may \
                    as well be a part of Windows.";
        verdict.evidence.push(text.to_owned());
    }
    if scene.live() {
        verdict.evidence.push("This is a live kernel dump: the machine kept running.".to_owned());
    }
}

/// What the crash says of the machine.
fn hardware_sign(scene: &Scene<'_>) -> Option<HardwareSign> {
    let single = scene.is_single_bit().then_some(HardwareSign::SingleBit);
    single.or(scene.judged.sign())
}

//! Facts to a verdict: asks the rules in the table's order, applies its caution, collects who else was in sight.

use crate::bucket;
use crate::facts::{Facts, Kind, Place};
use crate::kernel::{self, Finding};
use crate::owners::{Owners, is_kernel, is_unnamed, known};
use crate::scene::Scene;
use crate::table::Judged;
use crate::verdict::{Confidence, Culprit, HardwareSign, Rule, RunnerUp, Verdict};
use crate::{RULES_VERSION, plumbing, user};

/// Others that are named beside the culprit.
const MOST_RUNNERS_UP: usize = 3;

/// Who is to blame.
pub fn judge(facts: &Facts<'_>, owners: &Owners) -> Verdict {
    if facts.kind == Kind::User {
        return user::judge(facts);
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

/// Whom the other rules name, where it is somebody else.
fn others<'s>(
    scene: &Scene<'s>,
    first: &Finding<'s>,
    rest: impl Iterator<Item = (Rule, Finding<'s>)>,
) -> Vec<RunnerUp> {
    let name = |finding: &Finding<'s>| finding.place.as_ref().map(|place| place.module.clone());
    let mut seen = vec![name(first).unwrap_or_default()];
    let mut others = Vec::new();
    for (rule, finding) in rest.filter(|(_, finding)| finding.culprit == Culprit::Driver) {
        let Some(place) = &finding.place else { continue };
        let module = place.module.clone();
        // The kernel is always there: that is no news.
        if others.len() == MOST_RUNNERS_UP || is_kernel(&module) || seen.contains(&module) {
            continue;
        }
        others.push(RunnerUp { image_name: image_name(place, &scene.facts.arch), rule, why: finding.why });
        seen.push(module);
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
    let of = |place: &Place<'_>| (image_name(place, &scene.facts.arch), bucket::module_name(&place.module));
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
        Culprit::Hardware if scene.judged.sign() == Some(HardwareSign::MachineCheck) => {
            let Some(vendor) = scene.facts.processor_vendor.as_deref() else {
                return pseudo("hardware", "hardware");
            };
            (format!("{vendor}.sys"), vendor.to_owned())
        }
        Culprit::Hardware | Culprit::Manual | Culprit::Unknown => pseudo("Unknown_Image", "Unknown_Module"),
    }
}

/// What the image is called: the debugger leaves the extension out, and calls the kernel by what it was built as.
fn image_name(place: &Place<'_>, arch: &str) -> String {
    let module = place.module.as_ref();
    if module.eq_ignore_ascii_case("nt") {
        return if arch == "x86" { "ntkrpamp.exe" } else { "ntkrnlmp.exe" }.to_owned();
    }
    if module.contains('.') || place.unloaded {
        return module.to_owned();
    }
    let extension = if plumbing::is_user(place) { "dll" } else { "sys" };
    known(module).map_or_else(|| format!("{module}.{extension}"), |driver| driver.name.clone())
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
    verdict.confidence = verdict.confidence.min(judged.cap());
    if let Some(because) = judged.because() {
        verdict.evidence.push(because.to_owned());
    }
    if verdict.hardware_sign == Some(HardwareSign::SingleBit) {
        verdict.confidence = verdict.confidence.min(Confidence::Low);
        let text = "The damage is a single bit: a sign of bad memory rather than of a driver.";
        verdict.evidence.push(text.to_owned());
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

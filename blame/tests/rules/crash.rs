//! Crashes written in a line, for tables of cases: `d1 10 2 0 aa; at acme.sys+20; stack nt!KeBugCheckEx ~ndis.sys+4`.
//! Owns the notation and the comparison; knows no rule.

use bluescope_blame::{
    Access, Exception, Facts, Fault, Frame, HardwareError, Kind, Lead, Led, Number, Origin, Owners, Place,
    Trust, judge,
};

fn number(text: &str) -> Number {
    Number::parse(text).unwrap_or_else(|| panic!("not a number: {text:?}"))
}

/// `acme.sys+20`, `acme!Read+5`; `gone:acme.sys` for one that was unloaded, `-` for an address in no image.
fn place(text: &str) -> Place<'static> {
    let (unloaded, text) = text.strip_prefix("gone:").map_or((false, text), |text| (true, text));
    let (name, offset) = text.split_once('+').map_or((text, None), |(name, at)| (name, Some(number(at))));
    let (module, function) = name.split_once('!').map_or((name, None), |(module, name)| (module, Some(name)));
    let (offset, function_offset) = if function.is_some() { (None, offset) } else { (offset, None) };
    Place {
        module: module.trim_start_matches('-').to_owned().into(),
        offset,
        function: function.map(|name| name.to_owned().into()),
        function_offset,
        unloaded,
    }
}

/// A word of the stack: `~` before those that were only scanned for.
fn frame(text: &str) -> Frame<'static> {
    let (trust, text) = text.strip_prefix('~').map_or((Trust::Unwound, text), |text| (Trust::Scanned, text));
    Frame { place: place(text), trust }
}

fn origin(text: &str) -> Origin {
    serde_json::from_value(text.into()).unwrap()
}

fn access(text: &str) -> Access {
    serde_json::from_value(text.into()).unwrap()
}

fn led(text: &str) -> Led {
    serde_json::from_value(text.into()).unwrap()
}

/// The facts of such a line: Windows 11 on x64, where it does not say.
pub(crate) fn facts(line: &str) -> Facts<'static> {
    let mut sections = line.split(';').map(str::trim);
    let mut facts = Facts { arch: "x64".into(), os_build: 22621, ..Facts::default() };
    let mut numbers = sections.next().unwrap_or_default().split_whitespace();
    match numbers.next() {
        Some("user") => facts.kind = Kind::User,
        Some(code) => facts.bugcheck_code = number(code),
        None => panic!("no bug check in {line:?}"),
    }
    facts.args.iter_mut().zip(numbers).for_each(|(arg, text)| *arg = number(text));
    sections.for_each(|section| add(&mut facts, section));
    facts
}

fn add(facts: &mut Facts<'static>, section: &str) {
    let words: Vec<&str> = section.split_whitespace().collect();
    match words.as_slice() {
        ["at", at, rest @ ..] => {
            let origin = rest.first().map_or(Origin::ContextRecord, |text| origin(text));
            facts.fault = Some(Fault { place: place(at), origin, parameter: 2, ..Fault::default() });
        }
        ["exception", code, rest @ ..] => {
            let mut exception = Exception { code: number(code), ..Exception::default() };
            match rest {
                [] => {}
                [detail] => exception.detail = Some(number(detail)),
                [how, at, ..] => {
                    (exception.access, exception.accessed) = (Some(access(how)), Some(number(at)));
                }
            }
            facts.exception = Some(exception);
        }
        ["caller", at] => facts.caller = Some(place(at)),
        ["stack", frames @ ..] => facts.stack = frames.iter().map(|text| frame(text)).collect(),
        ["process", name] => facts.process_name = Some((*name).to_owned().into()),
        ["died", name] => facts.dead_process = Some((*name).to_owned().into()),
        ["cpu", name] => facts.processor_vendor = Some((*name).to_owned().into()),
        ["status", status] => {
            let status = Some(number(status));
            facts.hardware = Some(HardwareError { status, ..HardwareError::default() });
        }
        ["build", build] => facts.os_build = build.parse().unwrap(),
        ["arch", arch] => facts.arch = (*arch).to_owned().into(),
        ["live"] => facts.kind = Kind::Live,
        ["verifier"] => facts.verifier = true,
        [parameter @ ("p1" | "p2" | "p3" | "p4"), by, at] => {
            let parameter = parameter.trim_start_matches('p').parse().unwrap();
            facts.leads.push(Lead { parameter, by: led(by), place: place(at) });
        }
        other => panic!("not understood: {other:?}"),
    }
}

/// `acme.sys faulting-instruction high AV_acme!unknown_function`. Who is blamed stands for what is no driver: `memory`.
fn said(facts: &Facts<'_>) -> String {
    let verdict = judge(facts, &Owners::default());
    let who = match verdict.culprit.as_str() {
        "driver" => verdict.image_name,
        "module" => verdict.image_name,
        "process" => verdict.process_name.map_or("process".to_owned(), |name| format!("process:{name}")),
        other => other.to_owned(),
    };
    let confidence = verdict.confidence.as_str();
    format!("{who} {} {confidence} {}", verdict.rule.as_str(), verdict.failure_bucket_id)
}

/// Whether each sentence is among what is said of a crash, and what is said of the machine.
pub(crate) fn check_words(cases: &[(&str, Option<&str>, &[&str])]) {
    for (crash, sign, sentences) in cases {
        let verdict = judge(&facts(crash), &Owners::default());
        let evidence = verdict.evidence.join(" ");
        println!("{crash}\n    {evidence}");
        assert_eq!(verdict.hardware_sign.map(|sign| sign.as_str()), *sign, "{crash}");
        for sentence in *sentences {
            assert!(evidence.contains(sentence), "{crash}: no {sentence:?} in {evidence:?}");
        }
    }
}

/// A case: the crash, and the verdict on it.
pub(crate) type Case<'c> = (&'c str, &'c str);

/// Prints all cases with their verdicts, then fails with those that differ.
pub(crate) fn check(cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for (crash, expected) in cases {
        let said = said(&facts(crash));
        println!("{crash}\n    {said}");
        if said != *expected {
            wrong.push(format!("{crash}\n    expected {expected}\n    said     {said}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

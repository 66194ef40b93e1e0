//! Real debugger output, where it is: the engine is given what the debugger printed of the crash (never its opinion), and
//! what it says is compared with what the debugger said. Prints the confusion table.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bluescope_blame::{Confidence, Facts, Owners, Verdict, judge};
use serde_json::Value;

/// What the debugger concluded: it is compared with, and the engine never sees it.
const OPINIONS: [&str; 5] =
    ["symbol_name", "module_name", "image_name", "failure_bucket_id", "failure_id_hash"];

struct Example {
    id: String,
    code: String,
    opinion: BTreeMap<&'static str, String>,
    verdict: Verdict,
}

fn examples(text: &str) -> Vec<Example> {
    text.lines().filter(|line| !line.trim().is_empty()).map(example).collect()
}

fn example(line: &str) -> Example {
    let mut value: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let opinion = OPINIONS.into_iter().filter_map(|key| Some((key, text(&value, key)?))).collect();
    let (id, code) =
        (text(&value, "id").unwrap_or_default(), text(&value, "bugcheck_code").unwrap_or_default());
    OPINIONS.into_iter().for_each(|key| drop(value.as_object_mut().unwrap().remove(key)));
    let verdict = judge(&Facts::from_json(&value.to_string()).unwrap(), &Owners::default());
    Example { id, code, opinion, verdict }
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// A GUID without its braces.
fn bare(guid: &str) -> &str {
    guid.trim_matches(['{', '}'])
}

impl Example {
    fn said(&self, key: &str) -> &str {
        self.opinion.get(key).map_or("", String::as_str)
    }

    fn named(&self) -> bool {
        same(self.said("image_name"), &self.verdict.image_name)
            && (self.said("module_name").is_empty()
                || same(self.said("module_name"), &self.verdict.module_name))
    }

    /// Whether the bucket is the debugger's, where it printed one.
    fn bucketed(&self) -> bool {
        let bucket = self.said("failure_bucket_id");
        bucket.is_empty() || same(bucket, &self.verdict.failure_bucket_id)
    }
}

/// Crashes whose culprit the debugger knew from what it did not print, or did not know at all.
const NOT_NAMED: [(&str, &str); 2] = [
    (
        "ex018",
        "the driver is on no frame of the printed stack: a parameter spells its name, and only as text",
    ),
    ("ex074", "an old debugger misread newer kernel data, and blames memory that a test found sound"),
];

/// Crashes whose bucket is made of what is not in the printed facts.
const NOT_BUCKETED: [(&str, &str); 3] = [
    ("ex011", "it needs the symbol of parameter 1, which is on no frame"),
    ("ex040", "it needs the image's timestamp, by which the debugger calls it old"),
    ("ex074", "PAGE_NOT_ZERO is the same misreading"),
];

fn rows(examples: &[Example]) {
    println!(
        "{:<6} {:<10} {:<24} {:<24} {:<10} {:<20} ok",
        "id", "bug check", "debugger", "ours", "confidence", "rule"
    );
    for example in examples {
        let verdict = &example.verdict;
        println!(
            "{:<6} {:<10} {:<24} {:<24} {:<10} {:<20} {}",
            example.id,
            example.code,
            example.said("image_name"),
            verdict.image_name,
            verdict.confidence.as_str(),
            verdict.rule.as_str(),
            if example.named() { "yes" } else { "NO" }
        );
        if !example.bucketed() {
            let bucket = example.said("failure_bucket_id");
            println!("       bucket: {bucket}\n         ours: {}", verdict.failure_bucket_id);
        }
    }
}

/// Who was taken for whom: a line for each image that the debugger blames, the images that we blame in its crashes, how
/// often each.
fn confusion(examples: &[Example]) {
    let mut table: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for example in examples {
        let ours = table.entry(example.said("image_name").to_lowercase()).or_default();
        *ours.entry(example.verdict.image_name.to_lowercase()).or_default() += 1;
    }
    println!("\n{:<26} {:>7} {:>5}   taken for", "the debugger blames", "crashes", "same");
    for (theirs, ours) in &table {
        let others: Vec<String> = ours
            .iter()
            .filter(|(name, _)| *name != theirs)
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        let (all, right) = (ours.values().sum::<usize>(), ours.get(theirs).copied().unwrap_or(0));
        println!("{theirs:<26} {all:>7} {right:>5}   {}", others.join(", "));
    }
    let named = examples.iter().filter(|example| example.named()).count();
    let with_bucket = examples.iter().filter(|it| !it.said("failure_bucket_id").is_empty());
    let (bucketed, buckets) =
        with_bucket.fold((0, 0), |(right, all), it| (right + usize::from(it.bucketed()), all + 1));
    println!("image and module: {named} of {}; buckets: {bucketed} of {buckets}\n", examples.len());
    let by_confidence = |wanted: &str| {
        let of = examples.iter().filter(|it| it.verdict.confidence.as_str() == wanted);
        of.fold((0, 0), |(right, all), it| (right + usize::from(it.named()), all + 1))
    };
    for confidence in ["high", "medium", "low", "none"] {
        let (right, all) = by_confidence(confidence);
        println!("{confidence:<6} {right} of {all} right");
    }
}

fn reference(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference").join(name);
    if !path.is_file() {
        println!("skipped: ../shared is not there");
        return None;
    }
    Some(path)
}

#[test]
fn what_the_debugger_said() {
    let Some(path) = reference("analyze_examples.jsonl") else { return };
    let examples = examples(&std::fs::read_to_string(path).unwrap());
    assert_eq!(examples.len(), 49);
    rows(&examples);
    confusion(&examples);
    let misses = |is_miss: fn(&Example) -> bool| -> BTreeSet<&str> {
        examples.iter().filter(|it| is_miss(it)).map(|it| it.id.as_str()).collect()
    };
    let listed = |list: &[(&'static str, &str)]| list.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>();
    assert_eq!(misses(|it| !it.named()), listed(&NOT_NAMED), "{NOT_NAMED:#?}");
    assert_eq!(misses(|it| !it.bucketed()), listed(&NOT_BUCKETED), "{NOT_BUCKETED:#?}");
    for example in &examples {
        let hash = example.said("failure_id_hash");
        if !hash.is_empty() && !example.said("failure_bucket_id").is_empty() && example.bucketed() {
            assert!(same(bare(hash), bare(&example.verdict.failure_id_hash)), "{}: {hash}", example.id);
        }
        // The one thing worse than not knowing.
        assert!(
            example.named() || example.verdict.confidence <= Confidence::Low,
            "{}: sure and wrong",
            example.id
        );
    }
}

/// More of the same kind, by a path in the environment: for whoever has a collection of their own.
#[test]
fn what_other_debuggers_said() {
    let Some(path) = std::env::var_os("BLUESCOPE_EXAMPLES") else {
        println!("skipped: BLUESCOPE_EXAMPLES names no file");
        return;
    };
    let examples = examples(&std::fs::read_to_string(path).unwrap());
    rows(&examples);
    confusion(&examples);
}

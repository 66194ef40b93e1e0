//! JSON to a set, with every fault and where it is. What a file's `base` says goes into each of its worlds first.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::{Fault, ScenarioError, ScenarioSet, WorldConfig, check};

/// A file with more faults than this is no scenario file.
const MOST_FAULTS: usize = 100;

/// Reads and checks.
pub(super) fn set(text: &str) -> Result<ScenarioSet, ScenarioError> {
    let mut file: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Err(ScenarioError(vec![fault("$", &error.to_string())])),
    };
    let mut faults = Vec::new();
    if let Some(base) = file.as_object_mut().and_then(|set| set.shift_remove("base")) {
        with_base(&mut file, base, &mut faults);
    }
    let set: Option<ScenarioSet> = read(&mut file, "", &mut faults);
    if let Some(set) = set {
        check::set(&set, &mut faults);
        if faults.is_empty() {
            return Ok(set);
        }
    }
    Err(ScenarioError(faults))
}

fn fault(path: &str, message: &str) -> Fault {
    Fault { path: path.to_owned(), message: message.to_owned() }
}

/// Puts the base below each world. Its own faults are named once, and taken out of it.
fn with_base(file: &mut Value, mut base: Value, faults: &mut Vec<Fault>) {
    let Some(fields) = base.as_object_mut() else {
        faults.push(fault("base", "must be an object"));
        return;
    };
    // a world needs a name, its base must have none
    if fields.shift_remove("name").is_some() {
        faults.push(fault("base.name", "each world has a name of its own"));
    }
    fields.insert("name".into(), "base".into());
    let _: Option<WorldConfig> = read(&mut base, "base", faults);
    if let Some(fields) = base.as_object_mut() {
        fields.shift_remove("name");
    }
    let worlds = file.get_mut("worlds").and_then(Value::as_array_mut);
    for world in worlds.into_iter().flatten() {
        if world.is_object() {
            let own = std::mem::replace(world, base.clone());
            merge(world, own);
        }
    }
}

/// Objects are merged field by field; anything else is replaced.
fn merge(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                merge(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// Reads what is right, taking out of the value what is not, until it can be read or nothing more can be taken out.
fn read<T: DeserializeOwned>(value: &mut Value, root: &str, faults: &mut Vec<Fault>) -> Option<T> {
    while faults.len() < MOST_FAULTS {
        let error = match serde_path_to_error::deserialize(&*value) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let steps: Vec<Step> = error.path().iter().filter_map(step).collect();
        faults.push(fault(&written(root, &steps), &error.inner().to_string()));
        if !take_out(value, &steps) {
            return None;
        }
    }
    None
}

enum Step {
    Field(String),
    Place(usize),
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Seq { index } => Some(Step::Place(*index)),
        Segment::Map { key } => Some(Step::Field(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn written(root: &str, steps: &[Step]) -> String {
    let mut path = root.to_owned();
    for step in steps {
        match step {
            Step::Field(name) if path.is_empty() => path.push_str(name),
            Step::Field(name) => path.extend([".", name]),
            Step::Place(place) => path.push_str(&format!("[{place}]")),
        }
    }
    if path.is_empty() { "$".to_owned() } else { path }
}

/// Takes out the field that the steps lead to, or the nearest one around it.
fn take_out(value: &mut Value, steps: &[Step]) -> bool {
    let Some(last) = steps.iter().rposition(|step| matches!(step, Step::Field(_))) else { return false };
    let mut at = value;
    for step in &steps[..last] {
        let next = match step {
            Step::Field(name) => at.get_mut(name),
            Step::Place(place) => at.get_mut(place),
        };
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    match (&steps[last], at.as_object_mut()) {
        (Step::Field(name), Some(fields)) => Map::shift_remove(fields, name).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        set(text)
            .unwrap_err()
            .0
            .into_iter()
            .map(|fault| format!("{}: {}", fault.path, fault.message))
            .collect()
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let found = faults(
            r#"{"version":1,"name":"s","wolrds":3,
                "base":{"drivers":"many","noise":{"stalls":{"per_dya":1}}},
                "worlds":[{"name":"a","machines":-4,"noise":{"stalls":{"release_s":"long"}}},
                          {"name":"b","outages":[{"class":"content"},{"class":"contents","rate":2}],"days":0}]}"#,
        );
        let expected = [
            "base.drivers: invalid type: string \"many\", expected u32",
            "base.noise.stalls.per_dya: unknown field",
            "wolrds: unknown field",
            "worlds[0].machines: invalid value: integer `-4`, expected u64",
            "worlds[0].noise.stalls.release_s: invalid type: string \"long\", expected f64",
            "worlds[1].outages[1].class: there is no class `contents`",
            "worlds[1].outages[1]: missing field `class`",
            "worlds[1].days",
        ];
        for wanted in expected {
            assert!(found.iter().any(|fault| fault.starts_with(wanted)), "{wanted} is not in {found:#?}");
        }
    }

    #[test]
    fn a_base_is_below_each_world() {
        let set = set(
            r#"{"version":1,"name":"s","base":{"drivers":500,"noise":{"drift":0.1,"stalls":{"per_day":3}}},
                "worlds":[{"name":"a"},{"name":"b","drivers":700,"noise":{"stalls":{"release_s":5}}}]}"#,
        )
        .unwrap();
        let [a, b] = &set.worlds[..] else { panic!("{set:?}") };
        assert_eq!((a.drivers, b.drivers, a.noise.stalls.per_day), (500, 700, 3.0));
        assert_eq!((b.noise.drift, b.noise.stalls.per_day, b.noise.stalls.release_s), (0.1, 3.0, 5.0));
    }

    #[test]
    fn what_is_no_set_is_said_to_be_none() {
        for text in ["", "[]", "3", "{}", r#"{"version":1}"#, r#"{"version":1,"name":"x","worlds":[7]}"#] {
            assert!(!faults(text).is_empty());
        }
        assert!(faults(r#"{"version":2,"name":"x","worlds":[{"name":"a"}]}"#)[0].starts_with("version:"));
    }
}

//! Files: the built-in ones, what is left out, what is out of range, and whether every field is documented.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::world::OutageClass;

#[test]
fn every_builtin_can_be_read_and_says_its_name() {
    for (name, what) in ScenarioSet::builtins() {
        let set = ScenarioSet::from_json(ScenarioSet::builtin_json(name).unwrap()).unwrap();
        assert!(set.name == *name && !set.what.is_empty() && !what.is_empty());
        assert_eq!(ScenarioSet::builtin(name), Some(set));
    }
    assert_eq!(ScenarioSet::builtin("nonsense"), None);
}

#[test]
fn the_acceptance_set_has_twenty_worlds_and_every_class() {
    let set = ScenarioSet::builtin("acceptance").unwrap();
    assert!(set.worlds.len() >= 20 && set.worlds.iter().all(|world| world.drivers == 10_000));
    let drawn = set.worlds.iter().flat_map(|world| world.drawn.iter().flat_map(|drawn| &drawn.classes));
    let fixed = set.worlds.iter().flat_map(|world| world.outages.iter().map(|outage| &outage.class));
    let classes: BTreeSet<String> = drawn.chain(fixed).cloned().map(String::from).collect();
    let all = OutageClass::ALL.into_iter().filter(|class| *class != OutageClass::Catalogue);
    assert_eq!(classes, all.map(|class| class.name().to_owned()).collect());
}

#[test]
fn the_real_set_has_every_outage_of_the_catalogue() {
    let set = ScenarioSet::builtin("real").unwrap();
    let classes: BTreeSet<String> = set
        .worlds
        .iter()
        .flat_map(|world| &world.outages)
        .map(|outage| outage.class.clone().into())
        .collect();
    let ids = crate::outages().iter().map(|outage| format!("catalogue:{}", outage.id));
    assert_eq!(classes, ids.collect());
}

#[test]
fn a_set_that_is_written_reads_as_itself() {
    for (name, _) in ScenarioSet::builtins() {
        let set = ScenarioSet::builtin(name).unwrap();
        assert_eq!(ScenarioSet::from_json(&serde_json::to_string(&set).unwrap()), Ok(set));
    }
}

#[test]
fn seeds_are_listed_or_counted() {
    let world = |text: &str| serde_json::from_str::<WorldConfig>(text).unwrap();
    assert_eq!(world(r#"{"name":"a"}"#).seeds(), [1]);
    assert_eq!(world(r#"{"name":"a","seed":7,"runs":3}"#).seeds(), [7, 8, 9]);
    assert_eq!(world(r#"{"name":"a","runs":3,"seeds":[5,2]}"#).seeds(), [5, 2]);
    assert_eq!((world(r#"{"name":"a"}"#).class(), world(r#"{"name":"a","class":"b"}"#).class()), ("a", "b"));
}

#[test]
fn what_is_out_of_range_is_refused_where_it_is() {
    let cases = [
        (r#""days":0"#, "days"),
        (r#""tick_s":61"#, "tick_s"),
        (r#""drivers":99"#, "drivers"),
        (r#""machines":20,"sites":21"#, "sites"),
        (r#""rings":{"canary":0.6,"early":0.6}"#, "rings.canary and rings.early"),
        (r#""os_builds":[]"#, "os_builds"),
        (r#""heartbeats":{"interval_s":5}"#, "heartbeats.interval_s"),
        (r#""noise":{"stalls":{"least_min":9,"most_min":3}}"#, "noise.stalls.least_min"),
        (r#""noise":{"blame":{"wrong":1.5}}"#, "noise.blame.wrong"),
        (
            r#""tenants":[{"name":"a","machines":90,"sites":1},{"name":"a","machines":90,"sites":1}]"#,
            "tenants[1].name",
        ),
        (r#""outages":[{"class":"content","at_day":40}]"#, "outages[0].at_day"),
        (r#""outages":[{"class":"content","tenant":"x"}]"#, "outages[0].tenant"),
        (r#""outages":[{"class":"boot_loop_dark"}]"#, "outages[0].class"),
        (r#""drawn":[{"count":3,"classes":[]}]"#, "drawn[0].classes"),
        (r#""drawn":[{"count":99,"classes":["content"]}]"#, "outages and drawn"),
        (r#""days":2,"drawn":[{"count":1,"classes":["slow_burn"]}]"#, "outages and drawn"),
    ];
    for (fields, path) in cases {
        let text = format!(r#"{{"version":1,"name":"s","worlds":[{{"name":"w",{fields}}}]}}"#);
        let error = ScenarioSet::from_json(&text).unwrap_err();
        let wanted = format!("worlds[0].{path}");
        assert!(error.0.iter().any(|fault| fault.path == wanted), "{wanted}: {error}");
    }
}

/// Names of all fields below a value, lists and objects gone into.
fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| fields(value, into)),
        _ => {}
    }
}

#[test]
fn every_field_and_every_class_is_documented() {
    let text = include_str!("../../../docs/SCENARIOS.md");
    let set = ScenarioSet::from_json(
        r#"{"version":1,"name":"s","worlds":[{"name":"w","tenants":[{"name":"t","machines":10,"sites":1}],
            "outages":[{"class":"content"}],"drawn":[{"count":1,"classes":["content"]}]}]}"#,
    );
    let mut names = BTreeSet::from(["base".to_owned()]);
    fields(&serde_json::to_value(set.unwrap()).unwrap(), &mut names);
    names.extend(OutageClass::ALL.iter().map(|class| class.name().to_owned()));
    names.extend(ScenarioSet::builtins().iter().map(|(name, _)| (*name).to_owned()));
    names.extend(["step", "linear", "exponential", "page", "ticket", "nothing"].map(str::to_owned));
    let missing: Vec<&String> = names.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/SCENARIOS.md says nothing of {missing:?}");
}

#[test]
fn the_example_of_the_documentation_can_be_read() {
    let text = include_str!("../../../docs/SCENARIOS.md");
    let example = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    ScenarioSet::from_json(example).unwrap();
}

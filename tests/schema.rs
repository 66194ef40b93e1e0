//! What is published is what the program does: the schemas in `docs/schema/` are the types', and what `docs/FACTS.md` shows
//! is what the executable answers. Runs it from the workspace root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn bluescope(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bluescope"));
    command.args(arguments).env_remove("BLUESCOPE_CONFIG").current_dir(std::env::temp_dir());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn schema(document: &str) -> String {
    let output = bluescope(&["schema", document], "");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for document in ["facts", "verdict", "report", "webhook"] {
        let file = format!("docs/schema/{document}.json");
        let committed = std::fs::read_to_string(path(&file)).unwrap_or_default();
        let run = format!("cargo run -- schema {document} > {file}");
        assert!(committed == schema(document), "{file} is not that of the types; run: {run}");
    }
}

/// Names of fields and words of a schema.
fn names(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                found.extend(properties.keys().cloned());
            }
            let words = fields.get("enum").and_then(Value::as_array).into_iter().flatten();
            found.extend(words.chain(fields.get("const")).filter_map(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| names(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn every_field_and_word_is_described() {
    let text = std::fs::read_to_string(path("docs/FACTS.md")).unwrap();
    // The table of rules names them all; the page names a few.
    let rules = std::fs::read_to_string(path("blame/data/blame.toml")).unwrap();
    let user_rules = ["faulting-module", "module-on-stack"];
    let mut found = Vec::new();
    for document in ["facts", "verdict"] {
        names(&serde_json::from_str(&schema(document)).unwrap(), &mut found);
    }
    assert!(found.len() > 80, "{found:?}");
    for name in found {
        let described = text.contains(&format!("`{name}`"));
        let is_rule = rules.contains(&format!("\"{name}\"")) || user_rules.contains(&name.as_str());
        assert!(described || is_rule, "docs/FACTS.md does not say what `{name}` is");
    }
}

#[test]
fn the_examples_are_answered_as_they_say() {
    let text = std::fs::read_to_string(path("docs/FACTS.md")).unwrap();
    let mut blocks = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut count = 0;
    while let (Some(facts), Some(expected)) = (blocks.next(), blocks.next()) {
        let facts: Value = serde_json::from_str(facts).unwrap();
        let expected: Value = serde_json::from_str(expected).unwrap();
        let output = bluescope(&["blame"], &facts.to_string());
        assert!(output.status.success(), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said, expected, "{said:#}");
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn what_is_no_facts_is_told_and_hides_nothing() {
    let output =
        bluescope(&["blame"], "{\"bugcheck_code\":\"0xe2\"}\nnonsense\n{\"bugcheck_code\":\"0xe2\"}\n");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (answers, remarks) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(lines.len(), 3, "{answers}");
    assert!(
        lines[1].starts_with("{\"error\":\"not facts of a crash") && lines[1].ends_with("\"line\":2}"),
        "{answers}"
    );
    assert!(lines[0] == lines[2] && lines[0].contains("\"culprit\":\"manual\""), "{answers}");
    assert_eq!(remarks.lines().count(), 1, "{remarks}");
    assert!(remarks.starts_with("standard input:2: not facts of a crash"), "{remarks}");

    let output = bluescope(&["blame", "no-such-file.jsonl"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no-such-file.jsonl"));
}

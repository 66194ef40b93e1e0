//! Rules about the source itself: crate arrows, file heads and sizes, words that do not belong here.
//! Runs from the workspace root and reads only what git would commit.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom. The arrows of ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "bluescope",
        &["alerts", "analyzer", "blame", "dashboards", "detector", "fleet", "ingest", "storage", "symbols"],
    ),
    ("dump", &[]),
    ("blame", &["dump"]),
    ("symbols", &[]),
    ("embedded", &[]),
    ("storage", &["embedded"]),
    ("ingest", &["dump", "storage", "symbols"]),
    ("analyzer", &["blame", "dump", "storage", "symbols"]),
    ("detector", &[]),
    ("alerts", &["detector", "storage"]),
    ("dashboards", &["blame", "detector", "storage"]),
    ("fleet", &["detector", "dump"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn short(package: &str) -> &str {
    package.strip_prefix("bluescope-").unwrap_or(package)
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let metadata: Value =
        serde_json::from_str(&run(env!("CARGO"), &["metadata", "--no-deps", "--format-version", "1"]))
            .unwrap();
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let mut ours: Vec<String> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_string())
            .map(|dependency| short(dependency["name"].as_str().unwrap()).to_owned())
            .collect();
        ours.sort();
        ours.dedup();
        found.insert(short(package["name"].as_str().unwrap()).to_owned(), ours);
    }
    let expected: BTreeMap<String, Vec<String>> = ARROWS
        .iter()
        .map(|(name, on)| ((*name).to_owned(), on.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(found, expected, "a crate or an arrow that ARCHITECTURE.md does not have");
}

/// Tracked and new files, without those that git ignores.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    run("git", &["ls-files", "--cached", "--others", "--exclude-standard"])
        .lines()
        .map(PathBuf::from)
        .filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .filter(|path| root().join(path).is_file())
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_source_file_says_what_it_owns_and_is_short() {
    let mut faults = Vec::new();
    for path in files(&[".rs"]) {
        let text = read(&path);
        let lines = text.lines().count();
        if !text.starts_with("//! ") {
            faults.push(format!("{}: does not open with `//! ` and what it owns", path.display()));
        }
        if lines > 600 {
            faults.push(format!("{}: {lines} lines: is it one thing?", path.display()));
        }
        if path.ends_with("mod.rs") {
            faults.push(format!("{}: name it after its module", path.display()));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What people wrote, by how it ends.
const WRITTEN: &[&str] =
    &[".rs", ".md", ".sh", ".sql", ".css", ".js", ".json", ".toml", ".xml", "scripts/setup", "scripts/kafka"];

#[test]
fn nothing_is_left_half_done_or_out_of_place() {
    // Put together here, so that this file does not find itself.
    let banned: Vec<(String, &str)> = vec![
        (["to", "do!("].concat(), "unfinished"),
        (["TO", "DO"].concat(), "unfinished"),
        (["FIX", "ME"].concat(), "unfinished"),
        (["unimple", "mented!("].concat(), "unfinished"),
        (["#[ig", "nore"].concat(), "a test that does not run"),
        (["#[al", "low("].concat(), "use #[expect(lint, reason = ...)]"),
        (["/wo", "rk/"].concat(), "a path of one machine"),
        (["registry.npm", "js"].concat(), "a registry's host"),
        (["static.crates", ".io"].concat(), "a registry's host"),
        (["repo.mav", "en"].concat(), "a registry's host"),
        (["files.python", "hosted"].concat(), "a registry's host"),
    ];
    let mut faults = Vec::new();
    for path in files(WRITTEN) {
        for (number, line) in read(&path).lines().enumerate() {
            for (word, why) in &banned {
                if line.contains(word.as_str()) {
                    faults.push(format!("{}:{}: `{word}`: {why}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn only_storage_speaks_to_kafka_and_clickhouse() {
    let words = ["rdkafka::", "clickhouse::", "rusqlite::", "libloading::"];
    let mut faults = Vec::new();
    for path in files(&[".rs"]) {
        let text = read(&path);
        let allowed =
            path.starts_with("storage") || path.starts_with("embedded") || path.starts_with("tests");
        if !allowed && words.iter().any(|word| text.contains(word)) {
            faults.push(path.display().to_string());
        }
    }
    assert!(faults.is_empty(), "these name a store: {faults:?}");
}

#[test]
fn unsafe_code_is_in_one_crate() {
    for (name, _) in ARROWS {
        let head = match *name {
            "bluescope" => "src/main.rs".to_owned(),
            "embedded" => continue,
            name => format!("{name}/src/lib.rs"),
        };
        assert!(
            read(Path::new(&head)).contains("#![forbid(unsafe_code)]"),
            "{head} does not forbid unsafe code"
        );
    }
}

#[test]
fn no_dump_is_committed() {
    let dumps: Vec<PathBuf> = files(&[".dmp", ".mdmp", ".DMP"]);
    assert!(dumps.is_empty(), "dumps hold personal data: {dumps:?}");
}

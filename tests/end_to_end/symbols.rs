//! The loop of missing symbols: a crash with unknown frames, the list of what it lacks, the files pushed, and names on its
//! page without another upload. The drivers are real compilers' output, crashed in an emulator.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Service, eventually, executable};
use crate::true_stacks::cases::{Case, Cases, Loaded, folder};
use crate::true_stacks::dumps;

/// A case by name, with its modules.
fn case<'c>(cases: &'c Cases, name: &str) -> (&'c Case, &'c [Loaded]) {
    let case = cases.cases.iter().find(|case| case.name == name).unwrap();
    (case, &cases.modules[&case.set()])
}

fn push(service: &Service, token: Option<&str>, paths: &[PathBuf]) -> (bool, String) {
    let mut command = executable();
    command.args(["symbols", "push", "--url", &service.url("")]).args(paths);
    if let Some(token) = token {
        command.args(["--token", token]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), text)
}

async fn missing(service: &Service) -> Vec<String> {
    let found = service.json("/v1/symbols/missing").await;
    let files = found["missing"].as_array().unwrap_or_else(|| panic!("{found}"));
    files.iter().map(|file| file["id"].as_str().unwrap().to_owned()).collect()
}

async fn deep(service: &Service, id: &str, what: &str, good: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/v1/crashes/{id}");
    eventually(what, || async {
        let response = service.http.get(service.url(&path)).send().await.unwrap();
        let crash: Value = response.json().await.ok()?;
        let deep = crash.get("deep").filter(|deep| !deep.is_null())?.clone();
        good(&deep).then_some(deep)
    })
    .await
}

fn stack(deep: &Value) -> Vec<Value> {
    deep.pointer("/report/stack").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn functions(deep: &Value) -> Vec<String> {
    let name = |frame: &Value| frame["function"].as_str().unwrap_or("?").to_owned();
    stack(deep).iter().map(name).collect()
}

fn file_of(module: &Loaded, what: &str) -> PathBuf {
    let path = if what == "image" { &module.image } else { &module.pdb };
    folder().join("symbols").join(Path::new(path))
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_files_name_the_frames_of_a_crash_that_is_there_already() {
    let Some(cases) = Cases::read("cases.json") else { return };
    let (case, modules) = case(&cases, "x64/O1/CaseCallback/dispatch");
    let service = Service::start().await;
    let first = service.upload("pc-0001", dumps::as_it_was(case, modules).to_bytes()).await.unwrap();

    let unnamed = deep(&service, &first, "an analysis without any symbol file", |_| true).await;
    assert!(functions(&unnamed).iter().all(|name| name == "?"), "{unnamed}");
    assert!(stack(&unnamed).iter().skip(1).any(|frame| frame["trust"] == "scan"), "{unnamed}");
    let wanted = missing(&service).await;
    assert!(wanted.iter().any(|id| id.starts_with("csagent.sys/")), "{wanted:?}");
    assert!(
        !wanted.iter().any(|id| id.starts_with("csagent.pdb/")),
        "only the image tells which PDB: {wanted:?}"
    );

    // The images make the stack exact, and name the PDBs.
    let images: Vec<PathBuf> = modules.iter().map(|module| file_of(module, "image")).collect();
    let (taken, text) = push(&service, None, &images);
    assert!(taken && text.contains("csagent.sys"), "{text}");
    let exact = |deep: &Value| {
        let frames = stack(deep);
        frames.len() == case.frames.len()
            && frames.iter().skip(1).all(|frame| frame["trust"] == "unwind-info")
    };
    deep(&service, &first, "an exact stack", exact).await;
    let wanted = eventually("the PDBs to be missing", || async {
        let wanted = missing(&service).await;
        wanted.iter().any(|id| id.starts_with("csagent.pdb/")).then_some(wanted)
    })
    .await;
    assert!(!wanted.iter().any(|id| id.starts_with("csagent.sys/")), "it has arrived: {wanted:?}");

    let pdbs: Vec<PathBuf> = modules.iter().map(|module| file_of(module, "pdb")).collect();
    let (taken, text) = push(&service, None, &pdbs);
    assert!(taken, "{text}");
    let named = deep(&service, &first, "names", |deep| functions(deep).iter().all(|name| name != "?")).await;
    let truth: Vec<&str> = case.frames.iter().filter_map(|frame| frame.function.as_deref()).collect();
    let own: Vec<Value> = stack(&named).into_iter().filter(|frame| frame["inlined"] != true).collect();
    let own: Vec<&str> = own.iter().map(|frame| frame["function"].as_str().unwrap()).collect();
    assert_eq!(own, truth);

    let page = service.page(&format!("/crashes/{first}")).await;
    assert!(page.contains(truth[truth.len() - 2]) && page.contains("unwind-info"), "{page}");
    assert!(missing(&service).await.is_empty());
    let crash = service.json(&format!("/api/v1/crashes/{first}")).await;
    let bucket = crash.pointer("/crash/bucket").and_then(Value::as_str).unwrap();
    assert!(bucket.ends_with("!unknown_function"), "the row itself stays as it was: {bucket}");
    let refined = named["deep_bucket"].as_str().unwrap();
    assert!(!refined.ends_with("!unknown_function"), "{refined}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_analysis_speaks_for_the_whole_fault_site() {
    let Some(cases) = Cases::read("cases.json") else { return };
    let (case, modules) = case(&cases, "arm64/O2/CaseReadNull/dispatch");
    let store = folder().join("symbols").canonicalize().unwrap();
    // A folder as the source, and one analysis a bucket: the second crash can only have that of the first.
    let service =
        Service::configured(&format!("[symbols]\nsources = [\"{}\"]\nper_bucket = 1\n", store.display()))
            .await;
    let dump = dumps::as_it_was(case, modules);
    let first = service.upload("pc-0001", dump.to_bytes()).await.unwrap();
    let named = deep(&service, &first, "names", |deep| functions(deep).iter().all(|name| name != "?")).await;
    let mut other = dump.clone();
    other.system_time += 10_000_000;
    let second = service.upload("pc-0002", other.to_bytes()).await.unwrap();
    let shared = deep(&service, &second, "the analysis of its site", |_| true).await;
    assert_eq!(shared["crash_id"], named["crash_id"]);
    assert_ne!(first, second);
    let page = service.page(&format!("/crashes/{second}")).await;
    assert!(page.contains(&first), "the page says whose analysis it shows");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_symbol_file_is_refused_and_tenants_are_apart() {
    let Some(cases) = Cases::read("cases.json") else { return };
    let (case, modules) = case(&cases, "x64/O0/CaseReadNull/dispatch");
    let tokens = "[ingest]\ntokens = [{ token = \"token-of-acme\", tenant = \"acme\" }, { token = \"token-of-blue\", tenant = \"blue\" }]\n";
    let service = Service::configured(tokens).await;
    let image = file_of(&modules[0], "image");
    let (taken, text) = push(&service, Some("no-such-token"), std::slice::from_ref(&image));
    assert!(!taken && text.contains("refused"), "{text}");
    let scratch = tempfile::tempdir().unwrap();
    let fake = scratch.path().join("csagent.pdb");
    std::fs::write(&fake, "not a PDB at all").unwrap();
    let (taken, text) = push(&service, Some("token-of-acme"), &[fake]);
    assert!(!taken && text.contains("refused"), "{text}");

    let dump = dumps::as_it_was(case, modules).to_bytes();
    let acme = upload_as(&service, "token-of-acme", dump.clone()).await;
    let mut other = dumps::as_it_was(case, modules);
    other.system_time += 10_000_000;
    let blue = upload_as(&service, "token-of-blue", other.to_bytes()).await;
    let images: Vec<PathBuf> = modules.iter().map(|module| file_of(module, "image")).collect();
    let (taken, text) = push(&service, Some("token-of-acme"), &images);
    assert!(taken, "{text}");
    let exact = |deep: &Value| stack(deep).iter().skip(1).all(|frame| frame["trust"] == "unwind-info");
    deep(&service, &acme, "an exact stack", exact).await;
    let theirs = deep(&service, &blue, "an analysis", |_| true).await;
    assert!(!exact(&theirs), "another tenant's files: {theirs}");
}

async fn upload_as(service: &Service, token: &str, bytes: Vec<u8>) -> String {
    let request = service.http.post(service.url("/v1/crashes")).bearer_auth(token).body(bytes);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["crash_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

//! Judging again, on the real executable: the same rules move nothing; other owners move counts, first on paper, then on
//! the pages; again and after a kill it ends the same; and a service that runs is left alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fleet::{Fleet, FleetConfig, PlanConfig, describe, outage, plan};
use serde_json::Value;

use crate::support::{PATIENCE, Service, eventually, executable};

const MACHINES: usize = 12;

/// The dumps of 12 machines that `csagent.sys` takes down just now.
async fn upload_outage(service: &Service) {
    let fleet =
        Fleet::with_outage(&FleetConfig { machines: 40, sites: 3, seed: 5 }, outage("crowdstrike").unwrap());
    let config = PlanConfig {
        warm_up: Duration::ZERO,
        outage: Duration::from_secs(20),
        background_per_s: 0.3,
        victims: MACHINES,
        seed: 5,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    for upload in plan(&fleet, &config, i64::try_from(now).unwrap() - 30_000) {
        let bytes = describe(&fleet, &upload.crash, upload.writer, 0).to_bytes();
        service.upload(&fleet.machines[upload.crash.machine].id, bytes).await.unwrap();
    }
    service.settled().await;
}

/// Runs it on the service's data folder; whether it went well, and its two outputs.
async fn reblame(service: &Service, configuration: &str, arguments: &[&str]) -> (bool, String, String) {
    let file = service.folder().join("reblame.toml");
    std::fs::write(&file, configuration).unwrap();
    let mut command = executable();
    command
        .args(["reblame", "--since", "1d"])
        .args(arguments)
        .args(["--config".as_ref(), file.as_os_str()])
        .args(["--data".as_ref(), service.folder().join("data").as_os_str()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn document(service: &Service, configuration: &str, arguments: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let (success, text, errors) = reblame(service, configuration, &arguments).await;
    assert!(success, "{errors}");
    let mut documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // What depends on when it was asked.
    for document in documents.iter_mut().filter_map(Value::as_object_mut) {
        document.remove("since");
        document.remove("until");
    }
    documents
}

/// Crashes and machines of each driver, as the fleet page has them.
async fn drivers(service: &Service) -> Vec<(String, u64, u64)> {
    let found = service.json("/api/v1/drivers").await;
    let line = |line: &Value| {
        let count = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("no {name}: {line}"));
        (line["driver"].as_str().unwrap().to_owned(), count("crashes"), count("machines"))
    };
    let mut drivers: Vec<_> = found.as_array().unwrap().iter().map(line).collect();
    drivers.sort();
    drivers
}

fn of(drivers: &[(String, u64, u64)], name: &str) -> (u64, u64) {
    let found = drivers.iter().find(|(driver, ..)| driver == name);
    found.map_or((0, 0), |(_, crashes, machines)| (*crashes, *machines))
}

const IGNORE: &str = "[blame]\nignore = [\"csagent.sys\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn other_owners_move_counts_on_paper_and_then_on_the_pages() {
    let mut service = Service::start().await;
    upload_outage(&service).await;
    // The fleet is kept for a second.
    let before = eventually("all twelve machines", async || {
        let found = drivers(&service).await;
        let (crashes, machines) = of(&found, "csagent.sys");
        (crashes >= 12 && machines == 12).then_some(found)
    })
    .await;
    let (crashes, machines) = of(&before, "csagent.sys");

    // It runs, and nobody else may open its database.
    let (success, _, errors) = reblame(&service, "", &[]).await;
    assert!(!success && errors.contains("stop the service"), "{errors}");
    service.stop().await;

    let same = &document(&service, "", &[]).await[0];
    assert_eq!(same["change"], 0, "{same}");
    assert!(same["crashes"].as_u64().unwrap() >= crashes && same["without_facts"]["crashes"] == 0, "{same}");

    // On paper, for people and for programs.
    let (success, words, errors) = reblame(&service, IGNORE, &[]).await;
    println!("{words}");
    assert!(success && errors.contains("nothing was written"), "{errors}");
    assert!(words.contains("csagent.sys") && words.contains("the commonest moves"), "{words}");
    assert!(!words.contains('\x1b'), "colours in a pipe");
    let paper = &document(&service, IGNORE, &[]).await[0];
    let row =
        &paper["drivers"].as_array().unwrap().iter().find(|it| it["name"] == "csagent.sys").unwrap().clone();
    assert_eq!((&row["crashes_before"], &row["machines_before"]), (&crashes.into(), &machines.into()));
    assert_eq!(paper["blamed_on_another"], crashes - row["crashes_after"].as_u64().unwrap());
    assert!(!paper["moves"][0]["why"].as_str().unwrap().is_empty());
    service.start_again().await;
    assert_eq!(drivers(&service).await, before, "nothing was written");
    let ledger = service.settled().await;
    service.stop().await;

    let applied = document(&service, IGNORE, &["--apply"]).await;
    assert_eq!(applied[0], *paper, "it says the same before it writes");
    assert_eq!(applied[1]["crashes"], paper["change"]);
    assert!(applied[1]["rollups"]["minutes"].as_u64().unwrap() > 0, "{}", applied[1]);
    let again = document(&service, IGNORE, &["--apply"]).await;
    assert_eq!((&again[0]["change"], &again[1]["crashes"]), (&0.into(), &0.into()));
    let rollups = again[1]["rollups"].as_object().unwrap();
    assert!(rollups.len() >= 5 && rollups.values().all(|mended| mended == 0), "{rollups:?}");

    service.start_again().await;
    let after = drivers(&service).await;
    assert_eq!(of(&after, "csagent.sys").0, row["crashes_after"].as_u64().unwrap(), "{after:?}");
    for moved in paper["drivers"].as_array().unwrap() {
        let name = moved["name"].as_str().unwrap();
        if !name.starts_with('(') {
            let expected =
                (moved["crashes_after"].as_u64().unwrap(), moved["machines_after"].as_u64().unwrap());
            assert_eq!(of(&after, name), expected, "{name}: {after:?}");
        }
    }
    assert_eq!(service.settled().await, ledger, "no crash was lost or doubled");
    let id = paper["moves"][0]["example"].as_str().unwrap();
    let crash = service.json(&format!("/api/v1/crashes/{id}")).await;
    let to = paper["moves"][0]["to"].as_str().unwrap();
    assert!(crash.to_string().contains(to.trim_matches(['(', ')'])), "{crash}");
    service.stop().await;

    // Without the list everything is as it was.
    let back = document(&service, "", &["--apply"]).await;
    assert_eq!(back[1]["crashes"], paper["change"]);
    service.start_again().await;
    assert_eq!(drivers(&service).await, before);
}

#[test]
fn what_it_cannot_do_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let data = folder.path().join("none");
        let output =
            executable().arg("reblame").args(arguments).args(["--data".as_ref(), data.as_os_str()]).output();
        let output = output.unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    for (arguments, word) in [
        (&["--since", "7d"][..], "there is no database in"),
        (&["--since", "soon"], "write how long ago"),
        (&["--since", "2999-01-01"], "lies in the future"),
        (&["--since", "1d", "--until", "2d"], "lies before"),
        (&[], "--since"),
    ] {
        let (success, errors) = run(arguments);
        assert!(!success && errors.contains(word), "{arguments:?}: {errors}");
    }
    assert!(!folder.path().join("none").exists(), "asking makes no database");
}

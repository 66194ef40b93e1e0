//! A fleet whose every name was chosen by somebody who means harm: in dumps, in the fields of uploads, in inventories,
//! in changes and in comments. Fills a service with it; what browsers make of it is the specs' business.

use dump::synth::{Crash, SmallDump, SynthProcessor, SynthSmbios, Template, UserDump, user_minidump};
use serde_json::json;

use crate::support::{Service, eventually};

/// The driver that half a fleet crashes in: it must come as far as an incident's page.
const OUTAGE: &str = "\"><img src=x onerror=alert(1)>.sys";

/// Longer than anything honest, and nowhere to break.
const LONG: usize = 4096;

fn names() -> Vec<String> {
    let short = [
        OUTAGE,
        "<script>alert(1)</script>",
        "<svg onload=alert(1)>.sys",
        "'-alert(1)-'",
        "javascript:alert(1)",
        "</title></textarea></style><script>alert(1)<",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "\u{202e}sys.tnega\u{202c}",
        "\u{200f}\u{2067}\u{05d0}\u{05d1}\u{05d2}.sys",
        "nul\0l\r\n<marquee>.sys",
        "../../../../etc/passwd",
        "..",
        "=cmd|' /C calc'!A0",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        "{{7*7}}${7*7}<%= 7*7 %>",
    ];
    short.into_iter().map(str::to_owned).chain(["W".repeat(LONG), "<marquee>".repeat(LONG / 9)]).collect()
}

/// A crash in a driver of this name, of a machine that is called so in all its parts.
fn dump(name: &str) -> SmallDump {
    let mut dump = SmallDump::example();
    for driver in &mut dump.drivers {
        match driver.name.as_str() {
            "rtwlane.sys" => driver.name = name.to_owned(),
            // Merely loaded.
            "SynTP.sys" => driver.name = format!("{name}~"),
            _ => {}
        }
    }
    let text = || name.to_owned();
    dump.smbios = Some(SynthSmbios {
        vendor: text(),
        model: text(),
        bios_vendor: text(),
        bios_version: text(),
        board_vendor: text(),
        board: text(),
        ..SynthSmbios::default()
    });
    dump.processor = Some(SynthProcessor { name: text(), vendor: text(), identifier: text(), mhz: 1 });
    dump.unloaded = vec![(text(), 0xffff_f800_7100_0000, 0xffff_f800_7100_c000)];
    dump.process = text();
    dump
}

/// A crashed process whose program and modules are called so.
fn user_dump(name: &str) -> Vec<u8> {
    let mut dump = UserDump::example();
    for module in &mut dump.modules {
        module.path = format!("C:\\{name}\\{name}");
        module.pdb = name.to_owned();
    }
    user_minidump(&dump)
}

/// What a header or a JSON field may hold of it.
fn field(name: &str) -> String {
    let honest: String = name.chars().filter(|c| !c.is_control()).collect();
    honest.get(..honest.floor_char_boundary(64)).unwrap_or_default().to_owned()
}

/// 100 ns since 1601.
fn now() -> u64 {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    116_444_736_000_000_000 + u64::try_from(unix.as_nanos() / 100).unwrap()
}

async fn upload(service: &Service, machine: &str, name: &str, dump: Vec<u8>) {
    let request = service
        .http
        .post(service.url("/v1/crashes"))
        .header("x-bluescope-machine", machine.as_bytes())
        .header("x-bluescope-site", field(name).as_bytes())
        .header("x-bluescope-ring", field(name).as_bytes())
        .header("x-bluescope-tag-note", field(name).as_bytes())
        .body(dump);
    let response = request.send().await.unwrap();
    let status = response.status();
    assert!(status.is_success(), "{name:?}: {status} {}", response.text().await.unwrap());
}

/// Everything that anybody can name, named badly; an incident, with a comment. Returns when all of it is on the pages.
pub(crate) async fn fill(service: &Service) {
    for (number, name) in names().iter().enumerate() {
        let machine = field(name);
        let crash = Crash {
            system_time: now(),
            uptime: 36_000_000_000,
            parameters: [0x28 + number as u64, 2, 0, 0xffff_f800_1234_5678],
            boot_id: 7,
        };
        upload(service, &machine, name, Template::new(&dump(name)).with(&crash)).await;
        upload(service, &machine, name, user_dump(name)).await;
        let driver =
            json!({ "name": machine, "version": field(name), "timestamp": 1_700_000_000, "size": 4096 });
        let told = json!([{ "machine": machine, "site": machine, "ring": machine, "model": machine, "os_build": 19045, "drivers": [driver] }]);
        let (status, answer) = service.post("/v1/inventory", &told).await;
        assert!(status < 300, "{name:?}: {answer}");
        let told = json!({ "what": machine, "version": machine, "vendor": machine, "ring": "", "at": null });
        let (status, answer) = service.post("/v1/changes", &told).await;
        assert!(status < 300, "{name:?}: {answer}");
    }
    service.outage(&dump(OUTAGE), 60).await;
    let incident = service.incident(OUTAGE).await;
    let path = format!("/api/v1/incidents/{}", incident["incident_id"].as_str().unwrap());
    let words = names().join("\n").replace('\0', "");
    let words: String = words.chars().take(2000).collect();
    let comment = json!({ "by": field("<script>alert(1)</script>"), "words": words });
    let (status, answer) = service.post(&format!("{path}/comment"), &comment).await;
    assert!(status < 300, "{answer}");
    service.settled().await;
    eventually("the comment", || async {
        let incident = service.json(&path).await;
        let mut events = incident["events"].as_array().unwrap().iter();
        events.any(|event| event["kind"] == "commented").then_some(())
    })
    .await;
}

//! The commands that need no service: their words, exit codes and manners in a pipe.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Stdio;

use dump::synth::{LargeDump, SynthDumpType, SynthMachine};

use crate::support::{executable, free_address};

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = executable().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_names_every_command() {
    let (success, help, _) = run(&["--help"]);
    assert!(success);
    for command in
        ["up", "explain", "send", "drill", "demo", "receive", "bench", "config", "ingest", "analyzer"]
    {
        assert!(help.contains(&format!("  {command}")), "{command}:\n{help}");
    }
}

#[test]
fn config_check_lists_every_fault_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[server]\nlisten = 5\nspeed = 1\n[queue]\nkind = \"kafka\"\n").unwrap();
    let (success, _, errors) = run(&["config", "check", file.path().to_str().unwrap()]);
    assert!(!success);
    for key in ["server.listen", "server.speed", "queue.brokers"] {
        assert!(errors.contains(key), "{key}:\n{errors}");
    }

    let (success, sample, _) = run(&["config", "example"]);
    assert!(success);
    std::fs::write(file.path(), sample).unwrap();
    let (success, words, errors) = run(&["config", "check", file.path().to_str().unwrap()]);
    assert!(success && words.contains("no fault"), "{words}{errors}");
}

#[test]
fn explain_says_what_is_wrong_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.dmp");
    std::fs::write(&good, dump::synth::SmallDump::example().to_bytes()).unwrap();
    let bad = folder.path().join("bad.dmp");
    std::fs::write(&bad, b"hello").unwrap();
    let (success, words, errors) = run(&["explain", bad.to_str().unwrap(), good.to_str().unwrap()]);
    assert!(!success, "one could not be read");
    assert!(words.contains("rtwlane.sys"), "{words}");
    assert!(errors.contains("bad.dmp") && !errors.contains('\x1b'), "{errors}");
}

/// Where a kernel dump with a bitmap says that its pages begin.
const FIRST_PAGE: usize = 0x2020;

/// A kernel dump whose pages begin that far into the file, behind a hole.
fn write_memory_dump(path: &Path, first_page: u64) {
    let mut bytes = LargeDump::example(SynthMachine::X64, SynthDumpType::BitmapKernel).to_bytes();
    let field: [u8; 8] = bytes[FIRST_PAGE..][..8].try_into().unwrap();
    let pages = bytes.split_off(usize::try_from(u64::from_le_bytes(field)).unwrap());
    bytes[FIRST_PAGE..][..8].copy_from_slice(&first_page.to_le_bytes());
    let mut file = File::create(path).unwrap();
    file.write_all(&bytes).unwrap();
    file.seek(SeekFrom::Start(first_page)).unwrap();
    file.write_all(&pages).unwrap();
}

#[test]
fn explain_reads_a_memory_dump_that_fits_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("MEMORY.DMP");
    write_memory_dump(&path, 64 << 30);
    let (success, words, errors) = run(&["explain", path.to_str().unwrap()]);
    assert!(success, "{errors}");
    assert!(words.contains("rtwlane.sys is to blame (high confidence)"), "{words}");
    assert!(words.contains("DUMP_QUALIFIER:             401") && !words.contains("PROBLEMS"), "{words}");

    let (success, document, errors) = run(&["explain", "--json", path.to_str().unwrap()]);
    assert!(success, "{errors}");
    let report: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert!(report["dump_bytes"].as_u64().unwrap() > 64 << 30);
    assert_eq!(report["kernel"]["thread"]["process_id"], 4);
    assert_eq!(report["modules"].as_array().unwrap().len(), 163);
}

#[cfg(unix)]
#[test]
fn explain_reads_a_pipe() {
    let mut child = executable()
        .args(["explain", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = dump::synth::SmallDump::example().to_bytes();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("rtwlane.sys is to blame"));
}

#[test]
fn a_single_role_on_the_embedded_engines_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let listen = free_address().to_string();
    let (success, _, errors) =
        run(&["analyzer", "--listen", &listen, "--data", folder.path().to_str().unwrap()]);
    assert!(!success);
    assert!(errors.contains("bluescope up"), "{errors}");
}

#[test]
fn a_second_service_on_the_same_port_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (success, _, errors) = run(&["up", "--listen", &listen, "--data", folder.path().to_str().unwrap()]);
    assert!(!success);
    assert!(errors.contains("--listen"), "{errors}");
}

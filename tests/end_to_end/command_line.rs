//! The commands that need no service: their words, exit codes and manners in a pipe.

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

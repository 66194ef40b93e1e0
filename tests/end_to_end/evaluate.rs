//! `bluescope detector evaluate` as a build server calls it: exit code, JSON, plots, and no colours in a pipe.

use serde_json::Value;

use crate::support::executable;

#[test]
fn the_smoke_set_meets_its_goals() {
    let folder = tempfile::tempdir().unwrap();
    let (json, plots) = (folder.path().join("found.json"), folder.path().join("plots"));
    let output = executable()
        .args(["detector", "evaluate", "builtin:smoke", "--check", "--baselines", "none"])
        .args(["--json".as_ref(), json.as_os_str(), "--plots".as_ref(), plots.as_os_str()])
        .output()
        .unwrap();
    let [words, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{words}\n{errors}");
    assert!(!words.contains('\x1b') && !errors.contains('\x1b'), "colours in a pipe");
    let found: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert!(found.is_object() || found.is_array(), "{found}");
    let drawn: Vec<_> = std::fs::read_dir(&plots).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!drawn.is_empty());
    for plot in drawn {
        let text = std::fs::read_to_string(&plot).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{}", plot.display());
    }

    let unknown = executable().args(["detector", "evaluate", "builtin:smoek"]).output().unwrap();
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("smoek"));
}

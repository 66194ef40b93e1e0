//! What holds for every bug check of the table, and the hash that makes our buckets Microsoft's.

use std::path::Path;

use bluescope_blame::{Facts, Owners, hash, judge};
use serde_json::Value;

use super::crash::{check, facts};

fn bucket_hashes(prefix: &str, bucket: &str, hash_text: &str) {
    let inner = hash_text.trim_matches(['{', '}']);
    assert_eq!((hash_text.len(), inner.len()), (38, 36), "{hash_text}");
    assert_eq!(hash(prefix, bucket), hash_text);
}

#[test]
fn every_bug_check_ends_in_a_verdict_with_evidence_and_a_bucket() {
    let owners = Owners::default();
    let stacks = ["", "; stack nt!KeBugCheckEx nt!KeFail+20 acme!Work+3", "; stack ~nt+20 ~acme.sys+20"];
    let mut count = 0;
    for known in dump::bugchecks() {
        for stack in stacks {
            for first in 0..4 {
                let facts = facts(&format!("{:x} {first} 1 2 3{stack}", known.code));
                let verdict = judge(&facts, &owners);
                let name = format!("{:x} {}: {verdict:?}", known.code, known.name);
                assert!(!verdict.evidence.is_empty(), "{name}");
                assert!(verdict.evidence.iter().all(|why| why.ends_with('.')), "{name}");
                let bucket = verdict.failure_bucket_id.as_str();
                assert!(!bucket.is_empty() && !bucket.ends_with('_') && !bucket.starts_with('_'), "{name}");
                bucket_hashes("km:", bucket, &verdict.failure_id_hash);
                assert!(!verdict.image_name.is_empty() && !verdict.module_name.is_empty(), "{name}");
            }
        }
        count += 1;
    }
    assert_eq!(count, 426);
}

/// What is no number of any bug check is judged by its stack.
#[test]
fn a_bug_check_that_nobody_knows() {
    check(&[
        (
            "abcdef 1 2 3 4; stack nt!KeBugCheckEx acme!Work+3",
            "acme.sys bug-check-caller high 0xABCDEF_acme!Work",
        ),
        ("abcdef 1 2 3 4", "unknown nobody none 0xABCDEF_ANALYSIS_INCONCLUSIVE!unknown_function"),
    ]);
}

#[test]
fn the_published_hash() {
    let expected = "{9745090a-9bce-ccba-c096-ca6e9ca04c64}";
    assert_eq!(hash("km:", "AV_myfault!unknown_function"), expected);
    assert_eq!(hash("km:", "av_MYFAULT!unknown_function"), expected);
}

#[test]
fn all_published_pairs_hash_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/bucket_hash_pairs.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: ../shared is not there");
        return;
    };
    let pairs: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(pairs.len(), 30);
    for pair in pairs {
        let text = |key| pair.get(key).and_then(Value::as_str).unwrap();
        assert_eq!(hash(text("prefix"), text("bucket")), format!("{{{}}}", text("hash")), "{pair}");
    }
}

/// Hostile names: nothing of them gets out of a bucket, which stays one line.
#[test]
fn a_bucket_is_one_line() {
    let long = "x".repeat(5_000);
    for name in ["a\nb\r.sys", "\u{1b}[2Jevil.sys", "sys.\u{202E}exe", "\u{2028}.sys", &format!("{long}.sys")]
    {
        let json = serde_json::json!({
            "bugcheck_code": "0x116", "args": ["1", "2", "3", "4"], "process_name": name,
            "leads": [{"parameter": 2, "module": name, "offset": "20"}],
        });
        let verdict = judge(&Facts::from_json(&json.to_string()).unwrap(), &Owners::default());
        let bucket = verdict.failure_bucket_id;
        assert!(bucket.starts_with("0x116_IMAGE_") && bucket.chars().count() <= 300, "{bucket:?}");
        assert!(
            !bucket.chars().any(|c| c.is_control() || matches!(c, '\u{202E}' | '\u{2028}')),
            "{bucket:?}"
        );
    }
}

//! The blob store on a real folder: whole or absent, durable before `Ok`, and no way out of the folder.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write as _;

use bluescope_storage::blobs::{BlobError, Blobs, kept_key, spool_key};
use bluescope_storage::symbols::{SymbolKey, SymbolStore};
use bytes::Bytes;
use tempfile::TempDir;
use uuid::Uuid;

const LIMIT: u64 = 1 << 20;

fn open() -> (TempDir, Blobs) {
    let dir = TempDir::new().unwrap();
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    (dir, blobs)
}

#[tokio::test]
async fn what_is_put_is_got_until_deleted() {
    let (dir, blobs) = open();
    let key = kept_key(Uuid::from_u128(7));
    assert!(blobs.get(&key, LIMIT).await.unwrap_err().is_not_found());
    blobs.put(&key, Bytes::from_static(b"first")).await.unwrap();
    blobs.put(&key, Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(blobs.get(&key, LIMIT).await.unwrap(), "second");
    let again = Blobs::open(&dir.path().join("blobs")).unwrap();
    assert_eq!(again.get(&key, LIMIT).await.unwrap(), "second");
    assert_eq!(again.size().await.unwrap(), 6);
    blobs.delete(&key).await.unwrap();
    blobs.delete(&key).await.unwrap();
    assert!(blobs.get(&key, LIMIT).await.unwrap_err().is_not_found());
    assert_eq!(blobs.size().await.unwrap(), 0);
}

#[tokio::test]
async fn a_finished_temporary_file_becomes_a_blob_and_a_dropped_one_nothing() {
    let (dir, blobs) = open();
    let files_in_tmp = || std::fs::read_dir(dir.path().join("blobs/tmp")).unwrap().count();
    let mut file = blobs.temp_file().unwrap();
    file.write_all(b"a dump too large for the queue").unwrap();
    let key = spool_key(Uuid::from_u128(9));
    blobs.put_file(&key, file.into_temp_path()).await.unwrap();
    assert_eq!(blobs.get(&key, LIMIT).await.unwrap(), "a dump too large for the queue");
    assert_eq!(files_in_tmp(), 0);

    let mut dropped = blobs.temp_file().unwrap();
    dropped.write_all(b"cut").unwrap();
    assert_eq!(files_in_tmp(), 1);
    assert_eq!(blobs.size().await.unwrap(), 30);
    drop(dropped);
    assert_eq!(files_in_tmp(), 0);
}

#[tokio::test]
async fn two_uploads_of_one_crash_do_not_share_a_blob() {
    let (_dir, blobs) = open();
    let crash = Uuid::from_u128(11);
    let (first, second) = (spool_key(crash), spool_key(crash));
    assert_ne!(first, second);
    blobs.put(&first, Bytes::from_static(b"same")).await.unwrap();
    blobs.put(&second, Bytes::from_static(b"same")).await.unwrap();
    blobs.delete(&first).await.unwrap();
    assert_eq!(blobs.get(&second, LIMIT).await.unwrap(), "same");
}

#[tokio::test]
async fn a_blob_beyond_the_limit_is_not_read() {
    let (_dir, blobs) = open();
    let key = kept_key(Uuid::from_u128(1));
    blobs.put(&key, Bytes::from(vec![0; 1001])).await.unwrap();
    let error = blobs.get(&key, 1000).await.unwrap_err();
    assert!(matches!(error, BlobError::TooLarge { bytes: 1001, limit: 1000, .. }), "{error:?}");
    assert!(!error.retryable());
    assert_eq!(blobs.get(&key, 1001).await.unwrap().len(), 1001);
}

#[tokio::test]
async fn only_our_own_keys_reach_the_disk() {
    let (dir, blobs) = open();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    let id = Uuid::from_u128(1);
    let keys = [
        String::new(),
        "/etc/passwd".to_owned(),
        "../secret".to_owned(),
        "kept/../../secret".to_owned(),
        "tmp/x".to_owned(),
        format!("kept/{id}/x"),
        format!("kept/{id}/"),
        format!("/kept/{id}"),
        format!("kept//{id}"),
        format!("kept/{}", id.simple()),
        format!("kept/{{{id}}}"),
        format!("kept/{id}\0"),
        format!("spool/{id}"),
        format!("spool/{id}/.."),
        format!("spool/{id}/%2e%2e"),
        "x".repeat(100_000),
    ];
    for key in keys {
        let refused = |error: BlobError| matches!(error, BlobError::BadKey { .. }) && !error.retryable();
        assert!(refused(blobs.get(&key, LIMIT).await.unwrap_err()), "{key}");
        assert!(refused(blobs.put(&key, Bytes::new()).await.unwrap_err()), "{key}");
        assert!(refused(blobs.delete(&key).await.unwrap_err()), "{key}");
        let file = blobs.temp_file().unwrap().into_temp_path();
        assert!(refused(blobs.put_file(&key, file).await.unwrap_err()), "{key}");
    }
    assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn a_failing_folder_is_worth_another_try() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(Blobs::open(&dir.path().join("file")).unwrap_err().retryable());
}

#[test]
fn only_old_temporary_files_are_cleared_away() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("tmp")).unwrap();
    let (old, young) = (dir.path().join("tmp/old"), dir.path().join("tmp/young"));
    for path in [&old, &young] {
        std::fs::write(path, "x").unwrap();
    }
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 60 * 60);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(yesterday).unwrap();
    Blobs::open(dir.path()).unwrap();
    assert!(!old.exists() && young.exists());
}

#[tokio::test]
async fn symbol_files_are_each_tenants_own() {
    let (dir, blobs) = open();
    let store = SymbolStore::new(blobs.clone());
    let pdb = "3249D99D0C4049318610F4E4FB0B69361";
    let key = SymbolKey::new("Crash.pdb", pdb, "Crash.pdb").unwrap();
    store.put("../../acme", &key, Bytes::from_static(b"pdb")).await.unwrap();
    let lower = SymbolKey::new("crash.pdb", &pdb.to_lowercase(), "crash.pdb").unwrap();
    assert_eq!(store.get("../../acme", &lower, LIMIT).await.unwrap().unwrap(), "pdb");
    for other in ["", "acme", "../../ACME"] {
        assert_eq!(store.get(other, &key, LIMIT).await.unwrap(), None, "{other:?}");
    }
    let sym = SymbolKey::new("crash.pdb", pdb, "crash.sym").unwrap();
    let mut file = store.temp_file().unwrap();
    file.write_all(b"MODULE windows").unwrap();
    store.put_file("", &sym, file.into_temp_path()).await.unwrap();
    assert_eq!(store.get("", &sym, LIMIT).await.unwrap().unwrap(), "MODULE windows");
    assert!(matches!(store.get("", &sym, 3).await.unwrap_err(), BlobError::TooLarge { .. }));
    // Nothing but what the store makes gets to the disk under its folder either.
    let tenant = "0".repeat(32);
    for bad in [
        format!("symbols/{tenant}/a/0123456789/../a"),
        format!("symbols/{tenant}/../0123456789/a"),
        format!("symbols/{tenant}/a/0123456789/b"),
        format!("symbols/{tenant}/A/0123456789/A"),
        format!("symbols/{tenant}/a/01234/a"),
        "symbols/acme/a/0123456789/a".to_owned(),
        format!("symbols/{tenant}/a/0123456789"),
    ] {
        assert!(
            matches!(blobs.put(&bad, Bytes::new()).await.unwrap_err(), BlobError::BadKey { .. }),
            "{bad}"
        );
    }
    let folders = std::fs::read_dir(dir.path().join("blobs/symbols")).unwrap().count();
    assert_eq!(folders, 2);
}

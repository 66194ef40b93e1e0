//! Files that people pushed: before all others, and for nobody else.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bluescope_symbols::{Answer, FileId, Library, PrivateStore, PrivateStoreError, Want};
use bytes::Bytes;
use prometheus_client::registry::Registry;

use crate::server::Server;
use crate::support::*;

#[derive(Debug, Default)]
struct Pushed {
    files: Mutex<HashMap<(String, FileId), Vec<u8>>>,
    asked: AtomicUsize,
}

impl PrivateStore for Pushed {
    fn get<'s>(
        &'s self,
        scope: &'s str,
        id: &'s FileId,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Bytes>, PrivateStoreError>> + Send + 's>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.files.lock().unwrap().get(&(scope.to_owned(), id.clone())).cloned();
        Box::pin(async move {
            match scope {
                "broken" => Err(PrivateStoreError("the disk is gone".into())),
                _ => Ok(found.map(Bytes::from)),
            }
        })
    }
}

impl Pushed {
    fn push(&self, scope: &str, id: FileId, content: Vec<u8>) {
        self.files.lock().unwrap().insert((scope.to_owned(), id), content);
    }
}

fn with_store(sources: &[String]) -> (Library, Arc<Pushed>, tempfile::TempDir) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Pushed::default());
    let library =
        Library::open(config(cache.path(), sources), Some(store.clone()), &mut Registry::default()).unwrap();
    (library, store, cache)
}

async fn function(library: &Library, scope: &str, number: u32) -> String {
    let answers = library.get(scope, &[Want::Names(pdb_id(number))]).await;
    match &answers[0].1 {
        Answer::Names(names) => names.places(0x1000)[0].function.clone(),
        other => format!("{:?}", word(other)),
    }
}

fn named(number: u32, function: &str) -> Vec<u8> {
    let id = pdb_id(number);
    format!("MODULE windows x86_64 {} {}\nFUNC 1000 20 0 {function}\n", id.key(), id.name()).into_bytes()
}

#[tokio::test]
async fn a_tenant_sees_its_own_files_and_nobody_elses() {
    let server = Server::with_files([(sym_path(1), named(1, "Public"))]).await;
    let (library, store, cache) = with_store(&[server.url("/")]);
    store.push("one", FileId::Sym(pdb_id(1)), named(1, "One"));
    store.push("two", FileId::Sym(pdb_id(1)), named(1, "Two"));
    store.push("one", FileId::Sym(pdb_id(2)), named(2, "Secret"));
    for _ in 0..2 {
        assert_eq!(function(&library, "one", 1).await, "One");
        assert_eq!(function(&library, "two", 1).await, "Two");
        assert_eq!(function(&library, "three", 1).await, "Public");
        assert_eq!(function(&library, "one", 2).await, "Secret");
        assert_eq!(function(&library, "two", 2).await, "Missing(NotFound)");
    }
    let kept = files(cache.path(), ".sym");
    assert_eq!(kept.len(), 1, "only the public one: {kept:?}");
    assert!(!std::fs::read_to_string(&kept[0]).unwrap().contains("One"));
}

#[tokio::test]
async fn a_file_that_is_pushed_is_seen_at_once_and_loaded_once() {
    let (library, store, _cache) = with_store(&[]);
    assert_eq!(function(&library, "one", 1).await, "Missing(NotFound)");
    store.push("one", FileId::Sym(pdb_id(1)), named(1, "First"));
    assert_eq!(function(&library, "one", 1).await, "First");
    let asked = store.asked.load(Ordering::Relaxed);
    assert_eq!(function(&library, "one", 1).await, "First");
    assert_eq!(store.asked.load(Ordering::Relaxed), asked);
    store.push("one", FileId::Sym(pdb_id(1)), named(1, "Second"));
    library.forget("one", &FileId::Sym(pdb_id(1)));
    assert_eq!(function(&library, "one", 1).await, "Second");
}

#[tokio::test]
async fn what_was_pushed_is_forgotten_for_all_and_what_is_public_stays() {
    let server = Server::with_files([(sym_path(1), named(1, "Public"))]).await;
    let (library, store, _cache) = with_store(&[server.url("/")]);
    for scope in ["one", "two"] {
        store.push(scope, FileId::Sym(pdb_id(1)), named(1, "First"));
        assert_eq!(function(&library, scope, 1).await, "First");
        store.push(scope, FileId::Sym(pdb_id(1)), named(1, "Second"));
    }
    assert_eq!(function(&library, "three", 1).await, "Public");
    assert_eq!(function(&library, "one", 1).await, "First", "as long as nobody says so");
    library.forget_pushed();
    assert_eq!(function(&library, "one", 1).await, "Second");
    assert_eq!(function(&library, "two", 1).await, "Second");
    assert_eq!(function(&library, "three", 1).await, "Public");
    assert_eq!(server.count(&sym_path(1)), 1);
}

/// Says how many are in its hands at once, and lets none go before all are there that may be.
#[derive(Debug, Default)]
struct Slow {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl PrivateStore for Slow {
    fn get<'s>(
        &'s self,
        _scope: &'s str,
        _id: &'s FileId,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Bytes>, PrivateStoreError>> + Send + 's>> {
        Box::pin(async {
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            self.now.fetch_sub(1, Ordering::Relaxed);
            Ok(None)
        })
    }
}

#[tokio::test]
async fn few_pushed_files_are_in_memory_at_once() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let cache = tempfile::tempdir().unwrap();
    let store = Arc::new(Slow::default());
    let mut registry = Registry::default();
    let library = Library::open(config(cache.path(), &[]), Some(store.clone()), &mut registry).unwrap();
    let wants: Vec<Want> = (0..50).map(|number| Want::Image(image_id(number))).collect();
    let answers = library.get("one", &wants).await;
    assert!(answers.iter().all(|(_, answer)| word(answer) == NOT_FOUND));
    let most = store.most.load(Ordering::Relaxed);
    assert!((2..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn a_store_that_fails_hides_no_public_file_and_is_no_proof() {
    let server = Server::with_files([(sym_path(1), named(1, "Public"))]).await;
    let (library, store, _cache) = with_store(&[server.url("/")]);
    assert_eq!(function(&library, "broken", 1).await, "Public");
    assert_eq!(function(&library, "broken", 2).await, "Missing(Unreachable)");
    store.push("one", FileId::Sym(pdb_id(3)), b"no such file".to_vec());
    assert_eq!(function(&library, "one", 3).await, "Missing(Damaged)");
    assert_eq!(get_image(&library, 1).await, NOT_FOUND);
}

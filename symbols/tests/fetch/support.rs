//! Small files of each kind, and a library with short limits.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bluescope_symbols::fetch::{FailureTtls, LibraryConfig, SourceConfig, Timeouts};
use bluescope_symbols::{Answer, ImageId, Library, Missing, PdbId, Want};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use uuid::Uuid;

/// The image of a number: `driver7.sys`.
pub(crate) fn image_id(number: u32) -> ImageId {
    ImageId::new(&format!("Driver{number}.sys"), 0x5AB3_0000 + number, 0x2000).unwrap()
}

pub(crate) fn image_path(number: u32) -> String {
    let id = image_id(number);
    format!("/{}/{}/{}", id.name(), id.key(), id.name())
}

pub(crate) fn pdb_id(number: u32) -> PdbId {
    PdbId::new(&format!("driver{number}.pdb"), Uuid::from_u128(0xABC0 + u128::from(number)), 1).unwrap()
}

pub(crate) fn sym_path(number: u32) -> String {
    let id = pdb_id(number);
    format!("/{}/{}/driver{number}.sym", id.name(), id.key())
}

/// The headers of an x64 image with one section, and some bytes behind them that differ.
pub(crate) fn image(number: u32) -> Vec<u8> {
    let mut file = vec![0_u8; 0x600];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0");
    put(0x84, &0x8664_u16.to_le_bytes());
    put(0x86, &1_u16.to_le_bytes());
    put(0x88, &image_id(number).timestamp().to_le_bytes());
    put(0x94, &0xf0_u16.to_le_bytes());
    let optional = 0x98;
    put(optional, &0x20b_u16.to_le_bytes());
    put(optional + 32, &0x1000_u32.to_le_bytes());
    put(optional + 36, &0x200_u32.to_le_bytes());
    put(optional + 56, &0x2000_u32.to_le_bytes());
    put(optional + 60, &0x400_u32.to_le_bytes());
    put(optional + 108, &16_u32.to_le_bytes());
    let section = optional + 0xf0;
    put(section, b".text");
    for (at, value) in [(8, 0x200_u32), (12, 0x1000), (16, 0x200), (20, 0x400), (36, 0x6000_0020)] {
        put(section + at, &value.to_le_bytes());
    }
    put(0x400, &[0xc3; 0x200]);
    file
}

/// A `.sym` file with one function.
pub(crate) fn sym(number: u32) -> Vec<u8> {
    let id = pdb_id(number);
    format!("MODULE windows x86_64 {} {}\nFUNC 1000 20 0 DriverEntry{number}\n", id.key(), id.name())
        .into_bytes()
}

pub(crate) fn cabinet(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    builder.add_folder(cab::CompressionType::MsZip).add_file(name);
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    while let Some(mut file) = writer.next_file().unwrap() {
        file.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A configuration whose limits are short, but for those that a busy machine would reach.
pub(crate) fn config(cache: &Path, sources: &[String]) -> LibraryConfig {
    LibraryConfig {
        sources: sources.iter().map(|source| SourceConfig::parse(source).unwrap()).collect(),
        timeouts: Timeouts {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            whole: Duration::from_secs(20),
            wants: Duration::from_secs(30),
        },
        retries: 0,
        failures: FailureTtls {
            not_found: Duration::from_secs(3_600),
            unreachable: Duration::from_secs(60),
            damaged: Duration::from_secs(86_400),
        },
        ..LibraryConfig::new(cache)
    }
}

pub(crate) fn open(config: LibraryConfig) -> Library {
    drop(rustls::crypto::ring::default_provider().install_default());
    Library::open(config, None, &mut Registry::default()).unwrap()
}

/// A library with its own cache folder.
pub(crate) fn library(sources: &[String]) -> (Library, TempDir) {
    let cache = tempfile::tempdir().unwrap();
    (open(config(cache.path(), sources)), cache)
}

/// What became of a want, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got {
    Image,
    Names,
    Missing(Missing),
}

pub(crate) const NOT_FOUND: Got = Got::Missing(Missing::NotFound);
pub(crate) const UNREACHABLE: Got = Got::Missing(Missing::Unreachable);
pub(crate) const DAMAGED: Got = Got::Missing(Missing::Damaged);

pub(crate) fn word(answer: &Answer) -> Got {
    match answer {
        Answer::Image(_) => Got::Image,
        Answer::Names(_) => Got::Names,
        Answer::Missing(why) => Got::Missing(*why),
    }
}

pub(crate) async fn get(library: &Library, want: Want) -> Got {
    let answers = library.get("tenant", std::slice::from_ref(&want)).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0, want);
    word(&answers[0].1)
}

pub(crate) async fn get_image(library: &Library, number: u32) -> Got {
    get(library, Want::Image(image_id(number))).await
}

pub(crate) async fn get_names(library: &Library, number: u32) -> Got {
    get(library, Want::Names(pdb_id(number))).await
}

/// All files of a cache whose names end so.
pub(crate) fn files(cache: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![cache.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Makes files look as if they were written so long ago.
pub(crate) fn age(cache: &Path, ending: &str, by: Duration) {
    let files = files(cache, ending);
    assert!(!files.is_empty(), "no files *{ending} to age");
    for path in files {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

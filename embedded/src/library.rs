//! Where libchdb is. Looks, never downloads.

use std::path::{Path, PathBuf};

use crate::EngineError;

const NAME: &str = if cfg!(target_os = "macos") { "libchdb.dylib" } else { "libchdb.so" };
/// Where `scripts/setup` puts it, below the project's folder.
const DOWNLOADED: &str = ".deps/libchdb";
const SYSTEM: &[&str] = &["/usr/local/lib", "/usr/lib", "/usr/lib64", "/opt/homebrew/lib"];

/// Finds libchdb: the file or folder named, `LIBCHDB`, beside the executable, `.deps/libchdb` in the working folder
/// or any folder above the executable, the system's library folders.
///
/// A library that is named must be there: another one is not taken in its place.
pub fn find_library(explicit: Option<&Path>) -> Result<PathBuf, EngineError> {
    let named = explicit
        .map(Path::to_path_buf)
        .or_else(|| std::env::var_os("LIBCHDB").filter(|value| !value.is_empty()).map(PathBuf::from));
    let candidates = match named {
        Some(path) if path.is_dir() => vec![path.join(NAME)],
        Some(path) => vec![path],
        None => places(std::env::current_exe().ok().as_deref(), std::env::current_dir().ok().as_deref()),
    };
    match candidates.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(EngineError::LibraryMissing { looked: candidates }),
    }
}

fn places(executable: Option<&Path>, working: Option<&Path>) -> Vec<PathBuf> {
    let beside = executable.and_then(Path::parent);
    let mut places = Vec::new();
    places.extend(beside.map(|folder| folder.join(NAME)));
    places.extend(working.map(|folder| folder.join(DOWNLOADED).join(NAME)));
    places.extend(
        beside.iter().flat_map(|folder| folder.ancestors()).map(|above| above.join(DOWNLOADED).join(NAME)),
    );
    places.extend(SYSTEM.iter().map(|folder| Path::new(folder).join(NAME)));
    // Linux's libchdb.so is what the packages for every platform contain; the macOS one has had both names.
    if NAME != "libchdb.so" {
        places.extend(places.clone().into_iter().map(|path| path.with_file_name("libchdb.so")));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_from_the_nearest_place_to_the_farthest() {
        let places = places(Some(Path::new("/a/b/program")), Some(Path::new("/w")));
        let expected = [
            "/a/b/".to_owned() + NAME,
            "/w/.deps/libchdb/".to_owned() + NAME,
            "/a/b/.deps/libchdb/".to_owned() + NAME,
            "/a/.deps/libchdb/".to_owned() + NAME,
            "/.deps/libchdb/".to_owned() + NAME,
            "/usr/local/lib/".to_owned() + NAME,
        ];
        let found: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(found[..expected.len()], expected);
    }

    #[test]
    fn a_named_library_that_is_missing_is_an_error_that_says_what_to_do() {
        let error = find_library(Some(Path::new("/nowhere/libchdb.so"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere/libchdb.so") && error.contains("scripts/setup"), "{error}");
    }
}

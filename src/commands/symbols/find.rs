//! The symbol files under what people name. A file named is taken as it is; of a folder only what begins like one, since
//! a build's output holds thousands of others.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fleet::symbols::looks_useful;

use super::Found;

/// Folders within folders: real trees have some ten levels. Links to folders are not followed, so there is no circle.
const DEEPEST: u32 = 64;

/// The files named and those under the folders named, in order.
pub(super) fn files(paths: &[PathBuf]) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for path in paths {
        let about = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if about.is_dir() {
            in_folder(path, DEEPEST, &mut found)?;
        } else {
            found.files.push((path.clone(), about.len()));
        }
    }
    Ok(found)
}

fn in_folder(folder: &Path, depth: u32, found: &mut Found) -> anyhow::Result<()> {
    let cannot_read = |path: &Path| format!("cannot read {}", path.display());
    let depth = depth.checked_sub(1).with_context(|| format!("{} is nested too deep", folder.display()))?;
    let entries = std::fs::read_dir(folder).with_context(|| cannot_read(folder))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(|| cannot_read(folder))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().with_context(|| cannot_read(&path))?.is_dir() {
            in_folder(&path, depth, found)?;
            continue;
        }
        // A link that leads nowhere, a socket, a pipe: nothing to send.
        let Some(about) = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file) else { continue };
        if looks_useful(&path).with_context(|| cannot_read(&path))? {
            found.files.push((path, about.len()));
        } else {
            found.left_out += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_folder_only_symbol_files_are_taken_whatever_they_are_called() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        write("b/c/crash.bin", b"MZ and more");
        write("a.sym", b"MODULE windows x86_64 0 a.pdb\n");
        write("b/readme.pdb", b"this is no PDB");
        write("notes", b"");
        #[cfg(unix)]
        for (to, link) in [(dir.path(), "b/circle"), (Path::new("nowhere"), "b/dangling")] {
            std::os::unix::fs::symlink(to, dir.path().join(link)).unwrap();
        }
        let found = files(&[dir.path().to_path_buf(), dir.path().join("notes")]).unwrap();
        let names: Vec<_> =
            found.files.iter().map(|(path, len)| (path.strip_prefix(dir.path()).unwrap(), *len)).collect();
        assert_eq!(
            names,
            [(Path::new("a.sym"), 30), (Path::new("b/c/crash.bin"), 11), (Path::new("notes"), 0)]
        );
        assert_eq!(found.left_out, 2);
        assert!(files(&[dir.path().join("missing")]).is_err());
    }
}

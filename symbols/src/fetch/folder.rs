//! A folder as a source: a store that `symstore` made, or just the folder where a build left its files. Names match
//! whatever their case; nothing outside of the folder is read.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Component, Path, PathBuf};

use super::layout::{Attempt, Kind, TWO_TIERS};
use super::remote::Fault;
use crate::identify::{InflateError, copy_capped};

mod patience;

pub(crate) use patience::Turn;

/// A `file.ptr` holds one path.
const POINTER_BYTES: u64 = 4 << 10;

/// A folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether it is a store of two tiers.
    fn two_tiers(&self) -> bool {
        self.root.join(TWO_TIERS).is_file()
    }

    /// A file of it.
    fn open(&self, attempt: &Attempt) -> Result<File, Fault> {
        // An empty answer of a folder that is not mounted would be believed.
        fs::metadata(&self.root).map_err(|error| self.failed(&error))?;
        let found = self.find(&attempt.parts).map_err(|error| self.failed(&error))?.ok_or(Fault::Absent)?;
        let path = match attempt.kind {
            Kind::File | Kind::Flat => found,
            Kind::Pointer => {
                self.pointed(&found).map_err(|error| self.failed(&error))?.ok_or(Fault::Absent)?
            }
        };
        let from = File::open(&path).map_err(|error| self.failed(&error))?;
        let about = from.metadata().map_err(|error| self.failed(&error))?;
        if about.is_file() { Ok(from) } else { Err(Fault::Absent) }
    }

    /// Copies it, so that nobody changes it while it is in use.
    fn copy(&self, from: File, to: &mut impl Write, limit: u64) -> Result<(), Fault> {
        match copy_capped(from, to, limit) {
            Ok(_bytes) => Ok(()),
            Err(InflateError::Damaged(error)) => Err(self.failed(&error)),
            Err(InflateError::TooLarge(limit)) => Err(Fault::TooLarge(limit)),
            Err(InflateError::Write(error)) => Err(Fault::Here(error)),
        }
    }

    /// Rights and what is not mounted stay as they are until somebody mends them; a mount that fails may come back.
    fn failed(&self, error: &io::Error) -> Fault {
        let why = format!("{}: {error}", self.root.display());
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => {
                Fault::Refused(why)
            }
            _ => Fault::failing(why),
        }
    }

    /// The path below the root, whatever the case of its parts.
    fn find(&self, parts: &[String]) -> io::Result<Option<PathBuf>> {
        let mut path = self.root.clone();
        for part in parts {
            let exact = path.join(part);
            path = match exact.try_exists() {
                Ok(true) => exact,
                Ok(false) => match other_case(&path, part)? {
                    Some(other) => other,
                    None => return Ok(None),
                },
                // A file of that name where a store has a folder: people's folders have both.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        Ok(path.is_file().then_some(path))
    }

    /// The file that a `file.ptr` names, where it lies in this folder: a store that somebody put there must not make us
    /// read what he could not.
    fn pointed(&self, pointer: &Path) -> io::Result<Option<PathBuf>> {
        let mut text = String::new();
        File::open(pointer)?.take(POINTER_BYTES).read_to_string(&mut text)?;
        // The other kind is MSG: and a text for people.
        let Some(path) = text.trim().strip_prefix("PATH:") else { return Ok(None) };
        let path = PathBuf::from(path.trim().replace('\\', "/"));
        let plain = path.components().all(|part| !matches!(part, Component::Prefix(_)));
        let path = pointer.parent().unwrap_or(&self.root).join(path);
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok((plain && path.starts_with(fs::canonicalize(&self.root)?)).then_some(path))
    }
}

fn other_case(folder: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|other| other.eq_ignore_ascii_case(name)) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(folder: &Folder, parts: &[&str], kind: Kind) -> Option<String> {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        let target = tempfile::NamedTempFile::new().unwrap();
        let mut to = target.reopen().unwrap();
        match folder.open(&Attempt { parts, kind }).and_then(|from| folder.copy(from, &mut to, 100)) {
            Ok(()) => Some(fs::read_to_string(target.path()).unwrap()),
            Err(Fault::Absent) => None,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_match_whatever_their_case() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("Crash.PDB/ABC1")).unwrap();
        fs::write(root.path().join("Crash.PDB/ABC1/CRASH.pdb"), "found").unwrap();
        let folder = Folder::new(root.path());
        let found = copied(&folder, &["crash.pdb", "abc1", "crash.pdb"], Kind::File);
        assert_eq!(found.as_deref(), Some("found"));
        assert_eq!(copied(&folder, &["crash.pdb", "abc2", "crash.pdb"], Kind::File), None);
        assert_eq!(copied(&folder, &["crash.pdb", "abc1"], Kind::File), None, "a folder is no file");
    }

    #[test]
    fn pointers_lead_nowhere_else() {
        let above = tempfile::tempdir().unwrap();
        let root = above.path().join("store");
        fs::create_dir_all(root.join("a/1")).unwrap();
        fs::write(root.join("a/1/real"), "found").unwrap();
        fs::write(above.path().join("secret"), "secret").unwrap();
        let folder = Folder::new(&root);
        let inside = format!("PATH:{}", root.join("a/1/real").display());
        let outside = format!("PATH:{}", above.path().join("secret").display());
        for (text, expected) in [
            (inside.as_str(), Some("found")),
            ("PATH:real\r\n", Some("found")),
            ("PATH:..\\1\\real", Some("found")),
            (&outside, None),
            ("PATH:../../../secret", None),
            ("PATH:\\\\server\\share\\secret", None),
            ("PATH:/etc/hostname", None),
            ("MSG: removed", None),
            ("", None),
        ] {
            fs::write(root.join("a/1/file.ptr"), text).unwrap();
            assert_eq!(
                copied(&folder, &["a", "1", "file.ptr"], Kind::Pointer).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_folder_that_is_gone_is_not_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(&root.path().join("not mounted"));
        let attempt = Attempt { parts: vec!["a".to_owned()], kind: Kind::Flat };
        let fault = folder.open(&attempt).unwrap_err();
        assert!(matches!(fault, Fault::Refused(_)), "{fault}");
    }
}

//! What a file is, by its content: an image, a PDB, a `.sym` file, or an archive of those. Never trusts a name: it only
//! names what cannot name itself.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

mod archive;
mod cabinet;
mod check;
mod inflate;

use bytes::Bytes;

use crate::id::{FileId, ImageId, PdbId};
use crate::image::{Damaged, Headers, Image};
use crate::module::sym;
use crate::names::{self, Msf, Source};

pub use cabinet::{UncabError, uncab};
pub use check::check;
pub(crate) use inflate::{InflateError, copy as copy_capped};

/// How much one upload may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Largest file, unpacked.
    pub file_bytes: u64,
    /// All files of an archive together, unpacked.
    pub total_bytes: u64,
    /// Files of an archive.
    pub files: usize,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { file_bytes: 2 << 30, total_bytes: 4 << 30, files: 1_000 }
    }
}

/// One file that is of use.
#[derive(Debug, Clone)]
pub struct Identified {
    /// What it is to be filed under.
    pub id: FileId,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What an upload came to.
#[derive(Debug, Clone, Default)]
pub struct Unpacked {
    /// Files of use.
    pub files: Vec<Identified>,
    /// The others: name inside of the archive, and why it is of no use.
    pub refused: Vec<(String, String)>,
}

impl Unpacked {
    fn file(&mut self, name: &str, bytes: Bytes) {
        match identify(name, &bytes) {
            Ok(id) => self.files.push(Identified { id, bytes }),
            Err(error) => self.refuse(name, &error.to_string()),
        }
    }

    fn refuse(&mut self, name: &str, why: &str) {
        self.refused.push((shown(name), why.to_owned()));
    }
}

/// A name out of an archive, fit for a person's screen.
fn shown(name: &str) -> String {
    name.chars().take(200).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Pdb,
    Sym,
    Zip,
    Cabinet,
}

impl Kind {
    fn of(bytes: &[u8]) -> Option<Self> {
        let kinds: [(&[u8], Self); 6] = [
            (b"MZ", Self::Image),
            (names::MAGIC, Self::Pdb),
            (b"MODULE ", Self::Sym),
            (b"PK\x03\x04", Self::Zip),
            (b"PK\x05\x06", Self::Zip),
            (b"MSCF", Self::Cabinet),
        ];
        kinds.into_iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| kind)
    }
}

/// Looks into a file, and into its members where it is a zip or a cabinet; an archive in an archive is refused. `name` is
/// what it was called: it names a PDB, which does not know its own name, and an image.
pub fn unpack(name: &str, bytes: Bytes, limits: &UnpackLimits) -> Unpacked {
    let mut unpacked = Unpacked::default();
    match Kind::of(&bytes) {
        Some(Kind::Zip) => archive::zip(&bytes, limits, &mut unpacked),
        Some(Kind::Cabinet) => cabinet::unpack(&bytes, limits, &mut unpacked),
        _ if u64::try_from(bytes.len()).is_ok_and(|len| len > limits.file_bytes) => {
            unpacked.refuse(name, &format!("larger than {} bytes", limits.file_bytes));
        }
        _ => unpacked.file(name, bytes),
    }
    if unpacked.files.is_empty() && unpacked.refused.is_empty() {
        unpacked.refuse(name, "an empty archive");
    }
    unpacked
}

fn identify(name: &str, bytes: &Bytes) -> Result<FileId, Damaged> {
    match Kind::of(bytes) {
        Some(Kind::Image) => image(name, bytes),
        Some(Kind::Pdb) => pdb(name, bytes),
        Some(Kind::Sym) => sym::id(bytes).map(FileId::Sym),
        Some(Kind::Zip | Kind::Cabinet) => Err(Damaged::new("archive", "inside of another")),
        None => Err(Damaged::new("file", "no image, no PDB of Visual C++ 7 or later, no .sym file")),
    }
}

/// An image is asked for by the name it was loaded under, which is its file's: many a DLL was renamed after it was linked
/// and exports its old name. A name without an ending is no file's (a form's field, a hash): then what it exports goes.
fn image(name: &str, bytes: &Bytes) -> Result<FileId, Damaged> {
    check::whole(&Headers::parse(bytes)?, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    let image = Image::parse(bytes.clone())?;
    let exported = image.exported_name().filter(|_| !name.contains('.'));
    let id = ImageId::new(exported.as_deref().unwrap_or(name), image.timestamp(), image.size());
    id.map(FileId::Image)
        .ok_or_else(|| Damaged::new("image", "no name that a file can have, or no time stamp"))
}

/// The folder of a PDB is called as its image calls it, which is the file's name for all but those that were renamed.
fn pdb(name: &str, bytes: &Bytes) -> Result<FileId, Damaged> {
    let identity = names::identity(&Msf::open(Source::Memory(bytes.clone()))?)?;
    let id = PdbId::new(name, identity.guid, identity.age);
    id.map(FileId::Pdb).ok_or_else(|| Damaged::new("PDB", "no name that a file can have, or no GUID"))
}

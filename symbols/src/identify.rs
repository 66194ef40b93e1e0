//! What a file is, by its content: an image, a PDB, a `.sym` file, or an archive of those. Never trusts a name.

use bytes::Bytes;

use crate::id::FileId;

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

/// Looks into a file, and into its members where it is a zip or a cabinet. `name` is what it was called: it names an
/// image whose headers do not, and a PDB, and nothing else.
pub fn unpack(name: &str, bytes: Bytes, limits: &UnpackLimits) -> Unpacked {
    let _ = (bytes, limits);
    Unpacked { files: Vec::new(), refused: vec![(name.to_owned(), "not built yet".to_owned())] }
}

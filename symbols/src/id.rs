//! What a symbol file is asked for by: an image by its time stamp and size, a PDB by its GUID and age. Owns the rule which
//! names may become part of a path: they come from dumps and clients.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest name of a file. Windows allows 255; real ones are below 60.
const NAME_BYTES: usize = 128;

/// A base name that is safe as one part of a path and of a URL: no separators, no leading dot, printable ASCII.
fn safe(name: &str) -> Option<&str> {
    let base = name.rsplit(['\\', '/']).next().unwrap_or(name);
    let fits =
        !base.is_empty() && base.len() <= NAME_BYTES && !base.starts_with('.') && !base.ends_with(['.', ' ']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+@()$ ~!,=&{}[]#".contains(c);
    (fits && base.chars().all(plain)).then_some(base)
}

/// A PE image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageId {
    name: String,
    timestamp: u32,
    size: u32,
}

impl ImageId {
    /// `None` where the name could not be that of a file, or nothing tells which file.
    pub fn new(name: &str, timestamp: u32, size: u32) -> Option<Self> {
        (timestamp != 0 && size != 0).then_some(())?;
        Some(Self { name: safe(name)?.to_owned(), timestamp, size })
    }

    /// Base name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `TimeDateStamp` of its header.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// `SizeOfImage` of its header.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// As symbol servers key it: `5AB380779000`.
    pub fn key(&self) -> String {
        format!("{:08X}{:x}", self.timestamp, self.size)
    }
}

/// A PDB, or what was made from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PdbId {
    name: String,
    guid: Uuid,
    age: u32,
}

impl PdbId {
    /// `None` where the name could not be that of a file, or nothing tells which file.
    pub fn new(name: &str, guid: Uuid, age: u32) -> Option<Self> {
        (!guid.is_nil()).then_some(())?;
        Some(Self { name: safe(name)?.to_owned(), guid, age })
    }

    /// Base name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its GUID.
    pub fn guid(&self) -> Uuid {
        self.guid
    }

    /// How often it was written.
    pub fn age(&self) -> u32 {
        self.age
    }

    /// As symbol servers key it: `3249D99D0C4049318610F4E4FB0B69361`.
    pub fn key(&self) -> String {
        format!("{:X}{:x}", self.guid.simple(), self.age)
    }
}

/// One file of a symbol store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileId {
    /// A PE image.
    Image(ImageId),
    /// A PDB.
    Pdb(PdbId),
    /// A Breakpad `.sym` file of that PDB.
    Sym(PdbId),
}

impl FileId {
    /// Name of the folder in a store: that of the image or of the PDB.
    pub fn name(&self) -> &str {
        match self {
            Self::Image(id) => id.name(),
            Self::Pdb(id) | Self::Sym(id) => id.name(),
        }
    }

    /// Name of the file itself: a `.sym` file stands in the folder of its PDB.
    pub fn file_name(&self) -> String {
        match self {
            Self::Image(_) | Self::Pdb(_) => self.name().to_owned(),
            Self::Sym(id) => {
                let name = id.name();
                let stem = match name.rsplit_once('.') {
                    Some((stem, ending)) if ending.eq_ignore_ascii_case("pdb") => stem,
                    _ => name,
                };
                format!("{stem}.sym")
            }
        }
    }

    /// Key of the folder.
    pub fn key(&self) -> String {
        match self {
            Self::Image(id) => id.key(),
            Self::Pdb(id) | Self::Sym(id) => id.key(),
        }
    }

    /// `image`, `pdb`, `sym`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Pdb(_) => "pdb",
            Self::Sym(_) => "sym",
        }
    }
}

impl fmt::Display for FileId {
    /// `crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.pdb`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.name(), self.key(), self.file_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_a_folder_are_refused() {
        for name in ["", "..", ".", "a\0b", "x:y", "é.sys", "a.sys ", "a%2fb", "a?b", &"x".repeat(129)] {
            assert_eq!(ImageId::new(name, 1, 1), None, "{name:?}");
        }
        for (name, base) in
            [("C:\\a\\b.sys", "b.sys"), ("../../etc/b", "b"), ("WdFilter.sys", "WdFilter.sys")]
        {
            assert_eq!(ImageId::new(name, 1, 1).unwrap().name(), base);
        }
    }

    #[test]
    fn keys_are_those_of_symbol_servers() {
        let image = ImageId::new("crash.exe", 0x5AB3_8077, 0x9000).unwrap();
        assert_eq!(FileId::Image(image).to_string(), "crash.exe/5AB380779000/crash.exe");
        let guid = Uuid::parse_str("3249d99d-0c40-4931-8610-f4e4fb0b6936").unwrap();
        let pdb = PdbId::new("crash.pdb", guid, 1).unwrap();
        assert_eq!(
            FileId::Pdb(pdb.clone()).to_string(),
            "crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.pdb"
        );
        assert_eq!(FileId::Sym(pdb).to_string(), "crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.sym");
    }
}

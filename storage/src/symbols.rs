//! Symbol files that people pushed, in the blob store: a folder for each tenant, none of which sees another's. Owns the
//! shape of their keys; never looks inside a file, and makes a path of nothing that it has not checked.

use bytes::Bytes;
use tempfile::TempPath;

use crate::blobs::{BlobError, Blobs};

/// Longest name: what may name a symbol file elsewhere is no longer.
const NAME_BYTES: usize = 128;
/// A tenant's folder: the beginning of a hash, because a tenant's name is any text.
const TENANT_CHARS: usize = 32;
/// Image keys have 9 to 16 digits, those of PDBs 33 to 40.
const KEY_CHARS: std::ops::RangeInclusive<usize> = 9..=40;

/// Which file of a symbol store: `crash.pdb`, `3249d99d0c4049318610f4e4fb0b69361`, `crash.sym`. Lower case, because
/// Windows does not tell names by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SymbolKey {
    name: String,
    key: String,
    file_name: String,
}

impl SymbolKey {
    /// `None` where the parts could not be those of a symbol file.
    pub fn new(name: &str, key: &str, file_name: &str) -> Option<Self> {
        let [name, key, file_name] = [name, key, file_name].map(str::to_ascii_lowercase);
        is_symbol(&name, &key, &file_name).then_some(Self { name, key, file_name })
    }

    /// `crash.pdb/3249d99d0c4049318610f4e4fb0b69361`: a `.sym` file and its PDB share it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.name, self.key)
    }

    fn blob(&self, tenant: &str) -> String {
        format!("symbols/{}/{}/{}/{}", folder(tenant), self.name, self.key, self.file_name)
    }
}

/// The files of all tenants; clones share them.
#[derive(Debug, Clone)]
pub struct SymbolStore {
    blobs: Blobs,
}

impl SymbolStore {
    /// Keeps them beside the dumps.
    pub fn new(blobs: Blobs) -> Self {
        Self { blobs }
    }

    /// A new temporary file for [`Self::put_file`]. It goes away when dropped.
    pub fn temp_file(&self) -> Result<tempfile::NamedTempFile, BlobError> {
        self.blobs.temp_file()
    }

    /// Stores a file of a tenant: durable when `Ok`; an older one is replaced at once or not at all.
    pub async fn put(&self, tenant: &str, key: &SymbolKey, bytes: Bytes) -> Result<(), BlobError> {
        self.blobs.put(&key.blob(tenant), bytes).await
    }

    /// The same for a finished temporary file of [`Self::temp_file`].
    pub async fn put_file(&self, tenant: &str, key: &SymbolKey, file: TempPath) -> Result<(), BlobError> {
        self.blobs.put_file(&key.blob(tenant), file).await
    }

    /// A file of a tenant, if it has at most `limit` bytes; `None` where the tenant has none.
    pub async fn get(&self, tenant: &str, key: &SymbolKey, limit: u64) -> Result<Option<Bytes>, BlobError> {
        match self.blobs.get(&key.blob(tenant), limit).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn folder(tenant: &str) -> String {
    let hash = blake3::hash(tenant.as_bytes()).to_hex();
    hash.chars().take(TENANT_CHARS).collect()
}

/// Whether a blob's key, without the leading `symbols`, is one that this module makes.
pub(crate) fn is_key(tenant: &str, name: &str, key: &str, file_name: &str) -> bool {
    tenant.len() == TENANT_CHARS && is_hex(tenant) && is_symbol(name, key, file_name)
}

fn is_symbol(name: &str, key: &str, file_name: &str) -> bool {
    let of_name = file_name == name || file_name.strip_suffix(".sym") == Some(stem(name));
    of_name && [name, file_name].into_iter().all(is_name) && KEY_CHARS.contains(&key.len()) && is_hex(key)
}

/// `crash` of `crash.pdb`; of any other name the whole.
fn stem(name: &str) -> &str {
    name.strip_suffix(".pdb").unwrap_or(name)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// A plain name in lower case that is one part of a path and nothing else.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-+@()$ ~!,=&{}[]#".contains(c);
    // The object store keeps names that end with `#` and digits for its own unfinished files.
    let staged = name
        .split_once('#')
        .is_some_and(|(_, rest)| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    (1..=NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && !name.ends_with(['.', ' '])
        && name.chars().all(plain)
        && !staged
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDB: &str = "3249D99D0C4049318610F4E4FB0B69361";

    #[test]
    fn keys_are_lower_case_and_hide_the_tenant() {
        let key = SymbolKey::new("Crash.pdb", PDB, "Crash.pdb").unwrap();
        assert_eq!(key.id(), "crash.pdb/3249d99d0c4049318610f4e4fb0b69361");
        let blob = key.blob("../acme");
        let parts: Vec<&str> = blob.split('/').collect();
        assert!(parts[1].len() == TENANT_CHARS && is_hex(parts[1]), "{blob}");
        assert_eq!(parts[2..], ["crash.pdb", "3249d99d0c4049318610f4e4fb0b69361", "crash.pdb"]);
        assert_ne!(blob, key.blob("acme"));
        let sym = SymbolKey::new("crash.pdb", PDB, "crash.sym").unwrap();
        assert_eq!(sym.id(), key.id());
        assert_ne!(sym.blob(""), key.blob(""));
        assert!(SymbolKey::new("libfoo.so", PDB, "libfoo.so.sym").is_some());
    }

    #[test]
    fn nothing_else_is_a_symbol_file() {
        let name = |name: &str| SymbolKey::new(name, PDB, name);
        let long = "x".repeat(NAME_BYTES + 1);
        for wrong in ["", ".", "..", ".x", "a/b", "a\\b", "a\0", "é", "a.", "a ", "a%2f", "a:b", "a#1", &long]
        {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
        assert!(name("a#b").is_some() && name("Visual C++ [1] ~x.dll").is_some());
        for key in ["", "12345678", "../../../..", "3249d99d0c4049318610f4e4fb0b6936g", &"0".repeat(41)] {
            assert_eq!(SymbolKey::new("a", key, "a"), None, "{key:?}");
        }
        for file in ["b", "..", "a.sym/..", "b.sym", ".sym"] {
            assert_eq!(SymbolKey::new("a", PDB, file), None, "{file:?}");
        }
    }
}

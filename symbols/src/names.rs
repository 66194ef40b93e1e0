//! Names out of a PDB: function, inlined functions, source file and line; on x86 also the frame data.

use std::fs::File;

use breakpad_symbols::FrameWalker;

use crate::id::PdbId;
use crate::image::Damaged;

/// What stands at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Demangled, without arguments: `DataProcessor::ConsumeData`.
    pub function: String,
    /// Distance from the start of the function, the same for all places of one address.
    pub offset: u32,
    /// Source file.
    pub file: Option<String>,
    /// Source line; of an outer function: the line of the call.
    pub line: Option<u32>,
    /// Whether the compiler put it into the next one of the list.
    pub inlined: bool,
}

/// A PDB, ready to be asked. Parts of it are read at the first question that needs them.
pub struct Pdb {
    id: PdbId,
}

impl std::fmt::Debug for Pdb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pdb").field(&self.id).finish()
    }
}

impl Pdb {
    /// Opens a PDB file.
    ///
    /// # Errors
    /// [`Damaged`] where it is none that can be read.
    pub fn open(file: File, name: &str) -> Result<Self, Damaged> {
        let _ = (file, name);
        Err(Damaged { what: "PDB", why: "not built yet".to_owned() })
    }

    /// GUID and age as the file itself has them.
    pub fn id(&self) -> &PdbId {
        &self.id
    }

    /// Functions at an offset from the image's base, innermost first; empty where it knows none.
    pub fn places(&self, rva: u32) -> Vec<Place> {
        let _ = rva;
        Vec::new()
    }

    /// x86: the frame below, by frame data or FPO data.
    pub fn walk_frame(&self, base: u64, walker: &mut dyn FrameWalker) -> Option<()> {
        let _ = (base, walker);
        None
    }

    /// x86: bytes of arguments that the function at an offset takes off the stack.
    pub fn parameter_bytes(&self, rva: u32) -> Option<u32> {
        let _ = rva;
        None
    }

    /// Bytes held, roughly: for the budget of a cache.
    pub fn held(&self) -> usize {
        0
    }
}

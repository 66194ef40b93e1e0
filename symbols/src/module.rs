//! Everything that is known of one loaded module: its image, and the PDB or `.sym` file. The one place that is asked for
//! names and frames.

pub mod sym;

use std::fs::File;
use std::sync::Arc;

use breakpad_symbols::{FrameWalker, SymbolFile};

use crate::id::FileId;
use crate::image::{Damaged, Image};
use crate::names::{Pdb, Place};
use crate::unwind::Caller;

/// Where names come from.
#[derive(Debug, Clone)]
pub enum Names {
    /// A PDB.
    Pdb(Arc<Pdb>),
    /// A Breakpad `.sym` file.
    Sym(Arc<SymbolFile>),
}

impl Names {
    /// Loads a file that was asked for as `id`. A PDB stays open, and is read as it is asked.
    ///
    /// # Errors
    /// [`Damaged`] where it cannot be read, or `id` is that of an image.
    pub fn load(id: &FileId, file: File) -> Result<Self, Damaged> {
        match id {
            FileId::Pdb(id) => Pdb::open(file, id.name()).map(|pdb| Self::Pdb(Arc::new(pdb))),
            FileId::Sym(_) => sym::load(&file).map(|symbols| Self::Sym(Arc::new(symbols))),
            FileId::Image(_) => Err(Damaged::new("image", "holds no names")),
        }
    }

    /// Functions at an offset from the image's base, innermost first; empty where nothing is known.
    pub fn places(&self, rva: u32) -> Vec<Place> {
        match self {
            Self::Pdb(pdb) => pdb.places(rva),
            Self::Sym(symbols) => sym::places(symbols, rva),
        }
    }

    /// Whether code may stand at an offset from the image's base, at the price of a search in memory.
    pub fn holds_code(&self, rva: u32) -> bool {
        match self {
            Self::Pdb(pdb) => pdb.holds_code(rva),
            Self::Sym(symbols) => sym::holds_code(symbols, rva),
        }
    }

    /// Bytes held, roughly: for the budget of a cache. Of a `.sym` file this counts through all of it.
    pub fn held(&self) -> usize {
        match self {
            Self::Pdb(pdb) => pdb.held(),
            Self::Sym(symbols) => sym::held(symbols),
        }
    }
}

/// One module; both parts may be missing.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// The image.
    pub image: Option<Arc<Image>>,
    /// Its names.
    pub names: Option<Names>,
}

impl Module {
    /// Functions at an offset from the base, innermost first; empty where nothing is known.
    pub fn places(&self, rva: u32) -> Vec<Place> {
        self.names.as_ref().map(|names| names.places(rva)).unwrap_or_default()
    }

    /// x86: bytes of arguments that the function at an offset takes off the stack.
    pub fn parameter_bytes(&self, rva: u32) -> Option<u32> {
        match self.names.as_ref()? {
            Names::Pdb(pdb) => pdb.parameter_bytes(rva),
            Names::Sym(symbols) => sym::parameter_bytes(symbols, rva),
        }
    }

    /// The frame below, by unwind information. `None` where there is none for this address; then frame pointers and
    /// scanning are the caller's to try.
    ///
    /// The walker's instruction is the failing one in the first frame and right behind a trap (`has_grand_callee` is
    /// false then), and one byte before the return address in all others.
    pub fn walk_frame(&self, base: u64, walker: &mut dyn FrameWalker) -> Option<Caller> {
        crate::unwind::walk_frame(self, base, walker)
    }
}

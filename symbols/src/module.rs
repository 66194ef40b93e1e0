//! Everything that is known of one loaded module: its image, and the PDB or `.sym` file. The one place that is asked for
//! names and frames.

use std::sync::Arc;

use breakpad_symbols::{FrameWalker, SymbolFile};

use crate::image::Image;
use crate::names::{Pdb, Place};

/// Where names come from.
#[derive(Debug, Clone)]
pub enum Names {
    /// A PDB.
    Pdb(Arc<Pdb>),
    /// A Breakpad `.sym` file.
    Sym(Arc<SymbolFile>),
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
        match &self.names {
            Some(Names::Pdb(pdb)) => pdb.places(rva),
            Some(Names::Sym(_)) | None => Vec::new(),
        }
    }

    /// The frame below, by unwind information. `None` where there is none for this address; then frame pointers and
    /// scanning are the caller's to try.
    ///
    /// The walker's instruction is the failing one in the first frame and right behind a trap (`has_grand_callee` is
    /// false then), and one byte before the return address in all others.
    pub fn walk_frame(&self, base: u64, walker: &mut dyn FrameWalker) -> Option<()> {
        crate::unwind::walk_frame(self, base, walker)
    }
}

//! What one analysis may ask: symbol files that were loaded before it began. Never fetches: what it lacks is told, fetched
//! by the caller, and the analysis runs again. So an analysis with symbols is as pure as one without.

use std::collections::HashMap;
use std::sync::Arc;

use crate::id::{ImageId, PdbId};
use crate::image::Image;
use crate::module::Names;

/// A file that an analysis asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Want {
    /// An image.
    Image(ImageId),
    /// Names: a PDB, or a `.sym` file of it.
    Names(PdbId),
}

/// Why a file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// No source has it.
    NotFound,
    /// A source that may have it did not answer: ask again later.
    Unreachable,
    /// What came is damaged, or something else.
    Damaged,
}

/// What became of a question.
#[derive(Debug, Clone)]
pub enum Answer {
    /// An image.
    Image(Arc<Image>),
    /// Names.
    Names(Names),
    /// Nothing.
    Missing(Missing),
}

/// Answers, by question.
#[derive(Debug, Clone, Default)]
pub struct SymbolSet {
    answers: HashMap<Want, Answer>,
}

impl SymbolSet {
    /// Notes an answer.
    pub fn insert(&mut self, want: Want, answer: Answer) {
        self.answers.insert(want, answer);
    }

    /// The answer to a question; `None` where it has not been asked.
    pub fn get(&self, want: &Want) -> Option<&Answer> {
        self.answers.get(want)
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nothing was asked yet.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

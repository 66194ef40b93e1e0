//! Why a dump gave no analysis at all. Damage that leaves something readable is no error: it is in `problems`.

/// The bytes are no dump that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Unreadable {
    /// Stable word for metrics and rows: `empty`, `not_a_dump`, `truncated`, `too_large`, `damaged`.
    pub code: &'static str,
    /// What is wrong, in words.
    pub problem: String,
}

impl Unreadable {
    pub(crate) fn new(code: &'static str, problem: impl std::fmt::Display) -> Self {
        Self { code, problem: problem.to_string() }
    }
}

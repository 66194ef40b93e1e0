//! Why a source did not give a file. A failure is a value: it is kept on disk with its own time to live, so that neither
//! the next crash nor a restart asks for what was not there a minute ago.

use std::time::Duration;

use super::config::FailureTtls;
use crate::set::Missing;

/// What became of asking one source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It has no such file.
    #[error("not found")]
    NotFound,
    /// It may have it, and did not answer.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// What came is something else.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It was not asked, or this machine failed: nothing is known of the source, and nothing is kept.
    #[error("not asked: {0}")]
    Untried(String),
}

impl Failure {
    /// What an analysis is told.
    pub(crate) fn missing(&self) -> Missing {
        match self {
            Self::NotFound => Missing::NotFound,
            Self::Unreachable(_) | Self::Untried(_) => Missing::Unreachable,
            Self::Damaged(_) => Missing::Damaged,
        }
    }

    /// How long it is believed; `None` where it is not kept.
    pub(crate) fn ttl(&self, ttls: &FailureTtls) -> Option<Duration> {
        match self {
            Self::NotFound => Some(ttls.not_found),
            Self::Unreachable(_) => Some(ttls.unreachable),
            Self::Damaged(_) => Some(ttls.damaged),
            Self::Untried(_) => None,
        }
    }

    /// For metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unreachable(_) => "unreachable",
            Self::Damaged(_) => "damaged",
            Self::Untried(_) => "untried",
        }
    }

    /// As it is kept on disk.
    pub(crate) fn to_text(&self) -> Option<String> {
        let why = match self {
            Self::NotFound => "",
            Self::Unreachable(why) | Self::Damaged(why) => why,
            Self::Untried(_) => return None,
        };
        Some(format!("{}\n{why}\n", self.outcome()))
    }

    /// As it was kept; `None` where a later version wrote it.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (kind, why) = text.split_once('\n')?;
        let why = why.trim_end().to_owned();
        match kind {
            "not_found" => Some(Self::NotFound),
            "unreachable" => Some(Self::Unreachable(why)),
            "damaged" => Some(Self::Damaged(why)),
            _ => None,
        }
    }
}

/// What all sources together come to: one that may have the file outweighs one that gave a wrong one, and that outweighs
/// those without.
pub(crate) fn worse(one: Missing, other: Missing) -> Missing {
    match (one, other) {
        (Missing::Unreachable, _) | (_, Missing::Unreachable) => Missing::Unreachable,
        (Missing::Damaged, _) | (_, Missing::Damaged) => Missing::Damaged,
        (Missing::NotFound, Missing::NotFound) => Missing::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_kept_as_text() {
        for failure in [
            Failure::NotFound,
            Failure::Unreachable("no answer within 5 s".to_owned()),
            Failure::Damaged("image: two\nlines".to_owned()),
        ] {
            assert_eq!(Failure::from_text(&failure.to_text().unwrap()), Some(failure));
        }
        assert_eq!(Failure::Untried("the disk is full".to_owned()).to_text(), None);
        assert_eq!(Failure::from_text("of another version\n"), None);
        assert_eq!(Failure::from_text(""), None);
    }
}

//! Analysis with symbols, in rounds: analyse, fetch what it lacked, analyse again. The analysis itself stays pure and the
//! fetching knows no dump.

use std::sync::Arc;

use symbols::{Library, SymbolSet};
use tokio::time::{Instant, timeout_at};

use crate::Analysis;

/// A round names the modules of the frames that the one before it made certain. Real stacks need three or four; a hostile
/// one must not keep on asking.
const MOST_ROUNDS: usize = 24;

/// Analyses until nothing more is wanted, or until a deadline: then the last round stands, and what it still wanted is
/// `not asked` in its report. `scope` is whose private symbols may be used.
///
/// # Errors
/// What the analysis itself returns.
pub async fn with_symbols<E, Done>(
    library: &Library,
    scope: &str,
    deadline: Option<Instant>,
    mut analyse: impl FnMut(Arc<SymbolSet>) -> Done,
) -> Result<Analysis, E>
where
    Done: Future<Output = Result<Analysis, E>>,
{
    let mut set = Arc::new(SymbolSet::default());
    let mut rounds = 0_usize;
    loop {
        let analysis = analyse(Arc::clone(&set)).await?;
        rounds = rounds.saturating_add(1);
        if analysis.wants.is_empty() || rounds >= MOST_ROUNDS {
            return Ok(analysis);
        }
        let asked = library.get(scope, &analysis.wants);
        let answers = match deadline {
            None => asked.await,
            Some(deadline) => match timeout_at(deadline, asked).await {
                Ok(answers) => answers,
                Err(_elapsed) => return Ok(analysis),
            },
        };
        let before = set.len();
        let known = Arc::make_mut(&mut set);
        for (want, answer) in answers {
            known.insert(want, answer);
        }
        // Nobody answered: the next round would ask the same.
        if set.len() == before {
            return Ok(analysis);
        }
    }
}

//! What may come next while somebody types a query: keys, then values by the machines that have them.

use serde::{Deserialize, Serialize};
use storage::questions::Range;
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, now_ms};
use crate::query;
use crate::respond::Fault;

/// Values that are looked through are those of the last week.
const PAST_MS: i64 = 7 * 86_400_000;
/// As many as fit on a screen.
const MOST: u32 = 10;
/// Nobody types more.
const LONGEST: usize = 4_096;

/// The query string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompleteQuery {
    /// What is typed so far.
    #[param(example = "driver:cs")]
    pub(crate) q: String,
    /// Where the cursor is, in Unicode characters; at the end where it is not said.
    pub(crate) at: Option<usize>,
}

/// One suggestion.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Suggestion {
    /// What takes the place of the marked part.
    pub(crate) text: String,
    /// What it is.
    pub(crate) hint: String,
    /// Machines that have this value in the last seven days; `None` for keys.
    pub(crate) machines: Option<u64>,
    /// The whole query with it.
    pub(crate) query: String,
}

/// What may come next, and what it would replace.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Completion {
    /// First character that a suggestion takes the place of, counted in Unicode characters.
    pub(crate) at: usize,
    /// How many it takes the place of.
    pub(crate) length: usize,
    /// Keys and fixed values, then values of crashes; of these, those that begin so first, then by machines.
    pub(crate) suggestions: Vec<Suggestion>,
}

pub(crate) async fn gather(app: &App, asked: CompleteQuery) -> Result<Completion, Fault> {
    if asked.q.len() > LONGEST {
        return Err(Fault::BadRequest(format!("A query to complete has at most {LONGEST} bytes.")));
    }
    let wanted = query::wanted(&asked.q, asked.at);
    let suggestion = |text: String, hint: &str, machines: Option<u64>| Suggestion {
        query: wanted.applied(&asked.q, &text),
        text,
        hint: hint.to_owned(),
        machines,
    };
    let ours = wanted.keys().into_iter().chain(wanted.fixed());
    let mut suggestions: Vec<Suggestion> = ours.map(|(text, hint)| suggestion(text, hint, None)).collect();
    if let Some(values) = wanted.values() {
        let now_ms = now_ms();
        let range = Range { from_ms: now_ms - PAST_MS, to_ms: now_ms + 60_000 };
        let known = app.database.known_values(values, &wanted.part, range, MOST).await?;
        let lines = known.into_iter().map(|it| suggestion(wanted.written(&it.value), "", Some(it.machines)));
        suggestions.extend(lines);
    }
    Ok(Completion { at: wanted.at(), length: wanted.length(), suggestions })
}

//! What is counted over a range, kept by what was asked: the longer the range, the less a moment changes of it and the more
//! it costs to ask. While it is fresh it is given as it is; while it is not too old it is given and asked for anew beside;
//! later whoever wants it waits. One question of a kind is under way at a time, whoever has gone away meanwhile.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::range::Span;
use crate::respond::Fault;

/// Whoever asks makes up the questions; an answer is some kilobytes.
const MOST: usize = 200;
/// What takes less is asked each time.
const CHEAP: Duration = Duration::from_millis(100);

/// How long an answer is fresh, and how long it is good enough meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ages {
    fresh: Duration,
    enough: Duration,
}

impl Ages {
    /// One that nobody is given when it is older.
    pub(super) fn only(fresh: Duration) -> Self {
        Self { fresh, enough: fresh }
    }

    /// Of the fleet's past: the week of 1.5 million crashes takes a second to ask for; its newest bar is two hours wide.
    pub(super) fn of_fleet(span: Span) -> Self {
        let (fresh, enough) = match span {
            Span::Now | Span::Hour => (1, 1),
            Span::Day => (2, 30),
            Span::Week => (30, 600),
        };
        Self { fresh: Duration::from_secs(fresh), enough: Duration::from_secs(enough) }
    }

    /// Of what took so long to ask for: the engine spends a tenth of its time at most on one page, however many have it open.
    pub(super) fn of_page(span: Span, took: Duration) -> Self {
        let took = if took < CHEAP { Duration::ZERO } else { took };
        let Self { fresh, enough } = Self::of_fleet(span);
        Self { fresh: fresh.min(took * 10), enough: enough.min(took * 60) }
    }
}

struct Answer<V> {
    at: Instant,
    took: Duration,
    value: Arc<V>,
}

/// The last answer, and the question under way.
struct Slot<V> {
    found: Option<Answer<V>>,
    asking: Option<JoinHandle<Result<Answer<V>, Fault>>>,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { found: None, asking: None }
    }
}

type Slots<K, V> = HashMap<K, (Instant, Arc<tokio::sync::Mutex<Slot<V>>>)>;

/// Answers by question; clones share them.
pub(super) struct Kept<K, V>(Arc<Mutex<Slots<K, V>>>);

impl<K, V> Clone for Kept<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash, V: Send + Sync + 'static> Kept<K, V> {
    /// The answer to a question, as old as `ages` has it for one that took so long; `ask` is called where it has to be asked.
    pub(super) async fn get<F>(
        &self,
        question: &K,
        ages: impl Fn(Duration) -> Ages,
        ask: impl FnOnce() -> F,
    ) -> Result<Arc<V>, Fault>
    where
        F: Future<Output = Result<V, Fault>> + Send + 'static,
    {
        let slot = self.slot(question);
        let mut slot = slot.lock().await;
        let Slot { found, asking } = &mut *slot;
        let fit = |answer: &Answer<V>| {
            let Ages { fresh, enough } = ages(answer.took);
            let age = answer.at.elapsed();
            (age < fresh, age < enough)
        };
        let (is_fresh, is_enough) = found.as_ref().map_or((false, false), fit);
        if let Some(answer) = found.as_ref().filter(|_| is_fresh) {
            return Ok(answer.value.clone());
        }
        let task = asking.get_or_insert_with(|| {
            let (begun, asked) = (Instant::now(), ask());
            tokio::spawn(async move {
                let value = Arc::new(asked.await?);
                // Its age counts from here, so that those who waited for it have it, however long it took.
                Ok(Answer { at: Instant::now(), took: begun.elapsed(), value })
            })
        });
        if let Some(answer) = found.as_ref().filter(|_| is_enough && !task.is_finished()) {
            return Ok(answer.value.clone());
        }
        let ended = task.await;
        *asking = None;
        let answer = ended.map_err(|error| {
            tracing::error!(%error, "a question ended by itself");
            Fault::Away
        })??;
        let value = answer.value.clone();
        *found = Some(answer);
        Ok(value)
    }

    fn slot(&self, question: &K) -> Arc<tokio::sync::Mutex<Slot<V>>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(question) {
            let oldest =
                slots.iter().min_by_key(|(_, (used, _))| *used).map(|(question, _)| question.clone());
            oldest.and_then(|oldest| slots.remove(&oldest));
        }
        let (used, slot) = slots.entry(question.clone()).or_insert_with(|| (Instant::now(), Arc::default()));
        *used = Instant::now();
        slot.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Asks, and says which question this was the answer to.
    async fn ask(kept: &Kept<u32, u32>, key: u32, ages: Ages, asked: &Arc<AtomicU32>) -> u32 {
        let asked = asked.clone();
        let question = || async move { Ok(asked.fetch_add(1, Ordering::Relaxed) + 1) };
        *kept.get(&key, |_| ages, question).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_fresh_is_given_and_what_is_enough_is_given_while_it_is_asked_anew() {
        let (kept, asked) = (Kept::default(), Arc::default());
        let fresh = Ages { fresh: LONG, enough: LONG };
        let stale = Ages { fresh: Duration::ZERO, enough: LONG };
        let old = Ages { fresh: Duration::ZERO, enough: Duration::ZERO };
        assert_eq!(ask(&kept, 0, fresh, &asked).await, 1);
        assert_eq!(ask(&kept, 0, fresh, &asked).await, 1);
        assert_eq!(ask(&kept, 0, stale, &asked).await, 1, "the second question is under way");
        while asked.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&kept, 0, old, &asked).await, 2, "the answer to it");
        assert_eq!(ask(&kept, 0, old, &asked).await, 3);
        assert_eq!(ask(&kept, 1, fresh, &asked).await, 4, "another question");
    }

    #[tokio::test]
    async fn a_failure_is_told_to_who_asked_and_is_not_kept() {
        let (kept, asked) = (Kept::default(), Arc::default());
        let fresh = Ages { fresh: LONG, enough: LONG };
        let failed = kept.get(&0, |_| fresh, || async { Err(Fault::Away) }).await;
        assert_eq!(failed, Err(Fault::Away));
        assert_eq!(ask(&kept, 0, fresh, &asked).await, 1);
    }

    #[tokio::test]
    async fn made_up_questions_do_not_pile_up_and_what_is_asked_often_stays() {
        let (kept, asked) = (Kept::default(), Arc::default());
        let fresh = Ages { fresh: LONG, enough: LONG };
        for key in 1..2000 {
            assert_eq!(ask(&kept, 0, fresh, &asked).await, 1);
            ask(&kept, key, fresh, &asked).await;
        }
        assert_eq!(kept.0.lock().unwrap().len(), MOST);
    }

    #[test]
    fn what_costs_more_is_kept_longer_and_never_longer_than_its_range_allows() {
        let ms = Duration::from_millis;
        let ages = |fresh, enough| Ages { fresh: ms(fresh), enough: ms(enough) };
        assert_eq!(Ages::of_page(Span::Week, ms(99)), ages(0, 0));
        assert_eq!(Ages::of_page(Span::Week, ms(500)), ages(5_000, 30_000));
        assert_eq!(Ages::of_page(Span::Day, ms(500)), ages(2_000, 30_000));
        assert_eq!(Ages::of_page(Span::Hour, ms(500)), ages(1_000, 1_000));
        assert_eq!(Ages::of_page(Span::Week, LONG), Ages::of_fleet(Span::Week));
    }
}

//! Answers, kept by what was asked. While one is fresh it is given as it is; while it is not too old it is given and asked
//! for anew beside; later whoever wants it waits. One question of a kind is under way at a time, whoever has gone away
//! meanwhile.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::range::Span;
use crate::respond::Fault;

/// Whoever asks makes up the questions; an answer is some kilobytes.
const MOST: usize = 200;
/// A database that is away is asked again after this, not by everybody who waits. What was known before stands meanwhile.
const FAULT_FRESH: Duration = Duration::from_secs(1);
/// What takes less is asked each time.
const CHEAP: Duration = Duration::from_millis(100);

/// How long an answer is fresh, and how long it is good enough meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ages {
    fresh: Duration,
    enough: Duration,
}

/// Nobody is given what is older, unless it takes a fiftieth of that to ask for.
const SLOWEST: Duration = Duration::from_secs(600);

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

    /// Of what changes slowly and may take seconds to ask for: the engine spends a fiftieth of its time on it at most.
    pub(super) fn of_slow(fresh: Duration, took: Duration) -> Self {
        let fresh = fresh.max(took * 50);
        Self { fresh, enough: (fresh * 5).min(SLOWEST).max(fresh) }
    }

    /// Of what changes slowly and is cheap to ask for where there is little: a hundredth of the time, and never older.
    pub(super) fn of_count(oldest: Duration, took: Duration) -> Self {
        Self::only(oldest.min(took * 100))
    }

    /// Of a page about the past that took so long to ask for: the engine spends a tenth of its time at most on one,
    /// however many have it open.
    pub(super) fn of_page(span: Span, took: Duration) -> Self {
        let took = if took < CHEAP { Duration::ZERO } else { took };
        let (fresh, enough) = match span {
            Span::Now | Span::Hour => (1, 10),
            Span::Day => (5, 60),
            Span::Week => (30, 600),
        };
        let [fresh, enough] = [fresh, enough].map(Duration::from_secs);
        Self { fresh: fresh.min(took * 10), enough: enough.min(took * 60) }
    }
}

/// Whether somebody waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    Awaited,
    Beside,
}

struct Answer<V> {
    at: Instant,
    took: Duration,
    value: Arc<V>,
}

/// What came of a question, and when.
type Outcome<V> = (Instant, Result<Answer<V>, Fault>);

/// The last answer, the failure after it, and the question under way.
struct Slot<V> {
    found: Option<Answer<V>>,
    failed: Option<(Instant, Fault)>,
    asking: Option<(Haste, JoinHandle<Outcome<V>>)>,
}

impl<V> Slot<V> {
    /// Takes what the question under way comes to.
    async fn settle(&mut self) {
        let Some((_, task)) = &mut self.asking else { return };
        let outcome = task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a question ended by itself");
            (Instant::now(), Err(Fault::Away))
        });
        self.asking = None;
        match outcome {
            (_, Ok(answer)) => (self.found, self.failed) = (Some(answer), None),
            (at, Err(fault)) => self.failed = Some((at, fault)),
        }
    }
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { found: None, failed: None, asking: None }
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
        ask: impl FnOnce(Haste) -> F,
    ) -> Result<Arc<V>, Fault>
    where
        F: Future<Output = Result<V, Fault>> + Send + 'static,
    {
        let slot = self.slot(question);
        let mut slot = slot.lock().await;
        // Nobody may have come for it since.
        if slot.asking.as_ref().is_some_and(|(_, task)| task.is_finished()) {
            slot.settle().await;
        }
        let before = slot.found.as_ref().and_then(|answer| {
            let (Ages { fresh, enough }, age) = (ages(answer.took), answer.at.elapsed());
            (age < enough).then(|| (answer.value.clone(), age < fresh))
        });
        if let Some((value, true)) = before {
            return Ok(value);
        }
        let before = before.map(|(value, _)| value);
        if let Some((at, fault)) = &slot.failed
            && at.elapsed() < FAULT_FRESH
        {
            return before.ok_or_else(|| fault.clone());
        }
        let haste = if before.is_some() { Haste::Beside } else { Haste::Awaited };
        // What was asked beside may be far back in a line.
        if let (Haste::Awaited, Some((Haste::Beside, slow))) = (haste, &slot.asking) {
            slow.abort();
            slot.asking = None;
        }
        slot.asking.get_or_insert_with(|| {
            let (begun, asked) = (Instant::now(), ask(haste));
            let outcome = async move {
                let value = asked.await.map(Arc::new);
                // Its age counts from here, so that those who waited for it have it, however long it took.
                let at = Instant::now();
                (at, value.map(|value| Answer { at, took: at - begun, value }))
            };
            (haste, tokio::spawn(outcome))
        });
        if let Some(value) = before {
            return Ok(value);
        }
        slot.settle().await;
        match (&slot.failed, &slot.found) {
            (Some((_, fault)), _) => Err(fault.clone()),
            (None, Some(answer)) => Ok(answer.value.clone()),
            (None, None) => Err(Fault::Away),
        }
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
        let question = |_| async move { Ok(asked.fetch_add(1, Ordering::Relaxed) + 1) };
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
        assert_eq!(ask(&kept, 0, fresh, &asked).await, 2, "the answer to it");
        assert_eq!(ask(&kept, 0, old, &asked).await, 3);
        assert_eq!(ask(&kept, 1, fresh, &asked).await, 4, "another question");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_came_for_is_not_given_when_it_is_too_old() {
        let (kept, asked) = (Kept::default(), Arc::default());
        let stale = Ages { fresh: Duration::ZERO, enough: LONG };
        assert_eq!(ask(&kept, 0, Ages::only(LONG), &asked).await, 1);
        assert_eq!(ask(&kept, 0, stale, &asked).await, 1);
        while asked.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&kept, 0, Ages::only(Duration::ZERO), &asked).await, 3);
    }

    #[tokio::test]
    async fn who_has_to_wait_does_not_wait_for_what_is_asked_beside() {
        let (kept, asked) = (Kept::default(), Arc::default());
        assert_eq!(ask(&kept, 0, Ages::only(LONG), &asked).await, 1);
        let stale = Ages { fresh: Duration::ZERO, enough: LONG };
        let never = |haste| async move {
            assert_eq!(haste, Haste::Beside);
            std::future::pending().await
        };
        assert_eq!(kept.get(&0, |_| stale, never).await, Ok(Arc::new(1)));
        assert_eq!(ask(&kept, 0, Ages::only(Duration::ZERO), &asked).await, 2);
    }

    #[tokio::test]
    async fn those_who_ask_at_once_cost_one_question() {
        let (kept, asked) = (Kept::default(), Arc::default());
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..100 {
            let (kept, asked): (Kept<u32, u32>, Arc<AtomicU32>) = (kept.clone(), Arc::clone(&asked));
            let question = |_| async move {
                tokio::task::yield_now().await;
                Ok(asked.fetch_add(1, Ordering::Relaxed))
            };
            tasks
                .spawn(async move { kept.get(&(number % 2), |_| Ages::only(LONG), question).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.len(), 100);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_failure_is_told_for_a_moment_where_nothing_was_known_before() {
        let (kept, asked) = (Kept::default(), Arc::default());
        let fail = |_| async { Err(Fault::Away) };
        let fresh = Ages::only(LONG);
        assert_eq!(kept.get(&0, |_| fresh, fail).await, Err(Fault::Away));
        assert_eq!(kept.get(&0, |_| fresh, |_| async { Ok(1) }).await, Err(Fault::Away));
        let stale = Ages { fresh: Duration::ZERO, enough: LONG };
        assert_eq!(ask(&kept, 1, fresh, &asked).await, 1);
        let mut told = Vec::new();
        while kept.slot(&1).lock().await.failed.is_none() {
            told.push(kept.get(&1, |_| stale, fail).await);
        }
        told.push(kept.get(&1, |_| stale, fail).await);
        assert!(told.iter().all(|told| *told == Ok(Arc::new(1))), "{told:?}");
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
        assert_eq!(Ages::of_page(Span::Day, ms(300)), ages(3_000, 18_000));
        assert_eq!(Ages::of_page(Span::Day, LONG), ages(5_000, 60_000));
        assert_eq!(Ages::of_page(Span::Hour, LONG), ages(1_000, 10_000));
        assert_eq!(Ages::of_page(Span::Week, LONG), ages(30_000, 600_000));
        assert_eq!(Ages::of_slow(ms(60_000), ms(300)), ages(60_000, 300_000));
        assert_eq!(Ages::of_slow(ms(60_000), ms(3_000)), ages(150_000, 600_000));
    }
}

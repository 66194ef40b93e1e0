//! Answers of the rollout gate, kept for seconds: a hundred deployment agents that ask the same cost one question.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::gather::gate::{Gate, Question};
use crate::respond::Fault;

/// Machines report every few minutes: nothing changes faster.
const FRESH: Duration = Duration::from_secs(5);
/// A database that is away is asked again after this, not by everybody who waits.
const FAULT_FRESH: Duration = Duration::from_secs(1);
/// Whoever asks makes up the questions.
const MOST: usize = 1_000;

/// One question's last answer. Whoever holds the lock asks; the others wait for what that gives.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Result<Arc<Gate>, Fault>)>>>;

/// All of them; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gates {
    slots: Arc<Mutex<BTreeMap<Question, Slot>>>,
}

impl Gates {
    /// The answer to a question: a fresh one, or what `ask` gives.
    pub(crate) async fn get(
        &self,
        question: &Question,
        ask: impl AsyncFnOnce() -> Result<Gate, Fault>,
    ) -> Result<Arc<Gate>, Fault> {
        let slot = self.slot(question);
        let mut kept = slot.lock().await;
        if let Some((at, answer)) = kept.as_ref()
            && at.elapsed() < if answer.is_ok() { FRESH } else { FAULT_FRESH }
        {
            return answer.clone();
        }
        let answer = ask().await.map(Arc::new);
        *kept = Some((Instant::now(), answer.clone()));
        answer
    }

    fn slot(&self, question: &Question) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(question) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
            if slots.len() >= MOST {
                // Those who wait keep theirs.
                slots.clear();
            }
        }
        slots.entry(question.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn question(driver: &str) -> Question {
        Question { driver: driver.to_owned(), ..Question::default() }
    }

    #[tokio::test]
    async fn those_who_ask_at_once_cost_one_question() {
        let (gates, asked) = (Gates::default(), Arc::new(AtomicU32::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..100 {
            let (gates, asked) = (gates.clone(), asked.clone());
            let question = question(if number % 2 == 0 { "a.sys" } else { "b.sys" });
            tasks.spawn(async move {
                let ask = async || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok(Gate::default())
                };
                gates.get(&question, ask).await.unwrap()
            });
        }
        assert_eq!(tasks.join_all().await.len(), 100);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_failure_is_an_answer_for_a_moment() {
        let gates = Gates::default();
        let failed = gates.get(&question("a.sys"), async || Err(Fault::Away)).await;
        assert_eq!(failed.map(|_| ()), Err(Fault::Away));
        let again = gates.get(&question("a.sys"), async || Ok(Gate::default())).await;
        assert_eq!(again.map(|_| ()), Err(Fault::Away));
    }

    #[tokio::test]
    async fn made_up_questions_do_not_pile_up() {
        let gates = Gates::default();
        for number in 0..3 * MOST {
            let driver = format!("{number}.sys");
            gates.get(&question(&driver), async || Ok(Gate::default())).await.unwrap();
        }
        assert!(gates.slots.lock().unwrap().len() <= MOST);
    }
}

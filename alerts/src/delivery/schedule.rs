//! When to try again: quickly at first, then ever more rarely, for a day. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Pauses after the first, second, ... failed attempt, in seconds; the last one repeats.
const PAUSES: [u64; 11] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900];
/// A page that is a day old helps nobody.
pub(crate) const LIFE_MS: i64 = 24 * 3_600_000;

/// How long to wait after so many failed attempts: the schedule, up to a fifth shorter or longer. The share is drawn
/// from the id, so that many notifications of one moment do not come back as one wave.
pub(crate) fn pause(attempts: u32, id: &str) -> Duration {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX).min(PAUSES.len() - 1);
    let mut hasher = DefaultHasher::new();
    (id, attempts).hash(&mut hasher);
    let permille = 800 + hasher.finish() % 401;
    Duration::from_millis(PAUSES[index] * permille)
}

/// Whether the next attempt would come too late.
pub(crate) fn over(age_ms: i64, pause: Duration) -> bool {
    age_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)) > LIFE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_schedule_within_a_fifth() {
        for attempts in 1..40_u32 {
            for id in ["a", "b", "c", "d"] {
                let base = PAUSES[(attempts as usize - 1).min(10)];
                let pause = pause(attempts, id);
                assert!(pause >= Duration::from_millis(base * 800), "{attempts}: {pause:?}");
                assert!(pause <= Duration::from_millis(base * 1200), "{attempts}: {pause:?}");
            }
        }
        assert_ne!(pause(5, "a"), pause(5, "b"));
    }

    #[test]
    fn a_day_holds_about_a_hundred_attempts() {
        let (mut age_ms, mut attempts) = (0_i64, 0);
        loop {
            attempts += 1;
            let next = pause(attempts, "x");
            if over(age_ms, next) {
                break;
            }
            age_ms += i64::try_from(next.as_millis()).unwrap();
        }
        assert!((80..130).contains(&attempts), "{attempts}");
    }
}

//! Pauses between attempts.

use std::time::Duration;

use super::{LONGEST_PAUSE, backoff};

#[test]
fn pauses_grow_and_stay_bounded() {
    assert!(backoff(1, 1) < Duration::from_millis(300));
    assert!(backoff(12, 1) >= Duration::from_secs(2));
    for attempt in 1..40 {
        assert!(backoff(attempt, 7) <= LONGEST_PAUSE.mul_f64(1.5));
    }
    assert_ne!(backoff(3, 1), backoff(3, 2));
}

//! Which dumps are kept: the first N of each bucket and day. Counts only; storing is the intake's.

use std::collections::HashMap;

const DAY_MS: i64 = 86_400_000;
/// Buckets counted at a time. A hostile fleet can make up bucket names; when there are this many, nothing new is kept
/// until the next day.
const MOST_BUCKETS: usize = 100_000;

/// Counts kept dumps of the current day. Starts anew with the process: at most N more per restart.
#[derive(Debug)]
pub(super) struct Keeper {
    most: u32,
    day: i64,
    kept: HashMap<String, u32>,
}

impl Keeper {
    pub(super) fn new(most: u32) -> Self {
        Self { most, day: 0, kept: HashMap::new() }
    }

    /// Whether the dump of a crash in this bucket is to be kept; counts it when it is.
    pub(super) fn wants(&mut self, bucket: &str, received_at_ms: i64) -> bool {
        let day = received_at_ms.div_euclid(DAY_MS);
        if day > self.day {
            self.day = day;
            self.kept.clear();
        }
        if self.most == 0 {
            return false;
        }
        if let Some(count) = self.kept.get_mut(bucket) {
            let wanted = *count < self.most;
            *count += u32::from(wanted);
            return wanted;
        }
        if self.kept.len() >= MOST_BUCKETS {
            return false;
        }
        self.kept.insert(bucket.to_owned(), 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_of_each_bucket_and_day() {
        let mut keeper = Keeper::new(2);
        let asked = ["a", "a", "a", "b", "a"].map(|bucket| keeper.wants(bucket, DAY_MS));
        assert_eq!(asked, [true, true, false, true, false]);
        assert!(keeper.wants("a", 2 * DAY_MS), "a new day");
        assert!(!Keeper::new(0).wants("a", DAY_MS));
    }
}

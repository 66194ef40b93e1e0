//! Which dumps are kept: the first N of each bucket and day, and the first of each fault site, which is what the deep path
//! works on. Counts only; storing is the intake's.

use std::collections::{HashMap, HashSet};

const DAY_MS: i64 = 86_400_000;
/// Buckets counted at a time. A hostile fleet can make up bucket names; when there are this many, nothing new is kept
/// until the next day.
const MOST_BUCKETS: usize = 100_000;
/// Fault sites of one bucket and day that are kept beyond its share: without symbols all bugs of a driver share a bucket,
/// and a driver has tens of bugs, not hundreds.
const MOST_SITES: usize = 100;

/// Module, time stamp, size and offset of the fault.
type Site = (String, u32, u32, u64);

#[derive(Debug, Default)]
struct Bucket {
    kept: u32,
    sites: HashSet<Site>,
}

/// Counts kept dumps of the current day. Starts anew with the process: at most N more per restart.
#[derive(Debug)]
pub(super) struct Keeper {
    most: u32,
    day: i64,
    buckets: HashMap<String, Bucket>,
}

impl Keeper {
    pub(super) fn new(most: u32) -> Self {
        Self { most, day: 0, buckets: HashMap::new() }
    }

    /// Whether the dump of a crash in this bucket and at this fault site is to be kept; counts it when it is.
    pub(super) fn wants(&mut self, bucket: &str, site: Site, received_at_ms: i64) -> bool {
        let day = received_at_ms.div_euclid(DAY_MS);
        if day > self.day {
            self.day = day;
            self.buckets.clear();
        }
        if self.most == 0 || (self.buckets.len() >= MOST_BUCKETS && !self.buckets.contains_key(bucket)) {
            return false;
        }
        let bucket = self.buckets.entry(bucket.to_owned()).or_default();
        let new_site = bucket.sites.len() < MOST_SITES && bucket.sites.insert(site);
        let wanted = bucket.kept < self.most || new_site;
        bucket.kept = bucket.kept.saturating_add(u32::from(wanted));
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(offset: u64) -> Site {
        ("driver.sys".to_owned(), 1, 2, offset)
    }

    #[test]
    fn first_of_each_bucket_and_day() {
        let mut keeper = Keeper::new(2);
        let asked = ["a", "a", "a", "b", "a"].map(|bucket| keeper.wants(bucket, site(0), DAY_MS));
        assert_eq!(asked, [true, true, false, true, false]);
        assert!(keeper.wants("a", site(0), 2 * DAY_MS), "a new day");
        assert!(!Keeper::new(0).wants("a", site(0), DAY_MS));
    }

    #[test]
    fn first_of_each_site_up_to_a_limit() {
        let mut keeper = Keeper::new(1);
        let most = u64::try_from(MOST_SITES).unwrap();
        assert!((0..most).all(|offset| keeper.wants("a", site(offset), DAY_MS)));
        assert!(!keeper.wants("a", site(5), DAY_MS), "seen before");
        assert!(!keeper.wants("a", site(most), DAY_MS), "too many");
    }
}

//! Which of many ranges owns an address. Ranges of a damaged dump may overlap: then the one that begins last wins, and
//! behind its end the other again, so that no bad entry hides a good one. Never fails.

use crate::budget::Budget;

/// A piece of the address space and the index of its owner.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: u64,
    /// First address behind.
    end: u64,
    owner: usize,
}

/// Disjoint segments in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    segments: Vec<Segment>,
}

impl Ranges {
    /// From `(start, length)` of each owner, in the owners' order. `None` where that takes too much memory.
    pub(crate) fn new(
        ranges: impl ExactSizeIterator<Item = (u64, u64)>,
        budget: &mut Budget,
    ) -> Option<Self> {
        let count = u64::try_from(ranges.len()).ok()?;
        let (mut sorted, room) = budget.vec::<Segment>(count);
        if room < count {
            return None;
        }
        sorted.extend(ranges.enumerate().map(|(owner, (start, len))| Segment {
            start,
            end: start.saturating_add(len),
            owner,
        }));
        sorted.sort_unstable_by_key(|segment| (segment.start, segment.owner));
        let disjoint = sorted.windows(2).all(|pair| matches!(pair, [a, b] if a.end <= b.start));
        if disjoint {
            return Some(Self { segments: sorted });
        }
        // Each range begins one segment and ends one; and as many wait.
        let most = count.checked_mul(2)?;
        let (segments, room) = budget.vec(most);
        let (waiting, waiting_room) = budget.vec(count);
        (room >= most && waiting_room >= count).then(|| Self { segments: split(&sorted, segments, waiting) })
    }

    /// Owner of an address.
    pub(crate) fn owner(&self, address: u64) -> Option<usize> {
        // most words of a stack point nowhere near
        let (first, last) = (self.segments.first()?, self.segments.last()?);
        if address < first.start || address >= last.end {
            return None;
        }
        let after = self.segments.partition_point(|segment| segment.start <= address);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        (address < segment.end).then_some(segment.owner)
    }
}

/// Cuts ranges that overlap, sorted by their start, into disjoint segments.
fn split(sorted: &[Segment], mut segments: Vec<Segment>, mut waiting: Vec<Segment>) -> Vec<Segment> {
    let mut from = 0;
    for &next in sorted {
        close_until(next.start, &mut from, &mut waiting, &mut segments);
        from = next.start;
        waiting.push(next);
    }
    close_until(u64::MAX, &mut from, &mut waiting, &mut segments);
    segments
}

/// Writes the segments from `from` to `until`: each belongs to the last waiting range that still reaches it.
fn close_until(until: u64, from: &mut u64, waiting: &mut Vec<Segment>, segments: &mut Vec<Segment>) {
    while let Some(&top) = waiting.last() {
        let end = top.end.min(until);
        if *from < end {
            segments.push(Segment { start: *from, end, owner: top.owner });
            *from = end;
        }
        if top.end > until {
            return;
        }
        waiting.pop();
    }
}

//! The address map: where the bytes of a base went, as the copies of a section say.

use super::ops::SectionOp;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

/// A run of base bytes and where it starts in the target. Offsets count from the executables' first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    base: u32,
    length: u32,
    target: u32,
}

/// How much a place in the target is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Trust {
    /// The map is empty; the place is the same.
    Unknown = 0,
    /// Extrapolated from the nearest run.
    Near = 1,
    /// Inside a run.
    Inside = 2,
    /// Seen before in the target.
    Seen = 3,
}

/// Copies shorter than this say little about where addresses went.
const LENGTH_MIN: u64 = 8;

/// See the module.
#[derive(Debug, Default)]
pub struct AddressMap {
    /// Sorted by base, disjoint.
    intervals: Vec<Interval>,
}

impl AddressMap {
    /// Bytes of memory of a map over `ops` operations: each may be cut in two, once.
    pub const fn memory_bytes(ops: u64) -> u64 {
        2 * ops * size_of::<Interval>() as u64
    }

    /// The map of `ops`, for the base bytes in `within`. Where copies overlap in the base, the longest counts, then the
    /// one with the lowest target.
    pub fn new(ops: &[SectionOp], within: Range<u64>) -> Self {
        let mut copies = Vec::with_capacity(ops.len());
        let mut target = 0;
        for op in ops {
            target += op.add;
            let start = op.base.clamp(within.start, within.end);
            let end = (op.base + op.length).clamp(within.start, within.end);
            let (skipped, length) = (start.saturating_sub(op.base), end.saturating_sub(start));
            if length >= LENGTH_MIN {
                let place = u32::try_from(start - within.start).ok().zip(u32::try_from(target + skipped).ok());
                if let (Some((base, target)), Ok(length)) = (place, u32::try_from(length)) {
                    copies.push(Interval { base, length, target });
                }
            }
            target += op.length;
        }
        Self { intervals: disjoint(copies) }
    }

    /// Where the byte at `base` went.
    #[inline]
    pub fn target(&self, base: u64) -> (u64, Trust) {
        let next = self.intervals.partition_point(|interval| u64::from(interval.base) <= base);
        let place = |interval: &Interval| {
            (u64::from(interval.target).wrapping_add(base)).wrapping_sub(u64::from(interval.base))
        };
        let before = next.checked_sub(1).map(|before| &self.intervals[before]);
        let after = self.intervals.get(next);
        match (before, after) {
            (None, None) => (base, Trust::Unknown),
            (None, Some(after)) => (place(after), Trust::Near),
            (Some(before), after) => {
                let end = u64::from(before.base) + u64::from(before.length);
                if base < end {
                    return (place(before), Trust::Inside);
                }
                match after {
                    Some(after) if u64::from(after.base) - base < base - end => (place(after), Trust::Near),
                    _ => (place(before), Trust::Near),
                }
            }
        }
    }
}

/// An interval by its claim to the base bytes that it shares with others: the longest wins, then the lowest target.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    length: u32,
    target: Reverse<u32>,
    base: u32,
}

impl Claim {
    fn end(&self) -> u64 {
        u64::from(self.base) + u64::from(self.length)
    }
}

/// Cuts intervals so that they do not overlap in the base: from left to right, the best of those that are open counts.
fn disjoint(mut copies: Vec<Interval>) -> Vec<Interval> {
    copies.sort_unstable_by_key(|copy| (copy.base, copy.length, copy.target));
    let overlap = |pair: &[Interval]| u64::from(pair[0].base) + u64::from(pair[0].length) > u64::from(pair[1].base);
    if !copies.windows(2).any(overlap) {
        return copies;
    }
    let mut kept: Vec<Interval> = Vec::with_capacity(copies.len());
    let mut open = BinaryHeap::new();
    let mut coming = copies.iter().peekable();
    let mut at = 0u64;
    loop {
        if open.is_empty() {
            let Some(first) = coming.peek() else { return kept };
            at = first.base.into();
        }
        while let Some(copy) = coming.next_if(|copy| u64::from(copy.base) <= at) {
            open.push(Claim { length: copy.length, target: Reverse(copy.target), base: copy.base });
        }
        while open.peek().is_some_and(|best| best.end() <= at) {
            open.pop();
        }
        let Some(best) = open.peek() else { continue };
        let end = coming.peek().map_or(best.end(), |next| best.end().min(next.base.into()));
        let skipped = (at - u64::from(best.base)) as u32;
        let piece =
            Interval { base: at as u32, length: (end - at) as u32, target: best.target.0.wrapping_add(skipped) };
        match kept.last_mut() {
            Some(last) if last.base + last.length == piece.base && last.target + last.length == piece.target => {
                last.length += piece.length;
            }
            _ => kept.push(piece),
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copy(base: u64, length: u64) -> SectionOp {
        SectionOp { add: 0, base, length }
    }

    /// Inside a run, beside one, and without any.
    #[test]
    fn places() {
        let map = AddressMap::new(&[copy(100, 50), copy(300, 50)], 50..1000);
        assert_eq!(map.target(60), (10, Trust::Inside));
        assert_eq!(map.target(40), (u64::MAX - 9, Trust::Near), "before the first");
        assert_eq!(map.target(110), (60, Trust::Near));
        assert_eq!(map.target(249), (49, Trust::Near));
        assert_eq!(map.target(250), (50, Trust::Inside));
        assert_eq!(AddressMap::new(&[], 0..10).target(7), (7, Trust::Unknown));
    }

    proptest! {
        /// Every base byte that a copy covers goes where the longest copy over it says.
        #[test]
        fn the_longest_copy_counts(copies in proptest::collection::vec((0u64..200, 8u64..60), 1..30)) {
            let ops: Vec<SectionOp> = copies.iter().map(|&(base, length)| copy(base, length)).collect();
            let map = AddressMap::new(&ops, 0..1000);
            for byte in 0..300 {
                let mut target = 0;
                let mut best: Option<(u64, Reverse<u64>, u64)> = None;
                for op in &ops {
                    if (op.base..op.base + op.length).contains(&byte) {
                        best = best.max(Some((op.length, Reverse(target), target + byte - op.base)));
                    }
                    target += op.length;
                }
                match best {
                    Some((_, _, place)) => prop_assert_eq!(map.target(byte), (place, Trust::Inside)),
                    None => prop_assert!(map.target(byte).1 != Trust::Inside),
                }
            }
        }
    }
}

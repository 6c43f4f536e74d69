//! The address map: where the bytes of a base went, as the copies of a section say.

use super::copies::SectionCopy;
use alloc::vec::Vec;
use core::ops::Range;

/// How much a place in the target is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Trust {
    /// The map is empty; the place is the same.
    Unknown = 0,
    /// Extrapolated from the nearest copy.
    Near = 1,
    /// Inside a copy.
    Inside = 2,
    /// Seen before in the target.
    Seen = 3,
}

/// Copies shorter than this say little about where addresses went.
const LENGTH_MIN: u32 = 8;

/// Copies that are looked at for one place: those that start before it, the last ones first, and the longest one of all
/// over the start of the last. Where more overlap, some place is as good as another.
const LOOK_BACK: usize = 8;

/// The copies of one executable by their place in the base.
#[derive(Debug, Default)]
pub struct AddressMap {
    by_base: Vec<Entry>,
    /// For each of them the number of the longest of those before that reaches beyond its start; its own if none does.
    over: Vec<u32>,
    /// For each page of the base, how many entries start before it.
    pages: Vec<u32>,
    page_log2: u32,
    within: Range<u64>,
}

/// A copy: its index, and in the highest bit whether one before it reaches beyond its start.
#[derive(Clone, Copy, Debug)]
struct Entry(u32);

impl Entry {
    const CROWDED: u32 = 1 << 31;

    fn of(self, copies: &[SectionCopy]) -> SectionCopy {
        copies[(self.0 & !Self::CROWDED) as usize]
    }
}

/// The smallest page.
const PAGE_LOG2_MIN: u32 = 8;

impl AddressMap {
    /// Bytes of memory for each operation of a section.
    pub(super) const OP_BYTES: u64 = (size_of::<Entry>() + 2 * size_of::<u32>()) as u64;

    /// The map of those of `copies` that lie in the base range `within`.
    pub fn new(copies: &[SectionCopy], within: Range<u64>) -> Self {
        let counts = |copy: &&SectionCopy| {
            copy.length >= LENGTH_MIN && copy.base >= within.start && copy.base + u64::from(copy.length) <= within.end
        };
        let mut by_base = Vec::new();
        by_base.reserve_exact(copies.iter().filter(counts).count());
        by_base.extend((0..).zip(copies).filter(|(_, copy)| counts(copy)).map(|(index, _)| Entry(index)));
        by_base.sort_unstable_by_key(|entry: &Entry| (entry.of(copies).base, entry.0));
        let end = |entry: &Entry| entry.of(copies).base + u64::from(entry.of(copies).length);
        let mut over = Vec::new();
        over.reserve_exact(by_base.len());
        let mut longest = 0;
        for at in 0..by_base.len() {
            let start = by_base[at].of(copies).base;
            let length = |entry: usize| by_base[entry].of(copies).length;
            let reaches = |entry: &usize| end(&by_base[*entry]) > start;
            if !reaches(&longest) {
                let before = (at.saturating_sub(LOOK_BACK - 1)..at).filter(reaches);
                longest = before.max_by_key(|entry| (length(*entry), *entry)).unwrap_or(at);
            }
            over.push(longest as u32);
            if length(at) > length(longest) {
                longest = at;
            }
            if over[at] != at as u32 {
                by_base[at].0 |= Entry::CROWDED;
            }
        }
        // Up to the last entry, and as many pages as entries at most: a look-up sees few.
        let last = by_base.last().map_or(within.start, |entry| entry.of(copies).base);
        let bytes = last.saturating_sub(within.start);
        let page_log2 = (PAGE_LOG2_MIN..63).find(|log2| bytes >> log2 < by_base.len() as u64).unwrap_or(63);
        let mut pages = Vec::new();
        let count = if by_base.is_empty() { 0 } else { (bytes >> page_log2) as usize + 1 };
        pages.reserve_exact(count);
        let mut before = 0;
        for page in 0..count as u64 {
            let start = within.start + (page << page_log2);
            while by_base.get(before).is_some_and(|entry| entry.of(copies).base < start) {
                before += 1;
            }
            pages.push(before as u32);
        }
        Self { by_base, over, pages, page_log2, within }
    }

    /// How many entries start at `base` or before.
    #[inline]
    fn until(&self, copies: &[SectionCopy], base: u64) -> usize {
        let page = usize::try_from(base.saturating_sub(self.within.start) >> self.page_log2).unwrap_or(usize::MAX);
        let all = self.by_base.len();
        let first = self.pages.get(page).map_or(all, |before| *before as usize);
        let last = self.pages.get(page.saturating_add(1)).map_or(all, |before| *before as usize);
        first + self.by_base[first..last].partition_point(|entry| entry.of(copies).base <= base)
    }

    /// Where the byte at `offset` of the executable of the base went. `copies` are those that the map was made of. Among
    /// the copies that hold the byte the longest counts; if none does, the nearest.
    #[inline]
    pub fn target(&self, copies: &[SectionCopy], offset: u64) -> (u64, Trust) {
        let base = self.within.start.wrapping_add(offset);
        let copy = |entry: &Entry| entry.of(copies);
        let place = |copy: SectionCopy| base.wrapping_sub(copy.diagonal() as u64);
        let next = self.until(copies, base);
        let last = self.by_base[..next].last().filter(|last| last.0 & Entry::CROWDED != 0);
        let look_back = if last.is_some() { LOOK_BACK } else { 1 };
        let over = last.map(|_| self.over[next - 1] as usize).filter(|over| over + LOOK_BACK < next);
        let over = over.map(|over| &self.by_base[over]);
        let mut inside: Option<SectionCopy> = None;
        let mut nearest: Option<(u64, SectionCopy)> = None;
        for found in self.by_base[..next].iter().rev().take(look_back).chain(over).map(copy) {
            let end = found.base + u64::from(found.length);
            if base < end {
                inside = inside.filter(|best| best.length >= found.length).or(Some(found));
            } else if nearest.is_none_or(|(distance, _)| base - end < distance) {
                nearest = Some((base - end, found));
            }
        }
        if let Some(inside) = inside {
            return (place(inside), Trust::Inside);
        }
        if let Some(after) = self.by_base.get(next).map(copy)
            && nearest.is_none_or(|(distance, _)| after.base - base < distance)
        {
            nearest = Some((after.base - base, after));
        }
        nearest.map_or((offset, Trust::Unknown), |(_, copy)| (place(copy), Trust::Near))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn copies(list: &[(u64, u32)]) -> Vec<SectionCopy> {
        let mut target = 0;
        let copy = |&(base, length): &(u64, u32)| {
            target += length;
            SectionCopy { base, target: target - length, length }
        };
        list.iter().map(copy).collect()
    }

    /// Inside a copy, beside one, and without any.
    #[test]
    fn places() {
        let copies = copies(&[(100, 50), (300, 50)]);
        let map = AddressMap::new(&copies, 50..1000);
        let at = |offset| map.target(&copies, offset);
        assert_eq!(at(60), (10, Trust::Inside));
        assert_eq!(at(40), (u64::MAX - 9, Trust::Near), "before the first");
        assert_eq!(at(110), (60, Trust::Near));
        assert_eq!(at(249), (49, Trust::Near));
        assert_eq!(at(250), (50, Trust::Inside));
        assert_eq!(AddressMap::new(&[], 0..10).target(&[], 7), (7, Trust::Unknown));
        assert_eq!(AddressMap::new(&[], 0..u64::MAX).target(&[], 7), (7, Trust::Unknown));
        let map = AddressMap::new(&copies, 0..u64::MAX);
        assert_eq!(map.target(&copies, 349), (99, Trust::Inside), "however long the base is");
        assert_eq!(map.target(&copies, u64::MAX - 1).1, Trust::Near);
    }

    /// However many short copies were taken out of a long one, it counts.
    #[test]
    fn a_long_copy_lies_over_many() {
        let mut list = vec![(100, 1000)];
        list.extend((0..40).map(|n| (200 + 10 * n, 9)));
        let copies = copies(&list);
        let map = AddressMap::new(&copies, 0..2000);
        for base in [150, 205, 399, 597, 900, 1099] {
            assert_eq!(map.target(&copies, base), (base - 100, Trust::Inside));
        }
        assert_eq!(map.target(&copies, 1100).1, Trust::Near);
    }

    proptest! {
        /// Every base byte that few copies cover goes where the longest copy over it says.
        #[test]
        fn the_longest_copy_counts(list in proptest::collection::vec((0u64..200, 8u32..60), 1..=LOOK_BACK)) {
            let copies = copies(&list);
            let map = AddressMap::new(&copies, 0..1000);
            for byte in 0..300 {
                let covers = |copy: &&SectionCopy| (copy.base..copy.base + u64::from(copy.length)).contains(&byte);
                let longest = copies.iter().filter(covers).map(|copy| copy.length).max();
                let (place, trust) = map.target(&copies, byte);
                prop_assert_eq!(trust == Trust::Inside, longest.is_some());
                if let Some(length) = longest {
                    let holds = |copy: &&SectionCopy| place == byte.wrapping_sub(copy.diagonal() as u64);
                    prop_assert!(copies.iter().filter(covers).filter(holds).any(|copy| copy.length == length));
                }
            }
        }
    }
}

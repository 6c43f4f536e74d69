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

/// Copies that are looked at for one place: those that start before it, the last ones first. Where more overlap, some
/// place is as good as another.
const LOOK_BACK: usize = 8;

/// The copies of one executable by their place in the base: indices into the section's copies.
#[derive(Debug, Default)]
pub struct AddressMap {
    by_base: Vec<u32>,
    within: Range<u64>,
}

impl AddressMap {
    /// Bytes of memory for each operation of a section.
    pub(super) const OP_BYTES: u64 = size_of::<u32>() as u64;

    /// The map of those of `copies` that lie in the base range `within`.
    pub fn new(copies: &[SectionCopy], within: Range<u64>) -> Self {
        let counts = |copy: &&SectionCopy| {
            copy.length >= LENGTH_MIN && copy.base >= within.start && copy.base + u64::from(copy.length) <= within.end
        };
        let mut by_base = Vec::new();
        by_base.reserve_exact(copies.iter().filter(counts).count());
        by_base.extend((0..).zip(copies).filter(|(_, copy)| counts(copy)).map(|(index, _)| index));
        by_base.sort_unstable_by_key(|&index: &u32| (copies[index as usize].base, index));
        Self { by_base, within }
    }

    /// Where the byte at `offset` of the executable of the base went. `copies` are those that the map was made of. Among
    /// the copies that hold the byte the longest counts; if none does, the nearest.
    #[inline]
    pub fn target(&self, copies: &[SectionCopy], offset: u64) -> (u64, Trust) {
        let base = self.within.start.wrapping_add(offset);
        let copy = |index: &u32| copies[*index as usize];
        let place = |copy: SectionCopy| base.wrapping_sub(copy.diagonal() as u64);
        let next = self.by_base.partition_point(|index| copy(index).base <= base);
        let mut inside: Option<SectionCopy> = None;
        let mut nearest: Option<(u64, SectionCopy)> = None;
        for found in self.by_base[..next].iter().rev().take(LOOK_BACK).map(copy) {
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

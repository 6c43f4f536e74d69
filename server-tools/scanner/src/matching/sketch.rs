//! A quick sketch of what resembles what: enough to tell which executable grew out of which, and where its references
//! lead.
//!
//! In: both images, ranges of each, and what is known to match. Out: the known matches, and others that fill the gaps of
//! the target's ranges from the base's. Bytes may differ inside. A window of [`WINDOW`] bytes is an anchor when its hash
//! says so, on both sides alike, so one place in eight is indexed and looked up. Of several places of an anchor
//! the one on the expected diagonal counts, else the one from which most bytes follow.
//! It does not weigh ranges against each other: `matches` does, and takes four times as long.

use super::rest::{self, Origins};
use super::seeds::follow;
use super::{Gap, Match, PIECE_BYTES, gaps, joined};
use crate::bytes::word;
use crate::control::{Cancelled, Control, Meter, Stage};
use crate::rope::{Part, Rope};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::ops::Range;

/// Bytes of an anchor.
const WINDOW: usize = 16;
/// One window in this many is an anchor: two to the power of it.
const ANCHOR_LOG2: u32 = 3;
/// Places of one anchor that are tried on each side of the expected one.
const PLACES_PER_SIDE: usize = 4;
/// Bytes that a match is followed back. Ahead it is followed to the end of the gap: there are no anchors in constant runs.
const FOLLOWED_BACK_MAX: usize = 64 << 10;

/// Sketches the ranges of the target, which are sorted and disjoint as those of the base are.
///
/// # Errors
/// [`Cancelled`].
pub fn sketch(
    (base, base_ranges): (&Rope<'_>, &[Range<u64>]),
    (target, target_ranges): (&Rope<'_>, &[Range<u64>]),
    known: &[Match],
    control: Control<'_>,
) -> Result<Vec<Match>, Cancelled> {
    let pieces: Vec<Gap> = common(&gaps(known, target), target_ranges);
    let open: usize = pieces.iter().map(|gap| gap.end - gap.start).sum();
    if open == 0 {
        return Ok(known.to_vec());
    }
    let meter = Meter::new(control, Stage::Match, open as u64);
    let anchors = Anchors::new(base, inside(&rest::open(base.len(), known, 0), base_ranges));
    control.check()?;
    let found: Vec<Vec<Match>> = pieces
        .into_par_iter()
        .map(|gap| {
            let found = read(base, target.part(gap.start), gap, &anchors);
            meter.add((gap.end - gap.start) as u64)?;
            Ok(found)
        })
        .collect::<Result<_, Cancelled>>()?;
    Ok(joined([known, &found.concat()].concat()))
}

/// The parts of gaps that lie in `ranges`, cut at the fixed offsets of pieces.
fn common(gaps: &[Gap], ranges: &[Range<u64>]) -> Vec<Gap> {
    let mut parts = Vec::new();
    for gap in gaps {
        let first = ranges.partition_point(|range| range.end as usize <= gap.start);
        for range in ranges[first..].iter().take_while(|range| (range.start as usize) < gap.end) {
            let (mut start, end) = (gap.start.max(range.start as usize), gap.end.min(range.end as usize));
            while start < end {
                let cut = end.min((start / PIECE_BYTES + 1) * PIECE_BYTES);
                parts.push(Gap { start, end: cut, before: gap.before, after: gap.after });
                start = cut;
            }
        }
    }
    parts
}

/// What two lists of ranges, sorted and disjoint, have in common.
fn inside(some: &[Range<usize>], others: &[Range<u64>]) -> Vec<Range<usize>> {
    let mut common = Vec::new();
    for range in some {
        let first = others.partition_point(|other| other.end as usize <= range.start);
        let near = others[first..].iter().take_while(|other| (other.start as usize) < range.end);
        common.extend(near.map(|other| range.start.max(other.start as usize)..range.end.min(other.end as usize)));
    }
    common
}

/// Reads a gap of the target from anchor to anchor.
fn read(base: &Rope<'_>, target: Part<'_>, gap: Gap, anchors: &Anchors) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let mut diagonal = gap.before.or(gap.after).unwrap_or(0);
    let mut at = gap.start;
    while at + WINDOW <= gap.end {
        let window = target.range(at..at + WINDOW);
        let Some(hash) = anchor(window) else {
            at += 1;
            continue;
        };
        let floor = found.last().map_or(gap.start, |last| last.end() as usize);
        let expected = (at as i64 + diagonal).max(0) as usize;
        let continues = (base.get(expected..expected.saturating_add(WINDOW)) == Some(window)).then_some(expected);
        let near = continues.is_none().then(|| anchors.near(hash, expected)).into_iter().flatten();
        let longest = (continues.into_iter().chain(near))
            .filter(|&place| base.get(place..place + WINDOW) == Some(window))
            .map(|place| grown(base, target, place, at, floor..gap.end))
            .min_by_key(|one| (Reverse(one.length), one.diagonal().abs_diff(diagonal), one.base));
        match longest {
            Some(one) => {
                diagonal = one.diagonal();
                at = one.end() as usize;
                found.push(one);
            }
            None => at += 1,
        }
    }
    found
}

/// What resembles the base around a pair of places, inside of `bounds` of the target.
fn grown(base: &Rope<'_>, target: Part<'_>, base_at: usize, at: usize, bounds: Range<usize>) -> Match {
    let ahead = target.range(at..bounds.end);
    let behind = target.range(bounds.start.max(at.saturating_sub(FOLLOWED_BACK_MAX))..at);
    let right = follow(ahead.iter().zip(base.bytes_from(base_at)), &mut 0);
    let left = follow(behind.iter().rev().zip(base.bytes_until(base_at).iter().rev()), &mut 0);
    Match { base: (base_at - left) as u64, target: (at - left) as u64, length: (left + right) as u64 }
}

/// The hash of a window, if it is an anchor.
fn anchor(window: &[u8]) -> Option<u64> {
    let (first, second) = (word(window, 0), word(window, 8));
    let mixed =
        (first.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ second.rotate_left(32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let hash = (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // A constant run says nothing about where it came from, and there may be thousands of them.
    let is_constant = || first == second && first == first.rotate_left(8);
    (hash >> (64 - ANCHOR_LOG2) == 0 && !is_constant()).then_some(hash << ANCHOR_LOG2)
}

/// The anchors of the base, grouped by hash.
struct Anchors {
    origins: Origins,
    /// For each group, where it starts in `places`; one more entry ends the last.
    starts: Vec<u32>,
    /// Offsets in what is left of the base, ascending within a group.
    places: Vec<u32>,
    shift: u32,
}

impl Anchors {
    /// Indexes ranges of the base; of more than 4 GiB the first.
    fn new(base: &Rope<'_>, ranges: Vec<Range<usize>>) -> Self {
        let origins = Origins::new(&ranges);
        let bytes: usize = ranges.iter().map(Range::len).sum();
        let bits = (bytes >> ANCHOR_LOG2).next_power_of_two().trailing_zeros().clamp(8, 24);
        let mut anchors: Vec<(u32, u32)> = Vec::with_capacity((bytes >> ANCHOR_LOG2).min(1 << 29));
        let mut starts = vec![0u32; (1 << bits) + 1];
        let mut end = 0;
        for part in ranges.iter().flat_map(|range| base.within(range.clone())) {
            for (at, window) in part.windows(WINDOW).enumerate() {
                let (Some(hash), Ok(place)) = (anchor(window), u32::try_from(end + at)) else { continue };
                let group = (hash >> (64 - bits)) as u32;
                starts[group as usize + 1] += 1;
                anchors.push((group, place));
            }
            end += part.len();
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Each group is filled from its start, which moves to its end: that is where the next one starts.
        let mut places = vec![0; sum as usize];
        for (group, place) in anchors {
            let start = &mut starts[group as usize];
            places[*start as usize] = place;
            *start += 1;
        }
        starts.rotate_right(1);
        starts[0] = 0;
        Self { origins, starts, places, shift: 64 - bits }
    }

    /// Places in the base that may have this hash, those nearest to `expected`.
    fn near(&self, hash: u64, expected: usize) -> impl Iterator<Item = usize> {
        let slot = (hash >> self.shift) as usize;
        let group = &self.places[self.starts[slot] as usize..self.starts[slot + 1] as usize];
        let origin = |place: u32| self.origins.base_offset(place as usize);
        let middle = group.partition_point(|&place| origin(place) <= expected);
        let near = middle.saturating_sub(PLACES_PER_SIDE)..group.len().min(middle + PLACES_PER_SIDE);
        group[near].iter().map(move |&place| origin(place))
    }
}

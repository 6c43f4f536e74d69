//! Long equal ranges, found by the hashes of short blocks.
//!
//! In: both images, and what is known to match. Out: sorted matches without changed bytes, disjoint in the target. Blocks
//! of the base are sampled at multiples of their size where no known match reads them; the gaps of the target are read
//! with a rolling hash, in pieces that threads share. Of several places of a block the longest range counts, then the
//! diagonal nearest to the last one.

use super::{Gap, Match, gaps, joined, rest};
use crate::bytes::{common_prefix, common_suffix};
use crate::control::{Cancelled, Control, Meter, Stage};
use crate::rope::{Part, Rope};
use rayon::prelude::*;
use std::cmp::Reverse;

/// Bytes of a block, and distance of the sampled ones.
const BLOCK: usize = 64;
/// Bytes of the target that one task reads.
const TASK_BYTES: usize = 8 << 20;
/// Places of one block that are tried on each side of the expected one.
const PLACES_PER_SIDE: usize = 4;
/// The filter has 16 bits for each group: about one in twenty blocks of new data passes.
const FILTER_BITS: u32 = 4;
/// Multiplier of the rolling hash.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Finds the ranges of at least `length_min` bytes between the known ones.
pub(super) fn matches(
    base: &Rope<'_>,
    target: &Rope<'_>,
    known: &[Match],
    length_min: usize,
    control: Control<'_>,
) -> Result<Vec<Match>, Cancelled> {
    let gaps = tasks(&gaps(known, target), length_min);
    let meter = Meter::new(control, Stage::Match, target.len() as u64);
    meter.add((target.len() - gaps.iter().map(|gap| gap.end - gap.start).sum::<usize>()) as u64)?;
    if gaps.is_empty() {
        return Ok(Vec::new());
    }
    let samples = Samples::new(base, known);
    let found: Vec<Vec<Match>> = gaps
        .into_par_iter()
        .map(|gap| {
            let found = read(base, target.part(gap.start), gap, length_min, &samples);
            meter.add((gap.end - gap.start) as u64)?;
            Ok(found)
        })
        .collect::<Result<_, Cancelled>>()?;
    Ok(joined(found.concat()))
}

/// Cuts gaps into tasks. What is too short for a match is none.
fn tasks(gaps: &[Gap], length_min: usize) -> Vec<Gap> {
    let long = gaps.iter().filter(|gap| gap.end - gap.start >= length_min.max(BLOCK));
    long.flat_map(|gap| {
        let cuts = (gap.start / TASK_BYTES..gap.end.div_ceil(TASK_BYTES)).map(|task| task * TASK_BYTES);
        cuts.map(|cut| Gap { start: gap.start.max(cut), end: gap.end.min(cut + TASK_BYTES), ..*gap })
    })
    .collect()
}

/// Reads one task's range of the target.
fn read(base: &Rope<'_>, target: Part<'_>, gap: Gap, length_min: usize, samples: &Samples) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let (mut at, mut floor) = (gap.start, gap.start);
    let mut diagonal = gap.before.unwrap_or(0);
    let mut hash = None;
    while at + BLOCK <= gap.end {
        let block = target.range(at..at + BLOCK);
        let now = match hash {
            Some(hash) => hash,
            None => block_hash(block),
        };
        let longest = samples
            .near(now, (at as i64 + diagonal).max(0) as usize)
            .filter(|&place| base.get(place..place + BLOCK) == Some(block))
            .map(|place| {
                let left = common_suffix(target.range(floor..at), base.bytes_until(place));
                let right = common_prefix(target.range(at..gap.end), base.bytes_from(place));
                Match { base: (place - left) as u64, target: (at - left) as u64, length: (left + right) as u64 }
            })
            .min_by_key(|one| (Reverse(one.length), one.diagonal().abs_diff(diagonal), one.base));
        if let Some(one) = longest {
            hash = None;
            if one.length as usize >= length_min.min(gap.end - gap.start) {
                diagonal = one.diagonal();
                at = one.end() as usize;
                floor = at;
                found.push(one);
            } else {
                // What is longer reaches over the end of this one, and is found there and followed to the left.
                at = (one.end() as usize + 1).saturating_sub(BLOCK).max(at + 1);
            }
            continue;
        }
        hash = (at + BLOCK < gap.end).then(|| roll(now, block[0], target.range(at + BLOCK..at + BLOCK + 1)[0]));
        at += 1;
    }
    found
}

/// The hash is the sum of the bytes, each times a power of the factor, the last one times the first power.
fn block_hash(block: &[u8]) -> u64 {
    const POWERS: [u64; 8] = {
        let mut powers = [1; 8];
        let mut at = 7;
        while at > 0 {
            powers[at - 1] = u64::wrapping_mul(powers[at], FACTOR);
            at -= 1;
        }
        powers
    };
    block.as_chunks().0.iter().fold(0, |hash: u64, eight: &[u8; 8]| {
        let parts = eight.iter().zip(POWERS).map(|(&byte, power)| (u64::from(byte) + 1).wrapping_mul(power));
        parts.fold(hash.wrapping_mul(POWERS[0].wrapping_mul(FACTOR)), u64::wrapping_add)
    })
}

/// The hash of the block one byte further, which loses `first` and gains `next`.
fn roll(hash: u64, first: u8, next: u8) -> u64 {
    const OLDEST: u64 = {
        let mut power = 1u64;
        let mut step = 1;
        while step < BLOCK {
            power = power.wrapping_mul(FACTOR);
            step += 1;
        }
        power
    };
    hash.wrapping_sub((u64::from(first) + 1).wrapping_mul(OLDEST))
        .wrapping_mul(FACTOR)
        .wrapping_add(u64::from(next) + 1)
}

/// The sampled blocks of the base, grouped by hash.
struct Samples {
    /// For each group, where it starts in `places`; one more entry ends the last.
    starts: Vec<u32>,
    /// Numbers of blocks, ascending within a group.
    places: Vec<u32>,
    shift: u32,
    /// A bit for each of [`FILTER_BITS`] finer groups, set when it has a place.
    filter: Vec<u64>,
}

impl Samples {
    /// Samples the base where no match of `known` reads it.
    fn new(base: &Rope<'_>, known: &[Match]) -> Self {
        let open = rest::open(base.len(), known, 0);
        let count: usize = open.iter().map(|range| range.len() / BLOCK).sum();
        let bits = count.next_power_of_two().trailing_zeros().clamp(8, 24);
        let shift = 64 - bits;
        // Hashed twice: the hashes of an image of gigabytes would take as much memory as the rest of this.
        let hashes = || {
            let numbers = open.iter().flat_map(|range| range.start.div_ceil(BLOCK)..range.end / BLOCK);
            numbers.filter_map(|number| {
                let block = base.get(number * BLOCK..(number + 1) * BLOCK)?;
                // Constant blocks say nothing about where they came from, and there may be thousands of them.
                block.iter().any(|&byte| byte != block[0]).then(|| (number as u32, mixed(block_hash(block))))
            })
        };
        let mut starts = vec![0u32; (1 << bits) + 1];
        let mut filter = vec![0u64; 1 << (bits + FILTER_BITS) >> 6];
        for (_, hash) in hashes() {
            starts[(hash >> shift) as usize + 1] += 1;
            let bit = (hash >> (shift - FILTER_BITS)) as usize;
            filter[bit / 64] |= 1 << (bit % 64);
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Each group is filled from its start, which moves to its end: that is where the next one starts.
        let mut places = vec![0; sum as usize];
        for (number, hash) in hashes() {
            let start = &mut starts[(hash >> shift) as usize];
            places[*start as usize] = number;
            *start += 1;
        }
        starts.rotate_right(1);
        starts[0] = 0;
        Self { starts, places, shift, filter }
    }

    /// Places of blocks that may have this hash, those nearest to `expected`.
    fn near(&self, hash: u64, expected: usize) -> impl Iterator<Item = usize> {
        let hash = mixed(hash);
        let bit = (hash >> (self.shift - FILTER_BITS)) as usize;
        let group = if self.filter[bit / 64] >> (bit % 64) & 1 == 1 {
            let slot = (hash >> self.shift) as usize;
            &self.places[self.starts[slot] as usize..self.starts[slot + 1] as usize]
        } else {
            &[]
        };
        let middle = group.partition_point(|&place| place as usize * BLOCK <= expected);
        let near = middle.saturating_sub(PLACES_PER_SIDE)..group.len().min(middle + PLACES_PER_SIDE);
        group[near].iter().map(|&place| place as usize * BLOCK)
    }
}

/// The high bits of a rolling hash depend on few bytes.
fn mixed(hash: u64) -> u64 {
    (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

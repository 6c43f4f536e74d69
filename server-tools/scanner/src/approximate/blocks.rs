//! Long equal ranges, found by the hashes of short blocks.
//!
//! In: both images. Out: sorted matches without changed bytes, disjoint in the target. Blocks of the base are sampled at
//! multiples of their size; the target is read with a rolling hash, in pieces at fixed offsets that threads share.
//! Of several places of a block the longest range counts, then the diagonal nearest to the last one.

use super::Match;
use crate::bytes::{common_prefix, common_suffix};
use crate::control::{Cancelled, Meter};
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

/// Finds the ranges of at least `length_min` bytes.
pub(super) fn matches(
    base: &[u8],
    target: &[u8],
    length_min: usize,
    meter: &Meter<'_>,
) -> Result<Vec<Match>, Cancelled> {
    let samples = Samples::new(base);
    let tasks: Vec<Vec<Match>> = (0..target.len().div_ceil(TASK_BYTES))
        .into_par_iter()
        .map(|task| {
            let start = task * TASK_BYTES;
            let end = target.len().min(start + TASK_BYTES);
            let found = read(base, target, start..end, length_min, &samples);
            meter.add((end - start) as u64)?;
            Ok(found)
        })
        .collect::<Result<_, Cancelled>>()?;
    Ok(super::joined(tasks.concat(), Vec::new()))
}

/// Reads one task's range of the target.
fn read(
    base: &[u8],
    target: &[u8],
    range: core::ops::Range<usize>,
    length_min: usize,
    samples: &Samples,
) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    let (mut at, mut floor) = (range.start, range.start);
    let mut diagonal = 0;
    let mut hash = None;
    while at + BLOCK <= range.end {
        let now = match hash {
            Some(hash) => hash,
            None => block_hash(&target[at..at + BLOCK]),
        };
        let longest = samples
            .near(now, (at as i64 + diagonal).max(0) as usize)
            .filter(|&place| base[place..place + BLOCK] == target[at..at + BLOCK])
            .map(|place| {
                let left = common_suffix(&target[floor..at], &base[..place]);
                let right = common_prefix(&target[at..range.end], &base[place..]);
                Match { base: (place - left) as u64, target: (at - left) as u64, length: (left + right) as u64 }
            })
            .min_by_key(|one| (Reverse(one.length), one.diagonal().abs_diff(diagonal), one.base));
        if let Some(one) = longest {
            hash = None;
            if one.length as usize >= length_min.min(range.len()) {
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
        hash = (at + BLOCK < range.end).then(|| roll(now, target[at], target[at + BLOCK]));
        at += 1;
    }
    found
}

fn block_hash(block: &[u8]) -> u64 {
    block.iter().fold(0, |hash: u64, &byte| hash.wrapping_mul(FACTOR).wrapping_add(u64::from(byte) + 1))
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
    fn new(base: &[u8]) -> Self {
        // Constant blocks say nothing about where they came from, and there may be thousands of them.
        let hashes: Vec<Option<u64>> = base
            .par_chunks_exact(BLOCK)
            .map(|block| block.iter().any(|&byte| byte != block[0]).then(|| mixed(block_hash(block))))
            .collect();
        let bits = hashes.len().next_power_of_two().trailing_zeros().clamp(8, 24);
        let shift = 64 - bits;
        let mut starts = vec![0u32; (1 << bits) + 1];
        let mut filter = vec![0u64; 1 << (bits + FILTER_BITS) >> 6];
        for hash in hashes.iter().flatten() {
            starts[(hash >> shift) as usize] += 1;
            let bit = (hash >> (shift - FILTER_BITS)) as usize;
            filter[bit / 64] |= 1 << (bit % 64);
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut places = vec![0; sum as usize];
        for (number, hash) in hashes.iter().enumerate().rev() {
            if let Some(hash) = hash {
                let start = &mut starts[(hash >> shift) as usize];
                *start -= 1;
                places[*start as usize] = number as u32;
            }
        }
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

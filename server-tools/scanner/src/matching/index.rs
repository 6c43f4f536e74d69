//! An index of short blocks of the base.
//!
//! In: the base and the spans found so far. Out: for any sixteen bytes, the places in the base where they may stand, in
//! order. Places are sampled every few bytes where no span reads the base, since that is where the old version of what
//! is left in the target stands, and thinly elsewhere, for content that was copied out of ranges that stayed.
//! It does not compare bytes: a place is a candidate until someone looks.

use super::Span;
use crate::bytes::word;
use rayon::prelude::*;

/// Bytes of a block.
pub(super) const BLOCK: usize = 16;
/// Distance of samples in ranges of the base that no span reads. Any equal range of `BLOCK + STEP - 1` bytes is found.
const STEP: usize = 4;
/// Distance of samples in ranges that a span reads.
const STEP_READ: usize = 32;
/// Largest part, in bytes: the unit of work of a thread.
const PART_BYTES_MAX: usize = 4 << 20;
/// Most samples kept: 96 MiB. Distances double until they fit.
const SAMPLES_MAX: usize = 24 << 20;

/// The filter has 16 bits for each group: about one in twenty blocks of new data passes.
const FILTER_BITS: u32 = 4;

/// Sampled places of the base, grouped by the hash of the block there.
pub(super) struct BlockIndex {
    /// For each hash, where its group starts in `places`; one more entry ends the last.
    starts: Vec<u32>,
    /// Places in units of `unit` bytes; ascending within a group.
    places: Vec<u32>,
    unit: usize,
    shift: u32,
    /// A bit for each of [`FILTER_BITS`] finer groups, set when it has a place. Most blocks of new data are refused by
    /// one look here instead of three elsewhere.
    filter: Vec<u64>,
}

/// A range of the base and the distance of its samples.
struct Part {
    start: usize,
    end: usize,
    step: usize,
}

impl BlockIndex {
    /// Samples `base`. `spans` are those of the target found so far.
    pub(super) fn new(base: &[u8], spans: &[Span]) -> Self {
        // Counted, not estimated: the blocks left out may be most of a sparse image.
        let mut coarser = 1;
        let (parts, count) = loop {
            let parts = parts(base.len(), spans, coarser);
            let count: usize = parts.par_iter().map(|part| samples(base, part).count()).sum();
            if count <= SAMPLES_MAX && base.len() / (STEP * coarser) <= u32::MAX as usize {
                break (parts, count);
            }
            coarser *= 2;
        };
        let bits = count.next_power_of_two().trailing_zeros().clamp(8, 24);
        let shift = 64 - bits;
        let mut starts = vec![0u32; (1 << bits) + 1];
        let mut filter = vec![0u64; (1 << bits << FILTER_BITS) / 64];
        for (_, hash) in parts.iter().flat_map(|part| samples(base, part)) {
            starts[(hash >> shift) as usize] += 1;
            let bit = (hash >> (shift - FILTER_BITS)) as usize;
            filter[bit / 64] |= 1 << (bit % 64);
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Filled from the last sample to the first, each group from its end: ascending places.
        let unit = STEP * coarser;
        let mut places = vec![0u32; count];
        for part in parts.iter().rev() {
            for (at, hash) in samples(base, part).rev() {
                let start = &mut starts[(hash >> shift) as usize];
                *start -= 1;
                places[*start as usize] = (at / unit) as u32;
            }
        }
        Self { starts, places, unit, shift, filter }
    }

    /// Whether the block at `at` may be held at all.
    pub(super) fn may_hold(&self, bytes: &[u8], at: usize) -> bool {
        block_hash(bytes, at).is_some_and(|hash| {
            let bit = (hash >> (self.shift - FILTER_BITS)) as usize;
            self.filter[bit / 64] >> (bit % 64) & 1 == 1
        })
    }

    /// The first position from `at` on whose block may be held, or `until`.
    pub(super) fn next_held(&self, bytes: &[u8], at: usize, until: usize) -> usize {
        (at..until).find(|&at| self.may_hold(bytes, at)).unwrap_or(until)
    }

    /// Up to `per_side` places on each side of `expected` whose block may equal that of `bytes` at `at`.
    pub(super) fn near(&self, bytes: &[u8], at: usize, expected: u64, per_side: usize) -> impl Iterator<Item = usize> {
        let group = match block_hash(bytes, at) {
            Some(hash) => {
                let slot = (hash >> self.shift) as usize;
                &self.places[self.starts[slot] as usize..self.starts[slot + 1] as usize]
            }
            None => &[],
        };
        let middle = group.partition_point(|&place| (place as usize * self.unit) as u64 <= expected);
        let near = &group[middle.saturating_sub(per_side)..group.len().min(middle + per_side)];
        near.iter().map(|&place| place as usize * self.unit)
    }
}

/// Hash of the block at `at`. None for blocks of one repeated word: they fill sparse images and padding, say nothing
/// about where they came from, and cost next to nothing as an addition.
fn block_hash(bytes: &[u8], at: usize) -> Option<u64> {
    let (low, high) = (word(bytes, at), word(bytes, at + 8));
    let mixed = (low ^ high.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (low != high).then_some((mixed ^ (mixed >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd))
}

/// Cuts the base at the ranges that `spans` read, and into pieces small enough to spread over threads.
fn parts(base_length: usize, spans: &[Span], coarser: usize) -> Vec<Part> {
    let mut read: Vec<(usize, usize)> = spans.iter().map(|span| (span.base, span.base + span.length)).collect();
    read.sort_unstable();
    let mut found = Vec::new();
    let mut push = |start: usize, end: usize, step: usize| {
        found.extend((start..end).step_by(PART_BYTES_MAX).map(|at| Part {
            start: at,
            end: end.min(at + PART_BYTES_MAX),
            step: step * coarser,
        }));
    };
    let mut done = 0;
    for (start, end) in read {
        push(done, start, STEP);
        push(done.max(start), end, STEP_READ);
        done = done.max(end);
    }
    push(done, base_length, STEP);
    found
}

/// The samples of one part in order: places at multiples of the distance, with the hash of the block there.
fn samples<'a>(base: &'a [u8], part: &Part) -> impl DoubleEndedIterator<Item = (usize, u64)> + use<'a> {
    let step = part.step;
    let end = part.end.min((base.len() + 1).saturating_sub(BLOCK));
    let (first, last) = (part.start.div_ceil(step), end.div_ceil(step));
    (first..last).filter_map(move |number| Some((number * step, block_hash(base, number * step)?)))
}

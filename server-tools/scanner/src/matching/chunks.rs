//! Long equal ranges, found by the ids of content-defined chunks and grown byte by byte.
//!
//! In: both images and their chunks. Out: sorted matches without changed bytes, disjoint in the target.
//! A chunk that stands in the base more than once is tried at the places nearest to the current diagonal; the choice is
//! the longest range, then the diagonal nearest to the current one, then the lowest base offset.

use super::{LARGE_BYTES_MIN, Match};
use crate::bytes::{common_prefix, common_suffix};
use crate::chunk::Chunk;
use crate::control::{Cancelled, Control, Meter, Stage};
use std::cmp::Reverse;

/// Places of one chunk id that are tried on each side of the expected one. Runs of zeros put thousands of equal chunks
/// into an image; without a limit each would be compared with each.
const PLACES_PER_SIDE: usize = 4;
/// Chunks between two reports.
const CHUNKS_PER_REPORT: usize = 4096;

/// Finds the ranges.
pub(crate) fn matches(
    base: &[u8],
    target: &[u8],
    base_chunks: &[Chunk],
    target_chunks: &[Chunk],
    control: Control<'_>,
) -> Result<Vec<Match>, Cancelled> {
    let meter = Meter::new(control, Stage::Match, target.len() as u64);
    // Sorted by id, then offset: all places of an id are neighbours and in order.
    let mut places: Vec<(&[u8; 32], u64)> = base_chunks.iter().map(|chunk| (&chunk.id, chunk.offset)).collect();
    places.sort_unstable();
    let length_min = LARGE_BYTES_MIN.min(target.len()) as u64;
    let mut found: Vec<Match> = Vec::new();
    let (mut made, mut diagonal) = (0, 0);
    for chunks in target_chunks.chunks(CHUNKS_PER_REPORT) {
        for chunk in chunks {
            if chunk.end() as usize <= made {
                continue;
            }
            let first = places.partition_point(|place| place.0 < &chunk.id);
            let count = places[first..].partition_point(|place| place.0 == &chunk.id);
            let same_id = &places[first..first + count];
            let expected = (chunk.offset as i64 + diagonal).max(0) as u64;
            let middle = same_id.partition_point(|place| place.1 < expected);
            let near = &same_id[middle.saturating_sub(PLACES_PER_SIDE)..count.min(middle + PLACES_PER_SIDE)];
            // The range before may reach into the chunk.
            let start = made.max(chunk.offset as usize);
            let skipped = start - chunk.offset as usize;
            let longest = near
                .iter()
                .map(|place| grown(base, target, place.1 as usize + skipped, start, made))
                .min_by_key(|one| (Reverse(one.length), one.diagonal().abs_diff(diagonal), one.base));
            if let Some(one) = longest.filter(|one| one.length >= length_min) {
                (made, diagonal) = (one.end() as usize, one.diagonal());
                found.push(one);
            }
        }
        meter.add(chunks.iter().map(|chunk| u64::from(chunk.length)).sum())?;
    }
    Ok(found)
}

/// The longest equal range through the pair of offsets, which starts at `floor` of the target or behind.
fn grown(base: &[u8], target: &[u8], base_at: usize, at: usize, floor: usize) -> Match {
    let right = common_prefix(&target[at..], &base[base_at..]);
    let left = common_suffix(&target[floor..at], &base[..base_at]);
    Match { base: (base_at - left) as u64, target: (at - left) as u64, length: (left + right) as u64 }
}

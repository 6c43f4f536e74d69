//! Chunks of the target that the base holds, grown to the longest equal ranges around them.
//!
//! In: both images, their chunks, and the spans already taken. Out: those spans and the new ones, sorted and disjoint.
//! A chunk that stands in the base more than once is tried at the places nearest to the current diagonal; the choice is
//! the longest range, then the diagonal nearest to the current one, then the lowest base offset.

use super::{Gap, Span, gaps};
use crate::bytes::{common_prefix, common_suffix};
use crate::chunk::Chunk;
use crate::control::{Cancelled, Meter};
use std::cmp::Reverse;

/// Places of one chunk id that are tried on each side of the expected one. Runs of zeros put thousands of equal chunks
/// into an image; without a limit each would be compared with each.
const PLACES_PER_SIDE: usize = 4;
/// Shortest part of a chunk, cut by spans already taken, that is still worth a look-up here.
const PART_BYTES_MIN: usize = 2048;

/// Finds the ranges.
pub(super) fn spans(
    base: &[u8],
    target: &[u8],
    base_chunks: &[Chunk],
    target_chunks: &[Chunk],
    taken: &[Span],
    meter: &Meter<'_>,
) -> Result<Vec<Span>, Cancelled> {
    // Sorted by id, then offset: all places of an id are neighbours and in order.
    let mut places: Vec<(&[u8; 32], u64)> = base_chunks.iter().map(|chunk| (&chunk.id, chunk.offset)).collect();
    places.sort_unstable();
    let mut found = Vec::with_capacity(taken.len());
    let mut taken = taken.iter().copied().peekable();
    let mut next_chunk = 0;
    let mut reported = 0;
    for gap in gaps(&taken.clone().collect::<Vec<_>>(), target.len()) {
        while let Some(span) = taken.next_if(|span| span.target < gap.start) {
            found.push(span);
        }
        while target_chunks.get(next_chunk).is_some_and(|chunk| chunk.end() as usize <= gap.start) {
            next_chunk += 1;
        }
        fill(base, target, &places, target_chunks, &mut next_chunk, gap, &mut found)?;
        meter.add((gap.end - reported) as u64)?;
        reported = gap.end;
    }
    found.extend(taken);
    meter.add((target.len() - reported) as u64)?;
    Ok(found)
}

/// Looks up the chunks from `next_chunk` on that touch `gap`, and appends what they give.
fn fill(
    base: &[u8],
    target: &[u8],
    places: &[(&[u8; 32], u64)],
    target_chunks: &[Chunk],
    next_chunk: &mut usize,
    gap: Gap,
    found: &mut Vec<Span>,
) -> Result<(), Cancelled> {
    let mut cursor = gap.start;
    let mut diagonal = gap.before.unwrap_or(0);
    while let Some(chunk) = target_chunks.get(*next_chunk)
        && (chunk.offset as usize) < gap.end
    {
        let start = cursor.max(chunk.offset as usize);
        let end = gap.end.min(chunk.end() as usize);
        if end.saturating_sub(start) >= PART_BYTES_MIN.min(chunk.length as usize) {
            let first = places.partition_point(|place| place.0 < &chunk.id);
            let count = places[first..].partition_point(|place| place.0 == &chunk.id);
            let same_id = &places[first..first + count];
            let skipped = start - chunk.offset as usize;
            let expected = (chunk.offset as i64 + diagonal).max(0) as u64;
            let middle = same_id.partition_point(|place| place.1 < expected);
            let near = &same_id[middle.saturating_sub(PLACES_PER_SIDE)..count.min(middle + PLACES_PER_SIDE)];
            let longest = near
                .iter()
                .map(|place| grow(base, target, start, place.1 as usize + skipped, cursor, gap.end))
                .min_by_key(|span| (Reverse(span.length), span.diagonal().abs_diff(diagonal), span.base));
            if let Some(span) = longest
                && span.length >= end - start
            {
                found.push(span);
                cursor = span.end();
                diagonal = span.diagonal();
            }
        }
        // The chunk at the end of the gap may reach behind the span that follows, so the next gap looks at it again.
        if chunk.end() as usize > gap.end {
            break;
        }
        *next_chunk += 1;
        while target_chunks.get(*next_chunk).is_some_and(|chunk| chunk.end() as usize <= cursor) {
            *next_chunk += 1;
        }
    }
    Ok(())
}

/// The longest equal range through the pair of offsets, inside `floor..ceiling` of the target.
fn grow(base: &[u8], target: &[u8], at: usize, base_at: usize, floor: usize, ceiling: usize) -> Span {
    let right = common_prefix(&target[at..ceiling], &base[base_at..]);
    let left = common_suffix(&target[floor..at], &base[..base_at]);
    Span { target: at - left, base: base_at - left, length: left + right }
}

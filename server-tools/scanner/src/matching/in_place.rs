//! Long ranges that base and target hold at the same offset.
//!
//! In: both images. Out: sorted, disjoint spans on diagonal 0. They are taken before anything else because the device
//! need not write what already stands in its place; short ones are left to the later passes, where a copy along moved
//! content may be cheaper than an interruption of it.

use super::Span;
use crate::bytes::{common_prefix, common_suffix};
use crate::control::{Cancelled, Meter};
use rayon::prelude::*;

/// Unit of comparison: the block size of the file systems in such images.
const BLOCK: usize = 4096;
/// Shortest range taken, in bytes. Below it, equality at the same offset is often an accident of zeros.
const RANGE_BYTES_MIN: usize = 64 * 1024;
/// Blocks compared by one task.
const TASK_BLOCKS: usize = 4096;

/// Finds the ranges, each grown bytewise over the edges of its blocks.
pub(super) fn spans(base: &[u8], target: &[u8], meter: &Meter<'_>) -> Result<Vec<Span>, Cancelled> {
    let limit = base.len().min(target.len());
    let (base, target) = (&base[..limit], &target[..limit]);
    let tasks: Vec<Vec<bool>> = base
        .par_chunks(BLOCK * TASK_BLOCKS)
        .zip(target.par_chunks(BLOCK * TASK_BLOCKS))
        .map(|(base, target)| {
            meter.add(0)?;
            Ok(base.chunks(BLOCK).zip(target.chunks(BLOCK)).map(|(base, target)| base == target).collect())
        })
        .collect::<Result<_, Cancelled>>()?;
    let mut found: Vec<Span> = Vec::new();
    let mut first_equal = None;
    let blocks = tasks.into_iter().flatten().chain([false]);
    for (block, equal) in blocks.enumerate() {
        match (equal, first_equal) {
            (true, None) => first_equal = Some(block),
            (false, Some(first)) => {
                first_equal = None;
                let (start, end) = (first * BLOCK, (block * BLOCK).min(limit));
                if end - start < RANGE_BYTES_MIN {
                    continue;
                }
                let floor = found.last().map_or(0, Span::end);
                let start = start - common_suffix(&base[floor..start], &target[floor..start]);
                let end = end + common_prefix(&base[end..], &target[end..]);
                found.push(Span { target: start, base: start, length: end - start });
            }
            _ => {}
        }
    }
    Ok(found)
}

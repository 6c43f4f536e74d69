//! From two images and their chunks to the operations between them.
//!
//! In: base, target and the chunks of both. Out: operations that cover the target in order. Three passes, each on what
//! the ones before left over:
//! 1. `in_place`: long ranges equal at the same offset. They come first because they need not be written again.
//! 2. `by_chunk`: chunks of the target that the base holds elsewhere, extended byte by byte.
//! 3. `search`: seeds of a few bytes from an index of the base, and a cheapest cover of the rest by copies and additions.
//!
//! No pass depends on thread count or order: work is split at fixed target offsets and collected in order, and every
//! choice ends in a total order.
//! It does not encode anything; the costs in `cover` only estimate what a coder will pay.

mod by_chunk;
mod cover;
mod in_place;
mod index;
mod search;
mod tracks;

use crate::Options;
use crate::chunk::Chunk;
use crate::control::{Cancelled, Control, Meter, Stage};
use crate::ops::{Op, OpList};

/// A range of the target that equals a range of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    target: usize,
    base: usize,
    length: usize,
}

impl Span {
    fn end(&self) -> usize {
        self.target + self.length
    }

    /// Base offset minus target offset.
    fn diagonal(&self) -> i64 {
        self.base as i64 - self.target as i64
    }
}

/// A range of the target that no span covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    start: usize,
    end: usize,
    /// Diagonal of the span that ends where the gap starts.
    before: Option<i64>,
    /// Diagonal of the span that starts where the gap ends.
    after: Option<i64>,
}

/// The gaps between `spans`, which are sorted and disjoint, in a target of `target_length` bytes.
fn gaps(spans: &[Span], target_length: usize) -> Vec<Gap> {
    let mut found = Vec::with_capacity(spans.len() + 1);
    let mut start = 0;
    let mut before = None;
    for span in spans {
        assert!(span.target >= start, "spans are sorted and disjoint");
        if span.target > start {
            found.push(Gap { start, end: span.target, before, after: Some(span.diagonal()) });
        }
        start = span.end();
        before = Some(span.diagonal());
    }
    if start < target_length {
        found.push(Gap { start, end: target_length, before, after: None });
    }
    found
}

/// Finds the operations that make `target` from `base`.
pub(crate) fn operations(
    base: &[u8],
    target: &[u8],
    base_chunks: &[Chunk],
    target_chunks: &[Chunk],
    options: Options,
    control: Control<'_>,
) -> Result<Vec<Op>, Cancelled> {
    let mut large = Vec::new();
    if !base.is_empty() {
        let meter = Meter::new(control, Stage::Match, target.len() as u64);
        let in_place = in_place::spans(base, target, &meter)?;
        large = by_chunk::spans(base, target, base_chunks, target_chunks, &in_place, &meter)?;
    }
    let small = search::spans(base, target, &large, options, control)?;
    let mut ops = OpList::default();
    let mut large = large.into_iter().peekable();
    for span in small {
        while let Some(first) = large.next_if(|first| first.target < span.target) {
            ops.copy(first.target as u64, first.base as u64, first.length as u64);
        }
        ops.copy(span.target as u64, span.base as u64, span.length as u64);
    }
    for last in large {
        ops.copy(last.target as u64, last.base as u64, last.length as u64);
    }
    Ok(ops.finish(target.len() as u64))
}

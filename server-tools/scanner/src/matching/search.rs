//! Short equal ranges in what the large passes left over.
//!
//! In: both images and the large spans. Out: spans in the gaps between them, sorted and disjoint. The target is worked
//! on in windows that start at multiples of [`WINDOW_BYTES`], whatever the number of threads.

use super::cover::{PIECE_BYTES_MAX, Scratch, cover};
use super::index::BlockIndex;
use super::tracks::tracks;
use super::{Gap, Span, gaps};
use crate::control::{Cancelled, Control, Meter, Stage};
use rayon::prelude::*;

/// Bytes of target in one window. Bundles reset their coder at the same distance, so that what a window boundary cuts
/// would have been cut there anyway.
const WINDOW_BYTES: usize = 4 << 20;

/// Finds the spans.
pub(super) fn spans(
    base: &[u8],
    target: &[u8],
    large: &[Span],
    control: Control<'_>,
) -> Result<Vec<Span>, Cancelled> {
    let gaps = gaps(large, target.len());
    let meter = Meter::new(control, Stage::Search, gaps.iter().map(|gap| (gap.end - gap.start) as u64).sum());
    if base.is_empty() || gaps.is_empty() {
        return Ok(Vec::new());
    }
    let index = BlockIndex::new(base, large);
    let windows = windows(&gaps);
    let found: Vec<Vec<Span>> = windows
        .par_iter()
        .map_init(Scratch::default, |scratch, window| {
            let mut found: Vec<Span> = Vec::new();
            for &piece in window {
                let mut gap = piece;
                if let Some(last) = found.last()
                    && last.end() == gap.start
                {
                    gap.before = Some(last.diagonal());
                }
                let tracks = tracks(base, target, &index, gap);
                found.extend(cover(base, target, gap, &tracks, scratch));
                meter.add((gap.end - gap.start) as u64)?;
            }
            Ok(found)
        })
        .collect::<Result<_, Cancelled>>()?;
    Ok(found.concat())
}

/// Cuts the gaps into pieces, and groups them by the window in which they start.
fn windows(gaps: &[Gap]) -> Vec<Vec<Gap>> {
    let mut windows: Vec<Vec<Gap>> = Vec::new();
    for gap in gaps {
        let mut start = gap.start;
        while start < gap.end {
            let end = gap.end.min((start / PIECE_BYTES_MAX + 1) * PIECE_BYTES_MAX);
            let piece = Gap {
                start,
                end,
                before: gap.before.filter(|_| start == gap.start),
                after: gap.after.filter(|_| end == gap.end),
            };
            let window = start / WINDOW_BYTES;
            match windows.last_mut() {
                Some(last) if last[0].start / WINDOW_BYTES == window => last.push(piece),
                _ => windows.push(vec![piece]),
            }
            start = end;
        }
    }
    windows
}

//! Short equal ranges in what the large passes left over.
//!
//! In: both images and the large spans. Out: spans in the gaps between them, sorted and disjoint. Each segment of the
//! target is worked on alone, whatever the number of threads: a bundle resets its coder there, so that what the boundary
//! cuts would have been cut anyway. Where the cheapest cover has more operations than a segment may, copies are made
//! dearer until it has not.

use super::cover::{Costs, PIECE_BYTES_MAX, Scratch, cover};
use super::index::BlockIndex;
use super::tracks::{Track, tracks};
use super::{Gap, Span, gaps};
use crate::Options;
use crate::control::{Cancelled, Control, Meter, Stage};
use rayon::prelude::*;
use std::cmp::Reverse;

/// Finds the spans.
pub(super) fn spans(
    base: &[u8],
    target: &[u8],
    large: &[Span],
    options: Options,
    control: Control<'_>,
) -> Result<Vec<Span>, Cancelled> {
    let gaps = gaps(large, target.len());
    let meter = Meter::new(control, Stage::Search, gaps.iter().map(|gap| (gap.end - gap.start) as u64).sum());
    if base.is_empty() || gaps.is_empty() {
        return Ok(Vec::new());
    }
    let index = BlockIndex::new(base, large);
    control.check()?;
    let windows = windows(&gaps, large, 1 << options.segment_log2);
    let found: Vec<Vec<Span>> = windows
        .par_iter()
        .map_init(Scratch::default, |scratch, window| {
            let mut piece_tracks = Vec::with_capacity(window.pieces.len());
            for &piece in &window.pieces {
                piece_tracks.push(tracks(base, target, &index, piece));
                meter.add((piece.end - piece.start) as u64)?;
            }
            let copies_max = window.small_copies_max(options.segment_ops_max as usize);
            let mut costs = Costs::FITTED;
            let mut cheapest = cover_window(base, target, window, &piece_tracks, costs, scratch);
            while cheapest.len() > copies_max {
                control.check()?;
                // Costs go in steps; a cover that is over the limit without its shortest copies may copy more than the
                // first one that is not, and after the last step it is all there is.
                let longest = longest(cheapest.clone(), copies_max);
                let Some(next) = costs.dearer() else { return Ok(longest) };
                costs = next;
                cheapest = cover_window(base, target, window, &piece_tracks, costs, scratch);
                let copied = |spans: &[Span]| spans.iter().map(|span| span.length).sum::<usize>();
                if cheapest.len() <= copies_max && copied(&longest) > copied(&cheapest) {
                    return Ok(longest);
                }
            }
            Ok(cheapest)
        })
        .collect::<Result<_, Cancelled>>()?;
    Ok(found.concat())
}

/// Covers the pieces of a window one after the other.
fn cover_window(
    base: &[u8],
    target: &[u8],
    window: &Window,
    piece_tracks: &[Vec<Track>],
    costs: Costs,
    scratch: &mut Scratch,
) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for (&piece, tracks) in window.pieces.iter().zip(piece_tracks) {
        let before = found.last().filter(|last| last.end() == piece.start).map(Span::diagonal);
        let gap = Gap { before: before.or(piece.before), ..piece };
        found.extend(cover(base, target, gap, tracks, costs, scratch));
    }
    found
}

/// The `count` longest of `spans`, in target order; of equally long ones the first.
fn longest(mut spans: Vec<Span>, count: usize) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| (Reverse(span.length), span.target));
    spans.truncate(count);
    spans.sort_unstable_by_key(|span| span.target);
    spans
}

/// The part of the gaps that lies in one segment of the target.
struct Window {
    /// Consecutive ranges without a span, none longer than a piece.
    pieces: Vec<Gap>,
    /// Large spans that touch the segment.
    large: usize,
}

impl Window {
    /// Copies that the gaps of the segment may have, when each copy, large ones too, may be followed by an addition.
    fn small_copies_max(&self, segment_ops_max: usize) -> usize {
        (segment_ops_max / 2).saturating_sub(self.large + 1)
    }
}

/// Cuts the gaps into pieces, and groups them by segment.
fn windows(gaps: &[Gap], large: &[Span], segment_bytes: usize) -> Vec<Window> {
    let piece_bytes = PIECE_BYTES_MAX.min(segment_bytes);
    let mut windows: Vec<Window> = Vec::new();
    for gap in gaps {
        let mut start = gap.start;
        while start < gap.end {
            let end = gap.end.min((start / piece_bytes + 1) * piece_bytes);
            let piece = Gap {
                start,
                end,
                before: gap.before.filter(|_| start == gap.start),
                after: gap.after.filter(|_| end == gap.end),
            };
            let segment = start / segment_bytes;
            match windows.last_mut() {
                Some(last) if last.pieces[0].start / segment_bytes == segment => last.pieces.push(piece),
                _ => {
                    let (first, behind) = (segment * segment_bytes, (segment + 1) * segment_bytes);
                    let touching = large.partition_point(|span| span.end() <= first);
                    let count = large[touching..].partition_point(|span| span.target < behind);
                    windows.push(Window { pieces: vec![piece], large: count });
                }
            }
            start = end;
        }
    }
    windows
}

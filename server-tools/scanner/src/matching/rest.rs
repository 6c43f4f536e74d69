//! What is left of the base when its long matches are taken out, in one piece.
//!
//! In: the base and the matches so far. Out: windows of the rest, each small enough for a suffix array of 32-bit numbers,
//! and the way back from an offset in a window to one in the base. It does not decide what is searched there.

use super::Match;
use crate::rope::Rope;
use core::ops::Range;

/// Bytes in one window at most; its suffix array and what speeds it up take eight times as much.
const WINDOW_BYTES_MAX: usize = 64 << 20;
/// Bytes that are searched although a match reads them, on both sides of what none reads.
const MARGIN: usize = 64;

/// Ranges of the base that no match reads, in order, each with `margin` bytes more on both sides.
pub(super) fn open(base_length: usize, matches: &[Match], margin: usize) -> Vec<Range<usize>> {
    let mut read: Vec<Range<usize>> =
        matches.iter().map(|found| found.base as usize..(found.base + found.length) as usize).collect();
    read.sort_unstable_by_key(|range| (range.start, range.end));
    let mut open: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for range in read {
        if range.start > start {
            push(&mut open, start.saturating_sub(margin)..(range.start + margin).min(base_length));
        }
        start = start.max(range.end);
    }
    if start < base_length {
        push(&mut open, start.saturating_sub(margin)..base_length);
    }
    open
}

/// Ranges of the base, in order, that make up each window.
pub(super) fn windows(base_length: usize, matches: &[Match]) -> Vec<Vec<Range<usize>>> {
    let mut windows: Vec<Vec<Range<usize>>> = Vec::new();
    let mut room = 0;
    for mut range in open(base_length, matches, MARGIN) {
        while !range.is_empty() {
            if room == 0 {
                windows.push(Vec::new());
                room = WINDOW_BYTES_MAX;
            }
            let taken = range.len().min(room);
            if let Some(window) = windows.last_mut() {
                window.push(range.start..range.start + taken);
            }
            range.start += taken;
            room -= taken;
        }
    }
    windows
}

/// Appends a range, or grows the last one over it.
fn push(ranges: &mut Vec<Range<usize>>, next: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if last.end >= next.start => last.end = last.end.max(next.end),
        _ => ranges.push(next),
    }
}

/// Where ranges of the base, put behind each other, come from.
pub(super) struct Origins(
    /// For each range: where it starts in the window and in the base.
    Vec<(usize, usize)>,
);

impl Origins {
    pub(super) fn new(ranges: &[Range<usize>]) -> Self {
        let starts = ranges.iter().scan(0, |end, range| {
            *end += range.len();
            Some((*end - range.len(), range.start))
        });
        Self(starts.collect())
    }

    /// The offset in the base of the byte at `offset` in the window.
    pub(super) fn base_offset(&self, offset: usize) -> usize {
        let (start, base_start) = self.0[self.0.partition_point(|start| start.0 <= offset) - 1];
        base_start + (offset - start)
    }
}

/// One window.
pub(super) struct Rest {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    origins: Origins,
}

impl Rest {
    pub(super) fn new(base: &Rope<'_>, ranges: Vec<Range<usize>>) -> Self {
        let mut bytes = Vec::with_capacity(ranges.iter().map(Range::len).sum());
        let origins = Origins::new(&ranges);
        for range in ranges {
            base.within(range).for_each(|part| bytes.extend_from_slice(part));
        }
        Self { bytes, origins }
    }

    /// The offset in the base of the byte at `offset` in the window.
    pub(super) fn base_offset(&self, offset: usize) -> usize {
        self.origins.base_offset(offset)
    }
}

//! Diagonals along which a gap of the target resembles the base.
//!
//! In: both images, a gap, and the index of the base. Out: tracks, each a diagonal and the range of the target where it
//! is worth considering: mostly equal bytes with changed ones between them, such as moved code with other addresses in
//! it. Tracks may overlap; `cover` decides which of them carries which byte.

use super::Gap;
use super::index::{BLOCK, BlockIndex};
use crate::bytes::{common_prefix, common_suffix};
use std::cmp::Reverse;

/// A diagonal that resembles the target in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) diagonal: i64,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Candidates of the index tried on each side of the expected place.
const PLACES_PER_SIDE: usize = 4;
/// Score of a changed byte against +1 for an equal one: a track must be equal in two of three bytes. Tables of fixed-size
/// records are half equal along every multiple of the record; such tracks are long and of no use.
const SCORE_CHANGED: i32 = -2;
/// A track ends where its score has fallen this far below its maximum.
const SCORE_DROP: i32 = 60;
/// Tracks at one position. Where there are as many, repetitive data makes them, and one more would gain little.
pub(super) const TRACKS_MAX: usize = 16;
/// Bytes compared along tracks for each byte of a gap, at most. Root file systems need up to 26; it bounds what
/// data made for the purpose can cost.
const COMPARED_PER_BYTE: usize = 64;

/// Finds the tracks of `gap`, sorted by start.
pub(super) fn tracks(base: &[u8], target: &[u8], index: &BlockIndex, gap: Gap) -> Vec<Track> {
    let mut follower = Follower { base, target, gap, budget: COMPARED_PER_BYTE * (gap.end - gap.start) + 4096 };
    let mut found = Vec::new();
    // The neighbours' diagonals first: a change inside moved content is the commonest gap.
    if let Some(diagonal) = gap.before {
        found.extend(follower.right(diagonal, gap.start).filter(|end| *end > gap.start).map(|end| Track {
            diagonal,
            start: gap.start,
            end,
        }));
    }
    let mut last = None;
    if let Some(diagonal) = gap.after
        && let Some(start) = follower.left(diagonal, gap.end)
        && start < gap.end
    {
        last = Some(Track { diagonal, start, end: gap.end });
    }
    let mut expected = gap.before.or(gap.after).unwrap_or(0);
    let mut active: Vec<Active> = found.iter().copied().map(Active::new).collect();
    let mut at = gap.start;
    while at + BLOCK <= gap.end {
        active.retain(|one| one.track.end > at);
        if let Some(pending) = last
            && pending.start <= at
        {
            active.push(Active::new(pending));
            found.push(pending);
            last = None;
        }
        // Where a track reproduces the next block, no other diagonal is needed until its run of equal bytes ends: one
        // that is better from there on is found behind the run and followed to the left.
        let run = active.iter_mut().map(|one| one.run(base, target, at)).max().unwrap_or(0);
        if run >= BLOCK {
            at += run - BLOCK + 1;
            continue;
        }
        if active.is_empty() {
            let until = last.map_or(gap.end - BLOCK + 1, |pending| pending.start);
            at = index.next_held(target, at, until);
            if at == until {
                continue;
            }
        }
        if active.len() < TRACKS_MAX && index.may_hold(target, at) {
            let near = index.near(target, at, (at as i64 + expected).max(0) as u64, PLACES_PER_SIDE);
            let seed = near
                .map(|place| (follower.seed_length(place, at), place as i64 - at as i64))
                .filter(|&(length, diagonal)| {
                    length >= BLOCK && active.iter().all(|one| one.track.diagonal != diagonal)
                })
                .min_by_key(|&(length, diagonal)| (Reverse(length), diagonal.abs_diff(expected), diagonal));
            if let Some((_, diagonal)) = seed
                && let Some(track) = follower.both(diagonal, at)
            {
                expected = diagonal;
                active.push(Active::new(track));
                found.push(track);
            }
        }
        at += 1;
    }
    found.extend(last);
    found.sort_unstable_by_key(|track| (track.start, track.end, track.diagonal));
    found
}

/// A track that covers the current position.
struct Active {
    track: Track,
    /// The first changed byte at or behind the position last asked for.
    differs_at: usize,
}

impl Active {
    fn new(track: Track) -> Self {
        Self { track, differs_at: 0 }
    }

    /// Equal bytes from `at` on, up to the end of the track. Each byte of a track is compared once here, since `at`
    /// only grows.
    fn run(&mut self, base: &[u8], target: &[u8], at: usize) -> usize {
        if self.differs_at < at {
            let base_at = (at as i64 + self.track.diagonal) as usize;
            self.differs_at = at + common_prefix(&target[at..self.track.end], &base[base_at..]);
        }
        self.differs_at - at
    }
}

/// Follows diagonals through one gap, and pays for it.
struct Follower<'a> {
    base: &'a [u8],
    target: &'a [u8],
    gap: Gap,
    budget: usize,
}

impl Follower<'_> {
    /// Length of the equal bytes around the pair, found by a seed; short of a block when the seed is a false hit.
    fn seed_length(&self, place: usize, at: usize) -> usize {
        let right = common_prefix(&self.target[at..self.gap.end.min(at + 4096)], &self.base[place..]);
        if right < BLOCK {
            return right;
        }
        let floor = self.gap.start.max(at.saturating_sub(4096));
        right + common_suffix(&self.target[floor..at], &self.base[..place])
    }

    /// The track through `at`, where a seed is. None when the budget is spent.
    fn both(&mut self, diagonal: i64, at: usize) -> Option<Track> {
        let end = self.right(diagonal, at)?;
        let start = self.left(diagonal, at)?;
        Some(Track { diagonal, start, end })
    }

    /// Where a track that starts at `at` ends.
    fn right(&mut self, diagonal: i64, at: usize) -> Option<usize> {
        let from = usize::try_from(at as i64 + diagonal).ok()?;
        let pairs = self.target[at..self.gap.end].iter().zip(self.base.get(from..)?);
        let length = follow(pairs, &mut self.budget)?;
        Some(at + length)
    }

    /// Where a track that ends at `at` starts.
    fn left(&mut self, diagonal: i64, at: usize) -> Option<usize> {
        let to = usize::try_from(at as i64 + diagonal).ok()?;
        let pairs = self.target[self.gap.start..at].iter().rev().zip(self.base.get(..to)?.iter().rev());
        let length = follow(pairs, &mut self.budget)?;
        Some(at - length)
    }
}

/// Number of pairs up to the highest score, reading on until the score has fallen by [`SCORE_DROP`]. None when the
/// budget is spent.
fn follow<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>, budget: &mut usize) -> Option<usize> {
    if *budget == 0 {
        return None;
    }
    let (mut score, mut best, mut best_length, mut read) = (0i32, 0i32, 0, 0);
    for (a, b) in pairs {
        read += 1;
        if a == b {
            score += 1;
            if score > best {
                best = score;
                best_length = read;
            }
        } else {
            score += SCORE_CHANGED;
            if score < best - SCORE_DROP {
                break;
            }
        }
    }
    *budget = budget.saturating_sub(read);
    Some(best_length)
}

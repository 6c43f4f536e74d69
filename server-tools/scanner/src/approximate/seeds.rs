//! Tracks: diagonals along which a gap of the target resembles the base.
//!
//! In: both images, a gap, and the suffixes of the base. Out: tracks, each a diagonal and the range of the target where
//! it is worth considering. Tracks may overlap; `cover` decides which of them carries which byte.

use super::Gap;
use super::suffixes::Suffixes;
use crate::bytes::common_prefix;
use std::cmp::Reverse;

/// A diagonal that resembles the target in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) diagonal: i64,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Score of a changed byte against +1 for an equal one. Tables of fixed-size records are half equal along every multiple
/// of the record; such tracks are long and of no use.
const SCORE_CHANGED: i32 = -2;
/// Score of a byte that differs by as much as one of the last two that did.
const SCORE_CHANGED_ALIKE: i32 = -1;
/// A track ends where its score has fallen this far below its maximum.
const SCORE_DROP: i32 = 60;
/// Tracks at one position. Where there are as many, repetitive data makes them, and one more would gain little.
pub(super) const TRACKS_MAX: usize = 24;
/// Bytes compared along tracks for each byte of a gap, at most; bounds what data made for the purpose can cost.
const COMPARED_PER_BYTE: usize = 128;

/// Finds the tracks of `gap`, sorted by start, from equal ranges of at least `seed_bytes_min`.
pub(super) fn tracks(base: &[u8], target: &[u8], suffixes: &Suffixes, gap: Gap, seed_bytes_min: usize) -> Vec<Track> {
    let mut follower = Follower { base, target, gap, budget: COMPARED_PER_BYTE * (gap.end - gap.start) + 4096 };
    let mut found = Vec::new();
    // The neighbours' diagonals first: a change inside moved content is the commonest gap.
    if let Some(diagonal) = gap.before
        && let Some(end) = follower.right(diagonal, gap.start)
        && end > gap.start
    {
        found.push(Track { diagonal, start: gap.start, end });
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
    while at + seed_bytes_min <= gap.end {
        active.retain(|one| one.track.end > at);
        if let Some(pending) = last
            && pending.start <= at
        {
            active.push(Active::new(pending));
            found.push(pending);
            last = None;
        }
        let run = active.iter_mut().map(|one| one.run(base, target, at)).max().unwrap_or(0);
        let longer = seed_bytes_min.max(run + 1);
        let seed = suffixes.longest(&target[at..gap.end], at as i64 + expected, longer);
        if let Some(seed) = seed {
            // The array gives some of the equally good places; the expected one is as good when it is one of them.
            let wanted = &target[at..at + seed.length];
            let continues = usize::try_from(at as i64 + expected).ok().and_then(|from| base.get(from..));
            let continues = continues.is_some_and(|bytes| bytes.starts_with(wanted));
            let diagonal = if continues { expected } else { seed.base as i64 - at as i64 };
            if active.iter().all(|one| one.track.diagonal != diagonal)
                && let Some(track) = follower.both(diagonal, at)
                && track.end - track.start >= seed_bytes_min
            {
                expected = diagonal;
                if active.len() == TRACKS_MAX {
                    active.sort_by_key(|one| Reverse(one.track.end));
                    active.pop();
                }
                active.push(Active::new(track));
                found.push(track);
            }
        }
        // Nothing else is longer here. What is better from the end of this run on is found behind it, and followed to
        // the left.
        let run = seed.map_or(run, |seed| seed.length);
        at += if run >= seed_bytes_min { run - seed_bytes_min + 1 } else { 1 };
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

/// Number of pairs (target, base) up to the highest score, reading on until the score has fallen by [`SCORE_DROP`]. None
/// when the budget is spent.
fn follow<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>, budget: &mut usize) -> Option<usize> {
    if *budget == 0 {
        return None;
    }
    let (mut score, mut best, mut best_length, mut read) = (0i32, 0i32, 0, 0);
    let mut differences = [0; 2];
    for (target, base) in pairs {
        read += 1;
        let difference = target.wrapping_sub(*base);
        if difference == 0 {
            score += 1;
            if score > best {
                best = score;
                best_length = read;
            }
        } else {
            score += if differences.contains(&difference) { SCORE_CHANGED_ALIKE } else { SCORE_CHANGED };
            if difference != differences[0] {
                differences = [difference, differences[0]];
            }
            if score < best - SCORE_DROP {
                break;
            }
        }
    }
    *budget = budget.saturating_sub(read);
    Some(best_length)
}

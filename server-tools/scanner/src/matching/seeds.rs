//! Tracks: diagonals along which a gap of the target resembles the base.
//!
//! In: both images, a gap, and the suffixes of the base. Out: tracks, each a diagonal and the range of the target where
//! it is worth considering. Tracks may overlap; `cover` decides which of them carries which byte.

use super::Gap;
use super::suffixes::{Seed, Suffixes, head};
use crate::bytes::{common_prefix, word};
use crate::rope::{Part, Rope};
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
/// Bytes that a track is followed at a time; it is followed further when the search arrives at its end.
const STRETCH: usize = 4096;
/// Bytes of a gap along the diagonals of its neighbours that are considered whether they resemble the base or not.
const NEIGHBOUR_BYTES: usize = 64;
/// Where a track goes on for this many bytes, nothing else is looked for: what is better from the end of the run on is
/// found behind it, and followed to the left.
const CONTENT_BYTES: usize = 8;
/// An equal range of this many bytes is hardly an accident: where it leads is expected from then on.
const SURE_BYTES: usize = 16;
/// Distance from the expected place in which each place is tried.
const NEAR_BYTES: i64 = 64;
/// Bytes compared along tracks for each byte of a gap, and in advance, at most; bounds what data made for the purpose
/// can cost.
const COMPARED_PER_BYTE: usize = 128;
const COMPARED_IN_ADVANCE: usize = 1 << 20;

/// Finds the tracks of `gap`, sorted by start, from equal ranges of at least `seed_bytes_min`.
pub(super) fn tracks(
    base: &Rope<'_>,
    target: Part<'_>,
    suffixes: &Suffixes,
    gap: Gap,
    seed_bytes_min: usize,
) -> Vec<Track> {
    let mut follower = Follower { base, target, gap, compared: 0 };
    let mut found: Vec<Track> = Vec::new();
    let mut active: Vec<Active> = Vec::new();
    // The neighbours' diagonals first: a change inside moved content is the commonest gap.
    let mut last = None;
    if let Some(diagonal) = gap.after {
        let near =
            base.bytes_until((gap.end as i64 + diagonal) as usize).len().min(NEIGHBOUR_BYTES).min(gap.end - gap.start);
        let start = gap.end - follower.left(diagonal, gap.end, gap.start).max(near);
        last = Some(Track { diagonal, start, end: gap.end });
    }
    if let Some(diagonal) = gap.before {
        let near =
            base.bytes_from((gap.start as i64 + diagonal) as usize).len().min(NEIGHBOUR_BYTES).min(gap.end - gap.start);
        let end = gap.start + follower.right(diagonal, gap.start).max(near);
        active.push(Active::new(base, diagonal, gap.start, end));
    }
    let mut expected = gap.before.or(gap.after).unwrap_or(0);
    let mut held = Held::default();
    let mut at = gap.start;
    while at + 8 <= gap.end {
        if let Some(pending) = last.take_if(|pending| pending.start <= at) {
            active.push(Active::new(base, pending.diagonal, pending.start, pending.end));
        }
        for one in &mut active {
            one.pass(&mut follower, at);
        }
        found.extend(active.extract_if(.., |one| one.track.end <= at).map(|one| one.track));
        let runs = active.iter_mut().map(|one| (one.run(base, target, at), one.track.diagonal));
        let (run, diagonal) = runs.max_by_key(|&(run, diagonal)| (run, Reverse(diagonal))).unwrap_or((0, 0));
        if run >= SURE_BYTES {
            expected = diagonal;
        }
        if run >= CONTENT_BYTES {
            at += (run + 1).saturating_sub(seed_bytes_min).max(1);
            continue;
        }
        let longer = seed_bytes_min.max(run + 1);
        let (wanted, place) = (target.range(at..gap.end), at as i64 + expected);
        let held = held.at(suffixes, target, gap.end, at);
        let longest = held.then(|| suffixes.longest(base, wanted, place, longer)).flatten();
        let longest_bytes = longest.map_or(run, |seed| seed.length);
        let is_near = held && longest_bytes < SURE_BYTES;
        let near = is_near.then(|| near(base, wanted, place, longer)).flatten();
        for seed in [longest, near].into_iter().flatten() {
            let diagonal = seed.base as i64 - at as i64;
            if active.iter().all(|one| one.track.diagonal != diagonal) && follower.may_compare(at) {
                if seed.length >= SURE_BYTES {
                    expected = diagonal;
                }
                let floor = gap.start.max(at.saturating_sub(STRETCH));
                let start = at - follower.left(diagonal, at, floor);
                let mut one = Active::new(base, diagonal, start, at);
                one.pass(&mut follower, at);
                if active.len() == TRACKS_MAX
                    && let Some(first) = (0..TRACKS_MAX).min_by_key(|&number| active[number].differs_at)
                {
                    found.push(active.remove(first).track);
                }
                active.push(one);
            }
        }
        // Inside a run of one byte that the base does not hold at this length, only the end may be longer.
        let beyond = constant_run(wanted).saturating_sub(longest_bytes.max(8));
        at += beyond.max(if longest_bytes >= seed_bytes_min { longest_bytes - seed_bytes_min + 1 } else { 1 });
    }
    // The last step may have led over the ends of tracks that go on.
    active.iter_mut().for_each(|one| one.pass(&mut follower, gap.end - 1));
    found.extend(active.into_iter().map(|one| one.track));
    found.extend(last);
    merged(base, found)
}

/// Which of the next places may have a seed: asked for together, since each answer is waited for.
#[derive(Default)]
struct Held {
    /// The place of the first answer, and the one behind the last.
    first: usize,
    behind: usize,
    answers: u64,
}

impl Held {
    fn at(&mut self, suffixes: &Suffixes, target: Part<'_>, end: usize, at: usize) -> bool {
        const PLACES: usize = 8;
        if !(self.first..self.behind).contains(&at) {
            (self.first, self.behind) = (at, end.min(at + PLACES + 7) - 7);
            let places = target.range(at..self.behind + 7).windows(8);
            self.answers = places.rev().fold(0, |answers, bytes| answers << 1 | u64::from(suffixes.may_hold(bytes)));
        }
        self.answers >> (at - self.first) & 1 == 1
    }
}

/// Bytes at the start that equal the first.
fn constant_run(bytes: &[u8]) -> usize {
    if bytes.len() < 8 || word(bytes, 0) != word(bytes, 0).rotate_left(8) {
        0
    } else {
        1 + common_prefix(bytes, &bytes[1..])
    }
}

/// The longest equal range of at least `length_min` bytes within [`NEAR_BYTES`] of `expected`, and of the longest the
/// nearest. Instructions and words that were inserted or removed move what follows by little.
fn near(base: &Rope<'_>, wanted: &[u8], expected: i64, length_min: usize) -> Option<Seed> {
    let part = base.part(usize::try_from(expected).ok()?);
    let first = (expected - NEAR_BYTES).max(part.start as i64) as usize;
    let behind = ((expected + NEAR_BYTES) as usize).min(part.end().saturating_sub(8));
    let wanted_head = head(wanted.get(..8)?);
    (first..behind)
        .filter(|&place| head(part.range(place..place + 8)) == wanted_head)
        .map(|place| Seed { base: place, length: common_prefix(part.range(place..part.end()), wanted) })
        .filter(|seed| seed.length >= length_min)
        .min_by_key(|seed| (Reverse(seed.length), (seed.base as i64).abs_diff(expected), seed.base))
}

/// Makes one track of those on one diagonal that overlap or nearly do, so that a path need not pay for a new match.
fn merged(base: &Rope<'_>, mut tracks: Vec<Track>) -> Vec<Track> {
    tracks.retain(|track| track.start < track.end);
    tracks.sort_unstable_by_key(|track| (track.diagonal, track.start, track.end));
    tracks.dedup_by(|next, last| {
        let part_start = |track: &Track| base.part((track.start as i64 + track.diagonal) as usize).start;
        let near = next.diagonal == last.diagonal
            && next.start <= last.end + NEIGHBOUR_BYTES
            && part_start(next) == part_start(last);
        if near {
            last.end = last.end.max(next.end);
        }
        near
    });
    tracks.sort_unstable_by_key(|track| (track.start, track.end, track.diagonal));
    tracks
}

/// A track that covers the current position.
struct Active {
    track: Track,
    /// Where the part of the base ends that the track lies in.
    limit: usize,
    /// The first changed byte at or behind the position last asked for.
    differs_at: usize,
}

impl Active {
    fn new(base: &Rope<'_>, diagonal: i64, start: usize, end: usize) -> Self {
        let part = base.part((start as i64 + diagonal) as usize);
        let limit = (part.end() as i64 - diagonal) as usize;
        Self { track: Track { diagonal, start, end }, limit, differs_at: 0 }
    }

    /// Follows the track further when it ends before or at `at`, where the search stands.
    fn pass(&mut self, follower: &mut Follower<'_>, at: usize) {
        while self.track.end <= at && self.track.end < self.limit {
            let further = follower.right(self.track.diagonal, self.track.end);
            self.track.end += further;
            if further == 0 {
                break;
            }
        }
    }

    /// Equal bytes from `at` on, up to the end of the track. Each byte of a track is compared once here, since `at`
    /// only grows.
    fn run(&mut self, base: &Rope<'_>, target: Part<'_>, at: usize) -> usize {
        if self.differs_at < at {
            let base_at = (at as i64 + self.track.diagonal) as usize;
            self.differs_at = at + common_prefix(target.range(at..self.track.end), base.bytes_from(base_at));
        }
        self.differs_at - at
    }
}

/// Follows diagonals through one gap, and counts what it costs.
struct Follower<'a> {
    base: &'a Rope<'a>,
    target: Part<'a>,
    gap: Gap,
    compared: usize,
}

impl Follower<'_> {
    /// Whether a new track may be followed at `at`.
    fn may_compare(&self, at: usize) -> bool {
        self.compared < COMPARED_IN_ADVANCE + COMPARED_PER_BYTE * (at - self.gap.start)
    }

    /// How far the diagonal goes on from `at`, a stretch at most.
    fn right(&mut self, diagonal: i64, at: usize) -> usize {
        let until = self.gap.end.min(at + STRETCH);
        let base = usize::try_from(at as i64 + diagonal).map_or(&[][..], |from| self.base.bytes_from(from));
        follow(self.target.range(at..until).iter().zip(base), &mut self.compared)
    }

    /// How far the diagonal goes back from `at`, to `floor` at most.
    fn left(&mut self, diagonal: i64, at: usize, floor: usize) -> usize {
        let base = usize::try_from(at as i64 + diagonal).map_or(&[][..], |to| self.base.bytes_until(to));
        let target = self.target.range(floor..at);
        follow(target.iter().rev().zip(base.iter().rev()), &mut self.compared)
    }
}

/// Number of pairs (target, base) up to the highest score, reading on until the score has fallen by [`SCORE_DROP`].
pub(super) fn follow<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>, compared: &mut usize) -> usize {
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
    *compared += read;
    best_length
}

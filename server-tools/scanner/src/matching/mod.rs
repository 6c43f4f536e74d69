//! Matches: ranges of the target that resemble ranges of the base, with changed bytes inside.
//!
//! In: base and target, as they are or with their references made comparable, and what is known to match. Out: [`Match`]es
//! in target order, made for a coder that predicts each byte of a match from the base and pays for those that differ.
//! Each step sees only what the ones before left over:
//! 1. `chunks`: long equal ranges, found by the ids of content-defined chunks. Known matches take its place.
//! 2. `blocks`: long equal ranges, found by the hashes of short blocks.
//! 3. `seeds`: short equal ranges, found in a suffix array of the rest of the base and followed to both sides over
//!    changed bytes: tracks.
//! 4. `cover`: the cheapest way through each piece of the rest of the target along those tracks or by literals.
//!
//! `sketch` stands apart: a quick first look, from which references are made comparable.
//! Pieces lie at fixed offsets and every choice ends in a total order, so that threads change nothing.
//! It knows nothing of executables, containers or the coder; what a match costs there is estimated in [`Costs`].

mod blocks;
mod chunks;
mod cover;
mod literals;
mod rest;
mod seeds;
mod sketch;
mod suffixes;

use crate::control::{Cancelled, Control, Meter, Stage};
use crate::rope::Rope;
use cover::Scratch;
use literals::LiteralCosts;
use rayon::prelude::*;
use rest::Rest;
use suffixes::{SEED_BYTES_MIN, Suffixes};

pub(crate) use chunks::matches as by_chunk;
pub use cover::Costs;
pub use sketch::sketch;

/// A range of the target that resembles a range of the base. Bytes may differ inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Match {
    /// Offset in the base.
    pub base: u64,
    /// Offset in the target.
    pub target: u64,
    /// Bytes on both sides.
    pub length: u64,
}

impl Match {
    /// Offset behind the match in the target.
    pub fn end(&self) -> u64 {
        self.target + self.length
    }

    /// Base offset minus target offset.
    pub fn diagonal(&self) -> i64 {
        self.base as i64 - self.target as i64
    }
}

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatchOptions {
    /// Shortest equal range, in bytes, that is taken without weighing it against others; at least 64.
    pub block_match_bytes_min: usize,
    /// Shortest equal range, in bytes, from which a match may grow; at least 6.
    pub seed_bytes_min: usize,
    /// What the parts of a delta cost.
    pub costs: Costs,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self { block_match_bytes_min: LARGE_BYTES_MIN, seed_bytes_min: 6, costs: Costs::default() }
    }
}

/// Shortest equal range that is taken without weighing it against others.
const LARGE_BYTES_MIN: usize = 16 << 10;

/// A range of the target that no match covers yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    start: usize,
    end: usize,
    /// Diagonal of the match that ends where the gap starts.
    before: Option<i64>,
    /// Diagonal of the match that starts where the gap ends.
    after: Option<i64>,
}

/// Bytes of the target that are covered in one go, at fixed offsets.
const PIECE_BYTES: usize = 1 << 20;

/// Finds the matches: inside both images, in target order, none over another in the target. `known` are such matches,
/// and are taken as they are.
///
/// # Errors
/// [`Cancelled`].
pub fn matches(
    base: &Rope<'_>,
    target: &Rope<'_>,
    known: &[Match],
    options: &MatchOptions,
    control: Control<'_>,
) -> Result<Vec<Match>, Cancelled> {
    control.check()?;
    if base.is_empty() || target.is_empty() {
        return Ok(Vec::new());
    }
    let blocks = blocks::matches(base, target, known, options.block_match_bytes_min.max(64), control)?;
    let mut found = joined([known, &blocks].concat());
    // One window but for huge images; there, a later window sees what the ones before left.
    for window in rest::windows(base.len(), &found) {
        control.check()?;
        let pieces = pieces(&gaps(&found, target));
        let open: usize = pieces.iter().flatten().map(|gap| gap.end - gap.start).sum();
        if open == 0 {
            break;
        }
        let suffixes = Suffixes::new(Rest::new(base, window));
        let meter = Meter::new(control, Stage::Search, open as u64);
        let small: Vec<Vec<Match>> = pieces
            .par_iter()
            .map_init(Scratch::default, |scratch, gaps| {
                let mut covered: Vec<Match> = Vec::new();
                let Some(first) = gaps.first() else { return Ok(covered) };
                let piece = first.start / PIECE_BYTES * PIECE_BYTES;
                let piece = piece..target.len().min(piece + PIECE_BYTES);
                let mut literals = None;
                for &gap in gaps {
                    let part = target.part(gap.start);
                    let tracks = seeds::tracks(base, part, &suffixes, gap, options.seed_bytes_min.max(SEED_BYTES_MIN));
                    if !tracks.is_empty() {
                        let costs = &options.costs;
                        let literals = literals.get_or_insert_with(|| {
                            LiteralCosts::new(target.within(piece.clone()), costs.literal_percent)
                        });
                        covered.extend(cover::cover(base, part, gap, &tracks, costs, literals, scratch));
                    }
                    meter.add((gap.end - gap.start) as u64)?;
                }
                Ok(covered)
            })
            .collect::<Result<_, Cancelled>>()?;
        found = joined([found, small.concat()].concat());
    }
    Ok(found)
}

/// The gaps between `matches`, cut where parts of the target end.
fn gaps(matches: &[Match], target: &Rope<'_>) -> Vec<Gap> {
    let mut gaps = Vec::with_capacity(matches.len() + 1);
    let (mut start, mut before) = (0, None);
    let ends = matches.iter().map(|found| (found.target as usize, Some(found))).chain([(target.len(), None)]);
    for (end, next) in ends {
        while start < end {
            let cut = end.min(target.part(start).end());
            let after = next.map(Match::diagonal).filter(|_| cut == end);
            gaps.push(Gap { start, end: cut, before: before.take(), after });
            start = cut;
        }
        if let Some(found) = next {
            (start, before) = (found.end() as usize, Some(found.diagonal()));
        }
    }
    gaps
}

/// The gaps by the piece of the target in which they lie, cut where pieces start and end.
fn pieces(gaps: &[Gap]) -> Vec<Vec<Gap>> {
    let mut pieces: Vec<Vec<Gap>> = Vec::new();
    let mut last = None;
    for gap in gaps {
        let mut start = gap.start;
        while start < gap.end {
            let piece = start / PIECE_BYTES;
            let end = gap.end.min((piece + 1) * PIECE_BYTES);
            if last.replace(piece) != Some(piece) {
                pieces.push(Vec::new());
            }
            if let Some(gaps) = pieces.last_mut() {
                let before = gap.before.filter(|_| start == gap.start);
                gaps.push(Gap { start, end, before, after: gap.after.filter(|_| end == gap.end) });
            }
            start = end;
        }
    }
    pieces
}

/// Sorts matches that do not overlap; neighbours on one diagonal become one match.
fn joined(mut all: Vec<Match>) -> Vec<Match> {
    all.sort_unstable_by_key(|found| found.target);
    all.dedup_by(|next, last| {
        assert!(last.end() <= next.target, "matches do not overlap in the target");
        let continues = last.end() == next.target && last.diagonal() == next.diagonal();
        if continues {
            last.length += next.length;
        }
        continues
    });
    all
}

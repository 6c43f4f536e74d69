//! Approximate matches: ranges of the target that resemble ranges of the base, with changed bytes inside.
//!
//! In: base and target, as they are or with their references made comparable. Out: [`Match`]es in target order, made for
//! a coder that predicts each byte of a match from the base and pays for those that differ. Three steps:
//! 1. `blocks`: long equal ranges, found by the hashes of short blocks. The steps behind see only what is left.
//! 2. `seeds`: short equal ranges, found in a suffix array of the rest of the base and followed to both sides over
//!    changed bytes: tracks.
//! 3. `cover`: the cheapest way through each piece of the rest of the target along those tracks or by literals.
//!
//! Pieces lie at fixed offsets and every choice ends in a total order, so that threads change nothing.
//! It knows nothing of executables, containers or the coder; what a match costs there is estimated in [`Costs`].

mod blocks;
mod cover;
mod literals;
mod rest;
mod seeds;
mod suffixes;

use crate::control::{Cancelled, Control, Meter, Stage};
use cover::Scratch;
use literals::LiteralCosts;
use rayon::prelude::*;
use rest::Rest;
use suffixes::{SEED_BYTES_MIN, Suffixes};

pub use cover::Costs;

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
pub struct ApproximateOptions {
    /// Shortest equal range, in bytes, that is taken without weighing it against others; at least 64.
    pub block_match_bytes_min: usize,
    /// Shortest equal range, in bytes, from which a match may grow; at least 6.
    pub seed_bytes_min: usize,
    /// What the parts of a delta cost.
    pub costs: Costs,
}

impl Default for ApproximateOptions {
    fn default() -> Self {
        Self { block_match_bytes_min: 16 << 10, seed_bytes_min: 6, costs: Costs::default() }
    }
}

/// A range of the target that no block match covers, at most one piece long.
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

/// Finds the matches: inside both images, in target order, none over another in the target.
pub fn approximate(
    base: &[u8],
    target: &[u8],
    options: &ApproximateOptions,
    control: Control<'_>,
) -> Result<Vec<Match>, Cancelled> {
    control.check()?;
    if base.is_empty() || target.is_empty() {
        return Ok(Vec::new());
    }
    let meter = Meter::new(control, Stage::Match, target.len() as u64);
    let blocks = blocks::matches(base, target, options.block_match_bytes_min.max(64), &meter)?;
    // One window but for huge images; there, a later window sees what the ones before left.
    let mut found = blocks.clone();
    for window in rest::windows(base.len(), &blocks) {
        control.check()?;
        let suffixes = Suffixes::new(Rest::new(base, window));
        let pieces = pieces(&found, target.len());
        let open = pieces.iter().flatten().map(|gap| (gap.end - gap.start) as u64).sum();
        let meter = Meter::new(control, Stage::Search, open);
        let small: Vec<Vec<Match>> = pieces
            .par_iter()
            .map_init(Scratch::default, |scratch, gaps| {
                let mut covered: Vec<Match> = Vec::new();
                let Some(first) = gaps.first() else { return Ok(covered) };
                let piece = first.start / PIECE_BYTES * PIECE_BYTES;
                let literals = LiteralCosts::new(
                    &target[piece..target.len().min(piece + PIECE_BYTES)],
                    options.costs.literal_percent,
                );
                for &gap in gaps {
                    let tracks =
                        seeds::tracks(base, target, &suffixes, gap, options.seed_bytes_min.max(SEED_BYTES_MIN));
                    covered.extend(cover::cover(base, target, gap, &tracks, &options.costs, &literals, scratch));
                    meter.add((gap.end - gap.start) as u64)?;
                }
                Ok(covered)
            })
            .collect::<Result<_, Cancelled>>()?;
        found = joined(found, small.concat());
    }
    Ok(found)
}

/// The gaps between `matches` by the piece of the target in which they lie.
fn pieces(matches: &[Match], target_length: usize) -> Vec<Vec<Gap>> {
    let mut pieces = vec![Vec::new(); target_length.div_ceil(PIECE_BYTES)];
    let mut start = 0;
    let mut before = None;
    let mut add = |from: usize, to: usize, before: Option<i64>, after: Option<i64>| {
        let mut start = from;
        while start < to {
            let end = to.min((start / PIECE_BYTES + 1) * PIECE_BYTES);
            pieces[start / PIECE_BYTES].push(Gap {
                start,
                end,
                before: before.filter(|_| start == from),
                after: after.filter(|_| end == to),
            });
            start = end;
        }
    };
    for found in matches {
        add(start, found.target as usize, before, Some(found.diagonal()));
        start = found.end() as usize;
        before = Some(found.diagonal());
    }
    add(start, target_length, before, None);
    pieces
}

/// Merges two sorted lists whose matches do not overlap; neighbours on one diagonal become one match.
fn joined(a: Vec<Match>, b: Vec<Match>) -> Vec<Match> {
    let mut all = [a, b].concat();
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

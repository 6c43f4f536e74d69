//! What is left between two pairs that follow each other on both sides.

use super::alike::{Shapes, common};
use super::{NONE, Pairs, Sides, Stage};
use crate::limits::GAP_COMPARISONS_MAX;

/// Likeness, in basis points, of functions at the same place of gaps of the same size.
const LIKENESS_IN_PLACE: u32 = 4_000;
/// Likeness of functions anywhere in the same gap.
const LIKENESS_IN_GAP: u32 = 6_000;
/// What being at the same place counts for.
const PLACE_BONUS: u32 = 1_000;

/// One pass over all gaps; how many pairs were found.
pub(super) fn run(sides: &Sides<'_>, pairs: &mut Pairs, shapes: &mut Shapes<'_>) -> usize {
    let count = sides.base_graph.functions;
    let mut found = 0;
    let mut before = None;
    let mut gap = Vec::new();
    for node in 0..count {
        let partner = pairs.of_base[node as usize];
        if partner == NONE {
            gap.push(node);
            continue;
        }
        if !gap.is_empty()
            && let Some(from) = before
            && partner > from
        {
            let others: Vec<u32> =
                (from + 1..partner).filter(|other| pairs.of_target[*other as usize] == NONE).collect();
            found += fill(&gap, &others, sides, pairs, shapes);
        }
        gap.clear();
        before = Some(partner);
    }
    found
}

fn fill(gap: &[u32], others: &[u32], sides: &Sides<'_>, pairs: &mut Pairs, shapes: &mut Shapes<'_>) -> usize {
    if gap.len().saturating_mul(others.len()) > GAP_COMPARISONS_MAX {
        return 0;
    }
    let mut candidates = Vec::new();
    for (place, x) in gap.iter().enumerate() {
        for (other, y) in others.iter().enumerate() {
            let is_in_place = gap.len() == others.len() && place == other;
            let least = if is_in_place { LIKENESS_IN_PLACE } else { LIKENESS_IN_GAP };
            let likeness = shapes.likeness(*x, *y, least);
            if likeness >= least {
                let bonus = if is_in_place { PLACE_BONUS } else { 0 };
                let score = likeness * 7 / 10 + common(sides, pairs, *x, *y) * 3 / 10 + bonus;
                candidates.push((u32::MAX - score, *x, *y, likeness));
            }
        }
    }
    candidates.sort_unstable();
    let accept = |(_, x, y, likeness)| shapes.accept(x, y, likeness, Stage::Gap, pairs);
    candidates.into_iter().map(accept).filter(|is_new| *is_new).count()
}

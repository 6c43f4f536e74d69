//! What a pair refers to at the same place is a pair.

use super::alike::Shapes;
use super::{NONE, Pairs, Sides, Stage};

/// Likeness, in basis points, of functions that are called at the same place of functions that are equal.
const LIKENESS_OF_EQUAL: u32 = 2_500;
/// The same, of functions with the same operations.
const LIKENESS_OF_SIMILAR: u32 = 5_000;
/// The same, between the same two pairs in the references of functions that changed.
const LIKENESS_OF_CHANGED: u32 = 7_000;

/// Pairs what is equal by itself, from the pairs that are new since `seen`; how many pairs were found.
pub(super) fn equal(sides: &Sides<'_>, pairs: &mut Pairs, seen: &mut usize) -> usize {
    let mut found = 0;
    while let Some(node) = pairs.log.get(*seen).copied() {
        *seen += 1;
        let partner = pairs.of_base[node as usize];
        if !is_alike(sides, node, partner, pairs) {
            continue;
        }
        let (mine, theirs) = (sides.base_graph.outgoing(node), sides.target_graph.outgoing(partner));
        for (x, y) in mine.iter().zip(theirs).filter(|(x, y)| **x != NONE && **y != NONE) {
            let is_equal = sides.base_graph.masked[*x as usize] == sides.target_graph.masked[*y as usize];
            let is_same_kind = sides.base_graph.is_function(*x) == sides.target_graph.is_function(*y);
            if is_equal && is_same_kind && pairs.is_free(*x, *y) {
                found += usize::from(pairs.pair(*x, *y, Stage::Side));
            }
        }
    }
    found
}

/// Whether references of a pair correspond one to one.
fn is_alike(sides: &Sides<'_>, node: u32, partner: u32, pairs: &Pairs) -> bool {
    let is_long = sides.base_graph.outgoing(node).len() == sides.target_graph.outgoing(partner).len();
    // A pair that is itself a guess proves nothing about others.
    is_long
        && pairs.stages[node as usize] <= Stage::Order
        && sides.base_graph.masked[node as usize] == sides.target_graph.masked[partner as usize]
}

/// Pairs functions that are alike; how many pairs were found.
pub(super) fn alike(sides: &Sides<'_>, pairs: &mut Pairs, shapes: &mut Shapes<'_>) -> usize {
    let mut found = 0;
    for node in 0..sides.base_graph.functions {
        let partner = pairs.of_base[node as usize];
        if partner == NONE {
            continue;
        }
        let (mine, theirs) = (&sides.base.functions[node as usize], &sides.target.functions[partner as usize]);
        let (out, others) = (sides.base_graph.outgoing(node), sides.target_graph.outgoing(partner));
        let threshold = if mine.masked == theirs.masked { LIKENESS_OF_EQUAL } else { LIKENESS_OF_SIMILAR };
        if mine.operations == theirs.operations && out.len() == others.len() {
            for (x, y) in out.iter().zip(others) {
                found += try_pair(*x, *y, threshold, sides, pairs, shapes);
            }
        } else {
            found += between_anchors(out, others, sides, pairs, shapes);
        }
    }
    found
}

/// In lists of different lengths, pairs what stands between two pairs that follow each other on both sides.
fn between_anchors(
    out: &[u32],
    others: &[u32],
    sides: &Sides<'_>,
    pairs: &mut Pairs,
    shapes: &mut Shapes<'_>,
) -> usize {
    let mut found = 0;
    let mut from = 0;
    // References on both sides are in the same order but for what changed.
    const WINDOW: usize = 256;
    for (at, node) in out.iter().enumerate() {
        let partner = pairs.of_base.get(*node as usize).copied().unwrap_or(NONE);
        if partner == NONE {
            continue;
        }
        let rest = others.get(from..).unwrap_or_default();
        let Some(place) = rest.iter().take(WINDOW).position(|other| *other == partner) else { continue };
        let place = from + place;
        // The reference before, on both sides.
        if let (Some(x), Some(y)) = (at.checked_sub(1), place.checked_sub(1).filter(|y| *y >= from)) {
            found += try_pair(out[x], others[y], LIKENESS_OF_CHANGED, sides, pairs, shapes);
        }
        // The reference behind.
        if let (Some(x), Some(y)) = (out.get(at + 1), others.get(place + 1)) {
            found += try_pair(*x, *y, LIKENESS_OF_CHANGED, sides, pairs, shapes);
        }
        from = place + 1;
    }
    found
}

fn try_pair(x: u32, y: u32, threshold: u32, sides: &Sides<'_>, pairs: &mut Pairs, shapes: &mut Shapes<'_>) -> usize {
    let are_functions = sides.base_graph.is_function(x) && sides.target_graph.is_function(y);
    if !are_functions || !pairs.is_free(x, y) {
        return 0;
    }
    let likeness = shapes.likeness(x, y, threshold);
    usize::from(likeness >= threshold && shapes.accept(x, y, likeness, Stage::CallSite, pairs))
}

//! What is the only thing left around a pair, on both sides, is a pair, if it is alike: a template that changed leaves a
//! hundred functions alike that only differ in the one type or text that they refer to.

use super::alike::{Shapes, common};
use super::{Graph, NONE, Pairs, Sides, Stage};

/// Likeness, in basis points, of what is alone on both sides.
const LIKENESS_ALONE: u32 = 4_000;

/// One look at all pairs; how many pairs were found.
pub(super) fn run(sides: &Sides<'_>, pairs: &mut Pairs, shapes: &mut Shapes<'_>) -> usize {
    let mut candidates = Vec::new();
    for (node, partner) in (0..).zip(&pairs.of_base).filter(|(_, partner)| **partner != NONE) {
        for way in [Graph::incoming, Graph::outgoing] {
            let x = only_open(sides.base_graph, way(sides.base_graph, node), &pairs.of_base);
            let y = only_open(sides.target_graph, way(sides.target_graph, *partner), &pairs.of_target);
            candidates.extend(x.zip(y));
        }
    }
    candidates.sort_unstable();
    // Each pair around which both are alone speaks for them.
    let mut scored = Vec::new();
    for votes in candidates.chunk_by(|a, b| a == b) {
        let (x, y) = votes[0];
        let likeness = shapes.likeness(x, y, LIKENESS_ALONE);
        if likeness >= LIKENESS_ALONE {
            let votes = votes.len().min(10) as u32 * 200;
            let score = likeness * 7 / 10 + common(sides, pairs, x, y) * 3 / 10 + votes;
            scored.push((u32::MAX - score, x, y, likeness));
        }
    }
    scored.sort_unstable();
    let accept = |(_, x, y, likeness)| shapes.accept(x, y, likeness, Stage::CallSite, pairs);
    scored.into_iter().map(accept).filter(|is_new| *is_new).count()
}

/// The function among the nodes that has no partner, if there is one and no other.
fn only_open(graph: &Graph, nodes: &[u32], partners: &[u32]) -> Option<u32> {
    let mut open = nodes.iter().copied().filter(|node| *node != NONE && partners[*node as usize] == NONE);
    let first = open.next().filter(|node| graph.is_function(*node))?;
    open.all(|node| node == first).then_some(first)
}

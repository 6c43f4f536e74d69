//! Nodes that are told apart by their matched neighbours: colour refinement as of Weisfeiler and Leman, with pairs as
//! colours, so that both sides are coloured alike.

use super::unique::pair_unique;
use super::{Graph, NONE, Pairs, Sides, Stage};
use crate::hash::mix;
use crate::limits::MATCH_ROUNDS_MAX;
use rayon::prelude::*;

/// What a node is by itself.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Own {
    /// Its instructions and the contents of what it refers to.
    Exact,
    /// Its instructions.
    Masked,
}

/// Which neighbours are looked at. Each way finds what the others do not, since one unmatched difference hides all.
const WAYS: [(bool, bool); 3] = [(true, true), (true, false), (false, true)];

/// One look at all nodes; how many pairs were found.
pub(super) fn all(sides: &Sides<'_>, pairs: &mut Pairs, own: Own) -> usize {
    let (base, target) = (sides.base_graph.len() as u32, sides.target_graph.len() as u32);
    WAYS.iter().map(|way| pass(sides, pairs, own, *way, (0..base).collect(), (0..target).collect())).sum()
}

/// Rounds from the pairs that are new since `seen`, until nothing is new; how many pairs were found.
///
/// A node's colour changes only with a neighbour, so nodes without a new one could only be told apart before.
pub(super) fn near(sides: &Sides<'_>, pairs: &mut Pairs, own: Own, seen: &mut usize) -> usize {
    let mut found = 0;
    for _ in 0..MATCH_ROUNDS_MAX {
        let new = pairs.log.get(*seen..).unwrap_or_default().to_vec();
        let partners: Vec<u32> = new.iter().map(|node| pairs.of_base[*node as usize]).collect();
        *seen = pairs.log.len();
        if new.is_empty() {
            break;
        }
        for way in WAYS {
            let base = neighbours(sides.base_graph, &new, way, &pairs.of_base);
            let target = neighbours(sides.target_graph, &partners, way, &pairs.of_target);
            found += pass(sides, pairs, own, way, base, target);
        }
    }
    found
}

/// The nodes without partners whose colour depends on one of `new`.
fn neighbours(graph: &Graph, new: &[u32], (outgoing, incoming): (bool, bool), partners: &[u32]) -> Vec<u32> {
    let mut nodes = Vec::new();
    for node in new {
        let callers = if outgoing { graph.incoming(*node) } else { &[] };
        let callees = if incoming { graph.outgoing(*node) } else { &[] };
        let all = callers.iter().chain(callees).filter(|node| **node != NONE);
        nodes.extend(all.filter(|node| partners[**node as usize] == NONE));
    }
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn pass(sides: &Sides<'_>, pairs: &mut Pairs, own: Own, way: (bool, bool), base: Vec<u32>, target: Vec<u32>) -> usize {
    // Partners in the base name the colour on both sides.
    let base = colours(sides.base_graph, own, way, &pairs.of_base, base, |node, _| node);
    let target = colours(sides.target_graph, own, way, &pairs.of_target, target, |_, partner| partner);
    pair_unique(base, target, pairs, if way == WAYS[0] { Stage::Neighbours } else { Stage::Side })
}

/// Colours of those of the nodes that have no partner but a neighbour with one.
fn colours(
    graph: &Graph,
    own: Own,
    (outgoing, incoming): (bool, bool),
    partners: &[u32],
    nodes: Vec<u32>,
    name: impl Fn(u32, u32) -> u32 + Sync,
) -> Vec<(u64, u32)> {
    let named = |node: u32| match partners.get(node as usize) {
        Some(partner) if *partner != NONE => Some(u64::from(name(node, *partner))),
        _ => None,
    };
    let colour = |node: u32| {
        if partners[node as usize] != NONE {
            return None;
        }
        let own = if own == Own::Exact { graph.exact[node as usize] } else { graph.masked[node as usize] };
        let mut hash = mix(own, u64::from(graph.is_function(node)));
        let mut is_told = false;
        if outgoing {
            for named in graph.outgoing(node).iter().map(|node| named(*node)) {
                is_told |= named.is_some();
                hash = mix(hash, named.unwrap_or(u64::MAX));
            }
        }
        if incoming {
            let mut callers: Vec<u64> = graph.incoming(node).iter().filter_map(|node| named(*node)).collect();
            callers.sort_unstable();
            callers.dedup();
            is_told |= !callers.is_empty();
            hash = callers.into_iter().fold(mix(hash, 1), mix);
        }
        is_told.then_some((hash, node))
    };
    nodes.into_par_iter().filter_map(colour).collect()
}

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

/// Rounds until nothing is new; how many pairs were found.
pub(super) fn run(sides: &Sides<'_>, pairs: &mut Pairs, own: Own) -> usize {
    let mut all = 0;
    for _ in 0..MATCH_ROUNDS_MAX {
        let mut found = 0;
        for (outgoing, incoming) in WAYS {
            // Partners in the base name the colour on both sides.
            let base = colours(sides.base_graph, own, outgoing, incoming, &pairs.of_base, |node, _| node);
            let target = colours(sides.target_graph, own, outgoing, incoming, &pairs.of_target, |_, partner| partner);
            found += pair_unique(base, target, pairs, Stage::Neighbours);
        }
        all += found;
        if found == 0 {
            break;
        }
    }
    all
}

/// Colours of the nodes that have no partner but a neighbour with one.
fn colours(
    graph: &Graph,
    own: Own,
    outgoing: bool,
    incoming: bool,
    partners: &[u32],
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
    (0..graph.len() as u32).into_par_iter().filter_map(colour).collect()
}

//! Linkers keep the order of what did not change: the neighbour of a pair with the same instructions is a pair.

use super::{Pairs, Sides, Stage};

/// One pass up and one down; how many pairs were found.
pub(super) fn run(sides: &Sides<'_>, pairs: &mut Pairs) -> usize {
    // What is equal in all that is known goes first; instructions alone only when that finds nothing.
    let found = pass(pairs, &sides.base_graph.exact, &sides.target_graph.exact, sides);
    if found > 0 { found } else { pass(pairs, &sides.base_graph.masked, &sides.target_graph.masked, sides) }
}

fn pass(pairs: &mut Pairs, base: &[u64], target: &[u64], sides: &Sides<'_>) -> usize {
    let (base_count, target_count) = (sides.base_graph.functions, sides.target_graph.functions);
    let mut found = 0;
    let mut step = |node: u32, distance: i32, pairs: &mut Pairs| {
        let partner = pairs.of_base[node as usize];
        let next = (node.checked_add_signed(distance), partner.checked_add_signed(distance));
        if let (Some(next), Some(other)) = next
            && partner < target_count
            && next < base_count
            && other < target_count
            && pairs.is_free(next, other)
            && base[next as usize] == target[other as usize]
        {
            found += usize::from(pairs.pair(next, other, Stage::Order));
        }
    };
    (0..base_count).for_each(|node| step(node, 1, pairs));
    (0..base_count).rev().for_each(|node| step(node, -1, pairs));
    found
}

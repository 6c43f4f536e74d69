//! Nodes that are told apart from all others by what they are.

use super::{Pairs, Sides, Stage};

/// Instructions below which code alone says nothing: a return of zero is everywhere.
const CODE_INSTRUCTIONS_MIN: u32 = 6;

/// Pairs nodes whose key occurs once on each side. Keys are given with their nodes, in any order.
pub(super) fn pair_unique(base: Vec<(u64, u32)>, target: Vec<(u64, u32)>, pairs: &mut Pairs, stage: Stage) -> usize {
    let (base, target) = (once(base), once(target));
    let mut others = target.iter().peekable();
    let mut found = 0;
    for (key, node) in base {
        while others.next_if(|(other, _)| *other < key).is_some() {}
        if let Some((_, other)) = others.next_if(|(other, _)| *other == key) {
            found += usize::from(pairs.pair(node, *other, stage));
        }
    }
    found
}

/// The keys that occur once, sorted.
fn once(mut keys: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
    keys.sort_unstable();
    keys.chunk_by(|a, b| a.0 == b.0).filter(|chunk| chunk.len() == 1).map(|chunk| chunk[0]).collect()
}

/// By instructions, strings and imports; constants by their content.
pub(super) fn exact(sides: &Sides<'_>, pairs: &mut Pairs) -> usize {
    let keys = |program: &crate::program::Program<'_>| {
        let functions = (0..).zip(&program.functions).map(|(node, function)| (function.exact, node));
        let first = program.functions.len() as u32;
        let data = (first..).zip(program.data.iter());
        let data = data.filter(|(_, datum)| datum.is_constant).map(|(node, datum)| (datum.label, node));
        functions.chain(data).collect::<Vec<_>>()
    };
    pair_unique(keys(sides.base), keys(sides.target), pairs, Stage::Exact)
}

/// By instructions alone.
pub(super) fn code(sides: &Sides<'_>, pairs: &mut Pairs) -> usize {
    let keys = |program: &crate::program::Program<'_>, partners: &[u32]| {
        let open = |node: &u32| partners[*node as usize] == super::NONE;
        let functions = (0..).zip(&program.functions);
        let functions = functions.filter(|(node, f)| open(node) && f.instructions >= CODE_INSTRUCTIONS_MIN);
        functions.map(|(node, function)| (function.masked, node)).collect::<Vec<_>>()
    };
    let (base, target) = (keys(sides.base, &pairs.of_base), keys(sides.target, &pairs.of_target));
    pair_unique(base, target, pairs, Stage::Code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::NONE;

    #[test]
    fn only_what_occurs_once_on_each_side_is_paired() {
        let mut pairs = Pairs::new(5, 5);
        let base = vec![(7, 0), (8, 1), (8, 2), (9, 3), (5, 4)];
        let target = vec![(9, 0), (7, 1), (8, 2), (6, 3), (5, 4)];
        assert_eq!(pair_unique(base, target, &mut pairs, Stage::Exact), 3);
        assert_eq!(pairs.of_base, [1, NONE, NONE, 0, 4]);
        assert_eq!(pairs.of_target, [3, 0, NONE, NONE, 4]);
    }
}

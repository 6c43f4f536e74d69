//! Likeness: how much of the shape and of the references of two functions is common, and which functions are alike
//! enough to be one, found through min-hashes of their shapes.

use super::{Graph, NONE, Pairs, Sides, Stage};
use crate::decode::Code;
use crate::features::Shape;
use crate::hash::mix;
use crate::limits::{CANDIDATES_MAX, TRIPLES_COMPARED_MAX};
use crate::program::{Function, Program};
use std::collections::HashMap;

/// Likeness, in basis points, of functions that nothing but likeness connects.
const LIKENESS_ALONE: u32 = 8_000;
/// How much better the best candidate must be than the next one.
const MARGIN: u32 = 300;
/// Instructions below which likeness alone says nothing.
const INSTRUCTIONS_MIN: u32 = 12;
/// Rows of two min-hashes each.
const ROWS: usize = 32;

/// Shapes of functions, made when they are first asked for: most functions are paired without one.
pub(super) struct Shapes<'p> {
    base: Side<'p>,
    target: Side<'p>,
    /// What was counted, by base and target: stages ask again.
    known: HashMap<(u32, u32), u32>,
    /// Triples that may still be compared.
    left: u64,
}

struct Side<'p> {
    program: &'p Program<'p>,
    shapes: Vec<Option<Box<Shape>>>,
}

impl<'p> Side<'p> {
    fn new(program: &'p Program<'p>) -> Self {
        Self { program, shapes: program.functions.iter().map(|_| None).collect() }
    }

    fn function(&self, node: u32) -> &Function {
        &self.program.functions[node as usize]
    }

    fn get(&mut self, node: u32) -> &Shape {
        let function = &self.program.functions[node as usize];
        self.shapes[node as usize].get_or_insert_with(|| {
            let code = Code::new(&self.program.image, function.start, function.end, function.bound.mode);
            Box::new(Shape::of(code))
        })
    }
}

impl<'p> Shapes<'p> {
    pub(super) fn new(sides: &Sides<'p>) -> Self {
        Self {
            base: Side::new(sides.base),
            target: Side::new(sides.target),
            known: HashMap::new(),
            left: TRIPLES_COMPARED_MAX,
        }
    }

    /// How alike a function of the base and one of the target are, in basis points; 0 if it is surely below `least`.
    pub(super) fn likeness(&mut self, x: u32, y: u32, least: u32) -> u32 {
        let (mine, theirs) = (self.base.function(x), self.target.function(y));
        if mine.masked == theirs.masked {
            return 10_000;
        }
        // What the smaller one has is the most that is common.
        let small = u64::from(mine.instructions.min(theirs.instructions));
        let large = u64::from(mine.instructions.max(theirs.instructions));
        if 20_000 * small < u64::from(least) * (small + large) {
            return 0;
        }
        if let Some(known) = self.known.get(&(x, y)) {
            return *known;
        }
        let Some(left) = self.left.checked_sub(small + large) else { return 0 };
        self.left = left;
        let likeness = self.base.get(x).likeness(self.target.get(y));
        self.known.insert((x, y), likeness);
        likeness
    }

    /// Pairs two functions that are as alike as said.
    pub(super) fn accept(&mut self, x: u32, y: u32, likeness: u32, stage: Stage, pairs: &mut Pairs) -> bool {
        let is_new = pairs.pair(x, y, stage);
        if is_new {
            pairs.likeness[x as usize] = u16::try_from(likeness).unwrap_or(u16::MAX);
        }
        is_new
    }
}

/// Pairs functions that are alike wherever they are; how many pairs were found.
pub(super) fn run(sides: &Sides<'_>, pairs: &mut Pairs, shapes: &mut Shapes<'_>) -> usize {
    let open = |graph: &Graph, program: &Program<'_>, partners: &[u32]| -> Vec<u32> {
        let is_open = |node: &u32| {
            partners[*node as usize] == NONE && program.functions[*node as usize].instructions >= INSTRUCTIONS_MIN
        };
        (0..graph.functions).filter(is_open).collect()
    };
    let mut buckets: HashMap<u64, Vec<u32>> = HashMap::new();
    for node in open(sides.target_graph, sides.target, &pairs.of_target) {
        for row in rows(shapes.target.get(node)) {
            buckets.entry(row).or_default().push(node);
        }
    }
    let mut candidates = Vec::new();
    for node in open(sides.base_graph, sides.base, &pairs.of_base) {
        let rows = rows(shapes.base.get(node));
        let full = |bucket: &&Vec<u32>| bucket.len() <= CANDIDATES_MAX;
        let mut others: Vec<u32> =
            rows.iter().filter_map(|row| buckets.get(row)).filter(full).flatten().copied().collect();
        others.sort_unstable();
        others.dedup();
        for other in others {
            let likeness = shapes.likeness(node, other, LIKENESS_ALONE);
            let score = likeness * 7 / 10 + common(sides, pairs, node, other) * 3 / 10;
            if likeness >= LIKENESS_ALONE {
                candidates.push((score, node, other, likeness));
            }
        }
    }
    best(candidates)
        .into_iter()
        .filter(|(x, y, likeness)| shapes.accept(*x, *y, *likeness, Stage::Likeness, pairs))
        .count()
}

/// The candidates that are the best for both their functions, by a margin.
fn best(mut candidates: Vec<(u32, u32, u32, u32)>) -> Vec<(u32, u32, u32)> {
    candidates.sort_unstable_by_key(|(score, x, y, _)| (u32::MAX - score, *x, *y));
    let mut first_of_base: HashMap<u32, u32> = HashMap::new();
    let mut first_of_target: HashMap<u32, u32> = HashMap::new();
    let mut second: HashMap<(bool, u32), u32> = HashMap::new();
    for (index, (score, x, y, _)) in (0..).zip(&candidates) {
        for (is_base, node, firsts) in [(true, *x, &mut first_of_base), (false, *y, &mut first_of_target)] {
            if *firsts.entry(node).or_insert(index) != index {
                second.entry((is_base, node)).or_insert(*score);
            }
        }
    }
    let is_best = |index: u32, (score, x, y, _): &(u32, u32, u32, u32)| {
        let next = second.get(&(true, *x)).max(second.get(&(false, *y))).copied().unwrap_or(0);
        first_of_base.get(x) == Some(&index) && first_of_target.get(y) == Some(&index) && *score >= next + MARGIN
    };
    let kept = (0..).zip(&candidates).filter(|(index, candidate)| is_best(*index, candidate));
    kept.map(|(_, (_, x, y, likeness))| (*x, *y, *likeness)).collect()
}

/// How many of the references of two functions lead to pairs, in basis points.
pub(super) fn common(sides: &Sides<'_>, pairs: &Pairs, node: u32, other: u32) -> u32 {
    let list = |nodes: &[u32]| {
        let mut nodes: Vec<u32> = nodes.iter().copied().filter(|node| *node != NONE).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    };
    let mine = list(sides.base_graph.outgoing(node));
    let theirs = list(sides.target_graph.outgoing(other));
    let has_partner = |x: &&u32| theirs.binary_search(&pairs.of_base[**x as usize]).is_ok();
    let common = mine.iter().filter(has_partner).count() as u64;
    (20_000 * common).checked_div((mine.len() + theirs.len()) as u64).unwrap_or(10_000) as u32
}

/// Hashes that two shapes share with a probability that grows with their likeness: the triples fall into twice as many
/// bins as there are rows, and each row is made of the smallest hash of two bins (one permutation hashing, Li 2012).
fn rows(shape: &Shape) -> Vec<u64> {
    let mut smallest = [u64::MAX; 2 * ROWS];
    for triple in shape.triples() {
        let hash = mix(11, u64::from(*triple));
        let bin = &mut smallest[(hash >> 32) as usize % (2 * ROWS)];
        *bin = hash.min(*bin);
    }
    // Bins of small functions may be empty, and say nothing then.
    let full = |(_, bins): &(u64, &[u64])| bins.iter().all(|bin| *bin != u64::MAX);
    let rows = (0..).zip(smallest.chunks_exact(2)).filter(full);
    rows.map(|(row, bins)| bins.iter().fold(row, |hash, bin| mix(hash, *bin))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A candidate must be the best for both, and clearly so.
    #[test]
    fn the_best_wins_by_a_margin() {
        let check = |candidates: &[(u32, u32, u32, u32)], expected: &[(u32, u32, u32)]| {
            assert_eq!(best(candidates.to_vec()), expected);
        };
        check(&[(9_000, 1, 1, 9_500), (8_000, 1, 2, 8_500)], &[(1, 1, 9_500)]);
        check(&[(9_000, 1, 1, 9_500), (8_900, 1, 2, 8_500)], &[]);
        check(&[(9_000, 1, 1, 9_500), (8_900, 2, 1, 8_500), (8_800, 2, 2, 8_800)], &[]);
    }
}

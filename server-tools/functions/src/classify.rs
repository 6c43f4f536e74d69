//! What an update did to each function.
//!
//! In: two programs and the pairs between them. Out: a [`Diff`]. A function is called *moved* only when each of its
//! references was looked at and leads to the partner of what it led to before, or to a constant with the same content:
//! a reviewer may then skip it.

use crate::executable::Executable;
use crate::hash::mix;
use crate::image::Symbol;
use crate::matching::{self, Graph, NONE, Pairs, Stage};
use crate::program::{Function, Program};
use crate::same::Sameness;
use rayon::prelude::*;

/// What happened to a function that both files have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The same bytes, and every reference leads to the same.
    Identical,
    /// The same instructions at another address, and every reference leads to the same.
    Moved,
    /// The same instructions, but a reference leads to something else: another callee, text or variable.
    Retargeted,
    /// Other instructions.
    Modified,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Identical, Self::Moved, Self::Retargeted, Self::Modified];

    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Moved => "moved",
            Self::Retargeted => "retargeted",
            Self::Modified => "modified",
        }
    }
}

/// A function of the base and what it became in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Index of the function in the base.
    pub base: u32,
    /// Index of the function in the target.
    pub target: u32,
    /// What happened to it.
    pub class: Class,
    /// How the pair was found.
    pub stage: Stage,
    /// How sure the pair is, in basis points.
    pub confidence: u16,
    /// Functions with the same number cannot be told apart by code, callers, callees or data: which of them is which is
    /// the order they stand in.
    pub group: Option<u32>,
    /// Imports that it refers to now and did not before, sorted.
    pub imports_gained: Vec<String>,
    /// Imports that it referred to before and does not now, sorted.
    pub imports_lost: Vec<String>,
}

/// What an update changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// Functions of both files, by their index in the base.
    pub pairs: Vec<Pair>,
    /// Indices of functions that only the base has.
    pub removed: Vec<u32>,
    /// Indices of functions that only the target has.
    pub added: Vec<u32>,
    /// Most functions are there still, with about as many instructions, but too many of them with others: another
    /// compiler, or other options.
    pub is_rebuilt: bool,
}

/// Share of changed functions, in basis points, from which an update looks rebuilt. Patch releases change 3 to 13 %; a
/// change of the toolchain was seen to change 35 %.
const REBUILT_MODIFIED: u64 = 2_500;
/// Difference in the number of instructions, in basis points, up to which two builds may be of the same source.
const REBUILT_INSTRUCTIONS: u64 = 1_000;

impl Diff {
    /// Compares two executables; nothing if they are for different processors.
    pub fn new(base: &Executable<'_>, target: &Executable<'_>) -> Option<Self> {
        let (base, target) = (base.program(), target.program());
        if base.image.machine != target.image.machine || base.image.format != target.image.format {
            return None;
        }
        let (base_graph, target_graph) = rayon::join(|| Graph::new(base), || Graph::new(target));
        let pairs = matching::pairs(base, target, &base_graph, &target_graph);
        let groups = groups(&base_graph, &pairs);
        let paired: Vec<u32> = (0..base_graph.functions).filter(|node| pairs.of_base[*node as usize] != NONE).collect();
        let same = Sameness::new(base, target, &pairs);
        let pair = |node: &u32| pair(*node, base, target, &pairs, &same, &groups);
        let found: Vec<Pair> = paired.par_iter().map(pair).collect();
        let open = |count: u32, partners: &[u32]| -> Vec<u32> {
            (0..count).filter(|node| partners[*node as usize] == NONE).collect()
        };
        let mut diff = Self {
            pairs: found,
            removed: open(base_graph.functions, &pairs.of_base),
            added: open(target_graph.functions, &pairs.of_target),
            is_rebuilt: false,
        };
        diff.is_rebuilt = diff.looks_rebuilt(base, target);
        Some(diff)
    }

    /// How many pairs are of a class.
    pub fn count(&self, class: Class) -> usize {
        self.pairs.iter().filter(|pair| pair.class == class).count()
    }

    fn looks_rebuilt(&self, base: &Program<'_>, target: &Program<'_>) -> bool {
        let instructions =
            |program: &Program<'_>| program.functions.iter().map(|f| u64::from(f.instructions)).sum::<u64>();
        let (before, after) = (instructions(base), instructions(target));
        let pairs = self.pairs.len() as u64;
        let is_most = 2 * pairs >= base.functions.len().max(target.functions.len()) as u64;
        let modified = self.count(Class::Modified) as u64;
        let is_same_size = before.abs_diff(after) * 10_000 <= REBUILT_INSTRUCTIONS * before.max(after);
        is_most && is_same_size && pairs >= 100 && modified * 10_000 > REBUILT_MODIFIED * pairs
    }
}

fn pair(
    node: u32,
    base: &Program<'_>,
    target: &Program<'_>,
    pairs: &Pairs,
    same: &Sameness<'_>,
    groups: &[u32],
) -> Pair {
    let partner = pairs.of_base[node as usize];
    let (mine, theirs) = (&base.functions[node as usize], &target.functions[partner as usize]);
    let stage = pairs.stages[node as usize];
    let group = Some(groups[node as usize]).filter(|group| *group != NONE && !stage.is_proved());
    let confidence = match stage {
        Stage::Exact => 10_000,
        Stage::Code => 9_990,
        Stage::Neighbours => 9_980,
        Stage::Side => 9_950,
        // Half of what likeness leaves open, since place or callers speak for it as well.
        Stage::CallSite | Stage::Gap => 5_000 + pairs.likeness[node as usize] / 2 * 9 / 10,
        Stage::Order => 9_900,
        Stage::Likeness => pairs.likeness[node as usize] / 10 * 9,
    };
    let confidence = if group.is_some() { confidence.min(5_000) } else { confidence };
    let class = class(mine, theirs, base, target, same);
    let (before, after) = (imports(base, mine), imports(target, theirs));
    let missing = |from: &[&[u8]], list: &[&[u8]]| -> Vec<String> {
        list.iter().filter(|name| from.binary_search(name).is_err()).map(|name| crate::label::demangled(name)).collect()
    };
    Pair {
        base: node,
        target: partner,
        class,
        stage,
        confidence,
        group,
        imports_gained: missing(&before, &after),
        imports_lost: missing(&after, &before),
    }
}

fn class(mine: &Function, theirs: &Function, base: &Program<'_>, target: &Program<'_>, same: &Sameness<'_>) -> Class {
    if mine.masked != theirs.masked {
        return Class::Modified;
    }
    let (out, others) = (base.links(mine), target.links(theirs));
    let is_same = out.len() == others.len() && out.iter().zip(others).all(|(x, y)| same.is_same(*x, *y));
    match (is_same, mine.raw == theirs.raw) {
        (true, true) => Class::Identical,
        (true, false) => Class::Moved,
        (false, _) => Class::Retargeted,
    }
}

/// Names of the imports that a function refers to, sorted.
fn imports<'a>(program: &Program<'a>, function: &Function) -> Vec<&'a [u8]> {
    let mut names: Vec<&[u8]> = program.imports(function).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// For each function of the base the number of its group, or [`NONE`] if nothing else is like it.
fn groups(graph: &Graph, pairs: &Pairs) -> Vec<u32> {
    let identity = |node: u32| {
        let mut callers = graph.incoming(node).to_vec();
        callers.sort_unstable();
        callers.dedup();
        let name = |other: &u32| if *other == node { u64::MAX } else { u64::from(*other) };
        let hash = graph.outgoing(node).iter().map(name).fold(graph.exact[node as usize], mix);
        callers.iter().map(name).fold(mix(hash, 1), mix)
    };
    let mut identities: Vec<(u64, u32)> = (0..graph.functions)
        .filter(|node| pairs.of_base[*node as usize] != NONE)
        .map(|node| (identity(node), node))
        .collect();
    identities.sort_unstable();
    let mut groups = vec![NONE; graph.functions as usize];
    let alike = identities.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
    for group in alike {
        let first = group.first().map_or(NONE, |(_, node)| *node);
        group.iter().for_each(|(_, node)| groups[*node as usize] = first);
    }
    groups
}

/// The names of functions, by address.
pub(crate) fn names_at<'s, 'a>(symbols: &'s [Symbol<'a>], address: u64) -> &'s [Symbol<'a>] {
    let from = symbols.partition_point(|symbol| symbol.address < address);
    let to = symbols.partition_point(|symbol| symbol.address <= address);
    symbols.get(from..to).unwrap_or_default()
}

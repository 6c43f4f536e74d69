//! Which function of the target is which function of the base.
//!
//! In: two programs. Out: pairs, each with the stage that found it. Names are never looked at. Stages go from proof to
//! likeness, and each may only pair what is left; the first three end when nothing new follows from the last. Variables
//! and constants are paired like functions, since two functions that use the same variable are thereby told apart from
//! those that use another.

mod alike;
mod callsite;
mod gap;
mod graph;
mod order;
mod refine;
mod sole;
mod unique;

use crate::limits::MATCH_ROUNDS_MAX;
use crate::program::Program;
pub(crate) use graph::{Graph, NONE};
use std::fmt;

/// How a pair was found, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No other function has the same instructions, strings and imports.
    Exact,
    /// No other function has the same instructions.
    Code,
    /// The same instructions, and the same matched callers, callees and data.
    Neighbours,
    /// The same instructions, and the same matched callers or the same matched callees and data, or used at the same
    /// place of a matched pair with the same instructions.
    Side,
    /// The same instructions, next to a matched pair.
    Order,
    /// Called or used at the same place of a matched pair.
    CallSite,
    /// Alike, between the same two matched pairs.
    Gap,
    /// Alike, and nothing else is as much.
    Likeness,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Exact, Self::Code, Self::Neighbours, Self::Side, Self::Order, Self::CallSite, Self::Gap, Self::Likeness];

    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Code => "code",
            Self::Neighbours => "neighbours",
            Self::Side => "side",
            Self::Order => "order",
            Self::CallSite => "call-site",
            Self::Gap => "gap",
            Self::Likeness => "likeness",
        }
    }

    /// Whether the pair follows from equality alone.
    pub fn is_proved(self) -> bool {
        self <= Self::Neighbours
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Pairs of functions and data.
#[derive(Debug)]
pub(crate) struct Pairs {
    /// For each node of the base its partner, or [`NONE`].
    pub(crate) of_base: Vec<u32>,
    /// For each node of the target its partner, or [`NONE`].
    pub(crate) of_target: Vec<u32>,
    /// For each node of the base how it was paired.
    pub(crate) stages: Vec<Stage>,
    /// For each node of the base how sure the pair is, in basis points, where the stage does not say.
    pub(crate) likeness: Vec<u16>,
    /// Nodes of the base in the order in which they were paired.
    log: Vec<u32>,
}

impl Pairs {
    fn new(base: usize, target: usize) -> Self {
        Self {
            of_base: vec![NONE; base],
            of_target: vec![NONE; target],
            stages: vec![Stage::Likeness; base],
            likeness: vec![0; base],
            log: Vec::new(),
        }
    }

    /// Pairs two nodes that have no partners yet; whether they had none.
    fn pair(&mut self, base: u32, target: u32, stage: Stage) -> bool {
        let is_free = self.is_free(base, target);
        if is_free {
            self.of_base[base as usize] = target;
            self.of_target[target as usize] = base;
            self.stages[base as usize] = stage;
            self.log.push(base);
        }
        is_free
    }

    fn is_free(&self, base: u32, target: u32) -> bool {
        self.of_base[base as usize] == NONE && self.of_target[target as usize] == NONE
    }
}

/// Both sides of a comparison.
struct Sides<'p> {
    base: &'p Program<'p>,
    target: &'p Program<'p>,
    base_graph: &'p Graph,
    target_graph: &'p Graph,
}

/// How many of the pairs each stage has looked at that goes on from new pairs.
#[derive(Debug, Default)]
struct Progress {
    exact: usize,
    masked: usize,
    equal: usize,
    /// How many pairs there were when all nodes were last looked at.
    all: usize,
}

/// Share of the functions of the base that must be newly paired before all nodes are looked at again.
const WORTH_ANOTHER_LOOK: usize = 128;

/// What is told apart now that others like it have partners; how many pairs were found.
fn anywhere(sides: &Sides<'_>, pairs: &mut Pairs, progress: &mut Progress) -> usize {
    let new = pairs.log.len() - progress.all;
    if new <= sides.base.functions.len() / WORTH_ANOTHER_LOOK {
        return 0;
    }
    progress.all = pairs.log.len();
    refine::all(sides, pairs, refine::Own::Exact) + refine::all(sides, pairs, refine::Own::Masked)
}

/// What follows from the newest pairs; how many pairs were found.
fn near(sides: &Sides<'_>, pairs: &mut Pairs, progress: &mut Progress) -> usize {
    refine::near(sides, pairs, refine::Own::Exact, &mut progress.exact)
        + callsite::equal(sides, pairs, &mut progress.equal)
        + refine::near(sides, pairs, refine::Own::Masked, &mut progress.masked)
}

/// Pairs what a stage can; how many pairs were found.
type Step = fn(&Sides<'_>, &mut Pairs, &mut alike::Shapes<'_>, &mut Progress) -> usize;

/// Cheap stages first; each costlier one is asked only when those before find nothing more.
const STEPS: [Step; 7] = [
    |sides, pairs, _, progress| near(sides, pairs, progress),
    |sides, pairs, _, _| order::run(sides, pairs),
    |sides, pairs, _, progress| anywhere(sides, pairs, progress),
    |sides, pairs, shapes, _| callsite::alike(sides, pairs, shapes),
    |sides, pairs, shapes, _| sole::run(sides, pairs, shapes),
    |sides, pairs, shapes, _| gap::run(sides, pairs, shapes),
    |sides, pairs, shapes, _| alike::run(sides, pairs, shapes),
];

/// Pairs the nodes of two programs, whose graphs are given.
pub(crate) fn pairs<'p>(
    base: &'p Program<'p>,
    target: &'p Program<'p>,
    base_graph: &'p Graph,
    target_graph: &'p Graph,
) -> Pairs {
    let sides = Sides { base, target, base_graph, target_graph };
    let mut pairs = Pairs::new(base_graph.len(), target_graph.len());
    let mut shapes = alike::Shapes::new(&sides);
    let mut progress = Progress::default();
    unique::exact(&sides, &mut pairs);
    refine::all(&sides, &mut pairs, refine::Own::Exact);
    unique::code(&sides, &mut pairs);
    for _ in 0..MATCH_ROUNDS_MAX {
        if STEPS.iter().all(|step| step(&sides, &mut pairs, &mut shapes, &mut progress) == 0) {
            break;
        }
    }
    pairs
}

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
    pub const ALL: [Self; 7] =
        [Self::Exact, Self::Code, Self::Neighbours, Self::Order, Self::CallSite, Self::Gap, Self::Likeness];

    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Code => "code",
            Self::Neighbours => "neighbours",
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
}

impl Pairs {
    fn new(base: usize, target: usize) -> Self {
        Self {
            of_base: vec![NONE; base],
            of_target: vec![NONE; target],
            stages: vec![Stage::Likeness; base],
            likeness: vec![0; base],
        }
    }

    /// Pairs two nodes that have no partners yet; whether they had none.
    fn pair(&mut self, base: u32, target: u32, stage: Stage) -> bool {
        let is_free = self.is_free(base, target);
        if is_free {
            self.of_base[base as usize] = target;
            self.of_target[target as usize] = base;
            self.stages[base as usize] = stage;
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

/// Pairs the nodes of two programs, whose graphs are given.
pub(crate) fn pairs<'p>(
    base: &'p Program<'p>,
    target: &'p Program<'p>,
    base_graph: &'p Graph,
    target_graph: &'p Graph,
) -> Pairs {
    let sides = Sides { base, target, base_graph, target_graph };
    let mut pairs = Pairs::new(base_graph.len(), target_graph.len());
    unique::exact(&sides, &mut pairs);
    let mut shapes = alike::Shapes::new(&sides);
    refine::run(&sides, &mut pairs, refine::Own::Exact);
    unique::code(&sides, &mut pairs);
    for round in 0..MATCH_ROUNDS_MAX {
        let mut found = refine::run(&sides, &mut pairs, refine::Own::Exact);
        found += callsite::equal(&sides, &mut pairs);
        found += refine::run(&sides, &mut pairs, refine::Own::Masked);
        if found == 0 {
            found += order::run(&sides, &mut pairs);
        }
        if found == 0 {
            found += callsite::alike(&sides, &mut pairs, &mut shapes);
        }
        if found == 0 {
            found += gap::run(&sides, &mut pairs, &mut shapes);
        }
        if found == 0 {
            found += alike::run(&sides, &mut pairs, &mut shapes);
        }
        if found == 0 || round + 1 == MATCH_ROUNDS_MAX {
            break;
        }
    }
    pairs
}

//! Edges that somebody saw run, put into a graph.
//!
//! They only ever raise: an edge is added, none is taken away because nobody saw it. What ran although the graph calls it
//! unreachable is contested, and to be treated like reachable.

use crate::kind::Kind;
use crate::limits::EVIDENCE_MAX;
use crate::model::{Edge, RichGraph};
use std::collections::BTreeSet;

/// A place in a program, as observers know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// An address in a file.
    Address {
        /// The build-id of the file, hexadecimal.
        build_id: String,
        /// The address as the file counts it.
        address: u64,
    },
    /// A name: an id of a node, `FILE:SYMBOL`, or a symbol.
    Symbol(String),
}

/// A call that was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuntimeEdge {
    /// Who called.
    pub caller: Site,
    /// Who was called.
    pub callee: Site,
    /// How often.
    pub hits: u64,
    /// Digest of what shows it, for example `sha256:` and that of a trace.
    pub evidence: String,
}

/// What became of edges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Edges that are in the graph now.
    pub merged: usize,
    /// Edges of which an end is in no function of the graph, or in several.
    pub unknown: usize,
    /// Nodes that ran although the graph without these edges calls them unreachable.
    pub contested: Vec<u32>,
}

impl RichGraph {
    /// Puts edges into the graph.
    pub fn merge_runtime(&mut self, edges: &[RuntimeEdge]) -> Merged {
        let before = self.reachable(|_| false);
        let mut merged = Merged::default();
        let mut contested = BTreeSet::new();
        for edge in edges {
            let (Some(from), Some(to)) = (self.site(&edge.caller), self.site(&edge.callee)) else {
                merged.unknown += 1;
                continue;
            };
            merged.merged += 1;
            contested.extend([from, to].into_iter().filter(|node| !before.has(*node)));
            self.edges.push(Edge { from, to, kind: Kind::Runtime, evidence: vec![edge.evidence.clone()] });
        }
        self.sort_edges();
        for edge in &mut self.edges {
            edge.evidence.truncate(EVIDENCE_MAX);
        }
        merged.contested = contested.into_iter().collect();
        merged
    }

    /// The one node that holds a place.
    fn site(&self, site: &Site) -> Option<u32> {
        match site {
            Site::Symbol(text) => match self.named(text).as_slice() {
                [node] => Some(*node),
                _ => None,
            },
            Site::Address { build_id, address } => {
                let binary = self.binaries.iter().find(|binary| binary.build_id.as_ref() == Some(build_id))?;
                let first = format!("{}:", binary.key);
                // Ids of one file stand together, in the order of their text: addresses of one length ascend.
                let own = crate::build::node_id(&binary.key, *address);
                let behind = self.nodes.partition_point(|node| node.id <= own);
                let candidates = self.nodes.get(..behind)?.iter().rev().take_while(|node| node.id.starts_with(&first));
                let node = candidates.map(|node| node.id.as_str()).next()?;
                let node = self.find(node)?;
                let function = self.function(node)?;
                let is_inside = *address >= function.address && address - function.address < function.length;
                is_inside.then_some(node)
            }
        }
    }
}

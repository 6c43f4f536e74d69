//! The graph as it is kept: binaries, nodes, edges and roots, in the one order that makes equal graphs equal bytes.

use crate::kind::Kind;
use crate::symbol;
use delta_format::{Blake3, Sha256};
use delta_functions::callgraph::Reachable;
use std::collections::BTreeSet;
use std::ops::Range;

/// The id of the node that stands for whatever starts the program.
pub const LOADER: &str = "loader";
/// The id of the node that stands for whatever is called by a pointer.
pub const INDIRECT_ANY: &str = "indirect-any";

/// The assumption that every file which the program opens while it runs is among the analysed ones.
pub const PLUGINS_NAMED: &str = "plugins-named";

/// An analysed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The name of its file, without folders.
    pub name: String,
    /// The start of the ids of its nodes: 16 hexadecimal digits.
    pub key: String,
    /// The identity that a linker gave it, hexadecimal.
    pub build_id: Option<String>,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// `elf` or `pe`.
    pub format: String,
    /// The processor.
    pub machine: String,
    /// The package that it is from.
    pub purl: Option<String>,
    /// Why less is known than could be.
    pub degraded: Vec<String>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A function.
    Function(Function),
    /// Whatever starts the program.
    Loader,
    /// Whatever is called by a pointer.
    IndirectAny,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Which file it is in, as an index.
    pub binary: u32,
    /// Its first address.
    pub address: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its section.
    pub section: String,
    /// Its name as it stands in the file; empty where there is none.
    pub symbol: String,
    /// Its other names, in the order of `symbols` of the analysis.
    pub aliases: Vec<String>,
    /// Whether others may call it by name.
    pub is_exported: bool,
    /// BLAKE3 of its bytes.
    pub code: Blake3,
    /// Calls in it whose target only the running program knows.
    pub unresolved: u32,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id: of functions the key of the file, a colon, and the address in at least 8 hexadecimal digits.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
}

/// An edge between nodes, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// From which node.
    pub from: u32,
    /// To which node.
    pub to: u32,
    /// How it is known.
    pub kind: Kind,
    /// Digests of what shows it, of edges that were seen to run.
    pub evidence: Vec<String>,
}

/// Where the program is entered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Which node.
    pub node: u32,
    /// When: `load`, `init`, `runtime` or `exit`.
    pub phase: String,
    /// Why: a name of [`delta_functions::callgraph::RootKind`].
    pub source: String,
}

/// A reachability graph. Nodes are sorted by id, edges by from, to and name of their kind, roots by node, phase, source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RichGraph {
    /// Version of the analyser.
    pub analyzer_version: String,
    /// The files, the program first.
    pub binaries: Vec<Binary>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Edges.
    pub edges: Vec<Edge>,
    /// Roots.
    pub roots: Vec<Root>,
    /// Libraries that were asked for and not found, sorted.
    pub missing: Vec<String>,
    /// What somebody says that analysis cannot know, sorted: [`PLUGINS_NAMED`].
    pub assumptions: Vec<String>,
    /// Calls whose target only the running program knows, with those of functions that no file defines.
    pub unresolved_call_sites: u64,
}

impl RichGraph {
    /// The index of a node.
    pub fn find(&self, id: &str) -> Option<u32> {
        self.nodes.binary_search_by(|node| node.id.as_str().cmp(id)).ok().map(|index| index as u32)
    }

    /// The id of a node; empty for an index that none has.
    pub fn id(&self, node: u32) -> &str {
        self.nodes.get(node as usize).map_or("", |node| node.id.as_str())
    }

    /// The function that a node stands for.
    pub fn function(&self, node: u32) -> Option<&Function> {
        match &self.nodes.get(node as usize)?.kind {
            NodeKind::Function(function) => Some(function),
            NodeKind::Loader | NodeKind::IndirectAny => None,
        }
    }

    /// The file of a function.
    pub fn binary(&self, function: &Function) -> Option<&Binary> {
        self.binaries.get(function.binary as usize)
    }

    /// The numbers of the edges from a node.
    pub fn edges_from(&self, node: u32) -> Range<usize> {
        let from = self.edges.partition_point(|edge| edge.from < node);
        from..self.edges.partition_point(|edge| edge.from <= node).max(from)
    }

    /// The number of an edge.
    pub fn find_edge(&self, from: &str, to: &str, kind: Kind) -> Option<usize> {
        let (from, to) = (self.find(from)?, self.find(to)?);
        let key = |edge: &Edge| (edge.from, edge.to, edge.kind.name());
        self.edges.binary_search_by(|edge| key(edge).cmp(&(from, to, kind.name()))).ok()
    }

    /// What can be reached; edges for which `is_left_out` holds, by number, do not lead on.
    pub fn reachable(&self, is_left_out: impl Fn(usize) -> bool) -> Reachable {
        let start = self.find(LOADER).unwrap_or(u32::MAX);
        let target = |edge: usize| self.edges.get(edge).map_or(start, |edge| edge.to);
        Reachable::over(self.nodes.len(), start, |node| self.edges_from(node), target, is_left_out)
    }

    /// The numbers of the edges of a way to a node, the most telling one: first of calls that are known, then through
    /// calls by pointers, and only then from names that a program may look up.
    pub fn way(&self, node: u32) -> Option<Vec<usize>> {
        let any = self.find(INDIRECT_ANY);
        let sources = |node: u32| self.roots.iter().filter(move |root| root.node == node).map(|root| &root.source);
        let is_lookup = |edge: &Edge| self.id(edge.from) == LOADER && sources(edge.to).all(|source| source == "lookup");
        let lookups: BTreeSet<usize> = match self.find(LOADER) {
            Some(loader) => self.edges_from(loader).filter(|number| is_lookup(&self.edges[*number])).collect(),
            None => BTreeSet::new(),
        };
        let is_pointer = |number: usize| self.edges.get(number).is_some_and(|edge| Some(edge.to) == any);
        let known = self.reachable(|number| is_pointer(number) || lookups.contains(&number)).way(node);
        let pointed = || self.reachable(|number| lookups.contains(&number)).way(node);
        known.or_else(pointed).or_else(|| self.reachable(|_| false).way(node))
    }

    /// Nodes that a text means: an id, `FILE:SYMBOL`, or a symbol as it stands in a file or as people read it.
    pub fn named(&self, text: &str) -> Vec<u32> {
        if let Some(node) = self.find(text) {
            return vec![node];
        }
        let (file, symbol) = text.split_once(':').unwrap_or(("", text));
        let is_named = |function: &Function| {
            let is_of =
                |name: &str| !name.is_empty() && (function.symbol == name || symbol::display(&function.symbol) == name);
            is_of(text) || is_of(symbol) && self.binary(function).is_some_and(|binary| binary.name == file)
        };
        let nodes = (0..self.nodes.len() as u32).filter(|node| self.function(*node).is_some_and(is_named));
        nodes.collect()
    }

    /// Brings edges into their order, each once; the evidence of equal ones is joined.
    pub(crate) fn sort_edges(&mut self) {
        self.edges.sort_by(|a, b| (a.from, a.to, a.kind.name()).cmp(&(b.from, b.to, b.kind.name())));
        self.edges.dedup_by(|later, first| {
            let is_same = (later.from, later.to, later.kind) == (first.from, first.to, first.kind);
            if is_same {
                first.evidence.append(&mut later.evidence);
                first.evidence.sort_unstable();
                first.evidence.dedup();
            }
            is_same
        });
    }
}

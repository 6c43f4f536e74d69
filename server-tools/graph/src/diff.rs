//! What differs between the graphs of two builds.
//!
//! Addresses change with each build, so functions are the same if they have one name in files of one name; those without
//! a name if their bytes are equal. What is neither is on one side only.

use crate::model::{NodeKind, RichGraph};
use std::collections::BTreeSet;

/// A function or node, as both builds know it: file and name, or file and bytes.
pub type Key = String;

/// What differs; all lists sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphDiff {
    /// Functions on the second side only.
    pub nodes_added: Vec<Key>,
    /// Functions on the first side only.
    pub nodes_removed: Vec<Key>,
    /// Edges between functions that both have, on the second side only.
    pub edges_added: Vec<(Key, Key, &'static str)>,
    /// The same, on the first side only.
    pub edges_removed: Vec<(Key, Key, &'static str)>,
    /// Roots on the second side only, with their source.
    pub roots_added: Vec<(Key, String)>,
    /// Roots on the first side only.
    pub roots_removed: Vec<(Key, String)>,
    /// Functions that both have, and that only the second side reaches.
    pub became_reachable: Vec<Key>,
    /// Functions that both have, and that only the first side reaches.
    pub became_unreachable: Vec<Key>,
    /// Change of the number of calls whose target only the running program knows.
    pub unresolved_change: i64,
}

/// Compares two graphs.
pub fn diff(before: &RichGraph, after: &RichGraph) -> GraphDiff {
    let (old_keys, new_keys) = (keys(before), keys(after));
    let (old, new) = (Side::new(before, &old_keys), Side::new(after, &new_keys));
    let both: BTreeSet<&Key> = old.nodes.intersection(&new.nodes).copied().collect();
    let only = |of: &BTreeSet<&Key>, other: &BTreeSet<&Key>| of.difference(other).map(|key| (*key).clone()).collect();
    let edges = |of: &Side<'_>, other: &Side<'_>| {
        let is_between = |edge: &&(&Key, &Key, &'static str)| both.contains(edge.0) && both.contains(edge.1);
        let edges = of.edges.difference(&other.edges).filter(is_between);
        edges.map(|(from, to, kind)| ((*from).clone(), (*to).clone(), *kind)).collect()
    };
    let roots = |of: &Side<'_>, other: &Side<'_>| {
        of.roots.difference(&other.roots).map(|(key, source)| ((*key).clone(), (*source).to_owned())).collect()
    };
    let reached = |of: &Side<'_>, other: &Side<'_>| {
        let only = of.reached.difference(&other.reached).filter(|key| both.contains(**key));
        only.map(|key| (*key).clone()).collect()
    };
    GraphDiff {
        nodes_added: only(&new.nodes, &old.nodes),
        nodes_removed: only(&old.nodes, &new.nodes),
        edges_added: edges(&new, &old),
        edges_removed: edges(&old, &new),
        roots_added: roots(&new, &old),
        roots_removed: roots(&old, &new),
        became_reachable: reached(&new, &old),
        became_unreachable: reached(&old, &new),
        unresolved_change: after.unresolved_call_sites.wrapping_sub(before.unresolved_call_sites) as i64,
    }
}

/// The keys of the nodes of a graph, by index.
fn keys(graph: &RichGraph) -> Vec<Key> {
    let key = |node: &crate::model::Node| match &node.kind {
        NodeKind::Loader | NodeKind::IndirectAny => node.id.clone(),
        NodeKind::Function(function) => {
            let file = graph.binary(function).map_or("", |binary| binary.name.as_str());
            match function.symbol.as_str() {
                "" => format!("{file}:blake3:{}", function.code),
                symbol => format!("{file}:{symbol}"),
            }
        }
    };
    graph.nodes.iter().map(key).collect()
}

struct Side<'k> {
    nodes: BTreeSet<&'k Key>,
    edges: BTreeSet<(&'k Key, &'k Key, &'static str)>,
    roots: BTreeSet<(&'k Key, &'k str)>,
    reached: BTreeSet<&'k Key>,
}

impl<'k> Side<'k> {
    fn new(graph: &'k RichGraph, keys: &'k [Key]) -> Self {
        let reachable = graph.reachable(|_| false);
        let key = |node: u32| &keys[node as usize];
        let reached = (0..keys.len() as u32).filter(|node| reachable.has(*node));
        Self {
            nodes: keys.iter().collect(),
            edges: graph.edges.iter().map(|edge| (key(edge.from), key(edge.to), edge.kind.name())).collect(),
            roots: graph.roots.iter().map(|root| (key(root.node), root.source.as_str())).collect(),
            reached: reached.map(key).collect(),
        }
    }
}

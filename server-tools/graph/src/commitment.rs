//! What a statement commits to: digests of the graph, the Merkle roots over its edges and over its reachable nodes.

use crate::json::GraphHash;
use crate::kind::Kind;
use crate::merkle::Tree;
use crate::model::RichGraph;
use delta_format::Sha256;
use delta_functions::callgraph::Reachable;
use delta_verify::sha256_of_parts;
use serde::{Deserialize, Serialize};

/// The numbers and digests of a graph that are signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// Edges.
    pub edge_count: u64,
    /// Root of the tree over [`edge_entry`] of all edges, in their order.
    pub edge_root: String,
    /// Digests of the canonical JSON.
    pub graph_hash: HashPair,
    /// Nodes.
    pub node_count: u64,
    /// Nodes that can be reached.
    pub reach_count: u64,
    /// Root of the tree over [`reach_entry`] of all nodes that can be reached, in their order.
    pub reach_root: String,
    /// Roots.
    pub root_count: u64,
    /// Calls whose target only the running program knows.
    pub unresolved_call_sites: u64,
}

/// Two digests of the same bytes, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashPair {
    /// BLAKE3.
    pub blake3: String,
    /// SHA-256.
    pub sha256: String,
}

impl From<GraphHash> for HashPair {
    fn from(hash: GraphHash) -> Self {
        Self { blake3: hash.blake3.to_string(), sha256: hash.sha256.to_string() }
    }
}

/// The entry of an edge: from, to and kind on a line each. Order of entries is order of edges, since no id has bytes
/// below that of a line's end.
pub fn edge_entry(from: &str, to: &str, kind: &str) -> Vec<u8> {
    [from, to, kind].join("\n").into_bytes()
}

/// The entry of a node that can be reached: its id.
pub fn reach_entry(id: &str) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// The id of an edge: `edge:` and the SHA-256 of the canonical JSON of its from, kind and to.
pub fn edge_id(from: &str, to: &str, kind: Kind) -> String {
    let text = |text: &str| serde_json::to_string(text).expect("texts are JSON");
    let json = format!("{{\"from\":{},\"kind\":\"{}\",\"to\":{}}}", text(from), kind.name(), text(to));
    format!("edge:{}", sha256_of_parts(&[json.as_bytes()]))
}

/// The trees of a graph.
#[derive(Debug, Clone)]
pub struct Trees {
    /// Over all edges.
    pub edges: Tree,
    /// Over the nodes that can be reached.
    pub reach: Tree,
    /// The nodes of that tree, in order.
    pub reached: Vec<u32>,
}

impl Trees {
    /// Builds them.
    pub fn new(graph: &RichGraph, reachable: &Reachable) -> Self {
        let leaf = |entry: Vec<u8>| delta_verify::merkle::leaf_hash(&entry);
        let edge =
            |edge: &crate::model::Edge| leaf(edge_entry(graph.id(edge.from), graph.id(edge.to), edge.kind.name()));
        let reached: Vec<u32> = (0..graph.nodes.len() as u32).filter(|node| reachable.has(*node)).collect();
        Self {
            edges: Tree::of_leaves(graph.edges.iter().map(edge).collect()),
            reach: Tree::of_leaves(reached.iter().map(|node| leaf(reach_entry(graph.id(*node)))).collect()),
            reached,
        }
    }
}

impl Commitment {
    /// What there is to sign of a graph.
    pub fn new(graph: &RichGraph, hash: GraphHash, trees: &Trees) -> Self {
        Self {
            edge_count: trees.edges.len(),
            edge_root: trees.edges.root().to_string(),
            graph_hash: hash.into(),
            node_count: graph.nodes.len() as u64,
            reach_count: trees.reach.len(),
            reach_root: trees.reach.root().to_string(),
            root_count: graph.roots.len() as u64,
            unresolved_call_sites: graph.unresolved_call_sites,
        }
    }

    /// The root over the edges; zeros where the text is none.
    pub(crate) fn edge_root(&self) -> Sha256 {
        self.edge_root.parse().unwrap_or(Sha256::new([0; 32]))
    }

    /// The root over the nodes that can be reached; zeros where the text is none.
    pub(crate) fn reach_root(&self) -> Sha256 {
        self.reach_root.parse().unwrap_or(Sha256::new([0; 32]))
    }
}

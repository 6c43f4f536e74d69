//! What untrusted files may cost, and what files of this crate may hold.

/// Bytes of a graph: a million functions with 5 million edges.
pub const GRAPH_BYTES_MAX: u64 = 1 << 30;
/// Nodes of a graph.
pub const GRAPH_NODES_MAX: usize = 4_000_000;
/// Edges of a graph.
pub const GRAPH_EDGES_MAX: usize = 32_000_000;
/// Bytes of an edge bundle: its edges with names of 4 KiB each would fit.
pub const BUNDLE_BYTES_MAX: u64 = 1 << 22;
/// Edges of a bundle.
pub const BUNDLE_EDGES_MAX: usize = 512;
/// References to evidence of one edge.
pub const EVIDENCE_MAX: usize = 16;
/// Bytes of a proof of one edge, of one reachable or of one unreachable function, with the envelope of the graph.
pub const PROOF_BYTES_MAX: usize = 8_192;
/// Hashes of one inclusion proof: a tree of 2^32 leaves needs 32.
pub const TREE_HASHES_MAX: usize = 32;
/// Envelopes of edge bundles that one run puts into the log, if nobody says otherwise:
/// `reachability.edgeBundles.maxRekorPublishes`.
pub const BUNDLE_PUBLISHES_DEFAULT: usize = 5;

//! Graphs, edge bundles, proofs and envelopes, traces, and the executables that graphs are made of.

use delta_functions::Executable;
use delta_functions::callgraph::{CallGraph, ObjectGraph, Reachable};
use delta_graph::RichGraph;
use delta_graph::bundle::EdgeBundle;
use delta_graph::callgrind::Trace;
use delta_graph::commitment::Trees;
use delta_graph::diff::diff;
use delta_graph::envelope::Envelope;
use delta_graph::proof::{Proof, Signed};
use delta_graph::statement::{GRAPH_PREDICATE, GraphPredicate, Statement};

/// Any JSON as a graph: what is accepted has one spelling, holds together, and is the same as itself.
pub fn graph(bytes: &[u8]) {
    let Ok(graph) = RichGraph::from_json(bytes) else { return };
    assert_eq!(graph.to_json(), bytes);
    let reachable = graph.reachable(|_| false);
    let trees = Trees::new(&graph, &reachable);
    assert_eq!((trees.edges.len(), trees.reach.len()), (graph.edges.len() as u64, reachable.count() as u64));
    assert_eq!(diff(&graph, &graph), Default::default());
    for node in 0..graph.nodes.len() as u32 {
        assert_eq!((graph.way(node).is_some(), graph.find(graph.id(node))), (reachable.has(node), Some(node)));
    }
}

/// Any JSON as an edge bundle: what is accepted has one spelling.
pub fn edge_bundle(bytes: &[u8]) {
    if let Ok(bundle) = EdgeBundle::from_json(bytes) {
        assert_eq!(bundle.to_json(), bytes);
        assert_eq!(bundle.statement().predicate.edge_count, bundle.edges.len() as u64);
    }
}

/// Any JSON as a proof, and a proof with any hashes and places for the small graph of the vectors: none holds for what is
/// not so.
pub fn graph_proof(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::read(bytes) {
        assert_eq!(envelope.to_json(), bytes);
        // The vectors are signed by a key of this trust root; nothing else is.
        let is_signed = envelope.verify(&tests_golden::site::trust()).is_ok();
        assert!(!is_signed || envelope.statement() == vectors().statement.as_bytes());
    }
    let Ok(proof) = Proof::from_json(bytes) else { return };
    assert_eq!(proof.to_json(), bytes);
    // Against the statement of the vectors, whoever signed the one that came with it.
    let vectors = vectors();
    let of_vectors = Proof { envelope: String::new(), statement: vectors.statement.clone(), ..proof };
    let Ok(proven) = of_vectors.verify(None) else { return };
    let graph = &vectors.graph;
    let trees = Trees::new(graph, &graph.reachable(|_| false));
    let signed = Signed::Nobody(vectors.statement.as_bytes());
    let honest = match &proven.claim {
        delta_graph::proof::Claim::Edge { from, kind, to } | delta_graph::proof::Claim::NoEdge { from, kind, to } => {
            Proof::of_edge(graph, &trees, from, to, *kind, signed)
        }
        delta_graph::proof::Claim::Reachable { id } | delta_graph::proof::Claim::Unreachable { id } => {
            Proof::of_node(graph, &trees, id, signed)
        }
    };
    assert_eq!(honest.map(|honest| honest.proves), Ok(proven.claim));
}

struct Vectors {
    graph: RichGraph,
    statement: String,
}

/// Files of the crate's own vectors.
pub fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../server-tools/graph/vectors/");
    let bytes = std::fs::read(format!("{folder}{name}")).unwrap_or_else(|error| panic!("{name}: {error}"));
    bytes.strip_suffix(b"\n").unwrap_or(&bytes).to_vec()
}

fn vectors() -> &'static Vectors {
    static VECTORS: std::sync::OnceLock<Vectors> = std::sync::OnceLock::new();
    VECTORS.get_or_init(|| {
        let statement = vector("graph.statement.json");
        Statement::<GraphPredicate>::from_json(&statement, GRAPH_PREDICATE).expect("the vector");
        let graph = RichGraph::from_json(&vector("graph.json")).expect("the vector");
        Vectors { graph, statement: String::from_utf8(statement).expect("JSON is UTF-8") }
    })
}

/// Any text as a trace of callgrind.
pub fn callgrind(bytes: &[u8]) {
    let trace = Trace::parse(&String::from_utf8_lossy(bytes));
    let files = trace.files.len() as u32;
    assert!(trace.calls.iter().all(|(from, to)| from.0 < files.max(1) && to.0 < files.max(1)));
}

/// Any bytes behind the start of an executable, alone and as the library of itself: analysed in part, in bounded time,
/// and the edges lead to nodes.
pub fn executable(bytes: &[u8]) {
    let Some(executable) = Executable::read(bytes) else { return };
    let objects = vec![ObjectGraph::new(&executable, "a"), ObjectGraph::new(&executable, "b")];
    let graph = CallGraph::new(objects, 1);
    let nodes = graph.len() as u32;
    assert!(graph.edges.iter().all(|edge| edge.from < nodes && edge.to < nodes));
    let reachable = Reachable::new(&graph, |_| false);
    assert!(graph.roots.iter().all(|root| reachable.has(root.node)));
}

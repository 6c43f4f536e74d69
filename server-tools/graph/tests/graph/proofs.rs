//! Proofs: of everything that is so, of nothing that is not, in a few kilobytes.

use crate::made::{graph, key, trees, trust, vector};
use delta_attest::SignedStatement;
use delta_graph::closure::Plugins;
use delta_graph::commitment::Commitment;
use delta_graph::json::GraphHash;
use delta_graph::kind::Kind;
use delta_graph::limits::PROOF_BYTES_MAX;
use delta_graph::proof::{Claim, Proof, Signed};
use delta_graph::statement::Statement;
use delta_graph::{Refused, RichGraph};

/// That nobody calls one function of the small graph.
fn stored() -> Vec<u8> {
    let graph = graph();
    let unused = graph.id(graph.named("lib::unused()")[0]).to_owned();
    let envelope = envelope(&graph);
    let proof = Proof::of_node(&graph, &trees(&graph), &unused, Signed::Envelope(&envelope)).expect("a proof");
    vector("unreachable.proof.json", &proof.to_json())
}

fn envelope(graph: &RichGraph) -> Vec<u8> {
    let commitment = Commitment::new(graph, GraphHash::of(&graph.to_json()), &trees(graph));
    let statement = Statement::of_graph(graph, commitment, None).to_json();
    SignedStatement::of_evidence(&statement, &[&key(1)]).expect("a short statement").envelope_json()
}

#[test]
fn the_vector_is_written_and_holds() {
    let graph = graph();
    let unused = graph.id(graph.named("lib::unused()")[0]).to_owned();
    let read = Proof::from_json(&stored()).expect("the vector");
    let proven = read.verify(Some(&trust(&key(1)))).expect("the vector holds");
    assert_eq!((proven.claim, proven.signers), (Claim::Unreachable { id: unused }, vec![key(1).id()]));
    // Another signer's trust root does not believe it.
    assert!(matches!(read.verify(Some(&trust(&key(2)))), Err(Refused::Signature(_))));
}

/// Every pair of nodes with every kind, and every node, of the small graph.
#[test]
fn what_is_so_is_proven_and_nothing_else() {
    let graph = graph();
    let (envelope, trees, trust) = (envelope(&graph), trees(&graph), trust(&key(1)));
    let signed = Signed::Envelope(&envelope);
    let reachable = graph.reachable(|_| false);
    let ids: Vec<String> = graph.nodes.iter().map(|node| node.id.clone()).collect();
    for (node, id) in (0_u32..).zip(&ids) {
        let proof = Proof::of_node(&graph, &trees, id, signed).expect("a proof");
        let proven = proof.verify(Some(&trust)).expect("it holds");
        let expected = match reachable.has(node) {
            true => Claim::Reachable { id: id.clone() },
            false => Claim::Unreachable { id: id.clone() },
        };
        assert_eq!(proven.claim, expected);
        // The opposite claim with the same hashes does not hold.
        let opposite = match expected {
            Claim::Reachable { id } => Claim::Unreachable { id },
            _ => Claim::Reachable { id: id.clone() },
        };
        assert!(Proof { proves: opposite, ..proof }.verify(Some(&trust)).is_err());
        for other in &ids {
            for kind in Kind::all() {
                let proof = Proof::of_edge(&graph, &trees, id, other, kind, signed).expect("a proof");
                let is_there = graph.find_edge(id, other, kind).is_some();
                let proven = proof.verify(Some(&trust)).expect("it holds");
                assert_eq!(matches!(proven.claim, Claim::Edge { .. }), is_there);
                let moved = match &proof.proves {
                    Claim::Edge { from, kind, to } => Claim::NoEdge { from: from.clone(), kind: *kind, to: to.clone() },
                    _ => Claim::Edge { from: id.clone(), kind, to: other.clone() },
                };
                assert!(Proof { proves: moved, ..proof }.verify(Some(&trust)).is_err());
            }
        }
    }
}

/// Names that were never there are not reachable either, wherever they would stand.
#[test]
fn unknown_functions_are_not_reachable() {
    let graph = graph();
    let (envelope, trees) = (envelope(&graph), trees(&graph));
    for id in ["", "0", "00112233aabbccdd:00001001", "zzz"] {
        let proof = Proof::of_node(&graph, &trees, id, Signed::Envelope(&envelope)).expect("a proof");
        let proven = proof.verify(Some(&trust(&key(1)))).expect("it holds");
        assert_eq!(proven.claim, Claim::Unreachable { id: id.to_owned() });
    }
    // A line's end in an id would let one entry be read as another.
    let proof = Proof::of_node(&graph, &trees, "a\nb", Signed::Envelope(&envelope)).expect("a proof");
    assert_eq!(proof.verify(None), Err(Refused::Field("proves")));
}

/// Every byte of a proof counts.
#[test]
fn every_changed_byte_of_a_proof_is_refused() {
    let trust = trust(&key(1));
    let vector = stored();
    for place in 0..vector.len() {
        for flip in [1, 4, 0x20] {
            let mut changed = vector.clone();
            changed[place] ^= flip;
            let verified = Proof::from_json(&changed).and_then(|proof| proof.verify(Some(&trust)));
            // Another id in the same gap is as unreachable as the one that was asked for.
            let is_other = verified.as_ref().is_ok_and(|proven| {
                let same = Proof::from_json(&vector).expect("the vector").proves;
                proven.claim != same && matches!(proven.claim, Claim::Unreachable { .. })
            });
            assert!(verified.is_err() || is_other, "byte {place}: {}", String::from_utf8_lossy(&changed));
        }
    }
}

/// Proofs of a real program stay within the limit, with the envelope in them.
#[test]
fn proofs_of_a_real_program_are_small() {
    let program = std::env::current_exe().expect("a test knows itself");
    let closure = delta_graph::closure::Closure::read(&[program], &Default::default(), true).expect("an executable");
    let graph = RichGraph::build(closure, &Default::default(), Plugins::Any);
    let (envelope, trees, trust) = (envelope(&graph), trees(&graph), trust(&key(1)));
    let reachable = graph.reachable(|_| false);
    let mut largest = 0;
    let mut kinds = [0; 2];
    for node in (0..graph.nodes.len() as u32).step_by(97) {
        let proof = Proof::of_node(&graph, &trees, graph.id(node), Signed::Envelope(&envelope)).expect("a proof");
        assert!(proof.verify(Some(&trust)).is_ok());
        kinds[usize::from(reachable.has(node))] += 1;
        largest = largest.max(proof.to_json().len());
    }
    for edge in graph.edges.iter().step_by(997) {
        let (from, to) = (graph.id(edge.from), graph.id(edge.to));
        let proof = Proof::of_edge(&graph, &trees, from, to, edge.kind, Signed::Envelope(&envelope)).expect("a proof");
        assert!(proof.verify(Some(&trust)).is_ok());
        largest = largest.max(proof.to_json().len());
    }
    assert!(kinds[0] > 0 && kinds[1] > 0, "{kinds:?}");
    assert!(largest < PROOF_BYTES_MAX / 2, "{largest} bytes");
}

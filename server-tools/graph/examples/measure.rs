//! Measures what verification of a graph and of edge bundles costs: `measure PROGRAM`. Every edge of the graph stands in a
//! signed bundle; the first 1, 10 and 100 of them are verified from a folder, and proofs are made and verified.

use delta_attest::keys::NoteSigner;
use delta_attest::{SecretKey, SignedStatement, TrustDraft};
use delta_graph::RichGraph;
use delta_graph::bundle::{Selection, bundles};
use delta_graph::cas::{Cas, Part};
use delta_graph::closure::{Closure, Places, Plugins};
use delta_graph::commitment::{Commitment, Trees, edge_id};
use delta_graph::json::GraphHash;
use delta_graph::proof::{Proof, Signed};
use delta_graph::statement::Statement;
use delta_graph::verify;
use delta_verify::TrustRoot;
use std::path::PathBuf;
use std::time::Instant;

fn main() {
    let Some(program) = std::env::args().nth(1).map(PathBuf::from) else { return eprintln!("measure PROGRAM") };
    let started = Instant::now();
    let closure = Closure::read(&[program], &Places::default(), true).expect("an executable");
    let graph = RichGraph::build(closure, &Default::default(), Plugins::Any);
    let analysed = started.elapsed();
    let json = graph.to_json();
    let hash = GraphHash::of(&json);
    let name = hash.blake3.to_string();
    println!(
        "{} files, {} nodes, {} edges: analysed in {} ms, {} bytes of JSON written and hashed in {} ms",
        graph.binaries.len(),
        graph.nodes.len(),
        graph.edges.len(),
        analysed.as_millis(),
        json.len(),
        (started.elapsed() - analysed).as_millis()
    );
    let started = Instant::now();
    let trees = Trees::new(&graph, &graph.reachable(|_| false));
    println!("reachability and both trees in {} ms", started.elapsed().as_millis());
    let (key, trust) = keys();
    let signed = |statement: &[u8]| SignedStatement::of_evidence(statement, &[&key]).expect("signed").envelope_json();
    let envelope = signed(&Statement::of_graph(&graph, Commitment::new(&graph, hash, &trees), None).to_json());
    let ids = graph.edges.iter().map(|edge| edge_id(graph.id(edge.from), graph.id(edge.to), edge.kind));
    let list = bundles(&graph, &hash, &Selection { disputed: ids.collect(), ..Selection::default() });
    let folder = tempfile::tempdir().expect("a folder");
    for count in [1, 10, 100] {
        let cas = Cas::new(folder.path().join(count.to_string()));
        Cas::write(&cas.graph(&name, Part::Body), &json).expect("written");
        Cas::write(&cas.graph(&name, Part::Envelope), &envelope).expect("written");
        for bundle in list.iter().take(count) {
            let part = |part| cas.bundle(&name, &bundle.bundle_id, part);
            Cas::write(&part(Part::Body), &bundle.to_json()).expect("written");
            Cas::write(&part(Part::Envelope), &signed(&bundle.statement().to_json())).expect("written");
        }
        let started = Instant::now();
        let verified = verify::graph(&cas, &name, Some(&trust)).expect("verified");
        let of_graph = started.elapsed();
        let started = Instant::now();
        let found = verify::bundles(&cas, &verified, Some(&trust)).expect("verified");
        let of_bundles = started.elapsed();
        let bytes: u64 = found.iter().map(|bundle| bundle.bytes).sum();
        let edges: u64 = found.iter().map(|bundle| bundle.bundle.edge_count).sum();
        println!(
            "{} bundles, {edges} edges, {bytes} bytes: verified in {:.1} ms (the graph in {} ms)",
            found.len(),
            of_bundles.as_secs_f64() * 1e3,
            of_graph.as_millis()
        );
    }
    proofs(&graph, &trees, &envelope, &trust);
}

fn keys() -> (SecretKey, TrustRoot) {
    let key = SecretKey::from_seed([1; 32]);
    let note = |seed| SecretKey::from_seed([seed; 32]);
    let draft = TrustDraft {
        name: "measure".parse().expect("a name"),
        version: 1,
        signers: vec![("signer".parse().expect("a name"), key.public())],
        signer_threshold: 1,
        rollback: Vec::new(),
        rollback_threshold: 1,
        logs: vec![NoteSigner::log(note(2), "example.com/log".parse().expect("a name")).key().clone()],
        witnesses: vec![NoteSigner::witness(note(3), "witness".parse().expect("a name")).key().clone()],
        quorum: 1,
    };
    (key, TrustRoot::parse(&draft.to_text().expect("a trust root")).expect("a trust root"))
}

fn proofs(graph: &RichGraph, trees: &Trees, envelope: &[u8], trust: &TrustRoot) {
    let reachable = graph.reachable(|_| false);
    let signed = Signed::Envelope(envelope);
    let mut sizes: [Vec<usize>; 3] = Default::default();
    let mut verified = std::time::Duration::ZERO;
    let mut check = |proof: &Proof| {
        let json = proof.to_json();
        let started = Instant::now();
        Proof::from_json(&json).and_then(|proof| proof.verify(Some(trust))).expect("it holds");
        verified += started.elapsed();
        json.len()
    };
    for edge in graph.edges.iter().step_by(101) {
        let proof = Proof::of_edge(graph, trees, graph.id(edge.from), graph.id(edge.to), edge.kind, signed);
        sizes[0].push(check(&proof.expect("a proof")));
    }
    for node in (0..graph.nodes.len() as u32).step_by(11) {
        let proof = Proof::of_node(graph, trees, graph.id(node), signed).expect("a proof");
        sizes[if reachable.has(node) { 1 } else { 2 }].push(check(&proof));
    }
    let count: usize = sizes.iter().map(Vec::len).sum();
    for (what, sizes) in ["edge", "reachable", "unreachable"].iter().zip(&mut sizes) {
        sizes.sort_unstable();
        let (median, largest) = (sizes.get(sizes.len() / 2), sizes.last());
        println!("{what}: {} proofs, median {median:?}, largest {largest:?} bytes", sizes.len());
    }
    println!("one proof is verified in {} us", verified.as_micros() / count.max(1) as u128);
}

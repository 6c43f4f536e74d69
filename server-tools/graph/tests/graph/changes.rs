//! What changes a graph: edges that were seen to run, edges that are revoked, another build.

use crate::made::{graph, key, trust};
use delta_functions::callgraph::EdgeKind;
use delta_graph::bundle::{BundleReason, Selection, bundles};
use delta_graph::commitment::edge_id;
use delta_graph::diff::diff;
use delta_graph::json::GraphHash;
use delta_graph::kind::Kind;
use delta_graph::model::NodeKind;
use delta_graph::runtime::{RuntimeEdge, Site};
use delta_graph::verify::{Signature, VerifiedBundle, quarantine};

fn seen(caller: Site, callee: Site, evidence: &str) -> RuntimeEdge {
    RuntimeEdge { caller, callee, hits: 1, evidence: evidence.to_owned() }
}

/// By build-id and address inside of a function, or by name; what is unknown is counted; what ran and was called
/// unreachable is contested, and reachable from then on.
#[test]
fn observed_edges_only_raise() {
    let mut graph = graph();
    let before = graph.clone();
    let build_id = "00112233aabbccdd0011".to_owned();
    let at = |address| Site::Address { build_id: build_id.clone(), address };
    let name = |name: &str| Site::Symbol(name.to_owned());
    let merged = graph.merge_runtime(&[
        seen(at(0x1044), at(0x10c0), "sha256:02"),
        seen(name("main"), name("lib::unused()"), "sha256:01"),
        seen(at(0x1fff), name("main"), "sha256:03"),
        seen(Site::Address { build_id: "ff".to_owned(), address: 0x1000 }, name("main"), "sha256:04"),
        seen(name("nobody"), name("main"), "sha256:05"),
    ]);
    let unused = graph.named("lib::unused()")[0];
    assert_eq!((merged.merged, merged.unknown, merged.contested.as_slice()), (2, 3, &[unused][..]));
    // Both are one edge, with the evidence of both.
    let added: Vec<_> = graph.edges.iter().filter(|edge| edge.kind == Kind::Runtime).collect();
    assert_eq!((added.len(), added[0].evidence.join(" ")), (1, "sha256:01 sha256:02".to_owned()));
    assert!(before.edges.iter().all(|edge| graph.edges.contains(edge)));
    assert!(!before.reachable(|_| false).has(unused) && graph.reachable(|_| false).has(unused));
    // The graph with them is written and read like any other.
    assert_eq!(delta_graph::RichGraph::from_json(&graph.to_json()), Ok(graph));
}

/// Without the edge that is revoked, what only it led to is lost, and nothing else.
#[test]
fn a_revoked_edge_is_left_out() {
    let graph = graph();
    let hash = GraphHash::of(&graph.to_json());
    let edge = |from: &str, to: &str, kind: EdgeKind| {
        let (from, to) = (graph.id(graph.named(from)[0]), graph.id(graph.named(to)[0]));
        edge_id(from, to, Kind::Static(kind))
    };
    let lost = |revoked: &[String]| {
        let selection = Selection { revoked: revoked.iter().cloned().collect(), ..Selection::default() };
        let bundles = bundles(&graph, &hash, &selection).into_iter();
        let verified = bundles.map(|bundle| VerifiedBundle { bundle, bytes: 0, signature: Signature::default() });
        let quarantine = quarantine(&graph, &verified.collect::<Vec<_>>());
        assert_eq!(quarantine.edges.len(), revoked.len());
        assert_eq!(quarantine.reached + quarantine.lost.len(), graph.reachable(|_| false).count());
        quarantine.lost.iter().map(|node| delta_graph::build::label(&graph, *node)).collect::<Vec<_>>()
    };
    // The handler can be reached only through `dispatch`, which calls what only the running program knows.
    let direct = edge("main", "dispatch", EdgeKind::Direct);
    assert_eq!(lost(std::slice::from_ref(&direct)), ["a:dispatch", "libb.so.1:0x2040", "indirect-any"]);
    // `parse` is also run before the entry.
    let plt = edge("main", "parse", EdgeKind::Plt);
    assert_eq!(lost(std::slice::from_ref(&plt)), [] as [&str; 0]);
    let init = edge("loader", "parse", EdgeKind::InitArray);
    assert_eq!(lost(&[plt, init]), ["libb.so.1:parse"]);
}

/// A bundle of observed edges raises what the graph calls unreachable, also where the graph was made before they were
/// seen; what is revoked as well stays out.
#[test]
fn a_bundle_of_observed_edges_raises() {
    let graph = graph();
    let hash = GraphHash::of(&graph.to_json());
    let mut seen_graph = graph.clone();
    let name = |name: &str| Site::Symbol(name.to_owned());
    seen_graph.merge_runtime(&[seen(name("main"), name("lib::unused()"), "sha256:01")]);
    let verified = |selection: &Selection| -> Vec<VerifiedBundle> {
        let bundles = bundles(&seen_graph, &hash, selection).into_iter();
        bundles.map(|bundle| VerifiedBundle { bundle, bytes: 0, signature: Signature::default() }).collect()
    };
    let unused = graph.named("lib::unused()")[0];
    let raised = quarantine(&graph, &verified(&Selection::default()));
    assert_eq!((raised.raised.as_slice(), raised.lost.len(), raised.edges.len()), (&[unused][..], 0, 0));
    let (from, to) = (graph.id(graph.named("main")[0]), graph.id(unused));
    let revoked = [edge_id(from, to, Kind::Runtime)].into();
    let disputed = quarantine(&graph, &verified(&Selection { revoked, ..Selection::default() }));
    assert_eq!((disputed.raised.len(), disputed.lost.as_slice(), disputed.edges.len()), (0, &[unused][..], 1));
}

/// Addresses differ between builds; names and code tell what is the same.
#[test]
fn builds_are_compared_by_names_and_code() {
    let before = graph();
    let mut after = before.clone();
    // A rebuild: everything moved, the order of nodes stayed.
    for node in &mut after.nodes {
        if let NodeKind::Function(function) = &mut node.kind {
            function.address += 0x100;
        }
    }
    let same = diff(&before, &after);
    assert_eq!(same, Default::default());
    // `main` no longer calls `dispatch`, and calls the unused one instead.
    let (main, dispatch) = (after.named("main")[0], after.named("dispatch")[0]);
    let unused = after.named("lib::unused()")[0];
    for edge in after.edges.iter_mut().filter(|edge| (edge.from, edge.to) == (main, dispatch)) {
        edge.to = unused;
    }
    let changed = diff(&before, &after);
    assert_eq!(changed.edges_added, [("a:main".to_owned(), "a:_ZN3lib6unusedEv".to_owned(), "direct")]);
    assert_eq!(changed.edges_removed, [("a:main".to_owned(), "a:dispatch".to_owned(), "direct")]);
    assert_eq!(changed.became_reachable, ["a:_ZN3lib6unusedEv"]);
    assert!(changed.became_unreachable.contains(&"a:dispatch".to_owned()));
    assert_eq!((changed.nodes_added.len(), changed.roots_added.len(), changed.unresolved_change), (0, 0, 0));
}

/// A statement that gives a device an order is not signed as evidence.
#[test]
fn orders_to_devices_are_no_evidence() {
    let order = format!("{{\"predicateType\":\"{}\"}}", delta_format::statement::ROLLBACK_PREDICATE);
    assert!(delta_attest::SignedStatement::of_evidence(order.as_bytes(), &[&key(1)]).is_err());
    assert!(delta_attest::SignedStatement::of_evidence(&[b'x'; 5_000], &[&key(1)]).is_err());
    let signed = delta_attest::SignedStatement::of_evidence(b"{}", &[&key(1)]).expect("evidence");
    let envelope = delta_graph::envelope::Envelope::read(&signed.envelope_json()).expect("an envelope");
    assert_eq!(envelope.verify(&trust(&key(1))), Ok(vec![key(1).id()]));
    assert_eq!(BundleReason::ALL.len(), 5);
}

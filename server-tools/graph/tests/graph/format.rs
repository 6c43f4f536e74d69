//! The bytes of graphs and bundles: golden, canonical, one spelling.

use crate::made::{graph, trees, vector};
use delta_graph::bundle::{BundleReason, EdgeBundle, Selection, bundles, published};
use delta_graph::closure::Plugins;
use delta_graph::commitment::{Commitment, edge_id};
use delta_graph::json::GraphHash;
use delta_graph::kind::Kind;
use delta_graph::limits::{BUNDLE_EDGES_MAX, BUNDLE_PUBLISHES_DEFAULT};
use delta_graph::statement::Statement;
use delta_graph::{Refused, RichGraph};

fn selection(graph: &RichGraph) -> Selection {
    let edge = &graph.edges[graph
        .find_edge(
            graph.id(graph.named("main")[0]),
            graph.id(graph.named("dispatch")[0]),
            Kind::named("direct").expect("a kind"),
        )
        .expect("an edge")];
    let id = edge_id(graph.id(edge.from), graph.id(edge.to), edge.kind);
    Selection { third_party: ["libb.so.1".to_owned()].into(), revoked: [id.clone()].into(), disputed: [id].into() }
}

/// The three vectors, which are what is written today.
fn vectors() -> [Vec<u8>; 3] {
    let graph = graph();
    let json = graph.to_json();
    let hash = GraphHash::of(&json);
    let statement = Statement::of_graph(&graph, Commitment::new(&graph, hash, &trees(&graph)), None);
    let bundles = bundles(&graph, &hash, &selection(&graph));
    let reasons: Vec<_> = bundles.iter().map(|bundle| bundle.bundle_reason.name()).collect();
    assert_eq!(reasons, ["disputed", "init-root", "revocation", "third-party"]);
    for bundle in &bundles {
        assert_eq!(EdgeBundle::from_json(&bundle.to_json()).as_ref(), Ok(bundle));
    }
    [
        vector("graph.json", &json),
        vector("graph.statement.json", &statement.to_json()),
        vector("bundle.json", &bundles[2].to_json()),
    ]
}

#[test]
fn vectors_are_written_and_read_back() {
    let [json, ..] = vectors();
    assert_eq!(RichGraph::from_json(&json), Ok(graph()));
}

/// Another canonicaliser, which parses and sorts keys, writes the same bytes.
#[test]
fn vectors_are_canonical() {
    for vector in vectors() {
        let value: serde_json::Value = serde_json::from_slice(&vector).expect("JSON");
        // Without the feature that keeps their order, objects of serde_json are sorted by key.
        assert_eq!(value.to_string().into_bytes(), vector);
    }
}

/// A changed byte is refused, or it is another graph with another hash that reads back as it is.
#[test]
fn every_changed_byte_is_another_graph_or_none() {
    let [json, _, bundle] = vectors();
    for vector in [json, bundle] {
        for place in 0..vector.len() {
            for flip in [1, 2, 0x20] {
                let mut changed = vector.clone();
                changed[place] ^= flip;
                if let Ok(graph) = RichGraph::from_json(&changed) {
                    assert_eq!(graph.to_json(), changed);
                    assert_ne!(GraphHash::of(&changed), GraphHash::of(&vector));
                }
                // The id of a bundle covers all of it.
                assert!(EdgeBundle::from_json(&changed).is_err(), "byte {place}");
            }
        }
    }
}

#[test]
fn orders_and_spellings_are_refused() {
    let [json, ..] = vectors();
    let json = String::from_utf8(json).expect("JSON is UTF-8");
    let refused = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        RichGraph::from_json(json.replacen(from, to, 1).as_bytes()).expect_err("refused")
    };
    assert_eq!(refused("\"schema\":\"richgraph-v1\"", "\"schema\":\"richgraph-v2\""), Refused::Field("schema"));
    assert_eq!(refused("\"missing\":[", "\"missing\": ["), Refused::NotCanonical);
    assert_eq!(refused("\"confidence_bp\":10000", "\"confidence_bp\":9999"), Refused::NotCanonical);
    assert_eq!(refused("\"display\":\"lib::unused()\"", "\"display\":\"lib::used()\""), Refused::NotCanonical);
    assert!(matches!(refused("\"kind\":\"plt\"", "\"kind\":\"pit\""), Refused::Syntax(_)));
    assert!(matches!(refused("\"roots\":", "\"also\":1,\"roots\":"), Refused::Syntax(_)));
    let twice = json.replacen("\"missing\":[\"libmissing.so.2\"],", "", 1);
    assert!(RichGraph::from_json(twice.as_bytes()).is_ok(), "an empty list is left out");
}

/// 512 edges a bundle; what is logged is what changes a verdict first, and never more than the budget.
#[test]
fn bundles_are_split_and_logged_within_the_budget() {
    let mut graph = graph();
    let hash = GraphHash::of(&graph.to_json());
    let (from, to) = (graph.named("main")[0], graph.named("parse")[0]);
    let runtime = |number: usize| delta_graph::runtime::RuntimeEdge {
        caller: delta_graph::runtime::Site::Symbol(graph.id(from).to_owned()),
        callee: delta_graph::runtime::Site::Symbol(graph.id(to).to_owned()),
        hits: 1,
        evidence: format!("sha256:{number:064x}"),
    };
    let edges = [runtime(1), runtime(2)];
    assert_eq!(graph.merge_runtime(&edges).merged, 2);
    let list = bundles(&graph, &hash, &selection(&graph));
    let reasons: Vec<_> = list.iter().map(|bundle| bundle.bundle_reason).collect();
    assert_eq!(reasons, BundleReason::ALL);
    let hit = &list[3].edges[0];
    assert_eq!((hit.source.as_str(), hit.reason.as_str(), hit.evidence_refs.len()), ("runtime", "runtime-observed", 2));
    // Third-party edges are benign and many: the graph is logged, they are not.
    assert_eq!(published(&list, BUNDLE_PUBLISHES_DEFAULT), [0, 1, 2, 3]);
    assert_eq!(published(&list, 2), [0, 2]);
    assert_eq!(published(&list, 0), [] as [usize; 0]);
    assert_eq!(BUNDLE_PUBLISHES_DEFAULT, 5);

    let program = std::env::current_exe().expect("a test knows itself");
    let closure = delta_graph::closure::Closure::read(&[program], &Default::default(), false).expect("an executable");
    let graph = RichGraph::build(closure, &Default::default(), Plugins::Any);
    let hash = GraphHash::of(&graph.to_json());
    let ids = graph.edges.iter().take(1_100).map(|edge| edge_id(graph.id(edge.from), graph.id(edge.to), edge.kind));
    let selection = Selection { disputed: ids.collect(), ..Selection::default() };
    let list = bundles(&graph, &hash, &selection);
    let sizes: Vec<_> =
        list.iter().filter(|b| b.bundle_reason == BundleReason::Disputed).map(|b| b.edges.len()).collect();
    assert_eq!(sizes, [BUNDLE_EDGES_MAX, BUNDLE_EDGES_MAX, 1_100 - 2 * BUNDLE_EDGES_MAX]);
    let ids: Vec<&str> = list.iter().take(3).flat_map(|b| &b.edges).map(|edge| edge.edge_id.as_str()).collect();
    assert!(ids.is_sorted());
}

/// The same program gives the same bytes, with one thread and with several.
#[test]
fn threads_do_not_change_a_graph() {
    let program = std::env::current_exe().expect("a test knows itself");
    let json = || {
        let closure = delta_graph::closure::Closure::read(std::slice::from_ref(&program), &Default::default(), true);
        RichGraph::build(closure.expect("an executable"), &Default::default(), Plugins::Any).to_json()
    };
    let first = GraphHash::of(&json());
    for _ in 0..2 {
        assert_eq!(GraphHash::of(&json()), first);
    }
}

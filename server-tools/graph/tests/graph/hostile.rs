//! No bytes are a panic.

use crate::made::graph;
use delta_graph::RichGraph;
use delta_graph::bundle::EdgeBundle;
use delta_graph::callgrind::Trace;
use delta_graph::envelope::Envelope;
use delta_graph::proof::Proof;
use proptest::prelude::*;

fn read(bytes: &[u8]) {
    if let Ok(graph) = RichGraph::from_json(bytes) {
        assert_eq!(graph.to_json(), bytes);
        graph.reachable(|_| false);
    }
    if let Ok(bundle) = EdgeBundle::from_json(bytes) {
        assert_eq!(bundle.to_json(), bytes);
    }
    if let Ok(proof) = Proof::from_json(bytes) {
        assert!(proof.verify(None).is_err() || proof.to_json() == bytes);
    }
    if let Ok(envelope) = Envelope::read(bytes) {
        assert_eq!(envelope.to_json(), bytes);
    }
    Trace::parse(&String::from_utf8_lossy(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        read(&bytes);
    }

    #[test]
    fn parts_of_a_graph_in_other_places(cuts in prop::collection::vec((any::<u16>(), any::<u16>(), 0..80_usize), 1..4)) {
        let mut json = graph().to_json();
        for (from, to, length) in cuts {
            let (from, to) = (usize::from(from) % json.len(), usize::from(to) % json.len());
            let piece = json[from..(from + length).min(json.len())].to_vec();
            json.splice(to..(to + length).min(json.len()), piece);
        }
        read(&json);
    }
}

//! Graphs in a folder: what was written verifies, what was changed does not.

use crate::made::{graph, key, trees, trust};
use delta_attest::SignedStatement;
use delta_graph::Error;
use delta_graph::bundle::{EdgeBundle, Selection, bundles};
use delta_graph::cas::{Cas, Part};
use delta_graph::commitment::Commitment;
use delta_graph::json::GraphHash;
use delta_graph::statement::Statement;
use delta_graph::verify;
use std::path::Path;

/// A signed graph with its bundles; the name of the graph.
fn stored(folder: &Path) -> (Cas, String, Vec<EdgeBundle>) {
    let (cas, graph) = (Cas::new(folder), graph());
    let json = graph.to_json();
    let hash = GraphHash::of(&json);
    let name = hash.blake3.to_string();
    Cas::write(&cas.graph(&name, Part::Body), &json).expect("written");
    let statement = Statement::of_graph(&graph, Commitment::new(&graph, hash, &trees(&graph)), None);
    let signed =
        |statement: &[u8]| SignedStatement::of_evidence(statement, &[&key(1)]).expect("signed").envelope_json();
    Cas::write(&cas.graph(&name, Part::Envelope), &signed(&statement.to_json())).expect("written");
    let third_party = ["libb.so.1".to_owned()].into();
    let bundles = bundles(&graph, &hash, &Selection { third_party, ..Selection::default() });
    for bundle in &bundles {
        let part = |part| cas.bundle(&name, &bundle.bundle_id, part);
        Cas::write(&part(Part::Body), &bundle.to_json()).expect("written");
        Cas::write(&part(Part::Envelope), &signed(&bundle.statement().to_json())).expect("written");
    }
    (cas, name, bundles)
}

#[test]
fn what_was_written_verifies() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cas, name, written) = stored(folder.path());
    let trust = trust(&key(1));
    let verified = verify::graph(&cas, &name, Some(&trust)).expect("verified");
    assert_eq!(verified.signature.signers, [key(1).id()]);
    let bundles = verify::bundles(&cas, &verified, Some(&trust)).expect("verified");
    assert_eq!(bundles.iter().map(|bundle| bundle.bundle.clone()).collect::<Vec<_>>(), written);
    assert!(verify::graph(&cas, &name, Some(&crate::made::trust(&key(2)))).is_err(), "another signer");
    // Writing again changes nothing.
    let path = cas.graph(&name, Part::Body);
    let before = std::fs::metadata(&path).and_then(|file| file.modified()).expect("a file");
    Cas::write(&path, &verified.graph.to_json()).expect("written");
    assert_eq!(std::fs::metadata(&path).and_then(|file| file.modified()).expect("a file"), before);
}

/// Each file, each of its bytes changed: refused, and the answer names the file or the bundle's own.
#[test]
fn every_changed_byte_of_the_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cas, name, written) = stored(folder.path());
    let trust = trust(&key(1));
    let is_fine = || {
        let verified = verify::graph(&cas, &name, Some(&trust))?;
        verify::bundles(&cas, &verified, Some(&trust)).map(drop)
    };
    is_fine().expect("untouched");
    let parts = [Part::Body, Part::Envelope];
    let graphs = parts.map(|part| cas.graph(&name, part));
    let bundles = written.iter().flat_map(|bundle| parts.map(|part| cas.bundle(&name, &bundle.bundle_id, part)));
    for path in graphs.into_iter().chain(bundles) {
        let bytes = std::fs::read(&path).expect("a file");
        for place in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            std::fs::write(&path, &changed).expect("written");
            let error = is_fine().expect_err("changed");
            assert!(matches!(error, Error::In { .. }) && error.to_string().contains("stella graph build"), "{error}");
        }
        std::fs::remove_file(&path).expect("removed");
        assert!(is_fine().is_err(), "{} is missing", path.display());
        std::fs::write(&path, &bytes).expect("written");
    }
    is_fine().expect("as before");
}

/// A bundle of one graph is not one of another, and an edge that the graph does not have is none.
#[test]
fn bundles_belong_to_their_graph() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cas, name, written) = stored(folder.path());
    let other = "0".repeat(64);
    let body = written[0].to_json();
    Cas::write(&cas.bundle(&name, &"1".repeat(32), Part::Body), &body).expect("written");
    let verified = verify::graph(&cas, &name, None).expect("verified");
    assert!(verify::bundles(&cas, &verified, None).is_err(), "under another name");
    assert_eq!(cas.bundles(&other).expect("no folder"), [] as [&str; 0]);
    assert!(matches!(verify::graph(&cas, &other, None), Err(Error::Io { .. })));
}

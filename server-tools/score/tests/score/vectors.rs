//! The stored records: inputs beside the record that this build has to make of them, on every processor.

use crate::{best, inputs};
use delta_score::{Inputs, Metric, Weights, replay, score};
use std::path::PathBuf;

/// An update of an image as a release pipeline sees it: signed, logged, without provenance and call graph.
fn release() -> Inputs {
    let mut inputs = inputs(&[
        (Metric::AddedMillibits, 7_412),
        (Metric::ChangedShare, 463),
        (Metric::FanInMax, 214),
        (Metric::ImportsGained, 2),
        (Metric::DepsAdded, 1),
        (Metric::DepsDowngraded, 0),
        (Metric::DepsRebuilt, 3),
        (Metric::Envelope, 2),
        (Metric::InclusionProof, 2),
        (Metric::AgeDays, 44),
        (Metric::SignaturesMissing, 0),
        (Metric::WitnessesMissing, 0),
    ]);
    inputs.know_share(Metric::AddedShare, 135_000, 398_144);
    inputs.lack(Metric::SlsaBuildLevel, "no provenance attestation came with the target");
    inputs.lack(Metric::ReachableChanged, "no call graph was given: \"état\" \u{1}\t/");
    inputs
}

/// Everything at once: the largest integers, every cap and the highest floor.
fn worst() -> Inputs {
    let mut worst = best();
    for metric in Metric::ALL {
        let rising = metric.direction() == delta_score::Direction::Rising;
        worst.know(metric, if rising { u64::MAX } else { 0 });
    }
    worst
}

/// Compares with a stored file, or writes it when it does not exist and that is asked for.
fn check(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/score").join(name);
    if !path.exists() && std::env::var_os("STELLA_GOLDEN_WRITE").is_some() {
        std::fs::write(&path, bytes).expect("written");
    }
    let stored = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(stored == bytes, "{name}: this build writes other bytes:\n{}", String::from_utf8_lossy(bytes));
}

#[test]
fn the_same_inputs_give_the_stored_bytes() {
    let weights = Weights::built_in();
    check("weights.json", &weights.to_canonical_json());
    for (name, inputs) in [("release", release()), ("unknown", inputs(&[])), ("worst", worst()), ("best", best())] {
        let (document, record) = (inputs.to_canonical_json(), score(&inputs, &weights).to_canonical_json());
        check(&format!("{name}.inputs.json"), &document);
        check(&format!("{name}.record.json"), &record);
        assert_eq!(Inputs::read(&document).expect("it was written"), inputs);
        assert_eq!(replay(&record, &weights).expect("it was written").difference, None, "{name}");
    }
}

//! The documents of a score.

use delta_score::{Inputs, Weights, replay, score};

/// Any JSON as inputs: what is accepted is written canonically, reads back, and has a risk in its range.
pub fn inputs(bytes: &[u8]) {
    let Ok(inputs) = Inputs::read(bytes) else { return };
    let written = inputs.to_canonical_json();
    assert_eq!(Inputs::read(&written).expect("it was written from inputs"), inputs);
    let weights = Weights::built_in();
    let record = score(&inputs, &weights);
    assert!(record.delta_risk <= 10_000 && record.unknown_bp <= 10_000);
    assert_eq!(replay(&record.to_canonical_json(), &weights).expect("it was written").difference, None);
}

/// Any JSON as weights: what is accepted is canonical, and the safest of all deltas has no risk.
pub fn weights(bytes: &[u8]) {
    let Ok(weights) = Weights::read(bytes) else { return };
    assert_eq!(weights.to_canonical_json(), bytes, "one spelling");
    let zero = delta_format::Sha256::new([0; 32]);
    let mut inputs = Inputs::unknown(&zero, &zero, "not measured");
    assert!(score(&inputs, &weights).delta_risk <= 10_000);
    delta_score::Metric::ALL.into_iter().for_each(|metric| inputs.know(metric, metric.best()));
    assert_eq!(score(&inputs, &weights).delta_risk, 0);
}

/// Any JSON as a record: none but canonical ones that add up are reproduced.
pub fn record(bytes: &[u8]) {
    let Ok(replayed) = replay(bytes, &Weights::built_in()) else { return };
    assert_eq!(replayed.difference.is_none(), replayed.record.to_canonical_json() == bytes);
}

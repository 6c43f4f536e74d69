//! What a score promises, proven from outside: monotone, independent of order, additive, the stored bytes.
#![allow(clippy::disallowed_methods, reason = "tests read vectors")]

mod documents;
mod properties;
mod vectors;

use delta_format::Sha256;
use delta_score::{Inputs, Metric};

/// Inputs with these values; the rest is not known.
fn inputs(known: &[(Metric, u64)]) -> Inputs {
    let mut inputs = Inputs::unknown(&Sha256::new([0xba; 32]), &Sha256::new([0x7a; 32]), "not measured");
    known.iter().for_each(|(metric, value)| inputs.know(*metric, *value));
    inputs
}

/// The safest of all deltas.
fn best() -> Inputs {
    inputs(&Metric::ALL.map(|metric| (metric, metric.best())))
}

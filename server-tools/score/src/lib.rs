//! Says how risky a delta is, and why: `docs/formats/score.md`.
//!
//! In: [`Inputs`], integers that were measured of a delta, each known or with the reason why not; and [`Weights`], a
//! document. Out: a [`Record`], canonical JSON: the risk in basis points (higher is riskier), what each input adds to it,
//! how much of it is not known, and what would lower it. The same inputs and weights give the same bytes everywhere: there
//! are integers only, no clock, no file, no order but that of names.
//! It does not decide: gates come before it, and whoever reads the record sets the threshold. It verifies nothing either:
//! whether a signature is valid is an input.

#![forbid(unsafe_code)]

mod compute;
mod error;
mod inputs;
pub mod limits;
mod metrics;
mod record;
mod unique;
mod weights;

pub use compute::score;
pub use error::ScoreError;
pub use inputs::{INPUTS_FORMAT, Inputs, Known, Subject};
pub use metrics::{Dimension, Direction, Metric};
pub use record::{
    Contribution, Counterfactual, Kind, RECORD_FORMAT, Record, Replayed, WeightsRef, first_difference, replay,
};
pub use weights::{Curve, DimensionWeights, Floor, Point, WEIGHTS_FORMAT, Weights, Word};

/// SHA-256 in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    delta_format::Sha256::new(sha2::Sha256::digest(bytes).into()).to_string()
}

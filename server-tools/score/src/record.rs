//! The record: the risk, what it is made of, and what it was computed from. It can be computed again from itself and the
//! weights that it names.

use crate::compute::score;
use crate::error::ScoreError;
use crate::inputs::{Document, Inputs, document, expect_format};
use crate::metrics::Metric;
use crate::weights::Weights;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format that this program writes and reads.
pub const RECORD_FORMAT: &str = "stella-score/1";

/// Why points are added or taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A dimension adds no more than its cap.
    Cap,
    /// The risk is not lower than this while one metric is as bad as it is.
    Floor,
    /// A metric, as it was measured.
    Metric,
    /// A metric that is not known counts as the worst.
    Unknown,
}

/// One summand of the risk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribution {
    /// Why, of a floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The dimension.
    pub dimension: String,
    /// Why.
    pub kind: Kind,
    /// The metric; none for a cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Basis points, negative for a cap.
    pub points: i64,
}

impl Contribution {
    pub(crate) fn of(metric: Metric, kind: Kind, points: u64, because: Option<String>) -> Self {
        let (dimension, metric) = (metric.dimension().name().to_owned(), Some(metric.name().to_owned()));
        Self { because, dimension, kind, metric, points: points as i64 }
    }
}

/// What the risk would be if one input alone were at its safest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counterfactual {
    /// What to do.
    pub advice: String,
    /// The dimension.
    pub dimension: String,
    /// By how many basis points the risk falls.
    pub lowers_by: u64,
    /// The metric.
    pub metric: String,
}

/// The weights of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsRef {
    /// SHA-256 of their canonical JSON, hexadecimal.
    pub sha256: String,
    /// What people call them.
    pub version: String,
}

/// The risk of a delta, and why. All lists are in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Summands: they add up to the risk exactly.
    pub contributions: Vec<Contribution>,
    /// What would lower it, the most first.
    pub counterfactuals: Vec<Counterfactual>,
    /// The risk in basis points, 0 to 10,000: higher is riskier.
    pub delta_risk: u64,
    /// [`RECORD_FORMAT`].
    pub format: String,
    /// What it was computed from.
    pub(crate) inputs: Document,
    /// The part of all points that rests on inputs that are not known, in basis points.
    pub unknown_bp: u64,
    /// The weights.
    pub weights: WeightsRef,
    /// What a risk like this is called.
    pub word: String,
}

impl Record {
    /// Reads a record. Nothing is checked but its form: see [`replay`].
    ///
    /// # Errors
    /// [`ScoreError`].
    pub fn read(json: &[u8]) -> Result<Self, ScoreError> {
        let record: Self = document(json, "score record")?;
        expect_format(RECORD_FORMAT, &record.format)?;
        Ok(record)
    }

    /// What it was computed from.
    ///
    /// # Errors
    /// [`ScoreError`] when an input breaks a rule.
    pub fn inputs(&self) -> Result<Inputs, ScoreError> {
        Inputs::from_document(self.inputs.clone())
    }

    /// The canonical JSON text.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("keys are texts")
    }
}

/// What came out when a record was computed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The record as it is now.
    pub record: Record,
    /// The first entry that differs, by its path; nothing when every byte is the same.
    pub difference: Option<String>,
}

/// Computes a record again from its own inputs, and compares every byte.
///
/// # Errors
/// [`ScoreError`] when `json` is no record or its inputs are none. Other weights are a difference, not an error.
pub fn replay(json: &[u8], weights: &Weights) -> Result<Replayed, ScoreError> {
    let record = score(&Record::read(json)?.inputs()?, weights);
    let again = record.to_canonical_json();
    let difference = (again != json).then(|| {
        let parsed = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap_or_default();
        first_difference(&parsed(json), &parsed(&again)).unwrap_or_else(|| "white space or order of keys".to_owned())
    });
    Ok(Replayed { record, difference })
}

/// The path of the first entry in which two JSON values differ, as `contributions[3].points`; keys in their order.
pub fn first_difference(a: &Value, b: &Value) -> Option<String> {
    let mut path = String::new();
    differs(a, b, &mut path).then(|| if path.is_empty() { "the whole".to_owned() } else { path })
}

fn differs(a: &Value, b: &Value, path: &mut String) -> bool {
    let before = path.len();
    let mut descend = |name: &str, a: Option<&Value>, b: Option<&Value>| {
        path.push_str(name);
        let differs = match (a, b) {
            (Some(a), Some(b)) => differs(a, b, path),
            _ => true,
        };
        if !differs {
            path.truncate(before);
        }
        differs
    };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            let dot = if before == 0 { "" } else { "." };
            keys.into_iter().any(|key| descend(&format!("{dot}{key}"), a.get(key), b.get(key)))
        }
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).any(|at| descend(&format!("[{at}]"), a.get(at), b.get(at)))
        }
        _ => a != b,
    }
}

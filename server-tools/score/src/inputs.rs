//! The inputs of a score, and the document that holds them.

use crate::error::ScoreError;
use crate::limits::{INTEGER_MAX, RISK_MAX, SCORE_BYTES_MAX, SCORE_TEXT_BYTES_MAX};
use crate::metrics::{Dimension, Metric};
use delta_format::Sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format that this program writes and reads.
pub const INPUTS_FORMAT: &str = "stella-score-inputs/1";

/// A measured integer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Not measured, for this reason.
    NotComputed(String),
    /// What was measured.
    Value(u64),
}

impl Known {
    /// The value, when there is one.
    pub fn value(&self) -> Option<u64> {
        match self {
            Self::NotComputed(_) => None,
            Self::Value(value) => Some(*value),
        }
    }
}

/// What is judged: from which image to which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// SHA-256 of the base, hexadecimal; that of no bytes for a full image.
    pub base_sha256: String,
    /// SHA-256 of the target, hexadecimal.
    pub target_sha256: String,
}

/// What was measured of a delta: one integer for each [`Metric`], or the reason why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    subject: Subject,
    metrics: Vec<Known>,
}

/// The document: dimensions and metrics by their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    #[serde(deserialize_with = "crate::unique::map")]
    dimensions: BTreeMap<String, Metrics>,
    format: String,
    subject: Subject,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Metrics {
    #[serde(deserialize_with = "crate::unique::map")]
    known: BTreeMap<String, Known>,
}

impl Inputs {
    /// Inputs of which nothing is measured yet, for the same reason.
    pub fn unknown(base: &Sha256, target: &Sha256, reason: &str) -> Self {
        let subject = Subject { base_sha256: base.to_string(), target_sha256: target.to_string() };
        Self { subject, metrics: vec![Known::NotComputed(shortened(reason)); Metric::ALL.len()] }
    }

    /// What is judged.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What was measured of a metric.
    pub fn get(&self, metric: Metric) -> &Known {
        &self.metrics[metric as usize]
    }

    /// States a metric. Values above [`INTEGER_MAX`] become that, reasons are cut at [`SCORE_TEXT_BYTES_MAX`].
    pub fn set(&mut self, metric: Metric, known: Known) {
        self.metrics[metric as usize] = match known {
            Known::Value(value) => Known::Value(value.min(INTEGER_MAX)),
            Known::NotComputed(reason) => Known::NotComputed(shortened(&reason)),
        };
    }

    /// States a value.
    pub fn know(&mut self, metric: Metric, value: u64) {
        self.set(metric, Known::Value(value));
    }

    /// States why a metric is not known.
    pub fn lack(&mut self, metric: Metric, reason: &str) {
        self.set(metric, Known::NotComputed(reason.to_owned()));
    }

    /// States a share: `part` of `whole`, in basis points rounded up, 0 when there is nothing.
    pub fn know_share(&mut self, metric: Metric, part: u64, whole: u64) {
        let share = (u128::from(part) * u128::from(RISK_MAX)).div_ceil(u128::from(whole.max(1)));
        self.know(metric, u64::try_from(share).unwrap_or(RISK_MAX).min(RISK_MAX));
    }

    pub(crate) fn to_document(&self) -> Document {
        let of = |dimension: Dimension| {
            let metrics = dimension.metrics().map(|metric| (metric.name().to_owned(), self.get(metric).clone()));
            (dimension.name().to_owned(), Metrics { known: metrics.collect() })
        };
        let dimensions = Dimension::ALL.into_iter().map(of).collect();
        Document { dimensions, format: INPUTS_FORMAT.to_owned(), subject: self.subject.clone() }
    }

    /// The canonical JSON text.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.to_document()).expect("keys are texts")
    }

    /// Reads a document, canonical or not: order and white space say nothing.
    ///
    /// # Errors
    /// [`ScoreError`] when it is not one, lacks a metric, or has one that this program does not know.
    pub fn read(json: &[u8]) -> Result<Self, ScoreError> {
        Self::from_document(document(json, "document of score inputs")?)
    }

    pub(crate) fn from_document(document: Document) -> Result<Self, ScoreError> {
        expect_format(INPUTS_FORMAT, &document.format)?;
        let mut given = document.dimensions;
        let mut metrics = Vec::with_capacity(Metric::ALL.len());
        for metric in Metric::ALL {
            let dimension = given.get_mut(metric.dimension().name());
            let known = dimension.and_then(|dimension| dimension.known.remove(metric.name()));
            let known = known.ok_or_else(|| ScoreError::rule(metric.to_string(), "it is missing; state why"))?;
            let fits = match &known {
                Known::Value(value) => *value <= INTEGER_MAX,
                Known::NotComputed(reason) => reason.len() <= SCORE_TEXT_BYTES_MAX,
            };
            if !fits {
                return Err(ScoreError::rule(metric.to_string(), "a value is below 2^53, a reason has 512 bytes"));
            }
            metrics.push(known);
        }
        let unknown = given.iter().find(|(name, left)| {
            !left.known.is_empty() || Dimension::ALL.iter().all(|dimension| dimension.name() != name.as_str())
        });
        if let Some((dimension, left)) = unknown {
            let key = left.known.keys().next().map_or(dimension.clone(), |metric| format!("{dimension}.{metric}"));
            return Err(ScoreError::rule(key, "there is no such input"));
        }
        for (key, digest) in
            [("base_sha256", &document.subject.base_sha256), ("target_sha256", &document.subject.target_sha256)]
        {
            if digest.parse::<Sha256>().is_err() {
                return Err(ScoreError::rule(format!("subject.{key}"), "it is not 64 digits of hexadecimal"));
            }
        }
        Ok(Self { subject: document.subject, metrics })
    }
}

/// Reads any of the documents.
pub(crate) fn document<T: DeserializeOwned>(json: &[u8], name: &'static str) -> Result<T, ScoreError> {
    if json.len() > SCORE_BYTES_MAX {
        return Err(ScoreError::TooLong { bytes: json.len() });
    }
    serde_json::from_slice(json).map_err(|error| ScoreError::Malformed { document: name, reason: error.to_string() })
}

pub(crate) fn expect_format(expected: &'static str, found: &str) -> Result<(), ScoreError> {
    if expected == found {
        return Ok(());
    }
    Err(ScoreError::Format { expected, found: shortened(found) })
}

fn shortened(text: &str) -> String {
    let end = (0..=text.len().min(SCORE_TEXT_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

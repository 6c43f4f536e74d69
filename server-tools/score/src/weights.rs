//! How much each input counts: a document of its own, so that a change of weights is a change of its digest.

use crate::error::ScoreError;
use crate::inputs::{Known, document, expect_format};
use crate::limits::*;
use crate::metrics::{Dimension, Direction, Metric};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format that this program writes and reads.
pub const WEIGHTS_FORMAT: &str = "stella-score-weights/1";

/// The weights that are used where no others are given.
const BUILT_IN: &[u8] = include_bytes!("../weights/v2026-11-28.weights.json");

/// `[value, points]`: what a metric of this value adds to the risk, in basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point(pub u64, pub u64);

/// Points from the lowest value to the highest; between two of them there is a straight line, outside of them none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Curve(pub Vec<Point>);

/// What one dimension may add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DimensionWeights {
    /// Basis points that all of its metrics together add at most.
    pub cap: u64,
    /// The curve of each metric, by its name.
    #[serde(deserialize_with = "crate::unique::map")]
    pub metrics: BTreeMap<String, Curve>,
}

/// A risk that is not undercut while one metric is as bad as this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// From this value of the metric on, in the direction of its risk. A metric that is not known counts as the worst.
    pub at: u64,
    /// Why, for reviewers.
    pub because: String,
    /// `dimension.name`.
    pub metric: String,
    /// The least risk, in basis points.
    pub risk_min: u64,
}

/// What a risk is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// From this risk on.
    pub from: u64,
    /// The word.
    pub word: String,
}

/// How much each input counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Every dimension by its name.
    #[serde(deserialize_with = "crate::unique::map")]
    pub dimensions: BTreeMap<String, DimensionWeights>,
    /// Risks that are not undercut, sorted by metric and value.
    pub floors: Vec<Floor>,
    /// [`WEIGHTS_FORMAT`].
    pub format: String,
    /// What people call this document: `vYYYY-MM-DD`.
    pub version: String,
    /// Words, from the least risk to the greatest.
    pub words: Vec<Word>,
}

impl Weights {
    /// The weights that came with this program.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn built_in() -> Self {
        Self::read(Self::built_in_json()).expect("the weights of this program keep the rules")
    }

    /// The document that came with this program.
    pub fn built_in_json() -> &'static [u8] {
        BUILT_IN
    }

    /// Reads canonical JSON.
    ///
    /// # Errors
    /// [`ScoreError`], which names the entry that breaks a rule of the format.
    pub fn read(json: &[u8]) -> Result<Self, ScoreError> {
        let weights: Self = document(json, "document of score weights")?;
        expect_format(WEIGHTS_FORMAT, &weights.format)?;
        weights.check()?;
        if weights.to_canonical_json() != json { Err(ScoreError::NotCanonical) } else { Ok(weights) }
    }

    /// The canonical JSON text.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("keys are texts")
    }

    /// SHA-256 of the canonical JSON text, hexadecimal.
    pub fn sha256(&self) -> String {
        crate::sha256(&self.to_canonical_json())
    }

    /// The curve of a metric.
    ///
    /// # Panics
    /// Never for weights that were read: they have all.
    pub(crate) fn curve(&self, metric: Metric) -> &Curve {
        &self.dimensions[metric.dimension().name()].metrics[metric.name()]
    }

    /// What a metric adds, in basis points. What is not known counts as the worst: hiding an input lowers no risk.
    pub(crate) fn points(&self, metric: Metric, known: &Known) -> u64 {
        let curve = self.curve(metric);
        known.value().map_or_else(|| curve.worst(metric.direction()), |value| curve.points(value))
    }

    /// What a metric adds at most.
    pub(crate) fn worst(&self, metric: Metric) -> u64 {
        self.curve(metric).worst(metric.direction())
    }

    /// The word of a risk.
    pub(crate) fn word(&self, risk: u64) -> &str {
        self.words.iter().rev().find(|word| word.from <= risk).map_or("", |word| &word.word)
    }

    fn check(&self) -> Result<(), ScoreError> {
        for (name, dimension) in &self.dimensions {
            if Dimension::ALL.iter().all(|known| known.name() != name) {
                return Err(ScoreError::rule(name, "there is no such dimension"));
            }
            if let Some(metric) = dimension.metrics.keys().find(|metric| Metric::find(name, metric).is_none()) {
                return Err(ScoreError::rule(format!("{name}.{metric}"), "there is no such input"));
            }
        }
        for metric in Metric::ALL {
            let dimension = self.dimensions.get(metric.dimension().name());
            let curve = dimension.and_then(|dimension| dimension.metrics.get(metric.name()));
            let curve = curve.ok_or_else(|| ScoreError::rule(metric.to_string(), "it has no curve"))?;
            curve.check(metric).map_err(|rule| ScoreError::rule(metric.to_string(), rule))?;
        }
        let caps = self.dimensions.values().try_fold(0_u64, |sum, dimension| sum.checked_add(dimension.cap));
        if caps != Some(RISK_MAX) {
            return Err(ScoreError::rule("dimensions", "the caps add up to 10,000"));
        }
        self.check_floors()?;
        self.check_words()
    }

    fn check_floors(&self) -> Result<(), ScoreError> {
        if self.floors.len() > FLOORS_MAX {
            return Err(ScoreError::rule("floors", "there are at most 32"));
        }
        for (number, floor) in self.floors.iter().enumerate() {
            let rule = |rule| ScoreError::rule(format!("floors[{number}]"), rule);
            let metric = floor.metric().ok_or_else(|| rule("its metric is no input"))?;
            if floor.is_reached(metric, &Known::Value(metric.best())) {
                return Err(rule("the safest value of its metric reaches it"));
            }
            if floor.risk_min > RISK_MAX || floor.at > INTEGER_MAX || floor.because.len() > SCORE_TEXT_BYTES_MAX {
                return Err(rule("a risk has 10,000 basis points, a value 53 bits, a reason 512 bytes"));
            }
        }
        let key = |floor: &Floor| (floor.metric.clone(), floor.at);
        let is_sorted = self.floors.windows(2).all(|two| key(&two[0]) < key(&two[1]));
        if is_sorted { Ok(()) } else { Err(ScoreError::rule("floors", "they are sorted by metric and value")) }
    }

    fn check_words(&self) -> Result<(), ScoreError> {
        let is_sorted = self.words.windows(2).all(|two| two[0].from < two[1].from);
        let starts = self.words.first().is_some_and(|word| word.from == 0) && self.words.len() <= WORDS_MAX;
        let short = |text: &str| (1..=SCORE_TEXT_BYTES_MAX).contains(&text.len());
        if !is_sorted || !starts || !self.words.iter().all(|word| short(&word.word) && word.from <= RISK_MAX) {
            return Err(ScoreError::rule("words", "one to 16 of them start at rising risks, the first at 0"));
        }
        if short(&self.version) { Ok(()) } else { Err(ScoreError::rule("version", "it has 1 to 512 bytes")) }
    }
}

impl Floor {
    pub(crate) fn metric(&self) -> Option<Metric> {
        let (dimension, name) = self.metric.split_once('.')?;
        Metric::find(dimension, name)
    }

    /// Whether `metric`, which is its own, is as bad as this.
    pub(crate) fn is_reached(&self, metric: Metric, known: &Known) -> bool {
        known.value().is_none_or(|value| match metric.direction() {
            Direction::Rising => value >= self.at,
            Direction::Falling => value <= self.at,
        })
    }
}

impl Curve {
    /// What a value adds, in basis points, rounded towards the point before it.
    fn points(&self, value: u64) -> u64 {
        let next = self.0.partition_point(|point| point.0 <= value);
        match (next.checked_sub(1).and_then(|at| self.0.get(at)), self.0.get(next)) {
            (Some(from), Some(to)) => {
                let part = |rise: u64| {
                    let rise = u128::from(rise) * u128::from(value - from.0) / u128::from(to.0 - from.0);
                    u64::try_from(rise).expect("a part of a rise is no more than that")
                };
                if to.1 >= from.1 { from.1 + part(to.1 - from.1) } else { from.1 - part(from.1 - to.1) }
            }
            (Some(end), None) | (None, Some(end)) => end.1,
            (None, None) => 0,
        }
    }

    fn worst(&self, direction: Direction) -> u64 {
        let end = match direction {
            Direction::Rising => self.0.last(),
            Direction::Falling => self.0.first(),
        };
        end.map_or(0, |point| point.1)
    }

    fn check(&self, metric: Metric) -> Result<(), &'static str> {
        if self.0.is_empty() || self.0.len() > CURVE_POINTS_MAX {
            return Err("a curve has 1 to 32 points");
        }
        if !self.0.windows(2).all(|two| two[0].0 < two[1].0) {
            return Err("the values of a curve rise");
        }
        if self.0.iter().any(|point| point.0 > INTEGER_MAX || point.1 > RISK_MAX) {
            return Err("a value is below 2^53, points are at most 10,000");
        }
        let follows = |two: &[Point]| match metric.direction() {
            Direction::Rising => two[0].1 <= two[1].1,
            Direction::Falling => two[0].1 >= two[1].1,
        };
        if !self.0.windows(2).all(follows) {
            return Err("the points go the other way than the risk of this input");
        }
        if self.points(metric.best()) != 0 { Err("the safest value adds nothing") } else { Ok(()) }
    }
}

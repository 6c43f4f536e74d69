//! The score: a sum of what each input adds, capped by dimension, then raised to the highest floor that is reached.
//!
//! Monotone: every curve follows the direction of its metric, and a sum, a minimum with a constant and a maximum with a
//! floor that a worse value reaches earlier all keep that. Independent of order: sums and maxima over named entries.

use crate::inputs::{Inputs, Known};
use crate::limits::RISK_MAX;
use crate::metrics::{Dimension, Metric};
use crate::record::{Contribution, Counterfactual, Kind, RECORD_FORMAT, Record, WeightsRef};
use crate::weights::{Floor, Weights};

/// Scores a delta.
pub fn score(inputs: &Inputs, weights: &Weights) -> Record {
    let contributions = contributions(inputs, weights);
    let delta_risk = total(&contributions);
    let mut counterfactuals: Vec<Counterfactual> = Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let mut better = inputs.clone();
            better.know(metric, metric.best());
            let lowers_by = delta_risk - total(&self::contributions(&better, weights));
            (lowers_by > 0).then(|| Counterfactual {
                advice: metric.advice().to_owned(),
                dimension: metric.dimension().name().to_owned(),
                lowers_by,
                metric: metric.name().to_owned(),
            })
        })
        .collect();
    // A stable sort: what lowers it as much stays in the order of names.
    counterfactuals.sort_by_key(|counterfactual| std::cmp::Reverse(counterfactual.lowers_by));
    Record {
        contributions,
        counterfactuals,
        delta_risk,
        format: RECORD_FORMAT.to_owned(),
        inputs: inputs.to_document(),
        unknown_bp: unknown(inputs, weights),
        weights: WeightsRef { sha256: weights.sha256(), version: weights.version.clone() },
        word: weights.word(delta_risk).to_owned(),
    }
}

/// The part of all points that rests on inputs that are not known, in basis points, rounded up.
fn unknown(inputs: &Inputs, weights: &Weights) -> u64 {
    let sum = |is_counted: &dyn Fn(Metric) -> bool| -> u64 {
        Metric::ALL.into_iter().filter(|metric| is_counted(*metric)).map(|metric| weights.worst(metric)).sum()
    };
    let (all, lacking) = (sum(&|_| true), sum(&|metric| inputs.get(metric).value().is_none()));
    (lacking * RISK_MAX).div_ceil(all.max(1))
}

/// The sum of all contributions: the risk.
fn total(contributions: &[Contribution]) -> u64 {
    let sum: i64 = contributions.iter().map(|contribution| contribution.points).sum();
    let risk = u64::try_from(sum).unwrap_or(u64::MAX);
    assert!(risk <= RISK_MAX, "caps add up to the largest risk, and a floor is none above it");
    risk
}

/// What adds up to the risk: each metric, then what caps take off, then what a floor puts on.
fn contributions(inputs: &Inputs, weights: &Weights) -> Vec<Contribution> {
    let mut contributions: Vec<Contribution> = Vec::new();
    let mut caps = Vec::new();
    let mut risk = 0;
    for dimension in Dimension::ALL {
        let before = contributions.len();
        contributions.extend(dimension.metrics().map(|metric| {
            let known = inputs.get(metric);
            let kind = if matches!(known, Known::Value(_)) { Kind::Metric } else { Kind::Unknown };
            Contribution::of(metric, kind, weights.points(metric, known), None)
        }));
        let sum: i64 = contributions[before..].iter().map(|contribution| contribution.points).sum();
        let cap = weights.dimensions[dimension.name()].cap as i64;
        if sum > cap {
            caps.push(Contribution {
                because: None,
                dimension: dimension.name().to_owned(),
                kind: Kind::Cap,
                metric: None,
                points: cap - sum,
            });
        }
        risk += sum.min(cap) as u64;
    }
    contributions.extend(caps);
    if let Some((metric, floor)) = floor(inputs, weights).filter(|(_, floor)| floor.risk_min > risk) {
        contributions.push(Contribution::of(metric, Kind::Floor, floor.risk_min - risk, Some(floor.because.clone())));
    }
    contributions
}

/// The highest floor that is reached; of those that are as high, the first.
fn floor<'w>(inputs: &Inputs, weights: &'w Weights) -> Option<(Metric, &'w Floor)> {
    let of = |floor: &'w Floor| Some((floor.metric()?, floor));
    let reached = weights.floors.iter().filter_map(of).filter(|(metric, floor)| {
        let known = inputs.get(*metric);
        floor.is_reached(*metric, known)
    });
    reached.fold(None, |best: Option<(Metric, &Floor)>, next| match best {
        Some(best) if best.1.risk_min >= next.1.risk_min => Some(best),
        _ => Some(next),
    })
}

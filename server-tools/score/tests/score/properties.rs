//! Properties that hold for all inputs and all weights that are accepted.

use crate::{best, inputs};
use delta_score::{
    Curve, Dimension, DimensionWeights, Direction, Floor, Inputs, Kind, Known, Metric, Point, WEIGHTS_FORMAT, Weights,
    Word, score,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A value near the places where curves bend, or anywhere.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, 0..12_000_u64, any::<u64>()]
}

fn known() -> impl Strategy<Value = Known> {
    prop_oneof![4 => value().prop_map(Known::Value), 1 => "[a-z]{0,9}".prop_map(Known::NotComputed)]
}

fn any_inputs() -> impl Strategy<Value = Inputs> {
    proptest::collection::vec(known(), Metric::ALL.len()).prop_map(|list| {
        let mut inputs = best();
        Metric::ALL.into_iter().zip(list).for_each(|(metric, known)| inputs.set(metric, known));
        inputs
    })
}

fn any_metric() -> impl Strategy<Value = Metric> {
    proptest::sample::select(Metric::ALL.to_vec())
}

/// A curve that the rules allow, from a list of steps.
fn curve(metric: Metric, steps: &[(u64, u64)]) -> Curve {
    let (mut at, mut points) = (metric.best(), Vec::new());
    let mut high = 0;
    if metric.direction() == Direction::Rising {
        points.push(Point(at, 0));
        for (step, rise) in steps {
            (at, high) = (at + step, (high + rise).min(10_000));
            points.push(Point(at, high));
        }
    } else {
        // From the safest value down to 0.
        points.push(Point(at, 0));
        for (_, rise) in steps.iter().take(metric.best() as usize) {
            (at, high) = (at - 1, (high + rise).min(10_000));
            points.push(Point(at, high));
        }
        points.reverse();
    }
    Curve(points)
}

prop_compose! {
    fn any_weights()(
        steps in proptest::collection::vec(
            proptest::collection::vec((1..5_000_u64, 0..4_000_u64), 0..6), Metric::ALL.len()),
        cuts in proptest::collection::vec(0..=10_000_u64, 4),
        floors in proptest::collection::btree_map((any_metric(), 0..9_000_u64), 0..=10_000_u64, 0..5),
    ) -> Weights {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let caps: Vec<u64> = [&[0][..], &cuts, &[10_000]].concat().windows(2).map(|two| two[1] - two[0]).collect();
        let of = |dimension: Dimension| {
            let metrics = dimension.metrics().map(|metric| {
                (metric.name().to_owned(), curve(metric, &steps[metric as usize]))
            });
            DimensionWeights { cap: caps[dimension as usize], metrics: metrics.collect() }
        };
        let mut floors: Vec<Floor> = floors.into_iter().filter_map(|((metric, at), risk_min)| {
            let is_safest = match metric.direction() {
                Direction::Rising => at <= metric.best(),
                Direction::Falling => at >= metric.best(),
            };
            (!is_safest).then(|| Floor { at, because: "why".to_owned(), metric: metric.to_string(), risk_min })
        }).collect();
        floors.sort_by(|a, b| (&a.metric, a.at).cmp(&(&b.metric, b.at)));
        let weights = Weights {
            dimensions: Dimension::ALL.into_iter().map(|d| (d.name().to_owned(), of(d))).collect::<BTreeMap<_, _>>(),
            floors,
            format: WEIGHTS_FORMAT.to_owned(),
            version: "v".to_owned(),
            words: vec![Word { from: 0, word: "w".to_owned() }],
        };
        Weights::read(&weights.to_canonical_json()).expect("weights that keep the rules")
    }
}

/// The riskier of two values of a metric last.
fn ordered(metric: Metric, a: u64, b: u64) -> (u64, u64) {
    match metric.direction() {
        Direction::Rising => (a.min(b), a.max(b)),
        Direction::Falling => (a.max(b), a.min(b)),
    }
}

/// What contradicts the promise for these inputs, weights, and one metric at two values.
fn check_monotone(inputs: &Inputs, weights: &Weights, metric: Metric, a: u64, b: u64) -> Result<(), TestCaseError> {
    let risk = |known: Known| {
        let mut inputs = inputs.clone();
        inputs.set(metric, known);
        score(&inputs, weights).delta_risk
    };
    let (safe, risky) = ordered(metric, a, b);
    let (low, high) = (risk(Known::Value(safe)), risk(Known::Value(risky)));
    prop_assert!(low <= high, "{metric}: {safe} gives {low}, {risky} gives {high}");
    let hidden = risk(Known::NotComputed("hidden".to_owned()));
    prop_assert!(high <= hidden, "{metric}: hiding {risky} lowers {high} to {hidden}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 256 } else { 2_000 }))]

    /// A riskier value of any input never lowers the risk, and neither does hiding it: built-in weights.
    #[test]
    fn the_built_in_weights_are_monotone(inputs in any_inputs(), metric in any_metric(), a in value(), b in value()) {
        check_monotone(&inputs, &Weights::built_in(), metric, a, b)?;
    }

    /// The same for any weights that the reader accepts.
    #[test]
    fn all_weights_are_monotone(
        inputs in any_inputs(), weights in any_weights(), metric in any_metric(), a in value(), b in value()
    ) {
        check_monotone(&inputs, &weights, metric, a, b)?;
    }

    /// Contributions add up to the risk, which is in its range; the unknown part is nothing only if all is known.
    #[test]
    fn contributions_are_additive(inputs in any_inputs(), weights in any_weights()) {
        let record = score(&inputs, &weights);
        let sum: i64 = record.contributions.iter().map(|contribution| contribution.points).sum();
        prop_assert_eq!(sum, record.delta_risk as i64);
        prop_assert!(record.delta_risk <= 10_000 && record.unknown_bp <= 10_000);
        let metrics = record.contributions.iter().filter(|one| matches!(one.kind, Kind::Metric | Kind::Unknown));
        prop_assert_eq!(metrics.count(), Metric::ALL.len());
        let built_in = score(&inputs, &Weights::built_in());
        let all_known = Metric::ALL.into_iter().all(|metric| inputs.get(metric).value().is_some());
        prop_assert_eq!(built_in.unknown_bp == 0, all_known);
    }

    /// Each counterfactual comes true: with that input at its safest, the risk is lower by what was said.
    #[test]
    fn counterfactuals_come_true(inputs in any_inputs(), weights in any_weights()) {
        let record = score(&inputs, &weights);
        for counterfactual in &record.counterfactuals {
            let metric = Metric::find(&counterfactual.dimension, &counterfactual.metric).expect("an input");
            let mut better = inputs.clone();
            better.know(metric, metric.best());
            prop_assert_eq!(score(&better, &weights).delta_risk, record.delta_risk - counterfactual.lowers_by);
            prop_assert!(counterfactual.lowers_by > 0);
        }
        prop_assert!(record.counterfactuals.windows(2).all(|two| two[0].lowers_by >= two[1].lowers_by));
    }

    /// The order in which inputs are stated and written says nothing.
    #[test]
    fn order_says_nothing(inputs in any_inputs(), order in Just(Metric::ALL.to_vec()).prop_shuffle()) {
        let mut again = best();
        order.iter().for_each(|metric| again.set(*metric, inputs.get(*metric).clone()));
        prop_assert_eq!(&again, &Inputs::read(&inputs.to_canonical_json()).expect("it was written"));
        // A document with its keys in the order of `order`.
        let value: serde_json::Value = serde_json::from_slice(&inputs.to_canonical_json()).expect("JSON");
        let mut dimensions: Vec<Dimension> = Vec::new();
        order.iter().for_each(|metric| if !dimensions.contains(&metric.dimension()) { dimensions.push(metric.dimension()) });
        let of = |dimension: &Dimension| {
            let metrics = order.iter().filter(|metric| metric.dimension() == *dimension);
            let texts = metrics.map(|m| format!("{:?}: {}", m.name(), value["dimensions"][dimension.name()][m.name()]));
            format!("{:?}: {{ {} }}", dimension.name(), texts.collect::<Vec<_>>().join(",\n"))
        };
        let dimensions = dimensions.iter().map(of).collect::<Vec<_>>().join(", ");
        let text = format!(r#"{{"subject": {}, "dimensions": {{{dimensions}}}, "format": {}}}"#, value["subject"], value["format"]);
        let shuffled = Inputs::read(text.as_bytes()).expect("the same document");
        let weights = Weights::built_in();
        prop_assert_eq!(score(&shuffled, &weights).to_canonical_json(), score(&inputs, &weights).to_canonical_json());
    }
}

/// The ends of the range: the safest delta has no risk and nothing to advise, and of which nothing is known, the most.
#[test]
fn the_ends_of_the_range() {
    let weights = Weights::built_in();
    let safest = score(&best(), &weights);
    assert_eq!((safest.delta_risk, safest.unknown_bp, safest.word.as_str()), (0, 0, "low"));
    assert!(safest.counterfactuals.is_empty());
    let unknown = score(&inputs(&[]), &weights);
    assert_eq!((unknown.delta_risk, unknown.unknown_bp, unknown.word.as_str()), (10_000, 10_000, "critical"));
}

/// What the issue's example says: embedding the inclusion proof lowers the risk by what the curve says, if no floor holds.
#[test]
fn the_inclusion_proof_lowers_the_risk() {
    let mut weights = Weights::built_in();
    let mut inputs = best();
    inputs.know(Metric::InclusionProof, 0);
    let with_floor = score(&inputs, &weights);
    assert_eq!(with_floor.delta_risk, 5_000, "the floor of a missing inclusion proof");
    weights.floors.clear();
    let record = score(&inputs, &weights);
    let first = &record.counterfactuals[0];
    assert_eq!((first.metric.as_str(), first.lowers_by), ("inclusion_proof", 1_200));
    assert!(first.advice.starts_with("embed the inclusion proof"));
}

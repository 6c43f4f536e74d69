//! Documents that break a rule are refused with the entry that does.

use crate::{best, inputs};
use delta_score::limits::SCORE_BYTES_MAX;
use delta_score::{Inputs, Metric, Record, ScoreError, Weights, replay, score};

fn changed(json: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(json.to_vec()).expect("text");
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1).into_bytes()
}

fn refused<T>(result: Result<T, ScoreError>, expected: &str) {
    let error = result.err().unwrap_or_else(|| panic!("accepted, though: {expected}"));
    assert!(error.to_string().contains(expected), "{error}, not: {expected}");
}

#[test]
fn inputs_that_break_a_rule() {
    let good = inputs(&[(Metric::DepsAdded, 3)]).to_canonical_json();
    let check = |from: &str, to: &str, expected| refused(Inputs::read(&changed(&good, from, to)), expected);
    check(r#""added":{"value":3},"#, "", "new_deps_count.added: it is missing");
    check(r#""added":{"value":3}"#, r#""added":{"value":3},"other":{"value":3}"#, "new_deps_count.other: there is no");
    check(r#""added":{"value":3}"#, r#""added":{"value":3},"added":{"value":4}"#, "stands twice");
    check(r#""new_deps_count":{"#, r#""other":{},"new_deps_count":{"#, "other: there is no such input");
    check(r#"{"value":3}"#, r#"{"value":9007199254740992}"#, "new_deps_count.added: a value is below 2^53");
    check(r#"{"value":3}"#, r#"{"value":-3}"#, "not a document of score inputs");
    check(r#"{"value":3}"#, r#"{"value":3.0}"#, "not a document of score inputs");
    check("stella-score-inputs/1", "stella-score-inputs/2", "stella-score-inputs/2");
    check(r#""base_sha256":"ba"#, r#""base_sha256":"bg"#, "subject.base_sha256");
    refused(Inputs::read(&vec![b' '; SCORE_BYTES_MAX + 1]), "more than 65536");
    let values = Inputs::read(&good).expect("the good one");
    assert_eq!(values.get(Metric::DepsAdded).value(), Some(3));
}

#[test]
fn weights_that_break_a_rule() {
    let good = Weights::built_in_json();
    let check = |from: &str, to: &str, expected| refused(Weights::read(&changed(good, from, to)), expected);
    check(r#""cap":1500"#, r#""cap":1501"#, "the caps add up to 10,000");
    check("[[0,0],[10,100],[1000,400]]", "[[0,0],[10,500],[1000,400]]", "fan_in_max: the points go the other way");
    check("[[0,0],[10,100],[1000,400]]", "[[0,0],[10,100],[10,400]]", "fan_in_max: the values of a curve rise");
    check("[[0,0],[10,100],[1000,400]]", "[[0,1],[10,100],[1000,400]]", "fan_in_max: the safest value adds nothing");
    check("[[0,0],[10,100],[1000,400]]", "[]", "fan_in_max: a curve has 1 to 32 points");
    check("[[0,1200],[1,900],[2,0]]", "[[0,1200],[1,1300],[2,0]]", "inclusion_proof: the points go the other way");
    check(r#""fan_in_max""#, r#""fan_in_min""#, "fan_in_min: there is no such input");
    check(r#""delta_entropy""#, r#""entropy""#, "entropy: there is no such dimension");
    check(r#""risk_min":5000"#, r#""risk_min":10001"#, "floors[0]: a risk has 10,000");
    check(r#"{"at":1,"because":"fewer"#, r#"{"at":0,"because":"fewer"#, "floors[1]: the safest value");
    check(r#"{"from":0,"word":"low"}"#, r#"{"from":1,"word":"low"}"#, "words: one to 16");
    check("stella-score-weights/1", "stella-score-weights/9", "stella-score-weights/9");
    check(r#""version""#, r#" "version""#, "not written canonically");
    assert_eq!(Weights::read(good).expect("the good one").to_canonical_json(), good);
}

/// A record is computed again from itself; any other number in it is found and named.
#[test]
fn a_changed_record_is_found() {
    let weights = Weights::built_in();
    let mut given = best();
    given.know(Metric::FanInMax, 10);
    let json = score(&given, &weights).to_canonical_json();
    let difference = |json: &[u8], weights: &Weights| replay(json, weights).expect("a record").difference;
    assert_eq!(difference(&json, &weights), None);
    assert_eq!(Record::read(&json).expect("a record").to_canonical_json(), json);
    let check = |from: &str, to: &str, expected: &str| {
        assert_eq!(difference(&changed(&json, from, to), &weights).as_deref(), Some(expected), "{from}");
    };
    check(r#""delta_risk":100"#, r#""delta_risk":99"#, "delta_risk");
    check(r#""points":100"#, r#""points":99"#, "contributions[3].points");
    check(r#""fan_in_max":{"value":10}"#, r#""fan_in_max":{"value":20}"#, "contributions[3].points");
    check(r#""format":"stella-score/1""#, r#""format": "stella-score/1""#, "white space or order of keys");
    let mut others = weights;
    others.version.push('x');
    assert_eq!(difference(&json, &others).as_deref(), Some("weights.sha256"));
}

//! Trust roots that are written here are read by the verifier, and what it would refuse is not written.

use crate::common::*;
use delta_attest::*;
use delta_verify::trust::TrustProblem;
use delta_verify::{Role, TrustRoot};

#[test]
fn a_draft_becomes_a_trust_root() {
    let text = draft().to_text().unwrap();
    let root = TrustRoot::parse(&text).unwrap();
    assert_eq!((root.name().as_str(), root.version(), root.quorum()), ("test-fleet", 1, 2));
    assert_eq!((root.threshold(Role::Signer), root.threshold(Role::Rollback)), (2, 1));
    assert_eq!(root.witnesses(), witness_keys());
    assert_eq!(draft().to_text().unwrap(), text, "the same keys give the same text");
    println!("{text}");
}

#[test]
fn nobody_has_to_attest_rollbacks() {
    let mut draft = draft();
    draft.rollback.clear();
    assert!(!draft.to_text().unwrap().contains("rollback"));
}

#[test]
fn what_a_device_would_refuse_is_not_written() {
    let refused = |change: fn(&mut TrustDraft), expected| {
        let mut draft = draft();
        change(&mut draft);
        match draft.to_text() {
            Err(Problem::Trust(error)) => assert_eq!(error.problem, expected),
            other => panic!("{other:?}"),
        }
    };
    refused(|draft| draft.quorum = 4, TrustProblem::Unreachable("quorum"));
    refused(|draft| draft.signer_threshold = 0, TrustProblem::Unreachable("threshold"));
    refused(|draft| draft.logs.clear(), TrustProblem::Missing("log"));
    refused(|draft| draft.version = 0, TrustProblem::Value);
    refused(|draft| draft.signers.push(draft.signers[0].clone()), TrustProblem::Twice);
    refused(|draft| draft.logs = witness_keys(), TrustProblem::KeyKind);
}

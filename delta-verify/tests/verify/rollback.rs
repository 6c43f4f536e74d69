//! A rollback attestation is proven like a bundle, by keys of its own role.

use crate::common::*;
use delta_format::FormatError;
use delta_format::container::Kind;
use delta_verify::{Known, Refusal, TrustRoot, verify_rollback};

fn verify(file: &[u8], trust: &TrustRoot) -> Result<(), Refusal> {
    verify_rollback(file, trust, &Known::default(), None).map(drop)
}

#[test]
fn an_attestation_by_a_rollback_key_is_accepted() {
    let (draft, log, capsule) = rollback_in_log(&attestation(), &[CAROL]);
    let verified = verify_rollback(&draft.seal(&capsule), &trust(), &Known::default(), None).unwrap();
    assert_eq!(*verified, attestation());
    assert_eq!(verified.log_head(), Some(log.head(3)));
    let (draft, _, capsule) = rollback_in_log(&attestation(), &[BOB]);
    assert_eq!(verify(&draft.seal(&capsule), &trust()), Ok(()), "bob has both roles");
}

#[test]
fn a_release_key_cannot_allow_a_rollback() {
    let (draft, _, capsule) = rollback_in_log(&attestation(), &[ALICE]);
    let refused = Refusal::ThresholdNotMet { valid: 0, needed: 1 };
    assert_eq!(verify(&draft.seal(&capsule), &trust()), Err(refused));
}

/// Without rollback keys in the trust root no attestation is ever accepted, not even an unsigned one.
#[test]
fn nobody_may_attest_when_the_trust_root_names_nobody() {
    let text: String = trust_text(1).split_inclusive('\n').filter(|line| !line.contains("rollback")).collect();
    let trust = TrustRoot::parse(&text).unwrap();
    let refused = Err(Refusal::ThresholdNotMet { valid: 0, needed: 1 });
    let (draft, _, mut capsule) = rollback_in_log(&attestation(), &[BOB]);
    assert_eq!(verify(&draft.seal(&capsule), &trust), refused);
    capsule.signatures.clear();
    assert_eq!(verify(&draft.seal(&capsule), &trust), refused);
}

#[test]
fn an_attestation_that_was_changed_is_refused() {
    let (draft, _, capsule) = rollback_in_log(&attestation(), &[CAROL]);
    let mut other = attestation();
    other.floor = "1".parse().unwrap();
    assert_eq!(verify(&rollback_draft(&other).seal(&capsule), &trust()), Err(Refusal::SignatureInvalid));
    other = attestation();
    other.reason = "because".parse().unwrap();
    assert_eq!(verify(&rollback_draft(&other).seal(&capsule), &trust()), Err(Refusal::SignatureInvalid));
    let mut longer = draft.seal(&capsule);
    longer.push(0);
    assert_eq!(verify(&longer, &trust()), Err(Refusal::Malformed(FormatError::TrailingBytes)));
    let mut unlogged = capsule.clone();
    unlogged.log = None;
    assert_eq!(verify(&draft.seal(&unlogged), &trust()), Err(Refusal::NotLogged));
}

/// One kind of file is never taken for another: the statements have different predicate types.
#[test]
fn a_bundle_is_no_attestation() {
    let (draft, _, capsule) = good_bundle();
    let mut buffer = [0; 16384];
    let file = seal_parts(Kind::Rollback, &draft.body, capsule.encode(&mut buffer).unwrap());
    assert!(matches!(verify(&file, &trust()), Err(Refusal::Malformed(_) | Refusal::Damaged)));
    assert_eq!(verify(&draft.seal(&capsule), &trust()), Err(Refusal::Malformed(FormatError::BadMagic)));
}

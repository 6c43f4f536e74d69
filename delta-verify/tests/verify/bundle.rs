//! A good bundle is accepted with its evidence, and every refusal of class "verification" is reached by one change.

use crate::common::*;
use delta_format::FormatError;
use delta_format::capsule::Capsule;
use delta_format::container::Kind;
use delta_verify::{Class, Continuity, Known, Refusal, TrustRoot, verify_bundle};

fn verify(file: &[u8]) -> Result<(), Refusal> {
    verify_with(file, &trust())
}

fn verify_with(file: &[u8], trust: &TrustRoot) -> Result<(), Refusal> {
    verify_bundle(file, trust, &Known::default(), None).map(drop)
}

/// One change to a good capsule gives one refusal.
fn check(change: impl FnOnce(&mut Capsule), expected: Refusal) {
    let (draft, _, mut capsule) = good_bundle();
    change(&mut capsule);
    let refusal = verify(&draft.seal(&capsule)).unwrap_err();
    assert_eq!(refusal, expected);
    assert_eq!(refusal.class(), Class::Verification);
}

fn proof(capsule: &mut Capsule) -> &mut delta_format::capsule::LogProof {
    capsule.log.as_mut().unwrap()
}

/// What was proven is reported: signer, place in the log, witnesses, and the time that two of three vouch for.
#[test]
fn a_good_bundle_is_accepted_with_its_evidence() {
    let (draft, log, capsule) = good_bundle();
    let verified = verify_bundle(&draft.seal(&capsule), &trust(), &Known::default(), None).unwrap();
    assert_eq!(*verified, header());
    assert_eq!(verified.evidence().signers, [public(&key(ALICE)).id()]);
    let evidence = verified.evidence().log.as_ref().unwrap();
    assert_eq!((evidence.leaf, evidence.leaf_index), (draft.leaf(&[ALICE]), 5));
    assert_eq!((evidence.checkpoint, evidence.head), (log.head(8), log.head(8)));
    assert_eq!(evidence.continuity, Continuity::First);
    assert_eq!(evidence.witnesses.len(), 3);
    assert_eq!(verified.proven_time(), TIME + 10, "the second largest time: two witnesses vouch for it");
    assert_eq!((evidence.time_floor, verified.log_head()), (TIME + 10, Some(log.head(8))));
    let known = Known { heads: &[], time_floor: TIME + 99 };
    let later = verify_bundle(&draft.seal(&capsule), &trust(), &known, None).unwrap();
    let later = later.evidence().log.as_ref().unwrap();
    assert_eq!((later.proven_time, later.time_floor), (TIME + 10, TIME + 99), "the floor never falls");
}

/// The payload follows the head in a bundle, and is not looked at.
#[test]
fn bytes_after_the_head_do_not_matter() {
    let (draft, _, capsule) = good_bundle();
    let mut file = draft.seal(&capsule);
    file.extend_from_slice(&[0xaa; 1000]);
    assert_eq!(verify(&file), Ok(()));
}

#[test]
fn a_head_that_is_cut_off_or_altered_is_damaged() {
    let (draft, _, capsule) = good_bundle();
    let file = draft.seal(&capsule);
    for length in 8..file.len() {
        assert_eq!(verify(&file[..length]), Err(Refusal::Damaged), "cut after {length} bytes");
    }
    for length in 0..8 {
        assert!(verify(&file[..length]).is_err(), "cut inside the magic");
    }
    let mut flipped = file.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(verify(&flipped), Err(Refusal::Damaged));
}

#[test]
fn what_does_not_follow_the_format_is_malformed() {
    let (draft, _, capsule) = good_bundle();
    let file = draft.seal(&capsule);
    let mut other_kind = file.clone();
    other_kind[..8].copy_from_slice(&Kind::Rollback.magic());
    assert_eq!(verify(&other_kind), Err(Refusal::Malformed(FormatError::BadMagic)));
    let mut buffer = [0; 16384];
    let capsule = capsule.encode(&mut buffer).unwrap();
    let longer = [draft.body.as_slice(), &[0]].concat();
    let refusal = verify(&seal_parts(Kind::Bundle, &longer, capsule)).unwrap_err();
    assert_eq!(refusal, Refusal::Malformed(FormatError::TrailingBytes));
    let mut newer = draft.body.clone();
    newer[0] = 9;
    let refusal = verify(&seal_parts(Kind::Bundle, &newer, capsule)).unwrap_err();
    assert_eq!(refusal, Refusal::Malformed(FormatError::UnknownVersion));
}

#[test]
fn a_key_that_is_not_in_the_trust_root_is_a_wrong_key() {
    let (draft, _, capsule) = bundle_in_log(&header(), &[STRANGER]);
    assert_eq!(verify(&draft.seal(&capsule)), Err(Refusal::WrongKey));
    // The log entry repeats every key id, so one unknown key beside a good one hides what was logged.
    let (draft, _, capsule) = bundle_in_log(&header(), &[ALICE, STRANGER]);
    assert_eq!(verify(&draft.seal(&capsule)), Err(Refusal::WrongKey));
}

#[test]
fn a_known_key_must_have_signed_this_statement() {
    let mut other = header();
    other.version = "2.2".parse().unwrap();
    let foreign = bundle_draft(&other).signature(ALICE);
    check(|capsule| capsule.signatures[0] = foreign, Refusal::SignatureInvalid);
    let foreign = bundle_draft(&other).signature(BOB);
    check(|capsule| capsule.signatures.push(foreign).unwrap(), Refusal::SignatureInvalid);
}

/// Every field of the header is signed: a body with any other value has another statement.
#[test]
fn a_changed_header_has_another_statement() {
    let (_, _, capsule) = good_bundle();
    let changes: [fn(&mut delta_format::header::BundleHeader); 17] = [
        |h| h.product = name("gate2"),
        |h| h.hardware = [name("board-a")].into_iter().collect(),
        |h| h.version = "2.1.0".parse().unwrap(),
        |h| h.artifact_type = delta_format::header::ArtifactType::Blob,
        |h| h.base.length += 1,
        |h| h.target.blake3 = [0; 32].into(),
        |h| h.target.sha256 = [0; 32].into(),
        |h| h.payload.root = [0; 32].into(),
        |h| h.manifest.stored_length += 1,
        |h| h.limits.memory_bytes += 1,
        |h| h.limits.segment_log2 += 1,
        |h| h.limits.ops_max += 1,
        |h| h.limits.window_log2 += 1,
        |h| h.limits.table_log2 += 1,
        |h| h.limits.scratch_bytes += 1,
        |h| h.base_block_log2 += 1,
        |h| h.expires = Some(1),
    ];
    for change in changes {
        let mut header = header();
        change(&mut header);
        let file = bundle_draft(&header).seal(&capsule);
        assert_eq!(verify(&file), Err(Refusal::SignatureInvalid), "{header:?}");
    }
}

#[test]
fn the_threshold_counts_distinct_keys_with_the_role() {
    let two = TrustRoot::parse(&trust_text(2)).unwrap();
    let (draft, _, capsule) = good_bundle();
    let missing = Refusal::ThresholdNotMet { valid: 1, needed: 2 };
    assert_eq!(verify_with(&draft.seal(&capsule), &two), Err(missing));
    let (draft, _, capsule) = bundle_in_log(&header(), &[BOB, ALICE]);
    assert_eq!(verify_with(&draft.seal(&capsule), &two), Ok(()));
    let (draft, _, capsule) = bundle_in_log(&header(), &[CAROL]);
    let missing = Refusal::ThresholdNotMet { valid: 0, needed: 1 };
    assert_eq!(verify(&draft.seal(&capsule)), Err(missing), "carol signs rollbacks only");
    let twice = Refusal::Malformed(FormatError::BadField("signatures"));
    check(|capsule| capsule.signatures.push(capsule.signatures[0]).unwrap(), twice);
    let none = Refusal::ThresholdNotMet { valid: 0, needed: 1 };
    check(|capsule| capsule.signatures.clear(), none);
}

#[test]
fn a_bundle_must_be_in_a_known_log() {
    check(|capsule| capsule.log = None, Refusal::NotLogged);
    check(|capsule| proof(capsule).checkpoint.log = unknown_id(), Refusal::UnknownLog);
}

#[test]
fn the_inclusion_proof_must_fit() {
    let not_in_log = |change: fn(&mut Capsule)| check(change, Refusal::NotInLog);
    not_in_log(|capsule| proof(capsule).leaf_index = 4);
    not_in_log(|capsule| proof(capsule).inclusion.clear());
    not_in_log(|capsule| proof(capsule).inclusion[1] = [0; 32].into());
    not_in_log(|capsule| proof(capsule).inclusion.swap(0, 1));
    not_in_log(|capsule| proof(capsule).inclusion.push([0; 32].into()).unwrap());
    not_in_log(|capsule| proof(capsule).checkpoint.tree_size = 9);
    // Bob's signature is good, and it is not the envelope that was logged.
    let draft = bundle_draft(&header());
    let bob = draft.signature(BOB);
    check(|capsule| capsule.signatures.push(bob).unwrap(), Refusal::NotInLog);
}

#[test]
fn the_log_must_have_signed_the_checkpoint() {
    let (draft, log, _) = good_bundle();
    let other = signed_checkpoint(OTHER_LOG, 8, log.root(8)).signature;
    check(|capsule| proof(capsule).checkpoint.signature = other, Refusal::CheckpointInvalid);
    // A log of one entry whose root is the leaf itself: included by construction, signed by nobody.
    let leaf = draft.leaf(&[ALICE]);
    check(
        |capsule| {
            let proof = proof(capsule);
            (proof.leaf_index, proof.checkpoint.tree_size, proof.checkpoint.root) = (0, 1, leaf);
            proof.inclusion.clear();
        },
        Refusal::CheckpointInvalid,
    );
}

#[test]
fn every_cosignature_of_a_known_witness_must_be_good() {
    let invalid = |change: fn(&mut delta_format::capsule::Cosignature)| {
        check(|capsule| change(&mut proof(capsule).checkpoint.cosignatures[2]), Refusal::CosignatureInvalid);
    };
    invalid(|cosignature| cosignature.timestamp += 1);
    invalid(|cosignature| cosignature.timestamp = 0);
    invalid(|cosignature| cosignature.timestamp = u64::MAX);
    invalid(|cosignature| cosignature.signature = [7; 64].into());
    let twice = Refusal::Malformed(FormatError::BadField("cosignatures"));
    check(
        |capsule| {
            let cosignatures = &mut proof(capsule).checkpoint.cosignatures;
            cosignatures.push(cosignatures[0]).unwrap();
        },
        twice,
    );
}

/// A time of 0 states no time, even when the witness signed it.
#[test]
fn a_cosignature_without_a_time_is_not_accepted() {
    let (_, log, _) = good_bundle();
    let body = delta_verify::checkpoint::body(log_key(LOG).name(), 8, &log.root(8));
    for timestamp in [0, u64::MAX] {
        let cosignature = cosign(WITNESSES[0], timestamp, &body);
        check(|capsule| proof(capsule).checkpoint.cosignatures[0] = cosignature, Refusal::CosignatureInvalid);
    }
}

#[test]
fn a_quorum_of_known_witnesses_must_have_seen_the_checkpoint() {
    let quorum = |valid| Refusal::WitnessQuorum { valid, needed: 2 };
    check(|capsule| proof(capsule).checkpoint.cosignatures.truncate(1), quorum(1));
    check(|capsule| proof(capsule).checkpoint.cosignatures.clear(), quorum(0));
    // Two strangers beside one known witness do not count.
    check(
        |capsule| {
            let cosignatures = &mut proof(capsule).checkpoint.cosignatures;
            cosignatures[0].witness = unknown_id();
            cosignatures[1].witness = delta_format::NoteKeyId::new([9; 4]);
        },
        quorum(1),
    );
    let (draft, _, mut capsule) = good_bundle();
    proof(&mut capsule).checkpoint.cosignatures.truncate(2);
    assert_eq!(verify(&draft.seal(&capsule)), Ok(()));
}

/// One witness with a wrong clock, in either direction, cannot move the proven time beyond the others.
#[test]
fn one_witness_cannot_move_the_time() {
    for (lie, proven) in [(1, TIME + 10), (i64::MAX as u64, TIME + 20)] {
        let (draft, log, mut capsule) = good_bundle();
        let body = delta_verify::checkpoint::body(log_key(LOG).name(), 8, &log.root(8));
        proof(&mut capsule).checkpoint.cosignatures[0] = cosign(WITNESSES[0], lie, &body);
        let verified = verify_bundle(&draft.seal(&capsule), &trust(), &Known::default(), None).unwrap();
        assert_eq!(verified.proven_time(), proven);
    }
}

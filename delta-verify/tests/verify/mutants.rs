//! Every single-byte change of a signed file is refused: as damage when the checksum is left, and by a proof when
//! whoever changed the file also repaired the checksum.

use crate::common::*;
use delta_format::container::{Kind, PREFIX_BYTES, Prefix};
use delta_verify::{Known, Refusal, verify_bundle, verify_channel, verify_rollback};

fn flips(byte: u8) -> impl Iterator<Item = u8> {
    (0..8).map(move |bit| byte ^ (1 << bit))
}

/// All eight flips of every byte, as a damaged transfer has them.
fn check_flips(file: &[u8], verify: impl Fn(&[u8]) -> Result<(), Refusal>) {
    assert_eq!(verify(file), Ok(()));
    let mut mutant = file.to_vec();
    for at in 0..file.len() {
        for flip in flips(file[at]) {
            mutant[at] = flip;
            assert!(verify(&mutant).is_err(), "byte {at} as {flip:02x}");
        }
        mutant[at] = file[at];
    }
}

#[test]
fn every_flip_of_a_bundle_head_is_refused() {
    let (draft, log, mut capsule) = good_bundle();
    let proof = capsule.log.as_mut().unwrap();
    proof.consistency.push(log.consistency(3, 8)).unwrap();
    let trust = trust();
    check_flips(&draft.seal(&capsule), |file| verify_bundle(file, &trust, &Known::default(), None).map(drop));
}

#[test]
fn every_flip_of_a_rollback_attestation_is_refused() {
    let (draft, _, capsule) = rollback_in_log(&attestation(), &[CAROL]);
    let trust = trust();
    check_flips(&draft.seal(&capsule), |file| verify_rollback(file, &trust, &Known::default(), None).map(drop));
}

#[test]
fn every_flip_of_a_channel_index_is_refused() {
    let draft = channel_draft(7, 2);
    let capsule = delta_format::capsule::Capsule {
        format: delta_format::capsule::CAPSULE_FORMAT,
        signatures: [draft.signature(ALICE)].into_iter().collect(),
        log: None,
    };
    let trust = trust();
    check_flips(&draft.seal(&capsule), |file| verify_channel(file, &trust).map(drop));
}

/// With the checksum repaired, one byte of body or capsule changed: no mutant verifies as anything else than the
/// original statement. With exactly a quorum of cosignatures and a used consistency proof every byte is needed.
#[test]
fn every_change_under_a_repaired_checksum_is_refused() {
    let (draft, log, mut capsule) = good_bundle();
    let proof = capsule.log.as_mut().unwrap();
    proof.checkpoint.cosignatures.truncate(2);
    proof.consistency.push(log.consistency(3, 8)).unwrap();
    let file = draft.seal(&capsule);
    let (trust, heads) = (trust(), [log.head(3)]);
    let known = Known { heads: &heads, time_floor: 0 };
    assert!(verify_bundle(&file, &trust, &known, None).is_ok());
    let body_bytes = Prefix::decode(&file, Kind::Bundle).unwrap().body_bytes;
    let mut parts = file[PREFIX_BYTES..].to_vec();
    let mut codes = std::collections::BTreeMap::<&str, usize>::new();
    for at in 0..parts.len() {
        let original = parts[at];
        for flip in flips(original) {
            parts[at] = flip;
            let (body, capsule) = parts.split_at(body_bytes);
            let refusal = verify_bundle(&seal_parts(Kind::Bundle, body, capsule), &trust, &known, None);
            let refusal = refusal.expect_err(&format!("byte {at} as {flip:02x}"));
            *codes.entry(refusal.code()).or_default() += 1;
        }
        parts[at] = original;
    }
    println!("mutants refused under a repaired checksum: {codes:?}");
    for code in ["wrong-key", "signature-invalid", "not-in-log", "checkpoint-invalid", "witness-quorum"] {
        assert!(codes.contains_key(code), "no mutant was refused as {code}: {codes:?}");
    }
}

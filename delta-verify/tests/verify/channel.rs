//! A channel index: signed, not logged, read entry by entry.

use crate::common::*;
use delta_format::FormatError;
use delta_format::capsule::{CAPSULE_FORMAT, Capsule};
use delta_verify::{Refusal, TrustRoot, admit_channel, verify_channel};

fn capsule(draft: &Draft, seeds: &[u8]) -> Capsule {
    Capsule { format: CAPSULE_FORMAT, signatures: seeds.iter().map(|&seed| draft.signature(seed)).collect(), log: None }
}

fn verify(file: &[u8]) -> Result<(), Refusal> {
    verify_channel(file, &trust()).map(drop)
}

#[test]
fn a_signed_index_gives_its_entries() {
    let draft = channel_draft(7, 3);
    let file = draft.seal(&capsule(&draft, &[ALICE]));
    let trust = trust();
    let index = verify_channel(&file, &trust).unwrap();
    assert_eq!((index.head().number, index.entries().count()), (7, 3));
    assert_eq!(index.entries().last().unwrap().version, "2.2".parse().unwrap());
    assert_eq!((index.proven_time(), index.log_head()), (0, None));
    let draft = channel_draft(8, 0);
    assert_eq!(verify(&draft.seal(&capsule(&draft, &[ALICE]))), Ok(()), "an empty channel");
}

/// Only one channel, and never an older index than one that was seen.
#[test]
fn a_device_follows_one_channel_forward() {
    let draft = channel_draft(7, 1);
    let file = draft.seal(&capsule(&draft, &[ALICE]));
    let trust = trust();
    let index = verify_channel(&file, &trust).unwrap();
    assert_eq!(admit_channel(&index, &name("stable"), 0), Ok(()));
    assert_eq!(admit_channel(&index, &name("stable"), 7), Ok(()));
    let older = Refusal::ChannelOlder { number: 7, seen: 8 };
    assert_eq!(admit_channel(&index, &name("stable"), 8), Err(older));
    assert_eq!(admit_channel(&index, &name("beta"), 0), Err(Refusal::OtherChannel));
}

/// An index is not logged, so signatures of keys that this device does not know yet do not hide anything.
#[test]
fn unknown_keys_do_not_count() {
    let draft = channel_draft(7, 1);
    let verify = |seeds: &[u8]| verify(&draft.seal(&capsule(&draft, seeds)));
    assert_eq!(verify(&[STRANGER, ALICE]), Ok(()));
    assert_eq!(verify(&[STRANGER]), Err(Refusal::WrongKey));
    let none = Refusal::ThresholdNotMet { valid: 0, needed: 1 };
    assert_eq!(verify(&[]), Err(none));
    assert_eq!(verify(&[CAROL]), Err(none), "carol signs rollbacks only");
    let two = TrustRoot::parse(&trust_text(2)).unwrap();
    let file = draft.seal(&capsule(&draft, &[ALICE, STRANGER]));
    let missing = Refusal::ThresholdNotMet { valid: 1, needed: 2 };
    assert_eq!(verify_channel(&file, &two).map(drop), Err(missing));
}

#[test]
fn a_changed_index_is_refused() {
    let draft = channel_draft(7, 2);
    let good = capsule(&draft, &[ALICE]);
    for other in [channel_draft(8, 2), channel_draft(7, 1)] {
        assert_eq!(verify(&other.seal(&good)), Err(Refusal::SignatureInvalid));
    }
    let malformed = |error| Err(Refusal::Malformed(error));
    let mut longer = draft.seal(&good);
    longer.push(0);
    assert_eq!(verify(&longer), malformed(FormatError::TrailingBytes));
    let mut body = draft.body.clone();
    body.push(0);
    let longer = Draft { body, ..channel_draft(7, 2) };
    assert_eq!(verify(&longer.seal(&good)), malformed(FormatError::TrailingBytes));
    let mut logged = good.clone();
    logged.log = good_bundle().2.log;
    assert_eq!(verify(&draft.seal(&logged)), malformed(FormatError::BadField("log")));
    let mut body = draft.body.clone();
    body.truncate(body.len() - 1);
    let shorter = Draft { body, ..channel_draft(7, 2) };
    assert_eq!(verify(&shorter.seal(&good)), Err(Refusal::Damaged));
}

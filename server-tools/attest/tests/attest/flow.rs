//! The whole way: keys, trust root, signature, log, witnesses, proof, file; accepted by the one verifier, and refused
//! after each kind of tampering.

use crate::common::*;
use delta_attest::*;
use delta_format::capsule::Capsule;
use delta_format::channel::{CHANNEL_FORMAT, ChannelHead};
use delta_format::header::BundleHeader;
use delta_format::rollback::{ROLLBACK_FORMAT, Release, RollbackAttestation};
use delta_verify::merkle::leaf_hash;
use delta_verify::{Continuity, Known, Refusal, verify_bundle, verify_channel, verify_rollback};

/// Signs and logs a header on a host whose log has other entries before and after.
fn attest(host: &Host, header: &BundleHeader) -> (SignedStatement, Capsule) {
    let signed = SignedStatement::of_bundle(header, &[&secret(1), &secret(2)]).unwrap();
    host.append(&entries(0, 300));
    host.append(&[signed.envelope_json()]);
    host.append(&entries(300, 310));
    let proof = host.log.prove(&leaf_hash(&signed.envelope_json())).unwrap();
    let capsule = signed.capsule(Some(proof));
    (signed, capsule)
}

fn refusal(header: &BundleHeader, capsule: &Capsule) -> &'static str {
    let file = file::bundle_head(header, capsule).unwrap();
    match verify_bundle(&file, &trust(), &Known::default(), None) {
        Ok(_) => "accepted",
        Err(refusal) => refusal.code(),
    }
}

#[test]
fn what_the_host_attests_the_device_accepts() {
    let host = Host::new();
    let (signed, capsule) = attest(&host, &header());
    let file = file::bundle_head(&header(), &capsule).unwrap();
    let verified = verify_bundle(&file, &trust(), &Known::default(), None).unwrap();
    assert_eq!(*verified, header());
    let mut ids = [secret(1).id(), secret(2).id()];
    ids.sort();
    assert_eq!(verified.evidence().signers, ids);
    let log = verified.evidence().log.as_ref().unwrap();
    assert_eq!((log.leaf_index, log.checkpoint.tree_size, log.proven_time), (300, 311, TIME + 10));
    assert_eq!(host.log.entry(300).unwrap(), signed.envelope_json());
    // The capsule of a log of 311 entries with two signers and three witnesses, as a figure to keep an eye on.
    let capsule_bytes = capsule.encode(&mut [0; 16384]).unwrap().len();
    println!("capsule of {capsule_bytes} bytes");
    assert!(capsule_bytes < 2000, "{capsule_bytes}");
}

/// A device that saw any published head accepts the capsule alone; one that saw another head takes the tiles.
#[test]
fn a_device_with_an_older_head_is_connected() {
    let host = Host::new();
    let (_, capsule) = attest(&host, &header());
    let file = file::bundle_head(&header(), &capsule).unwrap();
    let all = leaves(&[entries(0, 300), vec![host.log.entry(300).unwrap()], entries(300, 310)].concat());
    let head = |size: u64| delta_format::capsule::LogHead {
        log: log_signer().key().id(),
        tree_size: size,
        root: naive_root(&all[..size as usize]),
    };
    for (size, by) in [
        (300, Continuity::NewerByCapsule),
        (301, Continuity::NewerByCapsule),
        (250, Continuity::NewerByTiles),
        (311, Continuity::Same),
    ] {
        let heads = [head(size)];
        let known = Known { heads: &heads, time_floor: 0 };
        let verified = verify_bundle(&file, &trust(), &known, Some(&mut host.log.tiles())).unwrap();
        assert_eq!(verified.evidence().log.as_ref().unwrap().continuity, by, "from {size}");
    }
}

#[test]
fn each_tampering_has_its_refusal() {
    let host = Host::new();
    let (signed, capsule) = attest(&host, &header());
    assert_eq!(refusal(&header(), &capsule), "accepted");
    let check = |change: fn(&mut Capsule), code| {
        let mut capsule = capsule.clone();
        change(&mut capsule);
        assert_eq!(refusal(&header(), &capsule), code);
    };
    let mut other = header();
    other.target = image(3);
    assert_eq!(refusal(&other, &capsule), "signature-invalid");
    assert_eq!(refusal(&header(), &signed.capsule(None)), "not-logged");
    check(|capsule| capsule.signatures.truncate(1), "threshold-not-met");
    check(|capsule| capsule.signatures[0].key = delta_format::KeyHint::new([0; 8]), "wrong-key");
    check(|capsule| capsule.signatures.swap(0, 1), "not-in-log");
    check(|capsule| capsule.log.as_mut().unwrap().leaf_index = 301, "not-in-log");
    check(|capsule| capsule.log.as_mut().unwrap().checkpoint.signature = [1; 64].into(), "checkpoint-invalid");
    check(|capsule| capsule.log.as_mut().unwrap().checkpoint.log = [1; 4].into(), "unknown-log");
    check(|capsule| capsule.log.as_mut().unwrap().checkpoint.cosignatures[1].timestamp += 1, "cosignature-invalid");
    check(|capsule| capsule.log.as_mut().unwrap().checkpoint.cosignatures.truncate(1), "witness-quorum");
    let stranger = SignedStatement::of_bundle(&header(), &[&secret(99)]).unwrap();
    assert_eq!(refusal(&header(), &stranger.capsule(capsule.log.clone())), "wrong-key");
}

/// The log operator rewrites history and has the keys of the log, but not of the witnesses.
#[test]
fn a_rewritten_log_has_no_witnesses() {
    let (honest, evil) = (Host::new(), Host::new());
    let (_, capsule) = attest(&honest, &header());
    let (_, forged) = attest(&evil, &header());
    let same = |capsule: &Capsule| capsule.log.as_ref().unwrap().checkpoint.root;
    assert_eq!(same(&capsule), same(&forged), "the same entries give the same log");
    let signed = SignedStatement::of_bundle(&header(), &[&secret(1), &secret(2)]).unwrap();
    let evil_entries = [entries(500, 800), vec![signed.envelope_json()], entries(0, 30)].concat();
    let folder = tempfile::TempDir::new().unwrap();
    let log = Log::init(folder.path(), &log_signer()).unwrap();
    let checkpoint = log.append(&log_signer(), &evil_entries).unwrap().checkpoint;
    for witness in &honest.witnesses {
        let refused = witness.cosign(&checkpoint, &mut log.tiles(), TIME);
        assert_eq!(problem(refused), Problem::LogForked);
    }
    let proof = log.prove(&leaf_hash(&signed.envelope_json())).unwrap();
    assert_eq!(refusal(&header(), &signed.capsule(Some(proof))), "witness-quorum");
}

#[test]
fn a_rollback_attestation_goes_the_same_way() {
    let release = |version: &str, tag| Release { version: version.parse().unwrap(), image: image(tag) };
    let attestation = RollbackAttestation {
        format: ROLLBACK_FORMAT,
        product: name("gate"),
        from: release("2.1", 2),
        to: release("2.0", 1),
        floor: "2.0".parse().unwrap(),
        reason: "it said \"no\" \\ again".parse().unwrap(),
        who: "bob".parse().unwrap(),
        expires: Some(TIME + 1000),
    };
    let host = Host::new();
    let verify = |key: &SecretKey| {
        let signed = SignedStatement::of_rollback(&attestation, &[key]).unwrap();
        host.append(&[signed.envelope_json()]);
        let proof = host.log.prove(&leaf_hash(&signed.envelope_json())).unwrap();
        let file = file::rollback_file(&attestation, &signed.capsule(Some(proof))).unwrap();
        verify_rollback(&file, &trust(), &Known::default(), None).map(|verified| verified.reason.clone())
    };
    assert_eq!(verify(&secret(2)).unwrap(), attestation.reason);
    let refused = Refusal::ThresholdNotMet { valid: 0, needed: 1 };
    assert_eq!(verify(&secret(1)), Err(refused), "alice signs releases only");
}

#[test]
fn a_channel_index_is_signed_without_a_log() {
    let head = ChannelHead { format: CHANNEL_FORMAT, channel: name("stable"), number: 3, entries: 0 };
    let body = delta_format::wire::encode(&head, &mut [0; 128], "head").unwrap().to_vec();
    let signed = SignedStatement::of_channel(&body, &[&secret(1), &secret(2)]).unwrap();
    let file = file::channel_file(&body, &signed).unwrap();
    assert_eq!(verify_channel(&file, &trust()).unwrap().head().number, 3);
    let longer = [&body[..], &[0]].concat();
    let refused = SignedStatement::of_channel(&longer, &[&secret(1)]);
    assert_eq!(refused.unwrap_err(), Problem::Format(delta_format::FormatError::TrailingBytes));
}

/// What is exported for other tools is a DSSE envelope: its payload is the statement, and each signature is over the
/// pre-authentication encoding as the DSSE page writes it.
#[test]
fn the_envelope_is_dsse() {
    let signed = SignedStatement::of_bundle(&header(), &[&secret(2), &secret(1)]).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&signed.envelope_json()).unwrap();
    assert_eq!(serde_json::to_vec(&json).unwrap(), signed.envelope_json(), "keys sorted, no spaces");
    assert_eq!(json["payloadType"], "application/vnd.in-toto+json");
    let statement: serde_json::Value = serde_json::from_slice(signed.statement()).unwrap();
    assert_eq!(statement["predicateType"], "https://stella.ops/predicates/delta/v1");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], header().target.sha256.to_string());
    let mut pae = format!("DSSEv1 28 application/vnd.in-toto+json {} ", signed.statement().len()).into_bytes();
    pae.extend_from_slice(signed.statement());
    let keys = [secret(1), secret(2)];
    let signatures = json["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 2);
    for signature in signatures {
        let key = keys.iter().find(|key| signature["keyid"] == key.id().to_string()).unwrap();
        let bytes: [u8; 64] = delta_verify::base64::decode(signature["sig"].as_str().unwrap().as_bytes()).unwrap();
        assert!(key.public().verifies(&pae, &bytes.into()));
    }
}

/// The order of keys does not matter, a key signs once, and there is room for eight.
#[test]
fn signing_is_deterministic_and_bounded() {
    let one = SignedStatement::of_bundle(&header(), &[&secret(1), &secret(2)]).unwrap();
    let two = SignedStatement::of_bundle(&header(), &[&secret(2), &secret(1)]).unwrap();
    assert_eq!(one, two);
    let mut later = SignedStatement::of_bundle(&header(), &[&secret(2)]).unwrap();
    later.add(&secret(1)).unwrap();
    assert_eq!(one, later);
    assert_eq!(later.add(&secret(1)), Err(Problem::Signatures));
    let keys: Vec<SecretKey> = (30..39).map(secret).collect();
    let keys: Vec<&SecretKey> = keys.iter().collect();
    assert!(SignedStatement::of_bundle(&header(), &keys[..8]).is_ok());
    assert_eq!(SignedStatement::of_bundle(&header(), &keys).unwrap_err(), Problem::Signatures);
}

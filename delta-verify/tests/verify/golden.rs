//! The vectors in `vectors/`: signed files with the verdict that every verifier of these formats must give. They are
//! made from fixed seeds and are only ever added to: this test fails when a new build writes other bytes, and writes
//! only files that do not exist, when asked to by STELLA_WRITE_VECTORS=1.
#![allow(clippy::disallowed_methods, reason = "vectors are files")]

use crate::common::*;
use delta_format::capsule::{Capsule, LogHead};
use delta_format::header::BundleHeader;
use delta_verify::{Known, Refusal, TrustRoot, verify_bundle, verify_channel, verify_rollback};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// Compares with the stored file, or stores it when there is none and it was asked for.
fn check_file(name: &str, bytes: &[u8]) {
    let path = path(name);
    if !path.exists() && std::env::var_os("STELLA_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let stored = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(stored == bytes, "{name} is no longer what this build writes; formats do not change silently");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// One line of `cases.txt`: kind, name, kept head (`-` or `SIZE:ROOT`), verdict, file in hexadecimal.
struct Case {
    kind: &'static str,
    name: &'static str,
    head: Option<LogHead>,
    file: Vec<u8>,
}

fn verdict(kind: &str, file: &[u8], heads: &[LogHead], trust: &TrustRoot) -> &'static str {
    let known = Known { heads, time_floor: 0 };
    let result: Result<(), Refusal> = match kind {
        "bundle" => verify_bundle(file, trust, &known, None).map(drop),
        "rollback" => verify_rollback(file, trust, &known, None).map(drop),
        _ => verify_channel(file, trust).map(drop),
    };
    result.map_or_else(|refusal| refusal.code(), |()| "accepted")
}

fn bundle(name: &'static str, change: impl FnOnce(&mut Capsule)) -> Case {
    let (draft, _, mut capsule) = good_bundle();
    change(&mut capsule);
    Case { kind: "bundle", name, head: None, file: draft.seal(&capsule) }
}

fn bundle_of(name: &'static str, header: &BundleHeader, seeds: &[u8]) -> Case {
    let (draft, _, capsule) = bundle_in_log(header, seeds);
    Case { kind: "bundle", name, head: None, file: draft.seal(&capsule) }
}

fn cases() -> Vec<Case> {
    let proof = |capsule: &mut Capsule| capsule.log.take().unwrap();
    let with = |capsule: &mut Capsule, change: &dyn Fn(&mut delta_format::capsule::LogProof)| {
        let mut log = proof(capsule);
        change(&mut log);
        capsule.log = Some(log);
    };
    let (draft, log, _) = good_bundle();
    let connected = |capsule: &mut Capsule| {
        with(capsule, &|proof| proof.consistency.push(log.consistency(3, 8)).unwrap());
    };
    let mut forked = log.head(3);
    forked.root = [1; 32].into();
    let at = |case: Case, head| Case { head: Some(head), ..case };
    let mut foreign = header();
    foreign.version = "2.2".parse().unwrap();
    let foreign = bundle_draft(&foreign);
    let mut cases = vec![
        bundle("good", |_| ()),
        bundle_of("two-signers", &header(), &[ALICE, BOB]),
        at(bundle("same-head", |_| ()), log.head(8)),
        at(bundle("newer-than-kept-head", connected), log.head(3)),
        at(bundle("newer-than-kept-head-without-proof", |_| ()), log.head(3)),
        at(bundle("older-than-kept-head-without-tiles", |_| ()), LogHead { tree_size: 9, ..log.head(8) }),
        at(bundle("forked-at-the-same-size", |_| ()), LogHead { root: [1; 32].into(), ..log.head(8) }),
        at(bundle("forked-at-an-older-size", connected), forked),
        bundle_of("unknown-key", &header(), &[STRANGER]),
        bundle_of("unknown-key-beside-a-known-one", &header(), &[ALICE, STRANGER]),
        bundle_of("key-of-another-role", &header(), &[CAROL]),
        bundle("no-signature", |capsule| capsule.signatures.clear()),
        bundle("signature-twice", |capsule| capsule.signatures.push(capsule.signatures[0]).unwrap()),
        bundle("signature-of-another-statement", |capsule| capsule.signatures[0] = foreign.signature(ALICE)),
        bundle("signature-added-after-logging", |capsule| capsule.signatures.push(draft.signature(BOB)).unwrap()),
        bundle("no-log-proof", |capsule| capsule.log = None),
        bundle("log-unknown", |capsule| with(capsule, &|proof| proof.checkpoint.log = unknown_id())),
        bundle("leaf-index-wrong", |capsule| with(capsule, &|proof| proof.leaf_index = 4)),
        bundle("inclusion-too-short", |capsule| with(capsule, &|proof| proof.inclusion.truncate(2))),
        bundle("inclusion-too-long", |capsule| {
            with(capsule, &|proof| proof.inclusion.push([0; 32].into()).unwrap());
        }),
        bundle("checkpoint-unsigned", |capsule| with(capsule, &|proof| proof.checkpoint.signature = [0; 64].into())),
        bundle("cosignature-with-another-time", |capsule| {
            with(capsule, &|proof| proof.checkpoint.cosignatures[0].timestamp += 1);
        }),
        bundle("cosignature-twice", |capsule| {
            with(capsule, &|proof| {
                let again = proof.checkpoint.cosignatures[0];
                proof.checkpoint.cosignatures.push(again).unwrap();
            });
        }),
        bundle("one-witness-of-two", |capsule| with(capsule, &|proof| proof.checkpoint.cosignatures.truncate(1))),
    ];
    let mut damaged = bundle("one-bit-flipped", |_| ());
    damaged.file[100] ^= 4;
    let mut cut = bundle("one-byte-missing", |_| ());
    cut.file.pop();
    cases.extend([damaged, cut]);
    let rollback = |name, seeds: &[u8]| {
        let (draft, _, capsule) = rollback_in_log(&attestation(), seeds);
        let file = draft.seal(&capsule);
        let (kind, head) = ("rollback", None);
        Case { kind, name, head, file }
    };
    cases.extend([rollback("good", &[CAROL]), rollback("signed-by-a-release-key", &[ALICE])]);
    let channel = |name, seeds: &[u8]| {
        let draft = channel_draft(7, 2);
        let capsule = Capsule {
            format: delta_format::capsule::CAPSULE_FORMAT,
            signatures: seeds.iter().map(|&seed| draft.signature(seed)).collect(),
            log: None,
        };
        let (kind, head, file) = ("channel", None, draft.seal(&capsule));
        Case { kind, name, head, file }
    };
    cases.extend([
        channel("good", &[ALICE]),
        channel("unknown-key-beside-a-known-one", &[STRANGER, ALICE]),
        channel("unknown-key", &[STRANGER]),
    ]);
    cases
}

#[test]
fn the_same_seeds_give_the_stored_bytes() {
    let trust = trust();
    let mut text = String::new();
    for case in cases() {
        let head = case.head.map_or("-".into(), |head| format!("{}:{}", head.tree_size, head.root));
        let heads = case.head.as_slice();
        let verdict = verdict(case.kind, &case.file, heads, &trust);
        writeln!(text, "{} {} {head} {verdict} {}", case.kind, case.name, hex(&case.file)).unwrap();
    }
    check_file("cases.txt", text.as_bytes());
    check_file("trust-root.txt", trust_text(1).as_bytes());
    let draft = bundle_draft(&header());
    check_file("bundle-statement.json", &draft.statement);
    let mut entry = Vec::new();
    let (id, signature) = (public(&key(ALICE)).id(), draft.signature(ALICE).signature);
    let signatures = [(&id, &signature)].into_iter();
    delta_format::statement::log_entry(&draft.statement, signatures, |part| entry.extend_from_slice(part));
    check_file("bundle-entry.json", &entry);
    check_file("rollback-statement.json", &rollback_draft(&attestation()).statement);
    check_file("channel-statement.json", &channel_draft(7, 2).statement);
}

/// As a stranger would use the vectors: nothing but the stored files and this verifier.
#[test]
fn the_stored_files_get_the_stored_verdicts() {
    let trust = TrustRoot::parse(&std::fs::read_to_string(path("trust-root.txt")).unwrap()).unwrap();
    let text = std::fs::read_to_string(path("cases.txt")).unwrap();
    for line in text.lines() {
        let [kind, name, head, expected, file] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("five words: {line}");
        };
        let head = head.split_once(':').map(|(size, root)| LogHead {
            log: trust.logs()[0].id(),
            tree_size: size.parse().unwrap(),
            root: root.parse().unwrap(),
        });
        assert_eq!(verdict(kind, &unhex(file), head.as_slice(), &trust), expected, "{kind} {name}");
    }
    let codes: std::collections::BTreeSet<_> = text.lines().map(|line| line.split(' ').nth(3).unwrap()).collect();
    assert_eq!(codes.len(), 14, "every verification refusal and 'accepted': {codes:?}");
}

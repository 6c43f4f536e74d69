//! Signatures, log, witnesses and policy: files that are well formed and must not be believed.

use super::{Attack, Folder, full, with_proof};
use crate::build::{sign, sign_in};
use crate::site::{OPERATOR, RELEASE, SECOND, STRANGER, Site, TIME};
use delta_attest::SignedStatement;
use delta_format::Sha256;
use delta_format::capsule::{Capsule, LogHead, LogProof};
use delta_format::header::BundleHeader;

/// Signatures.
pub(super) fn trust(all: &mut Vec<Attack>) {
    let parts = full();
    let header = BundleHeader::decode(&parts.body).expect("a header");
    let by = |seeds: &[u8]| sign(&header, parts.rest.clone(), seeds).seal();
    let mut to = Folder { all, folder: "signatures", kind: "bundle" };
    to.add("wrong-key", "wrong-key", "Signed by a key that the trust root does not have.", by(&[STRANGER]));
    to.add("wrong-key-beside-a-right-one", "wrong-key", "A key of the trust root and a stranger's.", {
        by(&[RELEASE, STRANGER])
    });
    to.add("key-of-another-role", "threshold-not-met", "Signed by the key for rollbacks.", by(&[OPERATOR]));
    to.add("none", "threshold-not-met", "No signature.", parts.with_capsule(|c| c.signatures.clear()).seal());
    to.add("twice", "malformed", "The same signature twice.", {
        parts.with_capsule(|c| c.signatures.push(c.signatures[0]).expect("room")).seal()
    });
    to.add("of-another-statement", "signature-invalid", "The header says another version than what was signed.", {
        parts.with_header(|h| h.version = "2.2".parse().expect("a version")).seal()
    });
    to.add("added-after-logging", "not-in-log", "A second signature that the logged envelope does not have.", {
        let second = SignedStatement::of_bundle(&header, &[&crate::site::key(SECOND)]).expect("signed");
        let more = second.capsule(None).signatures[0];
        parts.with_capsule(|c| c.signatures.push(more).expect("room")).seal()
    });
}

/// Log, checkpoint and witnesses.
pub(super) fn log(all: &mut Vec<Attack>) {
    let parts = full();
    let header = BundleHeader::decode(&parts.body).expect("a header");
    let proof = Capsule::decode(&parts.capsule).expect("a capsule").log.expect("a proof");
    let head =
        LogHead { log: proof.checkpoint.log, tree_size: proof.checkpoint.tree_size, root: proof.checkpoint.root };
    let with = |change: &dyn Fn(&mut LogProof)| parts.with_capsule(|capsule| with_proof(capsule, change)).seal();
    let other_root = Sha256::new([1; 32]);
    let mut to = Folder { all, folder: "log", kind: "bundle" };
    to.add("not-logged", "not-logged", "No log proof.", parts.with_capsule(|c| c.log = None).seal());
    to.add("unknown-log", "unknown-log", "Logged in a log that the trust root does not have.", {
        sign_in(&Site::of_other_log(), &header, parts.rest.clone(), &[RELEASE]).seal()
    });
    to.add("another-entry", "not-in-log", "The proof is for the entry before.", with(&|log| log.leaf_index -= 1));
    to.add("proof-too-short", "not-in-log", "A hash of the inclusion proof is missing.", {
        with(&|log| log.inclusion.truncate(log.inclusion.len() - 1))
    });
    to.add("proof-too-long", "not-in-log", "The inclusion proof has one hash too many.", {
        with(&|log| log.inclusion.push(other_root).expect("room"))
    });
    to.add(
        "forged-root",
        "not-in-log",
        "Another root than the log signed.",
        with(&|log| log.checkpoint.root = other_root),
    );
    to.add("checkpoint-unsigned", "checkpoint-invalid", "The log's signature is all zeros.", {
        with(&|log| log.checkpoint.signature = [0; 64].into())
    });
    to.add("forked-same-size", "log-forked", "The kept head has the same size and another root.", parts.seal());
    to.kept(LogHead { root: other_root, ..head });
    to.add("forked-older", "log-forked", "The kept head is older, with a root that this log never had.", parts.seal());
    to.kept(LogHead { tree_size: proof.consistency[0].old_size, root: other_root, ..head });
    to.add("consistency-unproven", "log-consistency-unproven", "No proof from the size of the kept head.", {
        with(&|log| log.consistency.clear())
    });
    to.kept(LogHead { tree_size: head.tree_size - 1, ..head });
    to.add(
        "older-than-the-kept-head",
        "log-consistency-unproven",
        "The kept head is newer, and no tiles are at hand.",
        parts.seal(),
    );
    to.kept(LogHead { tree_size: head.tree_size + 1, ..head });

    let mut to = Folder { all: to.all, folder: "witnesses", kind: "bundle" };
    to.add("none", "witness-quorum", "No cosignature.", with(&|log| log.checkpoint.cosignatures.clear()));
    to.add("one-of-two", "witness-quorum", "One cosignature where two are needed.", {
        with(&|log| log.checkpoint.cosignatures.truncate(1))
    });
    to.add("twice", "malformed", "The cosignature of one witness twice.", {
        with(&|log| log.checkpoint.cosignatures[1] = log.checkpoint.cosignatures[0])
    });
    to.add("another-time", "cosignature-invalid", "A later time than the witness signed.", {
        with(&|log| log.checkpoint.cosignatures[0].timestamp += 86_400)
    });
    to.add("unknown-witness", "witness-quorum", "The second cosignature names a witness that nobody knows.", {
        with(&|log| log.checkpoint.cosignatures[1].witness = [1, 2, 3, 4].into())
    });
}

/// Genuine bundles that are not for this device or not now.
pub(super) fn policy(all: &mut Vec<Attack>) {
    let parts = full();
    let mut to = Folder { all, folder: "policy", kind: "bundle" };
    let mut bundle = |name, expect, why, change: &dyn Fn(&mut BundleHeader)| {
        let mut header = BundleHeader::decode(&parts.body).expect("a header");
        change(&mut header);
        to.add(name, expect, why, sign(&header, parts.rest.clone(), &[RELEASE]).seal());
    };
    bundle("other-product", "other-product", "Product `camera`.", &|h| h.product = crate::site::name("camera"));
    bundle("other-hardware", "other-hardware", "For `board-z` only.", &|h| {
        h.hardware.truncate(1);
        h.hardware[0] = crate::site::name("board-z");
    });
    bundle("expired", "expired", "Expired a second before the time that the witnesses prove.", &|h| {
        h.expires = Some(TIME - 1);
    });
    bundle("memory", "needs-too-much-memory", "One byte more than the 4 MiB that the device gives.", &|h| {
        h.limits.memory_bytes = crate::verdict::MEMORY_BYTES_MAX + 1;
    });
    bundle("older-version", "version-below-floor", "Version 1.9 for a device at floor 2.0.", &|h| {
        h.version = "1.9".parse().expect("a version");
    });
    bundle("same-version", "version-not-newer", "Version 2.0.0 with another image, for a device at floor 2.0.", &|h| {
        h.version = "2.0.0".parse().expect("a version");
    });
}

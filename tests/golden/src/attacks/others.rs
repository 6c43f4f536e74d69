//! Rollback attestations, channel indexes, journals and trust roots.

use super::{Attack, Folder, flipped};
use crate::parts::Parts;
use crate::site::{OPERATOR, RELEASE, STRANGER, TIME, trust_text};
use crate::store::read;
use crate::vectors::{attestation, channel, channel_body, rollback};
use delta_format::channel::ChannelHead;
use delta_format::container::Kind;
use delta_format::limits::{CHANNEL_ENTRIES_MAX, JOURNAL_RECORD_BYTES};
use delta_format::wire;

/// Rollback attestations.
pub(super) fn rollbacks(all: &mut Vec<Attack>) {
    let parts = Parts::of(Kind::Rollback, &read("rollback/back-to-1.9.bin"));
    let mut to = Folder { all, folder: "rollback", kind: "rollback" };
    to.add("signed-by-a-release-key", "threshold-not-met", "The key may sign bundles only.", {
        rollback(&attestation(), &[RELEASE]).1
    });
    let raw = |change: &dyn Fn(&mut delta_format::rollback::RollbackAttestation)| {
        let mut attestation = attestation();
        change(&mut attestation);
        let mut buffer = [0; 4096];
        parts.with_body(|body| *body = wire::encode(&attestation, &mut buffer, "body").expect("fits").to_vec()).seal()
    };
    to.add("floor-above-the-target", "malformed", "A floor above the version that is gone back to.", {
        raw(&|a| a.floor = "2.0".parse().expect("a version"))
    });
    to.add("empty-image", "malformed", "Back to an image of no bytes.", {
        raw(&|a| a.to.image = delta_format::header::ImageId::EMPTY)
    });
    to.add("unknown-version", "malformed", "Format 2.", parts.with_body(|body| body[0] = 2).seal());
    to.add("trailing-byte", "malformed", "A byte after the attestation.", parts.with_body(|body| body.push(0)).seal());
    to.add("after-the-file", "malformed", "A byte after the file.", [parts.seal(), vec![0]].concat());
    to.add("altered", "signature-invalid", "Another reason than was signed.", {
        raw(&|a| a.reason = "because".parse().expect("a text"))
    });
    let mut foreign = attestation();
    foreign.from.image = attestation().to.image;
    to.add("from-another-image", "rollback-foreign", "Permits a step from an image that the device does not run.", {
        rollback(&foreign, &[OPERATOR]).1
    });
    let mut foreign = attestation();
    foreign.product = crate::site::name("camera");
    to.add("other-product", "other-product", "For another product.", rollback(&foreign, &[OPERATOR]).1);
    let mut expired = attestation();
    expired.expires = Some(TIME - 1);
    to.add("expired", "expired", "Void a second before the time that the witnesses prove.", {
        rollback(&expired, &[OPERATOR]).1
    });
    to.add("a-bundle", "malformed", "A bundle where an attestation is asked for.", read("bundle/full.bin"));
}

/// Channel indexes.
pub(super) fn channels(all: &mut Vec<Attack>) {
    let body = channel_body("stable", 4);
    let parts = Parts::of(Kind::Channel, &read("channel/stable-4.bin"));
    let mut to = Folder { all, folder: "channel", kind: "channel" };
    to.add("wrong-key", "wrong-key", "Signed by a stranger.", channel(&body, &[STRANGER]).1);
    to.add(
        "key-of-another-role",
        "threshold-not-met",
        "Signed by the key for rollbacks.",
        channel(&body, &[OPERATOR]).1,
    );
    to.add(
        "other-channel",
        "other-channel",
        "The index of the channel `beta`.",
        channel(&channel_body("beta", 4), &[RELEASE]).1,
    );
    to.add("older", "channel-older", "Number 2 for a device that has seen number 3.", {
        channel(&channel_body("stable", 2), &[RELEASE]).1
    });
    to.add("altered", "signature-invalid", "Another file size than was signed.", {
        parts.with_body(|body| *body.last_mut().expect("bytes") ^= 1).seal()
    });
    let head = |entries| {
        let (head, used): (ChannelHead, usize) = wire::decode_prefix(&body, "head").expect("a head");
        let mut buffer = [0; 256];
        let changed = ChannelHead { entries, ..head };
        [wire::encode(&changed, &mut buffer, "head").expect("fits"), &body[used..]].concat()
    };
    // Bodies that are no index cannot be signed by the product's own tools, so their signature is that of the good one.
    to.add("entry-missing", "damaged", "Three entries announced, two there; the signature is not reached.", {
        parts.with_body(|body| *body = head(3)).seal()
    });
    to.add(
        "entry-too-many",
        "malformed",
        "One entry announced, two there.",
        parts.with_body(|body| *body = head(1)).seal(),
    );
    to.add("too-many-entries", "malformed", "4,097 entries announced.", {
        parts.with_body(|body| *body = head(CHANNEL_ENTRIES_MAX + 1)).seal()
    });
    to.add("unknown-version", "malformed", "Format 2.", parts.with_body(|body| body[0] = 2).seal());
    to.add("path-in-a-name", "malformed", "A file name with a slash in it.", {
        let at = body.windows(7).position(|bytes| bytes == b"gateway").expect("a name");
        parts.with_body(|body| body[at + 7] = b'/').seal()
    });
}

/// Copies of a journal.
pub(super) fn journals(all: &mut Vec<Attack>) {
    let whole = read("journal/applying.bin");
    let mut to = Folder { all, folder: "journal", kind: "journal" };
    to.add("never-written", "malformed", "4,096 zeros.", vec![0; JOURNAL_RECORD_BYTES]);
    to.add("cut-off", "damaged", "A byte is missing.", whole[..JOURNAL_RECORD_BYTES - 1].to_vec());
    to.add("torn", "damaged", "The first 200 bytes of one write, the rest of the one before.", {
        [&whole[..200], &read("journal/idle.bin")[200..]].concat()
    });
    to.add("flipped", "damaged", "One bit of the body.", flipped(whole.clone(), 100));
    to.add("sequence", "damaged", "A higher sequence number than was sealed.", flipped(whole.clone(), 9));
    to.add("length", "malformed", "A body longer than the page.", {
        let mut copy = whole;
        copy[16..20].copy_from_slice(&4041u32.to_le_bytes());
        copy
    });
    to.add("unknown-version", "malformed", "A record of a newer agent.", {
        delta_format::journal::seal(1, &[2], delta_bundle::blake3_parts).expect("fits").to_vec()
    });
    to.add("trailing-byte", "malformed", "A byte after the record.", {
        let mut body = [0; delta_format::journal::BODY_BYTES_MAX];
        let body = agent_machine::Record::default().encode(&mut body).expect("fits").to_vec();
        let body = [body, vec![0]].concat();
        delta_format::journal::seal(1, &body, delta_bundle::blake3_parts).expect("fits").to_vec()
    });
}

/// Trust roots: the verdict names the line.
pub(super) fn trust_roots(all: &mut Vec<Attack>) {
    let text = trust_text();
    let mut to = Folder { all, folder: "trust-root", kind: "trust-root" };
    let mut change = |name, expect, why, from: &str, into: &str| {
        assert!(text.contains(from), "{name}: there is no '{from}' to change");
        to.add(name, expect, why, text.replacen(from, into, 1).into_bytes());
    };
    change("version-of-the-format", "line-1-Format", "`stella-trust v2`.", "v1", "v2");
    change("unknown-keyword", "line-2-Keyword", "A keyword that nobody knows.", "name", "nmae");
    change("number-with-a-zero", "line-3-Value", "Version 01.", "version 1", "version 01");
    change("two-spaces", "line-3-Characters", "Two spaces between words.", "version 1", "version  1");
    change("carriage-return", "line-3-Characters", "A line that ends as on Windows.", "version 1\n", "version 1\r\n");
    change("threshold-zero", "line-0-Unreachable(threshold)", "A threshold of 0.", "signer 1", "signer 0");
    change("threshold-too-high", "line-0-Unreachable(threshold)", "Three of two keys.", "signer 1", "signer 3");
    change("quorum-zero", "line-0-Unreachable(quorum)", "A quorum of 0.", "quorum 2", "quorum 0");
    change("quorum-missing", "line-0-Missing(quorum)", "No quorum line.", "quorum 2\n", "");
    change("witness-id", "line-13-NoteKey(KeyId)", "A witness key under another name.", "witness20", "witness23");
    let mut cut = text.clone();
    cut.pop();
    to.add("cut-off", "line-16-NoFinalNewline", "The last newline is missing.", cut.into_bytes());
    let log = text.lines().find(|line| line.starts_with("log ")).expect("a log line");
    let as_witness = text.replace(log, &format!("{log}\n{}", log.replacen("log", "witness", 1)));
    to.add("log-as-witness", "line-13-KeyKind", "The log's own key as a witness.", as_witness.into_bytes());
    let signer = text.lines().find(|line| line.starts_with("signer ")).expect("a signer line");
    let twice = text.replace(signer, &format!("{signer}\n{}", signer.replacen("release", "again", 1)));
    to.add("key-twice", "line-6-Twice", "One key under two names.", twice.into_bytes());
}

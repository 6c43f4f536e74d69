//! Containers, headers, capsules, indexes and records in postcard.

use agent_machine::Record;
use delta_bundle::blake3_parts;
use delta_format::capsule::{Capsule, LogHead};
use delta_format::container::{BundleLayout, Kind, PREFIX_BYTES, Prefix, encode_prefix};
use delta_format::header::BundleHeader;
use delta_format::limits::{CAPSULE_BYTES_MAX, HEADER_BYTES_MAX};
use delta_format::rollback::RollbackAttestation;
use delta_format::{channel, journal, statement};
use delta_verify::{Class, Known, Refusal, TrustRoot, verify_bundle, verify_channel, verify_rollback};
use std::sync::OnceLock;

fn trust() -> &'static TrustRoot {
    static TRUST: OnceLock<TrustRoot> = OnceLock::new();
    TRUST.get_or_init(tests_golden::site::trust)
}

const KNOWN: Known<'static> = Known { heads: &[], time_floor: 0 };

fn is_verification(refusal: Refusal) {
    assert_eq!(refusal.class(), Class::Verification, "{refusal:?}");
}

/// Any bytes as a bundle.
pub fn bundle(bytes: &[u8]) {
    match verify_bundle(bytes, trust(), &KNOWN, None) {
        Ok(verified) => {
            let prefix = Prefix::decode(bytes, Kind::Bundle).expect("it was decoded before");
            let layout = BundleLayout::new(&prefix, &verified);
            assert!(layout.file_bytes >= layout.payload_at && layout.file_bytes < 1 << 50);
            let head = LogHead { root: [1; 32].into(), ..verified.log_head().expect("a bundle is logged") };
            let forked = verify_bundle(bytes, trust(), &Known { heads: &[head], time_floor: 0 }, None);
            assert!(forked.is_err(), "another root of the same size is a fork");
        }
        Err(refusal) => is_verification(refusal),
    }
}

/// Body and capsule of a file, sealed again with a right checksum: so that mutations reach what stands behind it.
fn sealed(kind: Kind, bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.get(PREFIX_BYTES..)?;
    let written = u32::from_le_bytes(bytes[8..12].try_into().ok()?) as usize;
    let (body, capsule) = rest.split_at(written.min(rest.len()));
    let announced = u32::from_le_bytes(bytes[12..16].try_into().ok()?) as usize;
    let capsule = &capsule[..announced.min(capsule.len())];
    let prefix = encode_prefix(kind, body, capsule, blake3_parts).ok()?;
    Some([&prefix[..], body, capsule].concat())
}

/// A bundle behind its checksum.
pub fn bundle_sealed(bytes: &[u8]) {
    sealed(Kind::Bundle, bytes).iter().for_each(|file| bundle(file));
}

/// A rollback attestation behind its checksum.
pub fn rollback_sealed(bytes: &[u8]) {
    if let Some(file) = sealed(Kind::Rollback, bytes) {
        if let Err(refusal) = verify_rollback(&file, trust(), &KNOWN, None) {
            is_verification(refusal);
        }
        let body = &file[PREFIX_BYTES..];
        if let Ok(attestation) = RollbackAttestation::decode(body) {
            let mut out = [0; HEADER_BYTES_MAX];
            assert_eq!(attestation.encode(&mut out).expect("it was decoded"), body);
            let text = statement::of_rollback(&attestation).expect("the longest fits");
            serde_json::from_slice::<serde_json::Value>(&text).expect("JSON");
        }
    }
}

/// A channel index behind its checksum.
pub fn channel_sealed(bytes: &[u8]) {
    if let Some(file) = sealed(Kind::Channel, bytes) {
        match verify_channel(&file, trust()) {
            Ok(verified) => assert_eq!(verified.entries().count() as u32, verified.head().entries),
            Err(refusal) => is_verification(refusal),
        }
        if let Ok((head, entries)) = channel::decode(&file[PREFIX_BYTES..]) {
            let most = head.entries as usize + 1;
            assert!(entries.take(most + 1).count() <= most, "entries end");
        }
    }
}

/// Any bytes as a header: what is accepted has one spelling and a statement.
pub fn header(bytes: &[u8]) {
    // Vectors are whole files; their header stands behind the prefix.
    let body = match Prefix::decode(bytes, Kind::Bundle) {
        Ok(prefix) => bytes.get(PREFIX_BYTES..PREFIX_BYTES + prefix.body_bytes).unwrap_or(bytes),
        Err(_) => bytes,
    };
    let Ok(header) = BundleHeader::decode(body) else { return };
    let mut out = [0; HEADER_BYTES_MAX];
    assert_eq!(header.encode(&mut out).expect("it was decoded"), body);
    let text = statement::of_bundle(&header).expect("the longest header fits");
    serde_json::from_slice::<serde_json::Value>(&text).expect("JSON");
    assert!(header.segments() <= 1 << 32 && header.base_map_bytes() <= 512 * 32);
}

/// Any bytes as a capsule: what is accepted has one spelling.
pub fn capsule(bytes: &[u8]) {
    let Ok(capsule) = Capsule::decode(bytes) else { return };
    let mut out = [0; CAPSULE_BYTES_MAX];
    assert_eq!(capsule.encode(&mut out).expect("it was decoded"), bytes);
}

/// Any bytes as a copy of a journal, and as the record inside.
pub fn journal(bytes: &[u8]) {
    if let Ok((_, body)) = journal::open(bytes, blake3_parts) {
        assert!(body.len() <= journal::BODY_BYTES_MAX);
    }
    let body = bytes.get(journal::FRAME_BYTES..).unwrap_or(bytes);
    let end = body.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for body in [body, &body[..end]] {
        if let Ok(record) = Record::decode(body) {
            let mut out = [0; journal::BODY_BYTES_MAX];
            assert_eq!(record.encode(&mut out).expect("it was decoded"), body);
        }
    }
}

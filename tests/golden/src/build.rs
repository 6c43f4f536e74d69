//! Bundles of the vectors: made by the product's own writer, or by hand around a payload that it would never write.

use crate::images;
use crate::parts::Parts;
use crate::site::{RELEASE, Site, key, name};
use delta_attest::{SecretKey, SignedStatement, file};
use delta_bundle::{Facts, Profile, draft};
use delta_format::Blake3;
use delta_format::container::Kind;
use delta_format::header::{BundleHeader, Coding, DeviceLimits, ManifestId, PayloadId};
use delta_format::ops::{RecordKind, RecordTag, VARINT_BYTES_MAX, write_varint};
use delta_ingest::Artifact;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

/// What every vector says about its target: product `gateway`, hardware `board-a` and `board-b`, version 2.1.
pub fn facts() -> Facts {
    Facts {
        product: name("gateway"),
        hardware: vec![name("board-b"), name("board-a")],
        version: "2.1".parse().expect("a version"),
        expires: None,
        segment_log2: 16,
        profile: Profile::Default,
    }
}

/// A bundle by the product's own writer, signed by `seeds`, logged in `site`.
pub fn bundle(base: &[u8], target: &[u8], facts: &Facts, seeds: &[u8], site: &Site) -> (Vec<u8>, Vec<u8>) {
    let folder = site.folder();
    let artifact = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        Artifact::open(&path).expect("opened")
    };
    let (base, target) = (artifact("base", base), artifact("target", target));
    let draft = draft(&base, &target, facts, folder, &|_, _, _| (), &AtomicBool::new(false)).expect("a bundle");
    let keys: Vec<SecretKey> = seeds.iter().map(|&seed| key(seed)).collect();
    let signed = SignedStatement::of_bundle(&draft.header, &keys.iter().collect::<Vec<_>>()).expect("signed");
    let capsule = site.capsule(&signed);
    let (path, manifest) = (folder.join("bundle"), draft.manifest_json.clone());
    draft.write(&capsule, &path).expect("written");
    (std::fs::read(&path).expect("read"), manifest)
}

/// The full image of [`images::full_target`], signed by the release key.
pub fn full() -> Vec<u8> {
    bundle(&[], &images::full_target(), &facts(), &[RELEASE], &Site::default()).0
}

/// The delta to [`images::patch_target`], signed by the release key.
pub fn patch() -> Vec<u8> {
    bundle(&images::base(), &images::patch_target(), &facts(), &[RELEASE], &Site::default()).0
}

/// Signs and logs a header and puts it in front of the other parts.
pub fn sign(header: &BundleHeader, rest: [Vec<u8>; 4], seeds: &[u8]) -> Parts {
    sign_in(&Site::default(), header, rest, seeds)
}

/// As [`sign`], in a given log.
pub fn sign_in(site: &Site, header: &BundleHeader, rest: [Vec<u8>; 4], seeds: &[u8]) -> Parts {
    let keys: Vec<SecretKey> = seeds.iter().map(|&seed| key(seed)).collect();
    let signed = SignedStatement::of_bundle(header, &keys.iter().collect::<Vec<_>>()).expect("signed");
    let head = file::bundle_head(header, &site.capsule(&signed)).expect("a head");
    let head = Parts::of_head(&head);
    Parts { rest, ..head }
}

impl Parts {
    fn of_head(head: &[u8]) -> Self {
        use delta_format::container::Prefix;
        let prefix = Prefix::decode(head, Kind::Bundle).expect("a prefix");
        let (body, capsule) = prefix.split(head, delta_bundle::blake3_parts).expect("a head");
        Self { kind: Kind::Bundle, body: body.to_vec(), capsule: capsule.to_vec(), rest: Default::default() }
    }
}

/// What [`around_payload`] asks of a device: frames and streams, and nothing unpacked.
pub const LIMITS: DeviceLimits =
    DeviceLimits { memory_bytes: 0, segment_log2: 16, ops_max: 16, window_log2: 20, table_log2: 16, scratch_bytes: 0 };

/// A bundle from the base to a target of `target_bytes` bytes (the start of the base), around any payload of one group.
/// Everything about it is right and signed, but for the payload itself.
pub fn around_payload(target_bytes: usize, payload: Vec<u8>, change: impl FnOnce(&mut BundleHeader)) -> Vec<u8> {
    let base = images::base();
    let target = delta_ingest::digest(&base[..target_bytes], |_| ());
    let made = Parts::of(Kind::Bundle, &PATCH);
    let mut header = BundleHeader::decode(&made.body).expect("a header");
    let manifest = zstd::bulk::compress(b"{}", 1).expect("compressed");
    let sha256 = |bytes: &[u8]| delta_verify::sha256_of_parts(&[bytes]);
    header.target = target;
    header.payload = PayloadId {
        length: payload.len() as u64,
        root: Blake3::new(*blake3::hash(&payload).as_bytes()),
        coding: Coding::CopyAdd,
    };
    header.manifest = ManifestId {
        length: 2,
        sha256: sha256(b"{}"),
        stored_length: manifest.len() as u64,
        stored_sha256: sha256(&manifest),
    };
    header.limits = LIMITS;
    declare_memory(&mut header);
    change(&mut header);
    let base_map = made.rest[crate::parts::BASE_MAP].clone();
    sign(&header, [Vec::new(), payload, base_map, manifest], &[RELEASE]).seal()
}

/// Where the header and the base map of [`around_payload`] come from.
static PATCH: LazyLock<Vec<u8>> = LazyLock::new(patch);

/// Declares the memory that the header's limits need.
pub fn declare_memory(header: &mut BundleHeader) {
    header.limits.memory_bytes = delta_apply::memory_bytes(&header.limits, &header.payload) as u32;
}

/// A varint as the formats spell it.
pub fn varint(value: u64) -> Vec<u8> {
    let mut out = [0; VARINT_BYTES_MAX];
    let used = write_varint(value, &mut out);
    out[..used].to_vec()
}

/// The record of the only segment of a target: its fields (count, lengths, offsets) and literals in one frame.
pub fn only_segment(fields: &[u64], literals: &[u8]) -> Vec<u8> {
    let plain: Vec<u8> = fields.iter().flat_map(|&field| varint(field)).chain(literals.iter().copied()).collect();
    record(&frame(&plain))
}

/// One Zstandard frame.
pub fn frame(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 1).expect("compressed")
}

/// A frame as the record of the only segment, which has no digest.
pub fn record(frame: &[u8]) -> Vec<u8> {
    coded(RecordKind::Frame, 1, frame)
}

/// A coded record that makes the whole target, and so has no digest.
pub fn coded(kind: RecordKind, segments: u64, bytes: &[u8]) -> Vec<u8> {
    [tag(kind, segments), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// The tag of a record.
pub fn tag(kind: RecordKind, segments: u64) -> Vec<u8> {
    varint(RecordTag { kind, segments }.to_varint())
}

/// The length field of a COPY.
pub fn copy(length: u64) -> u64 {
    length << 1
}

/// The length field of an ADD.
pub fn add(length: u64) -> u64 {
    length << 1 | 1
}

/// A step between diagonals, as it is sent.
pub fn step(diagonals: i64) -> u64 {
    ((diagonals << 1) ^ (diagonals >> 63)) as u64
}

//! A small fleet for tests: keys from fixed seeds, a log that is a list of leaf hashes, and files whose every part can be
//! changed before they are sealed. The Merkle tree here is the naive one of RFC 6962, written again on purpose.

use delta_format::capsule::*;
use delta_format::channel::{CHANNEL_FORMAT, ChannelEntry, ChannelHead, ImageDigest};
use delta_format::container::{Kind, encode_prefix};
use delta_format::header::*;
use delta_format::limits::{CAPSULE_BYTES_MAX, HEADER_BYTES_MAX};
use delta_format::rollback::{ROLLBACK_FORMAT, Release, RollbackAttestation};
use delta_format::{Name, NoteKeyId, Sha256, Signature, statement, wire};
use delta_verify::ed25519::PublicKey;
use delta_verify::note::{NoteKey, NoteKeyKind};
use delta_verify::{
    TileError, TileReader, TrustRoot, blake3_of_parts, checkpoint, cosignature, envelope, sha256_of_parts,
};
use ed25519_dalek::{Signer, SigningKey};
use std::collections::BTreeMap;

/// A secret key from a one-byte seed.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(key.verifying_key().to_bytes()).unwrap()
}

pub fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature::new(key.sign(message).to_bytes())
}

pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    delta_verify::note::write_base64(&mut text, bytes).unwrap();
    text
}

pub const ALICE: u8 = 1;
pub const BOB: u8 = 2;
pub const CAROL: u8 = 3;
pub const STRANGER: u8 = 9;
pub const LOG: u8 = 10;
pub const OTHER_LOG: u8 = 11;
pub const WITNESSES: [u8; 3] = [20, 21, 22];

/// The time of the first cosignature; the others are 10 and 20 seconds later.
pub const TIME: u64 = 1_800_000_000;

pub fn log_key(seed: u8) -> NoteKey {
    let origin = format!("log{seed}.example/updates").parse().unwrap();
    NoteKey::new(origin, NoteKeyKind::Log, public(&key(seed)))
}

pub fn witness_key(seed: u8) -> NoteKey {
    let name = format!("witness{seed}.example").parse().unwrap();
    NoteKey::new(name, NoteKeyKind::Witness, public(&key(seed)))
}

pub fn spki(seed: u8) -> String {
    base64(&public(&key(seed)).to_spki())
}

/// Alice and Bob sign releases (one is enough), Bob and Carol sign rollbacks, two of three witnesses.
pub fn trust_text(threshold: u8) -> String {
    let witnesses: String = WITNESSES.iter().map(|&seed| format!("witness {}\n", witness_key(seed))).collect();
    format!(
        "stella-trust v1\nname test-fleet\nversion 1\n\nsigner alice {}\nsigner bob {}\nthreshold signer {threshold}\n\
         rollback bob {}\nrollback carol {}\nthreshold rollback 1\n\nlog {}\n{witnesses}quorum 2\n",
        spki(ALICE),
        spki(BOB),
        spki(BOB),
        spki(CAROL),
        log_key(LOG),
    )
}

pub fn trust() -> TrustRoot {
    TrustRoot::parse(&trust_text(1)).unwrap()
}

pub fn image(tag: u8) -> ImageId {
    ImageId { length: 1000 + u64::from(tag), blake3: [tag; 32].into(), sha256: [tag ^ 0xff; 32].into() }
}

pub fn digest(tag: u8) -> ImageDigest {
    let ImageId { length, blake3, .. } = image(tag);
    ImageDigest { length, blake3 }
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Version 2.1 for product `gate` on `board-a` and `board-b`, from image 1 to image 2.
pub fn header() -> BundleHeader {
    BundleHeader {
        format: HEADER_FORMAT,
        product: name("gate"),
        hardware: [name("board-a"), name("board-b")].into_iter().collect(),
        version: "2.1".parse().unwrap(),
        artifact_type: ArtifactType::Ext4,
        base: image(1),
        target: image(2),
        payload: PayloadId { length: 70_000, root: [7; 32].into(), coding: Coding::CopyAdd },
        manifest: ManifestId { length: 900, sha256: [8; 32].into(), stored_length: 400, stored_sha256: [9; 32].into() },
        limits: DeviceLimits {
            memory_bytes: 3 << 20,
            segment_log2: 22,
            ops_max: 1000,
            window_log2: 20,
            table_log2: 19,
            scratch_bytes: 70_000,
        },
        base_block_log2: 16,
        expires: None,
    }
}

/// From 2.1 (image 2) back to 2.0 (image 1), floor 2.0.
pub fn attestation() -> RollbackAttestation {
    let release = |version: &str, tag| Release { version: version.parse().unwrap(), image: image(tag) };
    RollbackAttestation {
        format: ROLLBACK_FORMAT,
        product: name("gate"),
        from: release("2.1", 2),
        to: release("2.0", 1),
        floor: "2.0".parse().unwrap(),
        reason: "the modem does not come up".parse().unwrap(),
        who: "carol".parse().unwrap(),
        expires: None,
    }
}

/// A body with its statement, ready to be signed.
pub struct Draft {
    pub kind: Kind,
    pub body: Vec<u8>,
    pub statement: Vec<u8>,
}

pub fn bundle_draft(header: &BundleHeader) -> Draft {
    Draft {
        kind: Kind::Bundle,
        body: header.encode(&mut [0; HEADER_BYTES_MAX]).unwrap().to_vec(),
        statement: statement::of_bundle(header).unwrap().to_vec(),
    }
}

pub fn rollback_draft(attestation: &RollbackAttestation) -> Draft {
    Draft {
        kind: Kind::Rollback,
        body: attestation.encode(&mut [0; HEADER_BYTES_MAX]).unwrap().to_vec(),
        statement: statement::of_rollback(attestation).unwrap().to_vec(),
    }
}

pub fn channel_draft(number: u64, entries: u32) -> Draft {
    let head = ChannelHead { format: CHANNEL_FORMAT, channel: name("stable"), number, entries };
    let mut body = wire::encode(&head, &mut [0; 256], "head").unwrap().to_vec();
    for index in 0..entries {
        let entry = ChannelEntry {
            file: format!("gate-{index}.stella").parse().unwrap(),
            product: name("gate"),
            hardware: [name("board-a")].into_iter().collect(),
            version: format!("2.{index}").parse().unwrap(),
            base: digest(1),
            target: digest(2),
            bundle_sha256: [5; 32].into(),
            bundle_bytes: 5000,
            fetch_bytes: 4000,
        };
        body.extend_from_slice(wire::encode(&entry, &mut [0; 1024], "entry").unwrap());
    }
    let statement = statement::of_channel(&head.channel, number, sha256_of_parts(&[&body])).unwrap();
    Draft { kind: Kind::Channel, statement: statement.to_vec(), body }
}

impl Draft {
    pub fn signature(&self, seed: u8) -> EnvelopeSignature {
        EnvelopeSignature {
            key: envelope::key_hint(&public(&key(seed)).id()),
            signature: sign(&key(seed), &envelope::pae(&self.statement).unwrap()),
        }
    }

    /// The leaf hash of the envelope with these signers, in this order.
    pub fn leaf(&self, seeds: &[u8]) -> Sha256 {
        let ids: Vec<Sha256> = seeds.iter().map(|&seed| public(&key(seed)).id()).collect();
        let signatures: Vec<Signature> = seeds.iter().map(|&seed| self.signature(seed).signature).collect();
        envelope::leaf_hash(&self.statement, ids.iter().zip(&signatures))
    }

    /// Logged in `log` as entry `index`, under the head of `size` entries.
    pub fn capsule(&self, seeds: &[u8], log: &TestLog, index: u64, size: u64) -> Capsule {
        assert_eq!(log.leaves[index as usize], self.leaf(seeds), "the log was made for this envelope");
        Capsule {
            format: CAPSULE_FORMAT,
            signatures: seeds.iter().map(|&seed| self.signature(seed)).collect(),
            log: Some(LogProof {
                leaf_index: index,
                inclusion: naive::inclusion(index as usize, &log.leaves[..size as usize]).into_iter().collect(),
                checkpoint: log.checkpoint(size),
                consistency: heapless::Vec::new(),
            }),
        }
    }

    pub fn seal(&self, capsule: &Capsule) -> Vec<u8> {
        let mut buffer = [0; CAPSULE_BYTES_MAX];
        seal_parts(self.kind, &self.body, capsule.encode(&mut buffer).unwrap())
    }
}

/// A file with a right checksum around any body and capsule bytes.
pub fn seal_parts(kind: Kind, body: &[u8], capsule: &[u8]) -> Vec<u8> {
    let prefix = encode_prefix(kind, body, capsule, blake3_of_parts).unwrap();
    [&prefix, body, capsule].concat()
}

/// A log as a list of leaf hashes, with its own key.
#[derive(Clone)]
pub struct TestLog {
    pub seed: u8,
    pub leaves: Vec<Sha256>,
}

impl TestLog {
    /// `before` other entries, the given leaf, `after` other entries.
    pub fn with(before: u64, leaf: Sha256, after: u64) -> Self {
        let other = |number: u64| delta_verify::merkle::leaf_hash(&number.to_be_bytes());
        let leaves = (0..before).map(other).chain([leaf]).chain((0..after).map(|n| other(before + 1 + n)));
        Self { seed: LOG, leaves: leaves.collect() }
    }

    pub fn root(&self, size: u64) -> Sha256 {
        naive::root(&self.leaves[..size as usize])
    }

    pub fn head(&self, size: u64) -> LogHead {
        LogHead { log: log_key(self.seed).id(), tree_size: size, root: self.root(size) }
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        signed_checkpoint(self.seed, size, self.root(size))
    }

    pub fn consistency(&self, old_size: u64, size: u64) -> ConsistencyProof {
        let hashes = naive::consistency(old_size as usize, &self.leaves[..size as usize]);
        ConsistencyProof { old_size, hashes: hashes.into_iter().collect() }
    }

    /// Every tile that a log of this size has published, full and partial.
    pub fn tiles(&self, size: u64) -> MapTiles {
        let mut files = BTreeMap::new();
        let mut level = 0;
        let mut row = self.leaves[..size as usize].to_vec();
        while !row.is_empty() {
            for (index, tile) in row.chunks(256).enumerate() {
                let path = delta_verify::tile::tile_path(level, index as u64, tile.len() as u64);
                files.insert(path.to_string(), tile.iter().flat_map(|hash| *hash.as_bytes()).collect());
            }
            row = row.chunks_exact(256).map(naive::root).collect();
            level += 1;
        }
        MapTiles { files, reads: 0 }
    }
}

/// A head signed by a log key and cosigned by all three witnesses.
pub fn signed_checkpoint(seed: u8, size: u64, root: Sha256) -> Checkpoint {
    let body = checkpoint::body(log_key(seed).name(), size, &root);
    Checkpoint {
        log: log_key(seed).id(),
        tree_size: size,
        root,
        signature: sign(&key(seed), body.as_bytes()),
        cosignatures: (0..).zip(WITNESSES).map(|(place, witness)| cosign(witness, TIME + 10 * place, &body)).collect(),
    }
}

pub fn cosign(seed: u8, timestamp: u64, body: &checkpoint::Body) -> Cosignature {
    Cosignature {
        witness: witness_key(seed).id(),
        timestamp,
        signature: sign(&key(seed), cosignature::message(timestamp, body).as_bytes()),
    }
}

/// Tiles in memory.
#[derive(Clone, Debug, Default)]
pub struct MapTiles {
    pub files: BTreeMap<String, Vec<u8>>,
    pub reads: usize,
}

impl TileReader for MapTiles {
    fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, TileError> {
        self.reads += 1;
        let bytes = self.files.get(path).ok_or(TileError::Absent)?;
        let out = out.get_mut(..bytes.len()).ok_or(TileError::Unreadable)?;
        out.copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

/// A bundle that verifies: entry 5 of 8, signed by Alice.
pub fn good_bundle() -> (Draft, TestLog, Capsule) {
    bundle_in_log(&header(), &[ALICE])
}

pub fn bundle_in_log(header: &BundleHeader, seeds: &[u8]) -> (Draft, TestLog, Capsule) {
    let draft = bundle_draft(header);
    let log = TestLog::with(5, draft.leaf(seeds), 2);
    let capsule = draft.capsule(seeds, &log, 5, 8);
    (draft, log, capsule)
}

pub fn rollback_in_log(attestation: &RollbackAttestation, seeds: &[u8]) -> (Draft, TestLog, Capsule) {
    let draft = rollback_draft(attestation);
    let log = TestLog::with(2, draft.leaf(seeds), 0);
    let capsule = draft.capsule(seeds, &log, 2, 3);
    (draft, log, capsule)
}

pub fn unknown_id() -> NoteKeyId {
    NoteKeyId::new([1, 2, 3, 4])
}

/// RFC 6962 section 2.1 by its recursive definitions.
pub mod naive {
    use delta_format::Sha256;
    use delta_verify::sha256_of_parts;

    fn split(leaves: usize) -> usize {
        let mut power = 1;
        while power * 2 < leaves {
            power *= 2;
        }
        power
    }

    pub fn root(leaves: &[Sha256]) -> Sha256 {
        match leaves {
            [] => sha256_of_parts(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                sha256_of_parts(&[&[1], root(left).as_bytes(), root(right).as_bytes()])
            }
        }
    }

    pub fn inclusion(index: usize, leaves: &[Sha256]) -> Vec<Sha256> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut proof, sibling) = if index < left.len() {
            (inclusion(index, left), root(right))
        } else {
            (inclusion(index - left.len(), right), root(left))
        };
        proof.push(sibling);
        proof
    }

    pub fn consistency(old: usize, leaves: &[Sha256]) -> Vec<Sha256> {
        subproof(old, leaves, true)
    }

    fn subproof(old: usize, leaves: &[Sha256], known: bool) -> Vec<Sha256> {
        if old == leaves.len() {
            return if known { Vec::new() } else { vec![root(leaves)] };
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut proof, sibling) = if old <= left.len() {
            (subproof(old, left, known), root(right))
        } else {
            (subproof(old - left.len(), right, false), root(left))
        };
        proof.push(sibling);
        proof
    }
}

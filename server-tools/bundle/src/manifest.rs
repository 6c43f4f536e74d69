//! `delta-manifest.json`: what a reviewer reads of a delta. `docs/formats/manifest.md`.
//!
//! Canonical JSON (RFC 8785): fields are declared here in the order of their keys, numbers are integers below 2^53 and
//! texts are what serde_json escapes the same way, so plain serialization is canonical; a test compares. A field that is
//! not computed carries the reason, never an invented value.

use crate::entropy::Histogram;
use crate::functions::{FunctionImpact, Functions, FunctionsChanged};
use crate::spent::Spent;
use delta_format::header::{BundleHeader, ImageId};
use delta_format::ops::Op;
use delta_scanner::{CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Scan, Stats};
use serde::{Deserialize, Serialize};

/// The format that this program writes and reads.
pub const MANIFEST_FORMAT: &str = "stella-delta-manifest/1";

/// The reviewer's manifest of one delta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaManifest {
    /// What the target is, by content.
    pub artifact_type: String,
    /// What proves the delta, and other attestations that came with it.
    pub attestations: Vec<AttestationRef>,
    /// The base.
    pub base_digest: Digests,
    /// Chunks of the target that the base does not hold.
    pub changed_chunks: Vec<ChangedChunk>,
    /// How chunks were cut, and the Merkle DAGs over them.
    pub chunking: Chunking,
    /// [`MANIFEST_FORMAT`].
    pub format: String,
    /// Functions added, removed and modified.
    pub functions_changed: Computed<FunctionsChanged>,
    /// Hardware that may run the target.
    pub hardware: Vec<String>,
    /// Dependencies added, removed and changed.
    pub materials_delta: Computed<serde_json::Value>,
    /// The operations, in target order.
    pub ops: Vec<OpRecord>,
    /// The payload that carries the operations.
    pub payload: PayloadRecord,
    /// The product line.
    pub product: String,
    /// What a risk score is computed from.
    pub score_inputs: ScoreInputs,
    /// The target.
    pub target_digest: Digests,
    /// The version of the target.
    pub version: String,
}

/// A value, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Computed<T> {
    /// Not computed, for this reason.
    NotComputed(String),
    /// The value.
    Value(T),
}

/// An attestation, by reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationRef {
    /// Where it is: `capsule` in this bundle.
    pub location: String,
    /// Its in-toto predicate type.
    pub predicate_type: String,
}

/// Length and digests of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// BLAKE3, hexadecimal.
    pub blake3: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl From<&ImageId> for Digests {
    fn from(id: &ImageId) -> Self {
        Self { blake3: id.blake3.to_string(), length: id.length, sha256: id.sha256.to_string() }
    }
}

/// A chunk of the target that the base does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedChunk {
    /// SHA-256 of its bytes, hexadecimal.
    pub id: String,
    /// Bytes.
    pub length: u64,
    /// Where it starts in the target.
    pub offset: u64,
}

/// How chunks were cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunking {
    /// `fastcdc-2020`.
    pub algorithm: String,
    /// Average bytes of a chunk.
    pub average_bytes: u64,
    /// Chunks of the base.
    pub base_chunks: u64,
    /// Root of the Merkle DAG over the base's chunks, hexadecimal.
    pub base_root: String,
    /// Largest chunk.
    pub max_bytes: u64,
    /// Smallest chunk but the last.
    pub min_bytes: u64,
    /// Chunks of the target.
    pub target_chunks: u64,
    /// Root of the Merkle DAG over the target's chunks, hexadecimal.
    pub target_root: String,
}

/// One operation, as a short array: an image has hundreds of thousands of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OpRecord {
    /// `["COPY", base_offset, length]`: take bytes of the base.
    Copy(CopyTag, u64, u64),
    /// `["ADD", length]`: take new bytes.
    Add(AddTag, u64),
}

/// The word `COPY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyTag {
    /// The only value.
    #[serde(rename = "COPY")]
    Copy,
}

/// The word `ADD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddTag {
    /// The only value.
    #[serde(rename = "ADD")]
    Add,
}

impl From<&Op> for OpRecord {
    fn from(op: &Op) -> Self {
        match *op {
            Op::Copy { base_offset, length } => Self::Copy(CopyTag::Copy, base_offset, length),
            Op::Add { length } => Self::Add(AddTag::Add, length),
        }
    }
}

/// The payload, as the header has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadRecord {
    /// Root hash, hexadecimal.
    pub blake3: String,
    /// Coding of segments.
    pub coding: String,
    /// Bytes.
    pub length: u64,
    /// Where they go.
    pub spent: SpentRecord,
}

/// Where the bytes of a payload go: names and bytes, the most first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpentRecord {
    /// By what they say.
    pub kinds: Vec<(String, u64)>,
    /// By the section of the target's executables that they make.
    pub sections: Vec<(String, u64)>,
}

/// What a risk score is computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreInputs {
    /// Validity of the signing keys.
    pub attestation_validity: Computed<serde_json::Value>,
    /// Dependencies.
    pub deps: Computed<serde_json::Value>,
    /// New bytes against copied ones.
    pub entropy: Computed<Entropy>,
    /// Changed functions by criticality.
    pub fn_impact: Computed<FunctionImpact>,
    /// Provenance of the target.
    pub provenance: Computed<serde_json::Value>,
}

/// New bytes against copied ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entropy {
    /// Bytes of the target that are new.
    pub added_bytes: u64,
    /// Bytes of the target that come from the base.
    pub copied_bytes: u64,
    /// Order-0 entropy of the new bytes in thousandths of a bit for each byte.
    pub millibits_per_added_byte: u64,
}

impl DeltaManifest {
    /// The manifest of a scan, its operations and their coding. `header` has everything but the manifest's own digest.
    pub(crate) fn new(
        header: &BundleHeader,
        scan: &Scan,
        (ops, spent, functions): (&[Op], &Spent, Option<Functions>),
        target: &[u8],
        predicate_type: &str,
    ) -> Self {
        let stats = Stats::of(ops);
        let mut added = Histogram::default();
        let mut at = 0;
        for op in ops {
            let end = at + op.length() as usize;
            if matches!(op, Op::Add { .. }) {
                added.add(&target[at..end]);
            }
            at = end;
        }
        let missing = missing_of::<serde_json::Value>;
        let full = "a full image has no base to compare with";
        let (functions_changed, fn_impact) = match functions {
            None => (missing_of(full), missing_of(full)),
            Some(Functions { changed, impact }) => {
                (Computed::Value(changed), impact.map_or_else(Computed::NotComputed, Computed::Value))
            }
        };
        let no_materials = "this version of the tools does not read the materials of an artifact";
        Self {
            artifact_type: header.artifact_type.name().to_owned(),
            attestations: vec![AttestationRef {
                location: "capsule".to_owned(),
                predicate_type: predicate_type.to_owned(),
            }],
            base_digest: (&header.base).into(),
            changed_chunks: (scan.changed_chunks.iter())
                .map(|chunk| ChangedChunk { id: hex(&chunk.id), length: chunk.length.into(), offset: chunk.offset })
                .collect(),
            chunking: Chunking {
                algorithm: "fastcdc-2020".to_owned(),
                average_bytes: CHUNK_BYTES_AVERAGE as u64,
                base_chunks: scan.base_chunks.len() as u64,
                base_root: hex(&scan.base_dag_root),
                max_bytes: CHUNK_BYTES_MAX as u64,
                min_bytes: CHUNK_BYTES_MIN as u64,
                target_chunks: scan.target_chunks.len() as u64,
                target_root: hex(&scan.target_dag_root),
            },
            format: MANIFEST_FORMAT.to_owned(),
            functions_changed,
            hardware: header.hardware.iter().map(ToString::to_string).collect(),
            materials_delta: missing(no_materials),
            ops: ops.iter().map(OpRecord::from).collect(),
            payload: PayloadRecord {
                blake3: header.payload.root.to_string(),
                coding: header.payload.coding.name().to_owned(),
                length: header.payload.length,
                spent: SpentRecord { kinds: spent.by_kind(), sections: spent.by_section() },
            },
            product: header.product.to_string(),
            score_inputs: ScoreInputs {
                attestation_validity: missing("judged where the bundle is verified, against the trust root there"),
                deps: missing(no_materials),
                entropy: Computed::Value(Entropy {
                    added_bytes: stats.add_bytes,
                    copied_bytes: stats.copy_bytes,
                    millibits_per_added_byte: added.millibits_per_byte(),
                }),
                fn_impact,
                provenance: missing("no provenance attestation came with the target"),
            },
            target_digest: (&header.target).into(),
            version: header.version.to_string(),
        }
    }

    /// The canonical JSON text.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest has no map with other keys than texts")
    }
}

fn missing_of<T>(reason: &str) -> Computed<T> {
    Computed::NotComputed(reason.to_owned())
}

fn hex(bytes: &[u8; 32]) -> String {
    delta_format::Sha256::new(*bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields are declared in the order of their keys: serializing through a sorted map gives the same bytes.
    #[test]
    fn serialization_is_canonical() {
        let digests = Digests { blake3: "00".repeat(32), length: 1 << 40, sha256: "ff".repeat(32) };
        let manifest = DeltaManifest {
            artifact_type: "ext4".to_owned(),
            attestations: vec![AttestationRef { location: "capsule".to_owned(), predicate_type: "x".to_owned() }],
            base_digest: digests.clone(),
            changed_chunks: vec![ChangedChunk { id: "ab".repeat(32), length: 5, offset: 7 }],
            chunking: Chunking {
                algorithm: "fastcdc-2020".to_owned(),
                average_bytes: 1,
                base_chunks: 2,
                base_root: String::new(),
                max_bytes: 3,
                min_bytes: 4,
                target_chunks: 5,
                target_root: String::new(),
            },
            format: MANIFEST_FORMAT.to_owned(),
            functions_changed: Computed::NotComputed("why".to_owned()),
            hardware: vec!["a".to_owned()],
            materials_delta: Computed::Value(serde_json::json!({"b": 1, "a": 2})),
            ops: vec![(&Op::Copy { base_offset: 3, length: 4 }).into(), (&Op::Add { length: 9 }).into()],
            payload: PayloadRecord {
                blake3: String::new(),
                coding: "c".to_owned(),
                length: 8,
                spent: SpentRecord { kinds: vec![("new bytes".to_owned(), 7)], sections: Vec::new() },
            },
            product: "p".to_owned(),
            score_inputs: ScoreInputs {
                attestation_validity: Computed::NotComputed("a".to_owned()),
                deps: Computed::NotComputed("b".to_owned()),
                entropy: Computed::Value(Entropy { added_bytes: 1, copied_bytes: 2, millibits_per_added_byte: 3 }),
                fn_impact: Computed::NotComputed("d".to_owned()),
                provenance: Computed::NotComputed("e".to_owned()),
            },
            target_digest: digests,
            version: "1.2".to_owned(),
        };
        let json = manifest.to_canonical_json();
        let sorted: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
        assert_eq!(String::from_utf8(json.clone()).expect("UTF-8"), sorted.to_string());
        let again: DeltaManifest = serde_json::from_slice(&json).expect("it reads back");
        assert_eq!(again, manifest);
    }
}

//! Everything that proves a statement, small enough for any device. `docs/formats/capsule.md`.
//!
//! A capsule holds what the DSSE envelope, the log and the witnesses said, with keys by reference into the pinned
//! trust root. The statement itself is not in it: it is rendered from the body of the file.

use crate::limits::*;
use crate::{FormatError, KeyHint, NoteKeyId, Sha256, Signature, wire};
use serde::{Deserialize, Serialize};

/// The capsule version that this program writes and reads.
pub const CAPSULE_FORMAT: u8 = 1;

/// Signatures over a statement, and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capsule {
    /// [`CAPSULE_FORMAT`].
    pub format: u8,
    /// The signatures of the DSSE envelope, in its order.
    pub signatures: heapless::Vec<EnvelopeSignature, SIGNATURES_MAX>,
    /// Where the envelope stands in the transparency log. A channel index is not logged and has none.
    pub log: Option<LogProof>,
}

/// One signature of the envelope, Ed25519 over the DSSE pre-authentication encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// Names the key in the trust root.
    pub key: KeyHint,
    /// The signature.
    pub signature: Signature,
}

/// A C2SP tlog-proof, in binary, plus the proofs that connect it to older heads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogProof {
    /// The place of the entry in the log, from 0.
    pub leaf_index: u64,
    /// The inclusion proof, RFC 6962 section 2.1.1 order.
    pub inclusion: Proof,
    /// The log head that includes the entry.
    pub checkpoint: Checkpoint,
    /// Proofs that this head continues heads that devices may know.
    pub consistency: heapless::Vec<ConsistencyProof, CONSISTENCY_PROOFS_MAX>,
}

/// Hashes of a Merkle proof.
pub type Proof = heapless::Vec<Sha256, PROOF_HASHES_MAX>;

/// A signed head of the log: C2SP tlog-checkpoint without extension lines, with its cosignatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Names the log key in the trust root, which also knows the origin.
    pub log: NoteKeyId,
    /// Entries in the log.
    pub tree_size: u64,
    /// The RFC 6962 root over them.
    pub root: Sha256,
    /// The log's Ed25519 note signature.
    pub signature: Signature,
    /// What witnesses said of this head.
    pub cosignatures: heapless::Vec<Cosignature, COSIGNATURES_MAX>,
}

/// A head of a log, as a device keeps it: the newest that it verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// Names the log key.
    pub log: NoteKeyId,
    /// Entries.
    pub tree_size: u64,
    /// The RFC 6962 root over them.
    pub root: Sha256,
}

/// A witness's C2SP `cosignature/v1`: it saw this head, consistent with all heads it saw before, at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cosignature {
    /// Names the witness key in the trust root.
    pub witness: NoteKeyId,
    /// Unix seconds.
    pub timestamp: u64,
    /// Ed25519 over the cosigned message.
    pub signature: Signature,
}

/// Shows that the checkpoint's tree continues the tree of `old_size` entries (RFC 6962 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// Entries of the older tree, more than 0 and fewer than the checkpoint's.
    pub old_size: u64,
    /// The proof.
    pub hashes: Proof,
}

impl Capsule {
    /// Decodes and checks a capsule.
    ///
    /// # Errors
    /// [`FormatError`]; list lengths are bounded by their types.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.first() != Some(&CAPSULE_FORMAT) {
            return Err(if bytes.is_empty() { FormatError::Truncated } else { FormatError::UnknownVersion });
        }
        let capsule: Self = wire::decode(bytes, "capsule")?;
        if let Some(log) = &capsule.log {
            let head = &log.checkpoint;
            if head.tree_size > LOG_ENTRIES_MAX {
                return Err(FormatError::LimitExceeded("tree size"));
            }
            if log.leaf_index >= head.tree_size {
                return Err(FormatError::BadField("leaf index"));
            }
            if !log.consistency.iter().all(|proof| (1..head.tree_size).contains(&proof.old_size)) {
                return Err(FormatError::BadField("consistency proof"));
            }
        }
        Ok(capsule)
    }

    /// Encodes the capsule to the front of `out`.
    ///
    /// # Errors
    /// [`FormatError::LimitExceeded`] when `out` is too small.
    pub fn encode<'a>(&self, out: &'a mut [u8]) -> Result<&'a [u8], FormatError> {
        wire::encode(self, out, "capsule")
    }
}

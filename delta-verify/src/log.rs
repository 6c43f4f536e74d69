//! The log's part of a proof: inclusion, checkpoint, witnesses, and continuity with what the device saw before.
//!
//! In: the leaf hash, the log proof of a capsule, the kept heads, and maybe the log's tiles. Out: [`LogEvidence`]. At
//! most one log signature and [`COSIGNATURES_MAX`] cosignatures are verified.

use crate::evidence::{Continuity, LogEvidence, Witnessed};
use crate::merkle::{ProofError, verify_consistency, verify_inclusion};
use crate::refusal::Refusal;
use crate::tile::{Discontinuity, TileReader, verify_continuity};
use crate::trust::TrustRoot;
use crate::{checkpoint, cosignature};
use delta_format::capsule::{Cosignature, LogHead, LogProof};
use delta_format::limits::{COSIGNATURES_MAX, SIGNATURES_MAX};
use delta_format::{FormatError, Sha256};

/// Signatures that are verified for one file at most. The lists of a capsule hold no more, so there is no way to spend
/// more; 25 strict Ed25519 checks take a slow device a fraction of a second.
pub const SIGNATURE_CHECKS_MAX: usize = SIGNATURES_MAX + 1 + COSIGNATURES_MAX;

const _: () = assert!(SIGNATURE_CHECKS_MAX == 25, "docs/formats/capsule.md names this number");

/// What a device keeps between two updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known<'a> {
    /// The newest verified head of each log.
    pub heads: &'a [LogHead],
    /// The largest time that was proven, Unix seconds.
    pub time_floor: u64,
}

/// Verifies that the entry with the hash `leaf` is in a log of the trust root, under a head that a quorum of witnesses
/// saw and that continues the kept one.
pub(crate) fn verify(
    leaf: &Sha256,
    proof: &LogProof,
    trust: &TrustRoot,
    known: &Known<'_>,
    tiles: Option<&mut dyn TileReader>,
) -> Result<LogEvidence, Refusal> {
    let head = &proof.checkpoint;
    let log = trust.log(head.log).ok_or(Refusal::UnknownLog)?;
    verify_inclusion(leaf, proof.leaf_index, head.tree_size, &proof.inclusion, &head.root)
        .map_err(|_| Refusal::NotInLog)?;
    let body = checkpoint::body(log.name(), head.tree_size, &head.root);
    if !checkpoint::is_signed(&body, log, &head.signature) {
        return Err(Refusal::CheckpointInvalid);
    }
    let witnesses = verify_cosignatures(&body, &head.cosignatures, trust)?;
    let proven_time = quorum_time(&witnesses, trust.quorum())?;
    let checkpoint = LogHead { log: head.log, tree_size: head.tree_size, root: head.root };
    let kept = known.heads.iter().find(|kept| kept.log == head.log && kept.tree_size > 0);
    let continuity = match kept {
        None => Continuity::First,
        Some(kept) => verify_kept(kept, &checkpoint, proof, tiles)?,
    };
    Ok(LogEvidence {
        leaf: *leaf,
        leaf_index: proof.leaf_index,
        checkpoint,
        head: match kept {
            Some(kept) if kept.tree_size > checkpoint.tree_size => *kept,
            _ => checkpoint,
        },
        continuity,
        witnesses,
        proven_time,
        time_floor: proven_time.max(known.time_floor),
    })
}

/// Verifies every cosignature of a known witness; others do not count.
fn verify_cosignatures(
    body: &checkpoint::Body,
    cosignatures: &[Cosignature],
    trust: &TrustRoot,
) -> Result<heapless::Vec<Witnessed, COSIGNATURES_MAX>, Refusal> {
    let mut witnesses = heapless::Vec::<Witnessed, COSIGNATURES_MAX>::new();
    for (index, one) in cosignatures.iter().enumerate() {
        if cosignatures[..index].iter().any(|two| two.witness == one.witness) {
            return Err(Refusal::Malformed(FormatError::BadField("cosignatures")));
        }
        let Some(witness) = trust.witness(one.witness) else {
            continue;
        };
        if !cosignature::is_cosigned(body, witness, one.timestamp, &one.signature) {
            return Err(Refusal::CosignatureInvalid);
        }
        let (witness, timestamp) = (one.witness, one.timestamp);
        witnesses.push(Witnessed { witness, timestamp }).expect("as many as cosignatures at most");
    }
    Ok(witnesses)
}

/// The largest time that `quorum` witnesses vouch for: a smaller group cannot move the time of a device forward.
fn quorum_time(witnesses: &[Witnessed], quorum: u8) -> Result<u64, Refusal> {
    let mut times = heapless::Vec::<u64, COSIGNATURES_MAX>::new();
    times.extend(witnesses.iter().map(|witnessed| witnessed.timestamp));
    times.sort_unstable_by(|a, b| b.cmp(a));
    let last = usize::from(quorum).checked_sub(1).and_then(|last| times.get(last));
    last.copied().ok_or(Refusal::WitnessQuorum { valid: witnesses.len() as u8, needed: quorum })
}

/// Verifies that the kept head and the checkpoint are of one history, whichever is older.
fn verify_kept(
    kept: &LogHead,
    new: &LogHead,
    proof: &LogProof,
    tiles: Option<&mut dyn TileReader>,
) -> Result<Continuity, Refusal> {
    if kept.tree_size == new.tree_size {
        return if kept.root == new.root { Ok(Continuity::Same) } else { Err(Refusal::LogForked) };
    }
    let (older, newer, by_tiles) = if kept.tree_size < new.tree_size {
        (kept, new, Continuity::NewerByTiles)
    } else {
        (new, kept, Continuity::OlderByTiles)
    };
    let carried = proof.consistency.iter().find(|carried| carried.old_size == kept.tree_size);
    if let Some(carried) = carried.filter(|_| older == kept) {
        let verified = verify_consistency(older.tree_size, newer.tree_size, &carried.hashes, &older.root, &newer.root);
        match verified {
            Ok(()) => return Ok(Continuity::NewerByCapsule),
            Err(ProofError::OldRoot) => return Err(Refusal::LogForked),
            // A broken proof shows nothing; the tiles may.
            Err(ProofError::Root | ProofError::Shape) => {}
        }
    }
    let tiles = tiles.ok_or(Refusal::LogConsistencyUnproven)?;
    match verify_continuity((older.tree_size, &older.root), (newer.tree_size, &newer.root), tiles) {
        Ok(()) => Ok(by_tiles),
        Err(Discontinuity::Forked) => Err(Refusal::LogForked),
        Err(Discontinuity::WrongTiles | Discontinuity::NoTiles(_)) => Err(Refusal::LogConsistencyUnproven),
    }
}

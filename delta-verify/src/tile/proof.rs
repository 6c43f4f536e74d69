//! Builds Merkle proofs out of node hashes (RFC 6962 section 2.1.1 and 2.1.2), without recursion: a proof goes down
//! one path, so a loop and a list of at most 40 hashes are enough.

use super::{NodeReader, TileError};
use crate::merkle::{empty_root, node_hash};
use delta_format::Sha256;
use delta_format::capsule::Proof;
use delta_format::limits::{LOG_ENTRIES_MAX, PROOF_HASHES_MAX};

/// The proof that leaf `index` is in the tree of `size` leaves.
///
/// # Errors
/// [`TileError`]; [`TileError::NoSuchProof`] when `index` is not below `size`.
pub fn inclusion_proof(nodes: &mut dyn NodeReader, index: u64, size: u64) -> Result<Proof, TileError> {
    if index >= size || size > LOG_ENTRIES_MAX {
        return Err(TileError::NoSuchProof);
    }
    let mut proof = Proof::new();
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let middle = from + split(to - from);
        let sibling = if index < middle {
            let right = range_hash(nodes, middle, to);
            to = middle;
            right
        } else {
            let left = range_hash(nodes, from, middle);
            from = middle;
            left
        };
        proof.push(sibling?).map_err(|_| TileError::NoSuchProof)?;
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `old_size` leaves is the start of the tree of `size` leaves. Empty for equal sizes.
///
/// # Errors
/// [`TileError`]; [`TileError::NoSuchProof`] when `old_size` is 0 or more than `size`.
pub fn consistency_proof(nodes: &mut dyn NodeReader, old_size: u64, size: u64) -> Result<Proof, TileError> {
    if old_size == 0 || old_size > size || size > LOG_ENTRIES_MAX {
        return Err(TileError::NoSuchProof);
    }
    let mut proof = Proof::new();
    let (mut from, mut to) = (0, size);
    while old_size != to {
        let middle = from + split(to - from);
        let sibling = if old_size <= middle {
            let right = range_hash(nodes, middle, to);
            to = middle;
            right
        } else {
            let left = range_hash(nodes, from, middle);
            from = middle;
            left
        };
        proof.push(sibling?).map_err(|_| TileError::NoSuchProof)?;
    }
    // The old tree is itself a node when its path never turned right; the verifier has that hash already.
    if from > 0 {
        proof.push(range_hash(nodes, from, to)?).map_err(|_| TileError::NoSuchProof)?;
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the tree of `size` leaves.
///
/// # Errors
/// [`TileError`].
pub fn tree_root(nodes: &mut dyn NodeReader, size: u64) -> Result<Sha256, TileError> {
    match size {
        0 => Ok(empty_root()),
        1..=LOG_ENTRIES_MAX => range_hash(nodes, 0, size),
        _ => Err(TileError::NoSuchProof),
    }
}

/// The largest power of two below `leaves`, which is at least 2.
fn split(leaves: u64) -> u64 {
    1 << (63 - (leaves - 1).leading_zeros())
}

/// The hash of leaves `from..to`, where `from` is a multiple of every power of two up to their number: complete
/// subtrees from large to small, joined from the right.
fn range_hash(nodes: &mut dyn NodeReader, from: u64, to: u64) -> Result<Sha256, TileError> {
    let mut parts = heapless::Vec::<Sha256, { PROOF_HASHES_MAX + 1 }>::new();
    let mut at = from;
    while at < to {
        let height = 63 - (to - at).leading_zeros();
        parts.push(nodes.node(height, at >> height)?).map_err(|_| TileError::NoSuchProof)?;
        at += 1 << height;
    }
    let mut hash = parts.pop().ok_or(TileError::NoSuchProof)?;
    while let Some(left) = parts.pop() {
        hash = node_hash(&left, &hash);
    }
    Ok(hash)
}

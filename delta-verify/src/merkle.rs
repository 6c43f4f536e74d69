//! Merkle tree hashes and the verification of proofs (RFC 6962 section 2.1, algorithms of RFC 9162 section 2.1.3 and
//! 2.1.4; subtrees as in draft-ietf-plants-merkle-tree-certs section 4).
//!
//! In: hashes, sizes and proofs from anywhere. Out: whether they fit. A proof is consumed hash by hash, so the work is
//! bounded by its length. Proofs are built elsewhere, in [`crate::tile`].

use core::fmt;
use delta_format::Sha256;
use sha2::Digest;

/// The hash of an entry that arrives in pieces: SHA-256 of 0x00 and the entry.
#[derive(Clone, Debug)]
pub struct LeafHasher(sha2::Sha256);

impl LeafHasher {
    /// Starts an entry.
    #[must_use]
    pub fn new() -> Self {
        let mut hasher = sha2::Sha256::new();
        hasher.update([0]);
        Self(hasher)
    }

    /// Adds the next bytes of the entry.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The leaf hash.
    pub fn finish(self) -> Sha256 {
        Sha256::new(self.0.finalize().into())
    }
}

impl Default for LeafHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// The hash of a whole entry.
pub fn leaf_hash(entry: &[u8]) -> Sha256 {
    crate::sha256_of_parts(&[&[0], entry])
}

/// The hash of an inner node: SHA-256 of 0x01 and the hashes of its children.
pub fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    crate::sha256_of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root of the tree without entries: SHA-256 of nothing.
pub fn empty_root() -> Sha256 {
    crate::sha256_of_parts(&[])
}

/// What is wrong with a proof. The order of blame matters: see [`ProofError::OldRoot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// Sizes and index do not fit each other, or the proof has too many or too few hashes.
    Shape,
    /// The proof does not lead to the root of the tree: the proof is wrong, the tree may be fine.
    Root,
    /// The proof leads to the root of the newer tree, and to another root of the older tree than the one claimed. All
    /// its hashes are thereby nodes of the newer tree, so the older tree is no part of the newer one: a fork.
    OldRoot,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "the proof does not have the shape that the tree size asks for",
            Self::Root => "the proof does not lead to the root of the tree",
            Self::OldRoot => "the older tree is no part of the newer tree",
        })
    }
}

impl core::error::Error for ProofError {}

/// Verifies that the leaf with the hash `leaf` is number `index` of the tree of `size` leaves with the root `root`.
///
/// # Errors
/// [`ProofError::Shape`] or [`ProofError::Root`].
pub fn verify_inclusion(
    leaf: &Sha256,
    index: u64,
    size: u64,
    proof: &[Sha256],
    root: &Sha256,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Shape);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Shape);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            let levels = node.trailing_zeros();
            if node != 0 {
                node >>= levels;
                last >>= levels;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Shape);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Verifies that the tree of `old_size` leaves with `old_root` is the start of the tree of `size` leaves with `root`.
/// A tree without leaves is the start of every tree and proves nothing, so `old_size` 0 is refused.
///
/// # Errors
/// [`ProofError`]; only [`ProofError::OldRoot`] shows that the trees differ.
pub fn verify_consistency(
    old_size: u64,
    size: u64,
    proof: &[Sha256],
    old_root: &Sha256,
    root: &Sha256,
) -> Result<(), ProofError> {
    if old_size == 0 {
        return Err(ProofError::Shape);
    }
    verify_subtree_consistency(0, old_size, size, proof, old_root, root)
}

/// Verifies that leaves `start..end` with the subtree hash `subtree` stand in the tree of `size` leaves with `root`.
/// An empty subtree is part of every tree; then `root` is not looked at.
///
/// # Errors
/// As [`verify_consistency`]; [`ProofError::Shape`] also for a range that is no subtree.
pub fn verify_subtree_consistency(
    start: u64,
    end: u64,
    size: u64,
    proof: &[Sha256],
    subtree: &Sha256,
    root: &Sha256,
) -> Result<(), ProofError> {
    if end > size {
        return Err(ProofError::Shape);
    }
    if start == end {
        return match proof.is_empty() {
            true if *subtree == empty_root() => Ok(()),
            true => Err(ProofError::OldRoot),
            false => Err(ProofError::Shape),
        };
    }
    if !is_subtree(start, end) {
        return Err(ProofError::Shape);
    }
    let (mut first, mut last, mut tree_last) = (start, end - 1, size - 1);
    // Climb while the subtree is a complete node of the tree, or while it ends where the tree ends.
    while first != last && (last == tree_last || last & 1 == 1) {
        (first, last, tree_last) = (first >> 1, last >> 1, tree_last >> 1);
    }
    let (seed, proof) = match proof.split_first() {
        _ if first == last => (subtree, proof),
        Some((seed, proof)) => (seed, proof),
        None => return Err(ProofError::Shape),
    };
    let (mut old, mut new) = (*seed, *seed);
    for hash in proof {
        if tree_last == 0 {
            return Err(ProofError::Shape);
        }
        if last & 1 == 1 || last == tree_last {
            if first < last {
                old = node_hash(hash, &old);
            }
            new = node_hash(hash, &new);
            while last & 1 == 0 && last != 0 {
                (first, last, tree_last) = (first >> 1, last >> 1, tree_last >> 1);
            }
        } else {
            new = node_hash(&new, hash);
        }
        (first, last, tree_last) = (first >> 1, last >> 1, tree_last >> 1);
    }
    if tree_last != 0 {
        return Err(ProofError::Shape);
    }
    if new != *root {
        return Err(ProofError::Root);
    }
    if old == *subtree { Ok(()) } else { Err(ProofError::OldRoot) }
}

/// Verifies that the leaf with the hash `leaf` is number `index` of the tree, inside the subtree `start..end` with the
/// hash `subtree`.
///
/// # Errors
/// [`ProofError::Shape`] or [`ProofError::Root`].
pub fn verify_subtree_inclusion(
    leaf: &Sha256,
    index: u64,
    start: u64,
    end: u64,
    proof: &[Sha256],
    subtree: &Sha256,
) -> Result<(), ProofError> {
    if !is_subtree(start, end) || index < start {
        return Err(ProofError::Shape);
    }
    verify_inclusion(leaf, index - start, end - start, proof, subtree)
}

/// Whether `start..end` is not empty and starts at a multiple of its own size, rounded up to a power of two.
fn is_subtree(start: u64, end: u64) -> bool {
    let Some(size) = end.checked_sub(start).filter(|&size| size > 0) else {
        return false;
    };
    size.checked_next_power_of_two().is_some_and(|power| start.is_multiple_of(power))
}

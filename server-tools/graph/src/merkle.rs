//! Merkle trees over sorted entries (RFC 6962 section 2.1), and proofs that an entry is there or is not.
//!
//! Hashes and the verification of inclusion are those of `delta-verify`; here trees are built, and two neighbours prove
//! that nothing stands between them.

use crate::error::Refused;
use crate::limits::TREE_HASHES_MAX;
use delta_format::Sha256;
use delta_verify::merkle::{empty_root, leaf_hash, node_hash, verify_inclusion};

/// A tree over entries in ascending order.
#[derive(Debug, Clone)]
pub struct Tree {
    /// From the leaves up; an odd last hash goes up as it is.
    levels: Vec<Vec<Sha256>>,
}

impl Tree {
    /// The tree over entries, which must be in ascending order, each once.
    pub fn new<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Self {
        Self::of_leaves(entries.map(leaf_hash).collect())
    }

    pub(crate) fn of_leaves(leaves: Vec<Sha256>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let next = level.chunks(2).map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [.., last] => *last,
                [] => empty_root(),
            });
            let next = next.collect();
            levels.push(next);
        }
        Self { levels }
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The root.
    pub fn root(&self) -> Sha256 {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_else(empty_root)
    }

    /// The hashes that prove entry `index`.
    pub fn inclusion(&self, index: u64) -> Vec<Sha256> {
        let mut at = index as usize;
        let mut hashes = Vec::new();
        for level in &self.levels {
            hashes.extend(level.get(at ^ 1).filter(|_| level.len() > 1));
            at /= 2;
        }
        hashes
    }
}

/// An entry, and the proof that it is number `index`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Its number.
    pub index: u64,
    /// The entry.
    pub entry: Vec<u8>,
    /// The hashes on the way to the root, the lowest first.
    pub hashes: Vec<Sha256>,
}

impl Included {
    /// Verifies it against the root of a tree of `size` entries.
    ///
    /// # Errors
    /// [`Refused::Proof`], [`Refused::Limit`].
    pub fn verify(&self, size: u64, root: &Sha256) -> Result<(), Refused> {
        if self.hashes.len() > TREE_HASHES_MAX {
            return Err(Refused::Limit("TREE_HASHES_MAX"));
        }
        verify_inclusion(&leaf_hash(&self.entry), self.index, size, &self.hashes, root)
            .map_err(|_| Refused::Proof("an entry is not where it is said to be"))
    }
}

/// Verifies that no entry equals `entry`, by the entries before and behind the place where it would stand. At an end of
/// the tree there is only one of them, in an empty tree none.
///
/// # Errors
/// [`Refused::Proof`], [`Refused::Limit`].
pub fn verify_absent(
    entry: &[u8],
    before: Option<&Included>,
    behind: Option<&Included>,
    size: u64,
    root: &Sha256,
) -> Result<(), Refused> {
    for neighbour in before.iter().chain(&behind) {
        neighbour.verify(size, root)?;
    }
    let is_between = before.is_none_or(|before| before.entry.as_slice() < entry)
        && behind.is_none_or(|behind| entry < behind.entry.as_slice());
    let is_adjacent = match (before, behind) {
        (Some(before), Some(behind)) => before.index.checked_add(1) == Some(behind.index),
        (Some(before), None) => before.index.checked_add(1) == Some(size),
        (None, Some(behind)) => behind.index == 0,
        (None, None) => size == 0 && *root == empty_root(),
    };
    match (is_between, is_adjacent) {
        (true, true) => Ok(()),
        (false, _) => Err(Refused::Proof("the neighbours do not stand around the entry")),
        (_, false) => Err(Refused::Proof("the neighbours do not stand beside each other")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: u64) -> Vec<Vec<u8>> {
        (0..count).map(|number| (2 * number + 1).to_be_bytes().to_vec()).collect()
    }

    /// Trees of all small sizes: each entry is proven at its place and nowhere else, each gap is proven, no entry absent.
    #[test]
    fn entries_and_gaps_are_proven() {
        for size in 0..=33 {
            let entries = entries(size);
            let tree = Tree::new(entries.iter().map(Vec::as_slice));
            let root = tree.root();
            let included = |index: u64| {
                let entry = entries.get(index as usize)?.clone();
                Some(Included { index, entry, hashes: tree.inclusion(index) })
            };
            for index in 0..size {
                let proof = included(index).expect("an entry");
                assert_eq!(proof.verify(size, &root), Ok(()));
                assert!(
                    Included { index: (index + 1) % size, ..proof.clone() }.verify(size, &root).is_err() || size == 1
                );
                assert!(proof.verify(size, &Sha256::new([7; 32])).is_err());
            }
            for place in 0..=size {
                let (before, behind) = (place.checked_sub(1).and_then(included), included(place));
                let check = |entry: u64, size: u64| {
                    verify_absent(&entry.to_be_bytes(), before.as_ref(), behind.as_ref(), size, &root)
                };
                assert_eq!(check(2 * place, size), Ok(()), "{place} of {size}");
                assert!(check(2 * place + 2, size).is_err() || place == size);
                // The size of the tree is signed with its root; behind the last entry it decides.
                assert!(check(2 * place, size + 1).is_err() || place < size);
            }
        }
    }
}

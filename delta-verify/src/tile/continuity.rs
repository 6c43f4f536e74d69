//! Whether one head continues another, by the tiles of the newer one. Devices and witnesses share this decision.

use super::{TileError, TileNodes, TileReader, consistency_proof, tree_root};
use crate::merkle::{ProofError, verify_consistency};
use core::fmt;
use delta_format::Sha256;

/// Why tiles do not show that a head continues another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discontinuity {
    /// The tiles give the root of the newer head, and another root at the size of the older one.
    Forked,
    /// The tiles do not give the root of the newer head. They are not signed, so this is no evidence of anything.
    WrongTiles,
    /// The tiles cannot be had.
    NoTiles(TileError),
}

impl fmt::Display for Discontinuity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => f.write_str("the older head is no part of the newer one"),
            Self::WrongTiles => f.write_str("the tiles of the log do not match its head"),
            Self::NoTiles(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Discontinuity {}

/// Verifies by `tiles` that the tree of `older` (size, root) is the start of the tree of `newer`. The older tree has at
/// least one entry, and fewer than the newer one.
///
/// # Errors
/// [`Discontinuity`]; only [`Discontinuity::Forked`] is evidence against the log.
pub fn verify_continuity(
    older: (u64, &Sha256),
    newer: (u64, &Sha256),
    tiles: &mut dyn TileReader,
) -> Result<(), Discontinuity> {
    let mut nodes = TileNodes::new(tiles, newer.0);
    let proof = consistency_proof(&mut nodes, older.0, newer.0).map_err(Discontinuity::NoTiles)?;
    let verify = |old_root| verify_consistency(older.0, newer.0, &proof, old_root, newer.1);
    match verify(older.1) {
        Ok(()) => Ok(()),
        Err(ProofError::OldRoot) => Err(Discontinuity::Forked),
        Err(ProofError::Root | ProofError::Shape) => {
            // An older tree of a power of two is the first hash of its own proof, so a wrong one leads nowhere. The
            // tiles tell what it should have been.
            let old_root = tree_root(&mut nodes, older.0).map_err(Discontinuity::NoTiles)?;
            match verify(&old_root) {
                Ok(()) => Err(Discontinuity::Forked),
                Err(_) => Err(Discontinuity::WrongTiles),
            }
        }
    }
}

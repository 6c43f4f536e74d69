//! C2SP tlog-tiles: where tree hashes stand, and proofs built out of them. Host and device share this code.
//!
//! In: a [`TileReader`] over unverified static files. Out: proofs. Nothing here is trusted: a wrong tile gives a proof
//! that [`crate::merkle`] refuses.

mod continuity;
mod path;
mod proof;

pub use continuity::{Discontinuity, verify_continuity};
pub use path::{TilePath, entries_path, tile_path, tile_width};
pub use proof::{consistency_proof, inclusion_proof, tree_root};

use crate::merkle::node_hash;
use core::fmt;
use delta_format::Sha256;

/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;

/// Bytes of a full tile.
pub const TILE_BYTES: usize = 256 * 32;

/// Tiles that one proof may read. A proof over 2^40 entries touches at most two tiles on each of five levels on its
/// way down and again for the rest of the tree; 64 leaves room, and ends a reader that never has what is asked for.
pub const TILE_READS_MAX: u32 = 64;

/// Gives the bytes of static log files.
pub trait TileReader {
    /// Reads the file at `path` (such as `tile/0/x001/067.p/5`) to the front of `out` and gives its length.
    ///
    /// # Errors
    /// [`TileError`]; a file that is longer than `out` counts as unreadable.
    fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, TileError>;
}

/// Why a hash could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileError {
    /// The source has no such file.
    Absent,
    /// The file cannot be read, or it has the wrong length.
    Unreadable,
    /// [`TILE_READS_MAX`] is spent.
    TooManyReads,
    /// Sizes and index that have no proof, or a log beyond the limits.
    NoSuchProof,
}

impl fmt::Display for TileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the log has no such tile",
            Self::Unreadable => "a tile of the log cannot be read or has the wrong length",
            Self::TooManyReads => "the proof would read more tiles than allowed",
            Self::NoSuchProof => "the log is too small or too large for this proof",
        })
    }
}

impl core::error::Error for TileError {}

/// Gives the hash of complete subtrees: `index << height` leaves from the left, `1 << height` leaves wide.
pub trait NodeReader {
    /// The hash of the subtree.
    ///
    /// # Errors
    /// [`TileError`] when it cannot be had.
    fn node(&mut self, height: u32, index: u64) -> Result<Sha256, TileError>;
}

/// Reads node hashes out of the tiles of a log with a fixed number of entries. Keeps the last tile, because the nodes
/// of a proof come in neighbours.
pub struct TileNodes<'a> {
    tiles: &'a mut dyn TileReader,
    tree_size: u64,
    kept: Option<(u32, u64)>,
    tile: [u8; TILE_BYTES],
    reads_left: u32,
}

impl<'a> TileNodes<'a> {
    /// Reads from `tiles` as a log of `tree_size` entries published them.
    pub fn new(tiles: &'a mut dyn TileReader, tree_size: u64) -> Self {
        Self { tiles, tree_size, kept: None, tile: [0; TILE_BYTES], reads_left: TILE_READS_MAX }
    }

    /// Loads a tile: the partial one of this tree size, or the full one that has replaced it since.
    fn load(&mut self, level: u32, index: u64) -> Result<(), TileError> {
        if self.kept == Some((level, index)) {
            return Ok(());
        }
        self.kept = None;
        let width = tile_width(level, index, self.tree_size).ok_or(TileError::NoSuchProof)?;
        let read = match self.read(level, index, width) {
            Err(TileError::Absent) if width < TILE_WIDTH => self.read(level, index, TILE_WIDTH),
            other => other,
        };
        read?;
        self.kept = Some((level, index));
        Ok(())
    }

    fn read(&mut self, level: u32, index: u64, width: u64) -> Result<(), TileError> {
        self.reads_left = self.reads_left.checked_sub(1).ok_or(TileError::TooManyReads)?;
        let path = tile_path(level, index, width);
        let bytes = self.tiles.read_tile(&path, &mut self.tile)?;
        if bytes == width as usize * 32 { Ok(()) } else { Err(TileError::Unreadable) }
    }
}

impl NodeReader for TileNodes<'_> {
    fn node(&mut self, height: u32, index: u64) -> Result<Sha256, TileError> {
        let (level, rise) = (height / 8, height % 8);
        let first = index.checked_shl(rise).ok_or(TileError::NoSuchProof)?;
        self.load(level, first / TILE_WIDTH)?;
        let from = (first % TILE_WIDTH) as usize * 32;
        let bytes = self.tile.get(from..from + (32 << rise)).ok_or(TileError::NoSuchProof)?;
        // A tile is a subtree of height 8: a binary counter folds its hashes with one hash kept for each height.
        let mut kept = [Sha256::new([0; 32]); 8];
        let mut top = Sha256::new([0; 32]);
        for (number, leaf) in bytes.chunks_exact(32).enumerate() {
            let mut leaf_bytes = [0; 32];
            leaf_bytes.copy_from_slice(leaf);
            top = Sha256::new(leaf_bytes);
            let folds = (number + 1).trailing_zeros().min(rise) as usize;
            for left in &kept[..folds] {
                top = node_hash(left, &top);
            }
            if let Some(slot) = kept.get_mut(folds) {
                *slot = top;
            }
        }
        Ok(top)
    }
}

impl fmt::Debug for TileNodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TileNodes").field("tree_size", &self.tree_size).finish_non_exhaustive()
    }
}

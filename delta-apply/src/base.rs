//! Is the active slot what the delta was made for? One pass before anything is written; on a mismatch the base map
//! names the blocks.

use crate::io::{Cancelled, IoError, Observer, ReadAt};
use crate::tree::{ImageHasher, TreeRoot};
use crate::window::WINDOW_BYTES;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use delta_format::Blake3;
use delta_format::header::{BundleHeader, ImageId};

/// Why the base is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseError {
    /// It reads well but is not the image that the bundle was made for.
    Mismatch {
        /// What it hashes to.
        found: Blake3,
    },
    /// It cannot be read.
    Io(IoError),
    /// The observer stopped the work.
    Cancelled,
}

impl fmt::Display for BaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { found } => write!(f, "the base is another image (its BLAKE3 is {found})"),
            Self::Io(error) => write!(f, "the base cannot be read: {error}"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl core::error::Error for BaseError {}

impl From<Cancelled> for BaseError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// Reads all of `id.length` bytes of the base and compares the root.
///
/// # Errors
/// [`BaseError`].
pub fn check_base(base: &mut impl ReadAt, id: &ImageId, observer: &mut impl Observer) -> Result<(), BaseError> {
    let found = hash_range(base, 0, id.length, true, observer)?;
    if found == id.blake3 { Ok(()) } else { Err(BaseError::Mismatch { found }) }
}

/// A range of bytes that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// First byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

impl fmt::Display for BlockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {} to {}", self.offset, self.offset + self.length - 1)
    }
}

/// Compares the base with the bundle's base map and gives the ranges that differ, neighbours joined.
///
/// A map that does not prove itself against the signed root, or a base of one block, gives the whole base: nothing
/// more precise is known.
///
/// # Errors
/// [`BaseError::Io`] when the base cannot be read, [`BaseError::Cancelled`].
pub fn locate_mismatch(
    base: &mut impl ReadAt,
    header: &BundleHeader,
    map: &[u8],
    observer: &mut impl Observer,
) -> Result<Vec<BlockRange>, BaseError> {
    let length = header.base.length;
    let expected = map.as_chunks::<32>().0;
    if !base_map_is_proven(header, map) || map.is_empty() {
        return Ok(vec![BlockRange { offset: 0, length }]);
    }
    let block_bytes = 1u64 << header.base_block_log2;
    let mut ranges: Vec<BlockRange> = Vec::new();
    for (block, expected) in (0u64..).zip(expected) {
        let offset = block * block_bytes;
        let bytes = block_bytes.min(length - offset);
        if hash_range(base, offset, bytes, false, observer)?.as_bytes() == expected {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if last.offset + last.length == offset => last.length += bytes,
            _ => ranges.push(BlockRange { offset, length: bytes }),
        }
    }
    Ok(ranges)
}

/// Whether `map` is the base map of the bundle: it has the length that the header gives, and folds to the signed root of
/// the base.
pub fn base_map_is_proven(header: &BundleHeader, map: &[u8]) -> bool {
    if map.len() as u64 != header.base_map_bytes() || map.is_empty() {
        return header.base_map_bytes() == 0 && map.is_empty();
    }
    let mut root = TreeRoot::default();
    map.as_chunks::<32>().0.iter().for_each(|value| root.push(value));
    root.finish() == header.base.blake3
}

/// The root (`whole`) or the chaining value of a range.
pub(crate) fn hash_range(
    image: &mut impl ReadAt,
    offset: u64,
    length: u64,
    whole: bool,
    observer: &mut impl Observer,
) -> Result<Blake3, BaseError> {
    let mut hasher = ImageHasher::new(offset, whole);
    let mut buffer = vec![0; length.min(WINDOW_BYTES as u64) as usize];
    let mut done = 0;
    while done < length {
        let bytes = (length - done).min(WINDOW_BYTES as u64) as usize;
        image.read_at(offset + done, &mut buffer[..bytes]).map_err(BaseError::Io)?;
        hasher.update(&buffer[..bytes]);
        done += bytes as u64;
        observer.advance(bytes as u64)?;
    }
    Ok(hasher.finish())
}

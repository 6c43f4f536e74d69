//! The outside of every signed file: a prefix, a body, a capsule. `docs/formats/bundle.md`, section "Container".
//!
//! ```text
//! 0   8  magic, names the kind
//! 8   4  body bytes, little endian
//! 12  4  capsule bytes, little endian
//! 16 32  BLAKE3 of bytes 0..16, body and capsule: tells damage apart from forgery
//! 48     body, then capsule
//! ```
//! In a bundle the group index, the payload, the base map and the manifest follow; in other files nothing does.

use crate::header::BundleHeader;
use crate::limits::{CAPSULE_BYTES_MAX, CHANNEL_BYTES_MAX, HEADER_BYTES_MAX};
use crate::{Blake3, FormatError};

/// Bytes before the body.
pub const PREFIX_BYTES: usize = 48;

/// The kinds of signed files, by magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `NAME.stella`
    Bundle,
    /// `index.stella-channel`
    Channel,
    /// `NAME.stella-rollback`
    Rollback,
}

impl Kind {
    /// The first 8 bytes of a file of this kind. The last is not ASCII text on purpose: a transfer that alters line
    /// ends or strips the eighth bit breaks it.
    pub const fn magic(self) -> [u8; 8] {
        match self {
            Self::Bundle => *b"STELB1\n\x9a",
            Self::Channel => *b"STELC1\n\x9a",
            Self::Rollback => *b"STELR1\n\x9a",
        }
    }

    const fn body_bytes_max(self) -> usize {
        match self {
            Self::Bundle | Self::Rollback => HEADER_BYTES_MAX,
            Self::Channel => CHANNEL_BYTES_MAX,
        }
    }
}

/// The decoded prefix: where body and capsule end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Bytes of the body.
    pub body_bytes: usize,
    /// Bytes of the capsule.
    pub capsule_bytes: usize,
    checksum: Blake3,
}

impl Prefix {
    /// Reads the first [`PREFIX_BYTES`] of a file.
    ///
    /// # Errors
    /// [`FormatError::BadMagic`] for another kind of file, [`FormatError::LimitExceeded`] for lengths beyond the limits.
    pub fn decode(bytes: &[u8], kind: Kind) -> Result<Self, FormatError> {
        let magic = bytes.get(..8).ok_or(FormatError::Truncated)?;
        if magic != kind.magic() {
            return Err(FormatError::BadMagic);
        }
        let fixed: &[u8; PREFIX_BYTES] = bytes.first_chunk().ok_or(FormatError::Truncated)?;
        let length = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]) as usize;
        let (body_bytes, capsule_bytes) = (length(8), length(12));
        if body_bytes > kind.body_bytes_max() {
            return Err(FormatError::LimitExceeded("body"));
        }
        if capsule_bytes > CAPSULE_BYTES_MAX {
            return Err(FormatError::LimitExceeded("capsule"));
        }
        let mut checksum = [0; 32];
        checksum.copy_from_slice(&fixed[16..]);
        Ok(Self { body_bytes, capsule_bytes, checksum: checksum.into() })
    }

    /// Bytes of prefix, body and capsule together: the head of the file.
    pub fn head_bytes(&self) -> usize {
        PREFIX_BYTES + self.body_bytes + self.capsule_bytes
    }

    /// Cuts a head into body and capsule, after comparing its checksum. `blake3` hashes the parts one after the other
    /// (this crate has no hash function of its own).
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when `head` is shorter than [`Self::head_bytes`], [`FormatError::BadChecksum`].
    pub fn split<'a>(
        &self,
        head: &'a [u8],
        blake3: impl Fn(&[&[u8]]) -> Blake3,
    ) -> Result<(&'a [u8], &'a [u8]), FormatError> {
        let head = head.get(..self.head_bytes()).ok_or(FormatError::Truncated)?;
        let parts = &head[PREFIX_BYTES..];
        if blake3(&[&head[..16], parts]) != self.checksum {
            return Err(FormatError::BadChecksum);
        }
        Ok(parts.split_at(self.body_bytes))
    }
}

/// Writes the prefix for a body and a capsule.
///
/// # Errors
/// [`FormatError::LimitExceeded`] when one of them is too long.
pub fn encode_prefix(
    kind: Kind,
    body: &[u8],
    capsule: &[u8],
    blake3: impl Fn(&[&[u8]]) -> Blake3,
) -> Result<[u8; PREFIX_BYTES], FormatError> {
    if body.len() > kind.body_bytes_max() {
        return Err(FormatError::LimitExceeded("body"));
    }
    if capsule.len() > CAPSULE_BYTES_MAX {
        return Err(FormatError::LimitExceeded("capsule"));
    }
    let mut out = [0; PREFIX_BYTES];
    out[..8].copy_from_slice(&kind.magic());
    out[8..12].copy_from_slice(&(body.len() as u32).to_le_bytes());
    out[12..16].copy_from_slice(&(capsule.len() as u32).to_le_bytes());
    let checksum = blake3(&[&out[..16], body, capsule]);
    out[16..].copy_from_slice(checksum.as_bytes());
    Ok(out)
}

/// Where the parts of a bundle stand, in bytes from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleLayout {
    /// End of the capsule, start of the group index.
    pub index_at: u64,
    /// Start of the payload.
    pub payload_at: u64,
    /// Start of the base map.
    pub base_map_at: u64,
    /// Start of the stored manifest; a device fetches nothing from here on.
    pub manifest_at: u64,
    /// Bytes of the whole file; any other length is refused.
    pub file_bytes: u64,
}

impl BundleLayout {
    /// The layout that prefix and header fix. The limits of both keep every sum below 2^49.
    pub fn new(prefix: &Prefix, header: &BundleHeader) -> Self {
        let index_at = prefix.head_bytes() as u64;
        let payload_at = index_at + header.payload.index_bytes();
        let base_map_at = payload_at + header.payload.length;
        let manifest_at = base_map_at + header.base_map_bytes();
        let file_bytes = manifest_at + header.manifest.stored_length;
        Self { index_at, payload_at, base_map_at, manifest_at, file_bytes }
    }
}

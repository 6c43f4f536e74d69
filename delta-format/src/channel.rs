//! The signed list of what is available. `docs/formats/channel.md`.
//!
//! The body of `index.stella-channel` is a [`ChannelHead`] and then its entries, read one at a time: a device keeps
//! none but the best.

use crate::limits::*;
use crate::text::FileName;
use crate::{Blake3, FormatError, Name, Sha256, Version, wire};
use serde::{Deserialize, Serialize};

/// The format that this program writes and reads.
pub const CHANNEL_FORMAT: u16 = 1;

/// File name of the index inside a channel's folder.
pub const INDEX_FILE: &str = "index.stella-channel";

/// Folder of the transparency log inside a channel's folder: `checkpoint` and `tile/` as in C2SP tlog-tiles.
pub const LOG_FOLDER: &str = "log";

/// The start of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelHead {
    /// [`CHANNEL_FORMAT`].
    pub format: u16,
    /// The name of the channel; a device follows one.
    pub channel: Name,
    /// Counts up with each publication; a device refuses a number below one that it has seen.
    pub number: u64,
    /// Entries that follow.
    pub entries: u32,
}

/// One bundle of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelEntry {
    /// The bundle's file name in the channel's folder.
    pub file: FileName,
    /// As in the bundle's header.
    pub product: Name,
    /// As in the bundle's header.
    pub hardware: heapless::Vec<Name, HARDWARE_NAMES_MAX>,
    /// As in the bundle's header.
    pub version: Version,
    /// What must be in the active slot; length 0 for a full image.
    pub base: ImageDigest,
    /// What the bundle makes.
    pub target: ImageDigest,
    /// SHA-256 of the bundle file.
    pub bundle_sha256: Sha256,
    /// Bytes of the bundle file.
    pub bundle_bytes: u64,
    /// Bytes that a device fetches: all but the base map and the manifest.
    pub fetch_bytes: u64,
}

/// Length and root hash of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDigest {
    /// Bytes.
    pub length: u64,
    /// BLAKE3 root hash.
    pub blake3: Blake3,
}

/// Reads an index body entry by entry, in bounded memory.
#[derive(Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    left: u32,
}

/// Decodes the head of an index body and gives a reader of its entries.
///
/// # Errors
/// [`FormatError`] names what is wrong with the head.
pub fn decode(body: &[u8]) -> Result<(ChannelHead, Entries<'_>), FormatError> {
    if body.len() > CHANNEL_BYTES_MAX {
        return Err(FormatError::LimitExceeded("channel index"));
    }
    if body.first() != Some(&(CHANNEL_FORMAT as u8)) {
        return Err(FormatError::UnknownVersion);
    }
    let (head, used): (ChannelHead, usize) = wire::decode_prefix(body, "channel index")?;
    if head.entries > CHANNEL_ENTRIES_MAX {
        return Err(FormatError::LimitExceeded("channel entries"));
    }
    if head.number > IMAGE_BYTES_MAX {
        return Err(FormatError::LimitExceeded("channel number"));
    }
    let entries = Entries { rest: &body[used..], left: head.entries };
    Ok((head, entries))
}

impl Iterator for Entries<'_> {
    type Item = Result<ChannelEntry, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let clean = core::mem::take(&mut self.rest).is_empty();
            return if clean { None } else { Some(Err(FormatError::TrailingBytes)) };
        }
        match wire::decode_prefix(self.rest, "channel entry") {
            Ok((entry, used)) => {
                self.rest = &self.rest[used..];
                self.left -= 1;
                Some(Ok(entry))
            }
            Err(error) => {
                (self.rest, self.left) = (&[], 0);
                Some(Err(error))
            }
        }
    }
}

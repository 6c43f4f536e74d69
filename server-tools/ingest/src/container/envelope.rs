//! What stands around a deflate stream: the headers that announce one, and the checksums behind it that prove it.

use super::checksum::{Crc32, adler32};

/// A place that looks like the header of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Where the stream would start.
    pub(super) start: usize,
    pub(super) envelope: Envelope,
}

/// Who says that there is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// A gzip member: checksum and length follow (RFC 1952).
    Gzip,
    /// A zip member; its checksum, when the header says it.
    Zip { crc: Option<u32> },
    /// A zlib stream: its checksum follows (RFC 1950).
    Zlib,
}

/// Every place that looks like a header, in order.
pub(super) fn candidates(bytes: &[u8]) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|byte| matches!(byte, 0x1f | b'P' | 0x78)) {
        at += step;
        let rest = &bytes[at..];
        let candidate = match rest[0] {
            0x1f => gzip(rest).map(|header| (header, Envelope::Gzip)),
            b'P' => zip(rest),
            _ => matches!(rest.get(1), Some(0x01 | 0x5e | 0x9c | 0xda)).then_some((2, Envelope::Zlib)),
        };
        found.extend(candidate.map(|(header, envelope)| Candidate { start: at + header, envelope }));
        at += 1;
    }
    found
}

/// The length of a gzip header.
pub(super) fn gzip(bytes: &[u8]) -> Option<usize> {
    const RESERVED: u8 = 0xe0;
    let &[0x1f, 0x8b, 8, flags] = bytes.first_chunk()? else { return None };
    if flags & RESERVED != 0 {
        return None;
    }
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16_at(bytes, at)?);
    }
    for text in [8, 16] {
        if flags & text != 0 {
            at += bytes.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (at < bytes.len()).then_some(at)
}

/// The length of a zip member's local header, and what it says.
fn zip(bytes: &[u8]) -> Option<(usize, Envelope)> {
    const ENCRYPTED: u16 = 1;
    const CHECKSUM_FOLLOWS: u16 = 8;
    if !bytes.starts_with(b"PK\x03\x04") || u16_at(bytes, 8)? != 8 {
        return None;
    }
    let flags = u16_at(bytes, 6)?;
    if flags & ENCRYPTED != 0 {
        return None;
    }
    let crc = (flags & CHECKSUM_FOLLOWS == 0).then_some(u32_at(bytes, 14)?);
    let header = 30 + usize::from(u16_at(bytes, 26)?) + usize::from(u16_at(bytes, 28)?);
    (header < bytes.len()).then_some((header, Envelope::Zip { crc }))
}

impl Envelope {
    /// Whether what follows the stream agrees with its plaintext.
    pub(super) fn proves(self, plain: &[u8], behind: &[u8]) -> bool {
        let crc = || {
            let mut crc = Crc32::new();
            crc.update(plain);
            crc.value()
        };
        match self {
            Self::Gzip => u32_at(behind, 4) == Some(plain.len() as u32) && u32_at(behind, 0) == Some(crc()),
            Self::Zip { crc: Some(known) } => known == crc(),
            Self::Zip { crc: None } => {
                let skipped = if behind.starts_with(b"PK\x07\x08") { 4 } else { 0 };
                u32_at(behind, skipped) == Some(crc())
            }
            Self::Zlib => behind.first_chunk().copied().map(u32::from_be_bytes) == Some(adler32(plain)),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

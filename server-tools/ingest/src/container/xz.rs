//! Where xz streams are: in files of their own, packages, kernels.
//!
//! Of the format (The .xz File Format 1.1) it knows streams of one or more blocks of LZMA2. Checksums are bytes like
//! others here: what counts is that a stream is made again bit for bit, and whoever opens it compares.

use super::checksum::Crc32;
use super::{Codec, Container};
use delta_apply::parse::{Format, Layout, Part};
use std::ops::Range;

const MAGIC: [u8; 6] = *b"\xfd7zXZ\0";
const HEADER: usize = 12;
const FOOTER: usize = 12;
/// Bytes of the check behind a block, by its id.
const CHECKS: [usize; 16] = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
/// Filters.
const LZMA2: u64 = 0x21;
const X86: u64 = 4;

/// All streams that stand in `bytes`, in order.
pub(super) fn streams(bytes: &[u8]) -> Vec<Container> {
    let mut found: Vec<Container> = Vec::new();
    let mut at = 0;
    while let Some(step) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == MAGIC[0])) {
        at += step;
        match stream(bytes, at) {
            Some(Stream { end, parts, plain_bytes, is_filtered }) => {
                let plain_bytes = plain_bytes + Part::envelope_bytes(&parts) as usize;
                let layout = Layout { format: Format::Lzma, align_log2: 0, is_filtered };
                let codec = Codec::Group(layout, parts);
                found.push(Container { range: at..end, codec, plain_bytes, children: Vec::new() });
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

fn crc_holds(bytes: &[u8], range: Range<usize>) -> Option<()> {
    let mut crc = Crc32::new();
    crc.update(bytes.get(range.clone())?);
    (bytes.get(range.end..)?.first_chunk() == Some(&crc.value().to_le_bytes())).then_some(())
}

/// A whole stream.
pub(super) struct Stream {
    /// Where it ends.
    pub(super) end: usize,
    /// Its blocks, and envelopes around them.
    pub(super) parts: Vec<Part>,
    /// Bytes of its plaintext, without envelopes.
    pub(super) plain_bytes: usize,
    /// Whether its blocks are filtered.
    pub(super) is_filtered: bool,
}

/// The stream at a place.
pub(super) fn stream(bytes: &[u8], start: usize) -> Option<Stream> {
    let header = bytes.get(start..start + HEADER)?;
    if !header.starts_with(&MAGIC) || header[6] != 0 || header[7] > 15 {
        return None;
    }
    crc_holds(bytes, start + 6..start + 8)?;
    let (mut parts, mut at, mut envelope, mut plain_bytes) = (Vec::new(), start + HEADER, start, 0);
    let mut is_filtered = None;
    loop {
        let size = usize::from(*bytes.get(at)?);
        if size == 0 {
            break;
        }
        let body = at + (size + 1) * 4;
        let filtered = filtered(bytes.get(at..body - 4)?)?;
        if *is_filtered.get_or_insert(filtered) != filtered {
            return None;
        }
        crc_holds(bytes, at..body - 4)?;
        let (end, plain) = chunks(bytes, body)?;
        parts.push(Part::Envelope { bytes: (body - envelope) as u64 });
        parts.push(Part::Stream { packed_bytes: (end - body) as u64 });
        plain_bytes += plain;
        envelope = end;
        // Blocks end at multiples of four bytes, counted from the start.
        at = start + (end - start).next_multiple_of(4) + CHECKS[usize::from(header[7])];
    }
    let end = index(bytes, at, parts.len() as u64 / 2)? + FOOTER;
    if bytes.get(end - 2..end)? != b"YZ" {
        return None;
    }
    parts.push(Part::Envelope { bytes: (end - envelope) as u64 });
    Some(Stream { end, parts, plain_bytes, is_filtered: is_filtered? })
}

/// Whether the header of a block names the filter for x86 code in front of LZMA2; `None` when it names others.
fn filtered(header: &[u8]) -> Option<bool> {
    let flags = *header.get(1)?;
    let mut at = 2;
    let sizes = usize::from(flags >> 6 & 1) + usize::from(flags >> 7);
    for _ in 0..sizes {
        number(header, &mut at)?;
    }
    let filters = flags & 0x3f;
    if filters == 1 {
        // Code that starts at address 0 has no property.
        let x86 = (number(header, &mut at)?, number(header, &mut at)?) == (X86, 0);
        return (x86 && number(header, &mut at)? == LZMA2).then_some(true);
    }
    (filters == 0 && number(header, &mut at)? == LZMA2).then_some(false)
}

/// A number of the format: seven bits a byte, lowest first.
fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Where the chunks from `at` on end, and how much plaintext they have.
fn chunks(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut plain = 0;
    loop {
        let control = *bytes.get(at)?;
        let field = |from: usize| Some(usize::from(u16::from_be_bytes(*bytes.get(at + from..)?.first_chunk()?)));
        match control {
            0 => return Some((at + 1, plain)),
            1 | 2 => {
                let stored = field(1)? + 1;
                (plain, at) = (plain + stored, at + 3 + stored);
            }
            0x80.. => {
                plain += (usize::from(control & 0x1f) << 16 | field(1)?) + 1;
                at += if control >= 0xc0 { 6 } else { 5 } + field(3)? + 1;
            }
            _ => return None,
        }
    }
}

/// The end of the index that starts at `start` and has so many records.
fn index(bytes: &[u8], start: usize, blocks: u64) -> Option<usize> {
    let mut at = start + 1;
    let records = number(bytes, &mut at).filter(|records| *records == blocks)?;
    for _ in 0..2 * records {
        number(bytes, &mut at)?;
    }
    at = start + (at - start).next_multiple_of(4);
    crc_holds(bytes, start..at)?;
    Some(at + 4)
}

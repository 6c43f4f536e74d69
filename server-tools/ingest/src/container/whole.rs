//! Files that are packed as a whole: gzip, xz, Zstandard. What they hold is written out piece by piece.
//!
//! In: the bytes of a file. Out: its plaintext, into a writer, and how much that is. Unlike [`find`](super::find), which
//! may leave out what it does not understand, a file that does not unpack to its end is an error.

use super::checksum::Crc32;
use super::{Codec, Container, envelope, xz, zstd};
use delta_apply::deflate::{self, InflateError, Sink};
use delta_apply::parse::Part;
use std::io::{self, Write};

/// Plaintext of an xz or Zstandard file, which is made in memory.
const IN_MEMORY_BYTES_MAX: u64 = 1 << 30;

/// How a file is packed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Xz,
    Zstd,
}

/// What the first bytes say.
pub(crate) fn packing(bytes: &[u8]) -> Option<Packing> {
    match bytes {
        [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
        _ => None,
    }
}

/// Unpacks a whole file into `out`; gives the bytes of its plaintext, `room` at most.
///
/// # Errors
/// What `out` says; `InvalidData` for damaged files, `FileTooLarge` for those that hold more than `room`.
pub(crate) fn unpack(bytes: &[u8], packing: Packing, room: u64, out: &mut impl Write) -> io::Result<u64> {
    match packing {
        Packing::Gzip => gzip(bytes, room, out),
        Packing::Xz => groups(bytes, &xz::streams(bytes), room, out),
        Packing::Zstd => groups(bytes, &zstd::frames(bytes), room, out),
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the packed data is damaged or cut off")
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to more than is opened")
}

/// Hands plaintext on and keeps its checksum.
struct Checked<'w, W> {
    out: &'w mut W,
    crc: Crc32,
}

impl<W: Write> Sink for Checked<'_, W> {
    type Error = io::Error;

    fn push(&mut self, bytes: &[u8]) -> Result<(), io::Error> {
        self.crc.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Members one behind the other (RFC 1952); zeros may follow the last.
fn gzip(mut bytes: &[u8], room: u64, out: &mut impl Write) -> io::Result<u64> {
    let mut plain_bytes = 0;
    loop {
        let stream = envelope::gzip(bytes).and_then(|header| bytes.get(header..)).ok_or_else(damaged)?;
        let mut sink = Checked { out: &mut *out, crc: Crc32::new() };
        let (used, made) = deflate::inflate(stream, &mut sink, room - plain_bytes).map_err(|error| match error {
            InflateError::Sink(error) => error,
            InflateError::TooLong => too_large(),
            _ => damaged(),
        })?;
        let behind = usize::try_from(used).ok().and_then(|used| stream.get(used..)).ok_or_else(damaged)?;
        let (checksums, rest) = behind.split_at_checked(8).ok_or_else(damaged)?;
        if checksums[..4] != sink.crc.value().to_le_bytes() || checksums[4..] != (made as u32).to_le_bytes() {
            return Err(damaged());
        }
        plain_bytes += made;
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(plain_bytes);
        }
        bytes = rest;
    }
}

/// Groups that fill the file; zeros may follow the last.
fn groups(bytes: &[u8], groups: &[Container], room: u64, out: &mut impl Write) -> io::Result<u64> {
    let (mut at, mut plain_bytes) = (0, 0u64);
    for group in groups {
        plain_bytes += group.plain_bytes as u64;
        if group.range.start != at {
            return Err(damaged());
        }
        if plain_bytes > room.min(IN_MEMORY_BYTES_MAX) {
            return Err(too_large());
        }
        at = group.range.end;
    }
    if groups.is_empty() || bytes[at..].iter().any(|byte| *byte != 0) {
        return Err(damaged());
    }
    let mut written = 0;
    for group in groups {
        let Codec::Group(..) = group.codec else { return Err(damaged()) };
        let (plain, survey) = group.survey(bytes).ok_or_else(damaged)?;
        let mut rest = plain.get(Part::envelope_bytes(survey.parts.iter().map(|(part, _)| part)) as usize..);
        for (part, length) in &survey.parts {
            if matches!(part, Part::Envelope { .. }) {
                continue;
            }
            let (piece, behind) = rest.and_then(|rest| rest.split_at_checked(*length as usize)).ok_or_else(damaged)?;
            // What is raw stands between streams: checksums and what decoders skip.
            if matches!(part, Part::Stream { .. }) {
                out.write_all(piece)?;
                written += length;
            }
            rest = Some(behind);
        }
    }
    Ok(written)
}

//! Finds packed data: deflate streams in archives, packages and file system images, and in each other.
//!
//! In: any bytes. Out: a tree of [`Container`]s. Formats are not parsed from their tops: a header that announces a stream
//! is looked for anywhere, and what counts is that the stream inflates to its end and its checksum holds. So a gzip file
//! in an image, a member of a broken zip and a wheel in a tar are all found the same way. Nothing is changed or written.

mod checksum;
mod envelope;
mod erofs;
mod squashfs;
pub(crate) mod whole;
mod xz;
mod zstd;

use delta_apply::deflate;
use delta_apply::parse::{self, Layout, Part};
use envelope::{Candidate, candidates};
use rayon::prelude::*;
use std::ops::Range;

/// Containers in containers that are looked for.
const DEPTH_MAX: usize = 3;
/// Streams whose plaintext is shorter gain nothing from being unpacked.
const PLAIN_BYTES_MIN: usize = 128;
/// The longest plaintext of one stream, and of all streams: as many times the input, but at least some.
const PLAIN_BYTES_MAX: u64 = 2 << 30;
const EXPANSION_MAX: u64 = 8;
const EXPANSION_FLOOR: u64 = 1 << 30;

/// How a container is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// A raw deflate stream; the headers around it are no part of the container.
    Deflate,
    /// Streams of a layout and what stands between them.
    Group(Layout, Vec<Part>),
}

/// Packed bytes, and what is inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Where in the parent's bytes it is.
    pub range: Range<usize>,
    /// How it is packed.
    pub codec: Codec,
    /// Bytes of its plaintext.
    pub plain_bytes: usize,
    /// Containers in its plaintext.
    pub children: Vec<Container>,
}

impl Container {
    /// Its plaintext, when it is a container of `parent`.
    pub fn unpack(&self, parent: &[u8]) -> Option<Vec<u8>> {
        if let Codec::Group(..) = self.codec {
            return Some(self.survey(parent)?.0);
        }
        let mut plain = Vec::with_capacity(self.plain_bytes);
        let stream = parent.get(self.range.clone())?;
        deflate::inflate(stream, &mut plain, self.plain_bytes as u64).ok()?;
        (plain.len() == self.plain_bytes).then_some(plain)
    }
}

impl Container {
    /// The plaintext of a group, and how it is made again.
    pub fn survey(&self, parent: &[u8]) -> Option<(Vec<u8>, parse::Survey)> {
        let Codec::Group(layout, parts) = &self.codec else { return None };
        let packed = parent.get(self.range.clone())?;
        let surveyed = parse::survey(*layout, parts, packed, self.plain_bytes as u64)?;
        (surveyed.0.len() == self.plain_bytes).then_some(surveyed)
    }
}

/// The containers of `bytes`, in order; they do not overlap. The same for any number of threads.
pub fn find(bytes: &[u8]) -> Vec<Container> {
    let mut files = erofs::files(bytes);
    files.extend(squashfs::groups(bytes));
    files.extend(xz::streams(bytes));
    files.extend(zstd::frames(bytes));
    // Of those that start at the same place, what knows most comes first.
    files.sort_by_key(|file| file.range.start);
    let (mut end, mut room) = (0, expansion(bytes));
    files.retain(|file| {
        let fits = file.range.start >= end && file.plain_bytes as u64 <= room;
        if fits {
            (end, room) = (file.range.end, room - file.plain_bytes as u64);
        }
        fits
    });
    if files.is_empty() {
        return find_in(bytes, DEPTH_MAX);
    }
    // What looks like a header inside of a packed file is none.
    let inside = |found: &Container| {
        let next = files.partition_point(|file| file.range.end <= found.range.start);
        files.get(next).is_some_and(|file| file.range.start < found.range.end)
    };
    let others: Vec<Container> = find_in(bytes, DEPTH_MAX).into_iter().filter(|found| !inside(found)).collect();
    files.extend(others);
    files.sort_unstable_by_key(|file| file.range.start);
    files
}

/// Bytes of plaintext that are opened of `bytes` at most.
fn expansion(bytes: &[u8]) -> u64 {
    (bytes.len() as u64 * EXPANSION_MAX).max(EXPANSION_FLOOR)
}

/// The deflate streams of `bytes`, as [`find`] gives them, but for what is inside of them.
pub fn find_deflate(bytes: &[u8]) -> Vec<Container> {
    find_in(bytes, 1)
}

fn find_in(bytes: &[u8], depth: usize) -> Vec<Container> {
    /// What one thread looks at: candidates are checked in parallel, and those inside of a container in vain.
    const BATCH: usize = 64;
    let mut room = expansion(bytes);
    let mut found: Vec<Container> = Vec::new();
    let all = candidates(bytes);
    let mut left = &all[..];
    while !left.is_empty() {
        let end = found.last().map_or(0, |container| container.range.end);
        left = &left[left.partition_point(|candidate| candidate.start < end)..];
        let (batch, rest) = left.split_at(left.len().min(BATCH));
        let opened: Vec<_> = batch.par_iter().filter_map(|candidate| open(bytes, *candidate, depth)).collect();
        for container in opened {
            let end = found.last().map_or(0, |container| container.range.end);
            let plain = container.plain_bytes as u64;
            if container.range.start >= end && plain <= room {
                room -= plain;
                found.push(container);
            }
        }
        left = rest;
    }
    found
}

/// The container at a place that looks like one.
fn open(bytes: &[u8], candidate: Candidate, depth: usize) -> Option<Container> {
    let stream = bytes.get(candidate.start..)?;
    let mut plain = Vec::new();
    let (used, _) = deflate::inflate(stream, &mut plain, PLAIN_BYTES_MAX).ok()?;
    let used = usize::try_from(used).ok()?;
    if plain.len() < PLAIN_BYTES_MIN || !candidate.envelope.proves(&plain, stream.get(used..)?) {
        return None;
    }
    let children = if depth > 1 { find_in(&plain, depth - 1) } else { Vec::new() };
    let range = candidate.start..candidate.start + used;
    Some(Container { range, codec: Codec::Deflate, plain_bytes: plain.len(), children })
}

#[cfg(test)]
mod tests {
    use super::*;
    use checksum::{Crc32, adler32};

    fn plain() -> Vec<u8> {
        (0..5000u32).flat_map(|i| (i * i / 77).to_le_bytes()).collect()
    }

    fn crc(bytes: &[u8]) -> [u8; 4] {
        let mut crc = Crc32::new();
        crc.update(bytes);
        crc.value().to_le_bytes()
    }

    /// One stored block after the other: a deflate stream that needs no encoder.
    fn stored(plain: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        let pieces = plain.chunks(3000);
        let count = pieces.len();
        for (at, piece) in pieces.enumerate() {
            stream.push(u8::from(at + 1 == count));
            stream.extend_from_slice(&(piece.len() as u16).to_le_bytes());
            stream.extend_from_slice(&(!(piece.len() as u16)).to_le_bytes());
            stream.extend_from_slice(piece);
        }
        stream
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let header = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], b"name\0"].concat();
        [header, stored(plain), crc(plain).to_vec(), (plain.len() as u32).to_le_bytes().to_vec()].concat()
    }

    fn zip(plain: &[u8], known: bool) -> Vec<u8> {
        let mut header = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0".to_vec();
        header[6] = if known { 0 } else { 8 };
        header.extend_from_slice(&if known { crc(plain) } else { [0; 4] });
        header.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 2, 0]);
        header.extend_from_slice(b"a.b??");
        let behind = if known { Vec::new() } else { [&b"PK\x07\x08"[..], &crc(plain)].concat() };
        [header, stored(plain), behind].concat()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        [vec![0x78, 0x9c], stored(plain), adler32(plain).to_be_bytes().to_vec()].concat()
    }

    /// Streams are found wherever they are and whatever announces them, and unpack to what went in.
    #[test]
    fn streams_are_found() {
        let plain = plain();
        let wrapped = [gzip(&plain), gzip(&plain), zip(&plain, true), zip(&plain, false), zlib(&plain)];
        let bytes = [&b"before"[..], &wrapped.concat(), b"after"].concat();
        let found = find(&bytes);
        assert_eq!(found.len(), wrapped.len());
        assert!(found.windows(2).all(|two| two[0].range.end <= two[1].range.start));
        for container in &found {
            assert_eq!(container.unpack(&bytes).as_deref(), Some(&plain[..]));
            assert!(container.children.is_empty());
        }
    }

    /// A container in a container is its child; a wrong checksum or a cut stream is none.
    #[test]
    fn containers_nest_and_are_proven() {
        let inner = zip(&plain(), true);
        let outer = gzip(&[&inner[..], &[7; 500]].concat());
        let [container] = &find(&outer)[..] else { panic!("one container") };
        let [child] = &container.children[..] else { panic!("one child") };
        let parent = container.unpack(&outer).expect("it was found");
        assert_eq!(child.unpack(&parent), Some(plain()));
        let mut wrong = gzip(&plain());
        let length = wrong.len();
        wrong[length - 6] ^= 1;
        assert_eq!(find(&wrong), []);
        assert_eq!(find(&gzip(&plain())[..length - 9]), []);
        assert_eq!(find(b""), []);
    }
}

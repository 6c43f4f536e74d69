//! Where the packed blocks of squashfs images are: files, fragments, and tables of metadata.
//!
//! Of the format (version 4.0, little endian; Linux, fs/squashfs/squashfs_fs.h) it knows what tells where blocks are. A
//! group is a file whose blocks follow each other, one fragment block, or one table. Images whose blocks are deflate
//! streams need nothing of this: each stream is found by itself. What makes no sense is left out, and whoever opens a
//! group makes it again and compares.

use super::xz;
use super::{Codec, Container};
use delta_apply::coding::PARTS_MAX;
use delta_apply::parse::{Format, Layout, Part};
use std::collections::BTreeMap;

const MAGIC: [u8; 4] = *b"hsqs";
const SUPERBLOCK: usize = 96;
const VERSION: u32 = 4;
/// Plaintext of a block of metadata, and what marks one that is stored.
const METADATA_BYTES: usize = 8192;
const METADATA_STORED: u16 = 1 << 15;
/// What marks a data block that is stored, and where its size ends.
const DATA_STORED: u32 = 1 << 24;
/// There is no such table, or no fragment.
const NONE: u64 = u64::MAX;
const NO_FRAGMENT: u32 = u32::MAX;
/// Compressors, by their ids.
const XZ: u16 = 4;
/// Bytes of an entry of the fragment table, and how many a block of metadata has; the same of the table for export.
const FRAGMENT: usize = 16;
const EXPORT: usize = 8;
const ID: usize = 4;
/// Parts that a block adds at most.
const PARTS_OF_BLOCK: usize = 3;
/// Images that are looked for in one, and the plaintext of the inodes of all, which tells how many files there may be.
const IMAGES_MAX: usize = 64;
const INODES_BYTES_MAX: usize = 256 << 20;
/// The plaintext of one group: longer files are several. A device makes a group as a whole.
const GROUP_BYTES_MAX: usize = 64 << 20;

/// The groups of all images in `bytes`, in order.
pub(super) fn groups(bytes: &[u8]) -> Vec<Container> {
    let (mut found, mut at, mut images, mut room) = (Vec::new(), 0, 0, INODES_BYTES_MAX);
    while let Some(step) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == MAGIC[0])) {
        at += step;
        let Some(image) = Image::parse(&bytes[at..]).filter(|_| images < IMAGES_MAX) else {
            at += 1;
            continue;
        };
        images += 1;
        let groups = image.groups(&mut room);
        found.extend(groups.into_iter().map(|group| group.container(at)));
        at += image.bytes.len();
    }
    found
}

/// An image: its superblock, and its bytes as far as that says.
struct Image<'a> {
    bytes: &'a [u8],
    block_bytes: u64,
    compressor: u16,
    inodes: usize,
    fragments: usize,
    ids: usize,
    /// Where tables start; those that are found through an index, where that does.
    inode_table: u64,
    directory_table: u64,
    fragment_index: u64,
    export_index: u64,
    id_index: u64,
    xattr_index: u64,
}

/// Blocks one behind the other.
#[derive(Default)]
struct Group {
    start: usize,
    end: usize,
    parts: Vec<Part>,
    /// Bytes of plaintext without envelopes.
    plain_bytes: usize,
    is_filtered: Option<bool>,
}

impl Group {
    fn new(start: usize) -> Self {
        Self { start, end: start, ..Self::default() }
    }

    /// Appends a part; envelopes side by side become one.
    fn push(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (_, Part::Envelope { bytes: 0 } | Part::Raw { bytes: 0 }) => {}
            (Some(Part::Envelope { bytes: last }), Part::Envelope { bytes }) => *last += bytes,
            _ => self.parts.push(part),
        }
    }

    /// Whether there is anything packed.
    fn is_packed(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Stream { .. }))
    }

    /// Of an image that starts at `offset`.
    fn container(self, offset: usize) -> Container {
        let plain_bytes = self.plain_bytes + Part::envelope_bytes(&self.parts) as usize;
        let layout = Layout { format: Format::Lzma, align_log2: 0, is_filtered: self.is_filtered.unwrap_or(false) };
        let range = offset + self.start..offset + self.end;
        Container { range, codec: Codec::Group(layout, self.parts), plain_bytes, children: Vec::new() }
    }
}

impl<'a> Image<'a> {
    /// The image that `bytes` start with, if they do.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.get(..SUPERBLOCK).filter(|head| head.starts_with(&MAGIC))?;
        let (block_bytes, block_log2) = (u32_at(head, 12)?, u16_at(head, 22)?);
        let known = u32_at(head, 28)? == VERSION && 1u32.checked_shl(block_log2.into()) == Some(block_bytes);
        let used = usize::try_from(u64_at(head, 40)?).ok()?;
        Some(Self {
            bytes: bytes.get(..used).filter(|_| known && used >= SUPERBLOCK)?,
            block_bytes: block_bytes.into(),
            compressor: u16_at(head, 20)?,
            inodes: u32_at(head, 4)? as usize,
            fragments: u32_at(head, 16)? as usize,
            ids: u16_at(head, 26)?.into(),
            inode_table: u64_at(head, 64)?,
            directory_table: u64_at(head, 72)?,
            fragment_index: u64_at(head, 80)?,
            export_index: u64_at(head, 88)?,
            id_index: u64_at(head, 48)?,
            xattr_index: u64_at(head, 56)?,
        })
    }

    /// All groups, in order; some may overlap. `room` is what is left for the plaintext of inodes.
    fn groups(&self, room: &mut usize) -> Vec<Group> {
        if self.compressor != XZ {
            return Vec::new();
        }
        let fragment_table = self.indexed(self.fragment_index, self.fragments, FRAGMENT);
        let indexed = [
            fragment_table,
            self.indexed(self.export_index, self.inodes, EXPORT),
            self.indexed(self.id_index, self.ids, ID),
        ];
        // The directories end where whatever comes next starts.
        let used = self.bytes.len() as u64;
        let starts = indexed.iter().flatten().map(|(start, _)| *start);
        let next = starts.chain([self.fragment_index, self.export_index, self.id_index, self.xattr_index, used]);
        let directories_end = next.filter(|start| *start > self.directory_table).min().unwrap_or(used);
        let tables = [(self.inode_table, self.directory_table), (self.directory_table, directories_end)];
        let tables = tables.into_iter().chain(indexed.into_iter().flatten());
        let mut groups: Vec<Group> = tables.filter_map(|(start, end)| self.metadata(start, end)).collect();
        let plain = |start: u64, room: &mut usize| {
            let table = groups.iter().find(|group| group.start as u64 == start)?;
            *room = room.checked_sub(table.plain_bytes)?;
            let container = Group { parts: table.parts.clone(), ..*table }.container(0);
            let plain = container.unpack(self.bytes)?;
            plain.get(plain.len() - table.plain_bytes..).map(<[u8]>::to_vec)
        };
        let fragments = fragment_table.and_then(|(start, _)| plain(start, room)).unwrap_or_default();
        let inodes = plain(self.inode_table, room).unwrap_or_default();
        // Files may share their blocks; the longest counts.
        let mut files: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for fragment in fragments.chunks_exact(FRAGMENT) {
            let (Some(start), Some(size)) = (u64_at(fragment, 0), u32_at(fragment, 8)) else { continue };
            files.insert(start, vec![size]);
        }
        each_file(&inodes, self.block_bytes, |start, sizes| {
            let file = files.entry(start).or_default();
            if file.len() < sizes.len() {
                *file = sizes.chunks_exact(4).filter_map(|size| u32_at(size, 0)).collect();
            }
        });
        for (start, sizes) in files {
            self.blocks(start, &sizes, &mut groups);
        }
        groups.retain(Group::is_packed);
        groups.sort_by_key(|group| group.start);
        groups
    }

    /// Start and end of the blocks of a table of `count` entries of `bytes` each that is found through an index.
    fn indexed(&self, index: u64, count: usize, bytes: usize) -> Option<(u64, u64)> {
        if index == NONE || count == 0 {
            return None;
        }
        let at = usize::try_from(index).ok()?;
        Some((u64_at(self.bytes, at)?, index)).filter(|(start, end)| start < end && count.checked_mul(bytes).is_some())
    }

    /// The blocks of metadata from `start` to `end`.
    fn metadata(&self, start: u64, end: u64) -> Option<Group> {
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        let mut group = Group::new(start);
        while group.end < end {
            let header = u16_at(self.bytes, group.end)?;
            let bytes = usize::from(header & !METADATA_STORED);
            group.push(Part::Envelope { bytes: 2 });
            group.end += 2;
            if group.parts.len() > PARTS_MAX - PARTS_OF_BLOCK || bytes > METADATA_BYTES {
                return None;
            }
            self.block(&mut group, bytes, header & METADATA_STORED != 0)?;
        }
        (group.end == end).then_some(group)
    }

    /// The data blocks of a file, in as many groups as need be.
    fn blocks(&self, start: u64, sizes: &[u32], groups: &mut Vec<Group>) -> Option<()> {
        let mut group = Group::new(usize::try_from(start).ok()?);
        for size in sizes {
            let bytes = (size & (DATA_STORED - 1)) as usize;
            if size & !(DATA_STORED | (DATA_STORED - 1)) != 0 || bytes as u64 > self.block_bytes {
                return None;
            }
            // A block of no bytes is one of zeros.
            if bytes == 0 {
                continue;
            }
            let is_full = group.plain_bytes + self.block_bytes as usize > GROUP_BYTES_MAX;
            if is_full || group.parts.len() > PARTS_MAX - PARTS_OF_BLOCK {
                let end = group.end;
                groups.push(std::mem::replace(&mut group, Group::new(end)));
            }
            self.block(&mut group, bytes, size & DATA_STORED != 0)?;
        }
        groups.push(group);
        Some(())
    }

    /// Appends a block that starts where the group ends.
    fn block(&self, group: &mut Group, bytes: usize, is_stored: bool) -> Option<()> {
        let end = group.end.checked_add(bytes).filter(|end| *end <= self.bytes.len())?;
        if is_stored {
            group.push(Part::Raw { bytes: bytes as u64 });
            group.plain_bytes += bytes;
        } else {
            let stream = xz::stream(self.bytes, group.end).filter(|stream| stream.end == end)?;
            if stream.parts.len() > PARTS_OF_BLOCK {
                return None;
            }
            if *group.is_filtered.get_or_insert(stream.is_filtered) != stream.is_filtered {
                return None;
            }
            stream.parts.into_iter().for_each(|part| group.push(part));
            group.plain_bytes += stream.plain_bytes;
        }
        group.end = end;
        Some(())
    }
}

/// Hands on where the blocks of each regular file start, and their sizes, four bytes each.
fn each_file(inodes: &[u8], block_bytes: u64, mut each: impl FnMut(u64, &[u8])) -> Option<()> {
    let mut at = 0;
    while at < inodes.len() {
        let kind = u16_at(inodes, at)?;
        let number = |from: usize| u32_at(inodes, at + from);
        let bytes = match kind {
            1 => 32,
            // A directory with an index: its entries have names behind them.
            8 => {
                let mut bytes = 40;
                for _ in 0..u16_at(inodes, at + 32)? {
                    bytes += 12 + number(bytes + 8)? as usize + 1;
                }
                bytes
            }
            2 | 9 => {
                let (start, size, fragment, head) = match kind {
                    2 => (number(16)?.into(), number(28)?.into(), number(20)?, 32),
                    _ => (u64_at(inodes, at + 16)?, u64_at(inodes, at + 24)?, number(44)?, 56),
                };
                let blocks = if fragment == NO_FRAGMENT { size.div_ceil(block_bytes) } else { size / block_bytes };
                let sizes = usize::try_from(blocks).ok()?.checked_mul(4)?;
                let from = at + head;
                let sizes = inodes.get(from..from.checked_add(sizes)?)?;
                if !sizes.is_empty() {
                    each(start, sizes);
                }
                head + sizes.len()
            }
            3 => 24 + number(20)? as usize,
            10 => 28 + number(20)? as usize,
            4 | 5 => 24,
            11 | 12 => 28,
            6 | 7 => 20,
            13 | 14 => 24,
            _ => return None,
        };
        at = at.checked_add(bytes)?;
    }
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

//! Where the packed blocks of squashfs images are: files, fragments, and tables of metadata.
//!
//! Of the format (version 4.0, little endian; Linux, fs/squashfs/squashfs_fs.h) it knows what tells where blocks are. A
//! group is a file whose blocks follow each other, one fragment block, or one table. Images whose blocks are deflate
//! streams need nothing of this: each stream is found by itself. What makes no sense is left out, and whoever opens a
//! group makes it again and compares.

use super::xz;
use super::{Codec, Container};
use delta_apply::coding::PARTS_MAX;
use delta_apply::parse::{Format, Layout, Part, zstd};
use std::collections::BTreeMap;

const MAGIC: [u8; 4] = *b"hsqs";
const SUPERBLOCK: usize = 96;
const VERSION: u32 = 4;
/// The longest plaintext of a data block.
const BLOCK_BYTES_MAX: usize = 1 << 20;
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
const ZSTD: u16 = 6;
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
    block_bytes: usize,
    format: Format,
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
struct Group {
    format: Format,
    start: usize,
    end: usize,
    parts: Vec<Part>,
    /// Bytes of plaintext without envelopes.
    plain_bytes: usize,
    is_filtered: Option<bool>,
}

impl Group {
    fn new(format: Format, start: usize) -> Self {
        Self { format, start, end: start, parts: Vec::new(), plain_bytes: 0, is_filtered: None }
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
        let layout = Layout { format: self.format, align_log2: 0, is_filtered: self.is_filtered.unwrap_or(false) };
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
            block_bytes: usize::try_from(block_bytes).ok().filter(|bytes| *bytes <= BLOCK_BYTES_MAX)?,
            format: match u16_at(head, 20)? {
                XZ => Format::Lzma,
                ZSTD => Format::Zstd,
                _ => return None,
            },
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
        // What overlaps is passed over: each byte is looked at once.
        let mut end = 0;
        for (start, sizes) in files.into_iter().filter_map(|(start, sizes)| Some((usize::try_from(start).ok()?, sizes)))
        {
            if start >= end {
                end = self.blocks(start, &sizes, &mut groups);
            }
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
        let mut group = Group::new(self.format, start);
        while group.end < end {
            let header = u16_at(self.bytes, group.end)?;
            let bytes = usize::from(header & !METADATA_STORED);
            group.push(Part::Envelope { bytes: 2 });
            group.end += 2;
            if group.parts.len() > PARTS_MAX - PARTS_OF_BLOCK {
                return None;
            }
            self.block(&mut group, bytes, header & METADATA_STORED != 0, METADATA_BYTES)?;
        }
        (group.end == end).then_some(group)
    }

    /// The data blocks of a file, in as many groups as need be; gives where they end.
    fn blocks(&self, start: usize, sizes: &[u32], groups: &mut Vec<Group>) -> usize {
        let mut group = Group::new(self.format, start);
        for size in sizes {
            // A block of no bytes is one of zeros.
            let bytes = (size & (DATA_STORED - 1)) as usize;
            let is_full = group.plain_bytes + self.block_bytes > GROUP_BYTES_MAX;
            let fits = !is_full && group.parts.len() <= PARTS_MAX - PARTS_OF_BLOCK;
            let is_stored = size & DATA_STORED != 0;
            if bytes == 0 || (fits && self.block(&mut group, bytes, is_stored, self.block_bytes).is_some()) {
                continue;
            }
            // It starts another group, or is none that can be opened.
            let start = group.end;
            groups.push(std::mem::replace(&mut group, Group::new(self.format, start)));
            if self.block(&mut group, bytes, is_stored, self.block_bytes).is_none() {
                group = Group::new(self.format, start.saturating_add(bytes));
            }
        }
        let end = group.end;
        groups.push(group);
        end
    }

    /// Appends a block that starts where the group ends and has at most `plain_max` bytes of plaintext; or does nothing.
    fn block(&self, group: &mut Group, bytes: usize, is_stored: bool, plain_max: usize) -> Option<()> {
        let end = group.end.checked_add(bytes).filter(|_| bytes <= plain_max)?;
        let until = self.bytes.get(..end)?;
        if is_stored {
            group.push(Part::Raw { bytes: bytes as u64 });
            group.plain_bytes += bytes;
        } else if self.format == Format::Zstd {
            let frame = zstd::extent(&until[group.end..], plain_max)?;
            if frame.checksum_bytes > 0 || frame.plain_bytes == 0 || frame.packed_bytes != bytes as u64 {
                return None;
            }
            group.push(Part::Stream { packed_bytes: frame.packed_bytes });
            group.plain_bytes += frame.plain_bytes as usize;
        } else {
            let stream = xz::stream(until, group.end).filter(|stream| stream.end == end)?;
            if stream.parts.len() > PARTS_OF_BLOCK || stream.plain_bytes > plain_max {
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
fn each_file(inodes: &[u8], block_bytes: usize, mut each: impl FnMut(u64, &[u8])) -> Option<()> {
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
                let block_bytes = block_bytes as u64;
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

#[cfg(test)]
mod tests {
    use super::super::checksum::Crc32;
    use super::*;
    use proptest::prelude::*;

    const BLOCK: usize = 4096;
    /// Plaintext of what is packed: it gets longer here, and no longer than a block.
    const PACKED: usize = 3000;

    fn crc(bytes: &[u8]) -> [u8; 4] {
        let mut crc = Crc32::new();
        crc.update(bytes);
        crc.value().to_le_bytes()
    }

    /// An xz stream of one chunk that is stored: it needs no encoder.
    fn packed(plain: &[u8]) -> Vec<u8> {
        let number = |number: usize| vec![number as u8 | 0x80, (number >> 7) as u8 | 0x80, (number >> 14) as u8];
        let [high, low] = (plain.len() as u16 - 1).to_be_bytes();
        let head = [2, 0, 0x21, 1, 0, 0, 0, 0];
        let mut body = [&head[..], &crc(&head), &[1, high, low], plain, &[0]].concat();
        let unpadded = body.len() + 4;
        body.resize(body.len().next_multiple_of(4), 0);
        let mut index = [vec![0, 1], number(unpadded), number(plain.len())].concat();
        index.resize(index.len().next_multiple_of(4), 0);
        let tail = [(index.len() / 4) as u8, 0, 0, 0, 0, 1];
        let ends = [index.clone(), crc(&index).to_vec(), crc(&tail).to_vec(), tail.to_vec()].concat();
        [&b"\xfd7zXZ\0\0\x01"[..], &crc(&[0, 1]), &body, &crc(plain), &ends, b"YZ"].concat()
    }

    /// Metadata, block by block; only the last one is packed.
    fn metadata(plain: &[u8]) -> Vec<u8> {
        let block = |plain: &[u8]| match plain.len() {
            METADATA_BYTES => [&(METADATA_BYTES as u16 | METADATA_STORED).to_le_bytes()[..], plain].concat(),
            _ => [(packed(plain).len() as u16).to_le_bytes().to_vec(), packed(plain)].concat(),
        };
        plain.chunks(METADATA_BYTES).flat_map(block).collect()
    }

    /// An image with a file of three blocks, the second of which is stored and the third all zeros; a fragment; and so
    /// many links, which fill up the table of inodes.
    fn image(links: usize) -> Vec<u8> {
        let plain: Vec<u8> = (0..3 * BLOCK as u32).map(|at| ((at * at) >> 7) as u8).collect();
        let mut image = vec![0; SUPERBLOCK];
        let first = packed(&plain[..PACKED]);
        let start = image.len() as u32;
        image.extend_from_slice(&first);
        image.extend_from_slice(&plain[BLOCK..2 * BLOCK]);
        let fragment = (image.len() as u64, packed(&plain[2 * BLOCK..][..PACKED]));
        image.extend_from_slice(&fragment.1);
        let link = [&3u16.to_le_bytes()[..], &[0; 14], &1u32.to_le_bytes(), &4u32.to_le_bytes(), b"link"].concat();
        let mut inodes = link.repeat(links);
        let words = [start, 0, 0, 2 * BLOCK as u32 + BLOCK as u32 + 5];
        let sizes = [first.len() as u32, BLOCK as u32 | DATA_STORED, 0];
        inodes.extend_from_slice(&[&2u16.to_le_bytes()[..], &[0; 14]].concat());
        words.iter().chain(&sizes).for_each(|word| inodes.extend_from_slice(&word.to_le_bytes()));
        let field = |at: usize, value: u64, bytes: usize, image: &mut Vec<u8>| {
            image[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        };
        field(64, image.len() as u64, 8, &mut image);
        image.extend(metadata(&inodes));
        field(72, image.len() as u64, 8, &mut image);
        image.extend(metadata(&[7; 300]));
        let table = image.len() as u64;
        let size = (fragment.1.len() as u64).to_le_bytes();
        image.extend(metadata(&[fragment.0.to_le_bytes(), size].concat()));
        field(80, image.len() as u64, 8, &mut image);
        image.extend_from_slice(&table.to_le_bytes());
        [48, 56, 88].into_iter().for_each(|at| field(at, NONE, 8, &mut image));
        let used = image.len() as u64;
        let head = [(0, 0x7371_7368, 4), (4, links as u64 + 1, 4), (12, BLOCK as u64, 4), (16, 1, 4), (20, 4, 2)];
        let more = [(22, 12, 2), (28, 4, 4), (40, used, 8)];
        head.into_iter().chain(more).for_each(|(at, value, bytes)| field(at, value, bytes, &mut image));
        image
    }

    /// Files, fragments and tables are groups that unpack to what went in, wherever an image starts; envelopes stand in
    /// front.
    #[test]
    fn files_fragments_and_tables_are_groups() {
        for (before, links) in [(0, 1), (1000, 700)] {
            let image = image(links);
            let bytes = [vec![b'h'; before], image.clone(), vec![0; 999]].concat();
            let found = groups(&bytes);
            assert_eq!(found.len(), 5, "a file, a fragment, inodes, directories, fragments");
            let plain: Vec<Vec<u8>> = found.iter().map(|group| group.unpack(&bytes).expect("it was found")).collect();
            let Codec::Group(_, parts) = &found[0].codec else { panic!("a group") };
            assert!(matches!(
                parts[..],
                [Part::Envelope { .. }, Part::Stream { .. }, Part::Envelope { .. }, Part::Raw { bytes: 4096 }]
            ));
            let file: Vec<u8> = (0..2 * BLOCK as u32).map(|at| ((at * at) >> 7) as u8).collect();
            assert!(plain[0].ends_with(&[&file[..PACKED], &file[BLOCK..]].concat()));
            assert!(plain[3].ends_with(&[7; 300]));
            assert_eq!(super::super::find(&bytes), found, "and each stream is in one of them");
        }
    }

    /// Other versions, truncated images and those of other compressors have no groups.
    #[test]
    fn what_is_not_known_is_left_closed() {
        let image = image(3);
        let with = |at: usize, byte: u8| {
            let mut changed = image.clone();
            changed[at] = byte;
            groups(&changed)
        };
        assert_eq!(with(28, 3), []);
        assert_eq!(with(22, 13), []);
        assert_eq!(with(20, 1), []);
        assert_eq!(groups(&image[..image.len() - 1]), []);
        assert_eq!(groups(b"hsqs"), []);
        assert!(!with(SUPERBLOCK, 0).is_empty(), "a broken block is left out, others are not");
    }

    proptest! {
        /// Whatever an image says, what is found lies in it.
        #[test]
        fn hostile_images_give_groups_or_none(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
            let mut image = image(300);
            for (at, byte) in changes {
                // Half of them in the superblock.
                let at = at.index(2 * image.len());
                let at = if at < image.len() { at } else { at % SUPERBLOCK };
                image[at] = byte;
            }
            for bytes in [&image[..], &image[..cut.index(image.len())]] {
                for group in groups(bytes) {
                    prop_assert!(group.range.end <= bytes.len());
                    group.unpack(bytes);
                }
            }
        }
    }
}

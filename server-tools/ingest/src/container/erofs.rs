//! Where the packed files of an EROFS image are: its inodes, their indices, and the clusters that these list.
//!
//! Of the format (Linux, fs/erofs/erofs_fs.h) it knows what LZ4 images use: legacy and compact indices, big physical
//! clusters. Whatever else it meets, and whatever makes no sense, it leaves out.

use super::{Codec, Container};
use delta_apply::parse::{Format, Layout, Part};
use std::collections::BTreeSet;

/// What an image starts with, and where.
const MAGIC: u32 = 0xe0f5_e1e2;
const SUPERBLOCK: usize = 1024;
/// The only size of blocks and logical clusters.
const BLOCK: usize = 1 << BLOCK_LOG2;
const BLOCK_LOG2: u8 = 12;
/// Features that change nothing here: zeros in front of a stream, and big physical clusters.
const FEATURES: u32 = 3;
/// How a file's data is laid out.
const LAYOUT_PLAIN: u16 = 0;
const LAYOUT_LEGACY: u16 = 1;
const LAYOUT_INLINE: u16 = 2;
const LAYOUT_COMPACT: u16 = 3;
/// What a file's index says in advance: two bytes for a cluster in part, big physical clusters; and all that is known.
const COMPACT_2B: u16 = 1;
const BIG: u16 = 2;
const ADVICE: u16 = 7;
/// Types of logical clusters.
const TYPE_PLAIN: u8 = 0;
const TYPE_HEAD: u8 = 1;
const TYPE_NONE: u8 = 2;
/// Marks the number of blocks of a big physical cluster.
const BLOCKS_FLAG: u16 = 1 << 11;
/// Inodes that are looked at.
const INODES_MAX: usize = 1 << 22;

/// The packed files of an image, in order; none when it is no image.
pub(super) fn files(bytes: &[u8]) -> Vec<Container> {
    let image = Image { bytes };
    let Some(inodes) = image.inodes() else { return Vec::new() };
    let mut files: Vec<Container> = inodes.iter().filter_map(|inode| image.file(inode)).collect();
    files.sort_unstable_by_key(|file| file.range.start);
    let mut end = 0;
    files.retain(|file| {
        let apart = file.range.start >= end;
        end = end.max(file.range.end);
        apart
    });
    files
}

struct Image<'a> {
    bytes: &'a [u8],
}

/// What an inode says.
struct Inode {
    /// Where what follows it is.
    end: usize,
    layout: u16,
    is_directory: bool,
    size: u64,
    /// The first block of what is not packed.
    block: u32,
}

/// A physical cluster.
struct Cluster {
    /// Where its plaintext starts.
    plain: u64,
    is_raw: bool,
    block: u32,
    blocks: u32,
}

/// A logical cluster as an index has it.
#[derive(Clone, Copy)]
struct Entry {
    kind: u8,
    offset: u16,
    block: u32,
}

impl Image<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        self.bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
    }

    /// All files that are packed.
    fn inodes(&self) -> Option<Vec<Inode>> {
        let block_log2 = *self.bytes.get(SUPERBLOCK + 12)?;
        let known = self.u32(SUPERBLOCK)? == MAGIC && self.u32(SUPERBLOCK + 80)? & !FEATURES == 0;
        if !known || 1usize.checked_shl(block_log2.into()) != Some(BLOCK) {
            return None;
        }
        let inodes_at = self.u32(SUPERBLOCK + 40)? as usize * BLOCK;
        let root = u64::from(self.u16(SUPERBLOCK + 14)?);
        let (mut seen, mut left, mut files) = (BTreeSet::from([root]), vec![root], Vec::new());
        while let Some(number) = left.pop() {
            let at = usize::try_from(number).ok().and_then(|number| number.checked_mul(32)?.checked_add(inodes_at));
            let Some(inode) = at.and_then(|at| self.inode(at)) else { continue };
            if !inode.is_directory {
                files.push(inode);
                continue;
            }
            self.entries(&inode, &mut |number| {
                if seen.len() < INODES_MAX && seen.insert(number) {
                    left.push(number);
                }
            });
        }
        Some(files)
    }

    fn inode(&self, at: usize) -> Option<Inode> {
        let format = self.u16(at)?;
        let extended = format & 1 == 1;
        let size = if extended { self.u64(at + 8)? } else { self.u32(at + 8)?.into() };
        let attributes = match self.u16(at + 2)? {
            0 => 0,
            count => 12 + 4 * (usize::from(count) - 1),
        };
        Some(Inode {
            end: at + if extended { 64 } else { 32 } + attributes,
            layout: format >> 1 & 7,
            is_directory: self.u16(at + 4)? >> 12 == 4,
            size,
            block: self.u32(at + 16)?,
        })
    }

    /// The inodes that a directory names.
    fn entries(&self, directory: &Inode, each: &mut dyn FnMut(u64)) -> Option<()> {
        let size = usize::try_from(directory.size).ok()?;
        let mut done = 0;
        while done < size {
            let bytes = BLOCK.min(size - done);
            let at = match directory.layout {
                LAYOUT_INLINE if done + bytes == size => directory.end,
                LAYOUT_PLAIN | LAYOUT_INLINE => directory.block as usize * BLOCK + done,
                _ => return None,
            };
            let block = self.bytes.get(at..at.checked_add(bytes)?)?;
            let names = usize::from(self.u16(at + 8)?);
            block.get(..names)?.chunks_exact(12).for_each(|entry| {
                each(entry.first_chunk().copied().map_or(0, u64::from_le_bytes));
            });
            done += bytes;
        }
        Some(())
    }

    /// A packed file, when its clusters follow each other.
    fn file(&self, inode: &Inode) -> Option<Container> {
        let clusters = self.clusters(inode)?;
        let start = clusters.first()?.block as usize * BLOCK;
        let (mut at, mut parts, mut plain_bytes) = (start, Vec::new(), 0);
        let mut ends = clusters.iter().skip(1).map(|cluster| cluster.plain).chain([inode.size]);
        for cluster in &clusters {
            let bytes = ends.next()?.checked_sub(cluster.plain)?;
            if bytes == 0 && cluster.plain == inode.size {
                // The end of the file inside of a logical cluster.
                break;
            }
            let packed = self.bytes.get(at..at + cluster.blocks as usize * BLOCK)?;
            if cluster.block as usize * BLOCK != at || bytes == 0 {
                return None;
            }
            let is_last = cluster.plain + bytes == inode.size;
            if cluster.is_raw && (bytes == packed.len() as u64 || (is_last && bytes < packed.len() as u64)) {
                parts.push(Part::Raw { bytes });
                at += bytes as usize;
                plain_bytes += bytes;
                continue;
            } else if !cluster.is_raw {
                let zeros = packed.iter().position(|byte| *byte != 0).filter(|zeros| *zeros < BLOCK)?;
                parts.push(Part::Stream { packed_bytes: (packed.len() - zeros) as u64 });
            } else {
                return None;
            }
            plain_bytes += bytes;
            at += packed.len();
        }
        let layout = Layout { format: Format::Lz4, align_log2: BLOCK_LOG2, is_filtered: false };
        let plain_bytes = usize::try_from(plain_bytes).ok()?;
        Some(Container { range: start..at, codec: Codec::Group(layout, parts), plain_bytes, children: Vec::new() })
    }

    /// The physical clusters of a file.
    fn clusters(&self, inode: &Inode) -> Option<Vec<Cluster>> {
        if !matches!(inode.layout, LAYOUT_LEGACY | LAYOUT_COMPACT) || inode.size == 0 {
            return None;
        }
        let header = inode.end.next_multiple_of(8);
        let advice = self.u16(header + 4)?;
        let (algorithms, cluster_log2) = (*self.bytes.get(header + 6)?, *self.bytes.get(header + 7)?);
        if algorithms != 0 || cluster_log2 != 0 || advice & !ADVICE != 0 {
            return None;
        }
        let count = usize::try_from(inode.size.div_ceil(BLOCK as u64)).ok()?;
        let big = advice & BIG != 0;
        let entries = match inode.layout {
            LAYOUT_COMPACT => self.compact(header + 8, count, advice & COMPACT_2B != 0, big)?,
            _ => self.legacy(header + 16, count)?,
        };
        let mut clusters = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let is_raw = match entry.kind {
                TYPE_PLAIN => true,
                TYPE_HEAD => false,
                TYPE_NONE => continue,
                _ => return None,
            };
            let blocks = match entries.get(at + 1) {
                Some(Entry { kind: TYPE_NONE, offset, .. }) if big && !is_raw && offset & BLOCKS_FLAG != 0 => {
                    u32::from(offset & !BLOCKS_FLAG)
                }
                _ => 1,
            };
            let plain = at as u64 * BLOCK as u64 + u64::from(entry.offset);
            clusters.push(Cluster { plain, is_raw, block: entry.block, blocks });
        }
        (clusters.first()?.plain == 0).then_some(clusters)
    }

    /// An index of eight bytes for a cluster. The offset of one that starts nothing is its first distance.
    fn legacy(&self, start: usize, count: usize) -> Option<Vec<Entry>> {
        let bytes = self.bytes.get(start..start.checked_add(count.checked_mul(8)?)?)?;
        let entry = |at: usize| -> Option<Entry> {
            let kind = (self.u16(at)? & 3) as u8;
            let block = self.u32(at + 4)?;
            let offset = if kind == TYPE_NONE { block as u16 } else { self.u16(at + 2)? };
            Some(Entry { kind, offset, block })
        };
        (0..bytes.len() / 8).map(|index| entry(start + 8 * index)).collect()
    }

    /// An index of packs: two clusters in eight bytes, or sixteen in 32. At the end of a pack is the block before its
    /// first one.
    fn compact(&self, start: usize, count: usize, small: bool, big: bool) -> Option<Vec<Entry>> {
        let initial = (32 - start % 32) / 4 % 8;
        let small = if small && initial < count { (count - initial) / 16 * 16 } else { 0 };
        let (mut entries, mut at) = (Vec::new(), start);
        while entries.len() < count {
            let done = entries.len();
            let (clusters, pack) = if (initial..initial + small).contains(&done) { (16, 32) } else { (2, 8) };
            let bits = (pack - 4) * 8 / clusters;
            let mut block = self.u32(at + pack - 4)?;
            let mut pack_entries = Vec::new();
            for index in 0..clusters.min(count - done) {
                let bit = index * bits;
                // Four bytes from the one that the bits start in: never beyond the pack, which ends with a number.
                let value = self.u32(at + bit / 8)? >> (bit % 8);
                let (offset, kind) = ((value & 0xfff) as u16, (value >> 12 & 3) as u8);
                pack_entries.push(Entry { kind, offset, block: 0 });
            }
            // Blocks count up from the number of the pack: one for a start, or as many as its big cluster has.
            for index in 0..pack_entries.len() {
                let Entry { kind, offset, .. } = pack_entries[index];
                let before = index.checked_sub(1).map(|before| pack_entries[before]);
                match kind {
                    TYPE_NONE if big && offset & BLOCKS_FLAG != 0 => {
                        block = block.wrapping_add(u32::from(offset & !BLOCKS_FLAG))
                    }
                    TYPE_NONE => {}
                    _ => {
                        // The cluster before took one block, unless it said how many. Without big ones the number is that
                        // of the block before the first.
                        let single = before.is_some_and(|before| before.kind != TYPE_NONE);
                        block = block.wrapping_add(u32::from(!big || single));
                        pack_entries[index].block = block;
                    }
                }
            }
            entries.extend(pack_entries);
            at += pack;
        }
        Some(entries)
    }
}

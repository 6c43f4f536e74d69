//! A tree written as an ext4 image whose bytes depend on nothing but the tree.
//!
//! In: a tree and the second its build began. Out: an image of [`IMAGE_BYTES`]. `mke2fs -d` orders names and lays out
//! blocks the same way every time, but copies access and change times from the source files, which nobody can set: so
//! the inode tables are gone over afterwards. It does not check the file system; `e2fsck -fn` does.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::command;
use crate::system::Tool;

/// The program that writes the file system.
pub(super) const TOOL: Tool = Tool { program: "mke2fs", package: "e2fsprogs" };

/// The size of an image.
pub(super) const IMAGE_BYTES: u64 = 256 << 20;

/// Stands for "when this image was built", in seconds since 1970.
pub(super) const FIXED_TIME: u64 = 1_700_000_000;

const IDENTITY: &str = "11111111-2222-3333-4444-555555555555";

/// Named one by one so that no machine's `mke2fs.conf` has a say; without checksums the times can be set afterwards.
const FEATURES: &str = "none,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,\
                        dir_nlink,extra_isize";

/// Writes the tree as an image file.
pub(super) fn write_image(tree: &Path, image: &Path, build_began: u64, log: &Path) -> Result<()> {
    File::create(image)?.set_len(IMAGE_BYTES)?;
    let mke2fs = command::find(TOOL.program).context("mke2fs is missing")?;
    let mut command = Command::new(mke2fs);
    command
        // The order of names follows the locale, and some times the clock.
        .env("LC_ALL", "C")
        .env("E2FSPROGS_FAKE_TIME", FIXED_TIME.to_string())
        .args(["-q", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "4096", "-m", "0", "-O", FEATURES, "-U", IDENTITY])
        .args(["-E", &format!("hash_seed={IDENTITY},root_owner=0:0")])
        .arg("-d")
        .arg(tree)
        .arg(image);
    command::log(&mut command, log, |_| {})?;
    settle_times(image, build_began).with_context(|| format!("times in {}", image.display()))
}

/// Sets every inode's times: what the build itself wrote gets [`FIXED_TIME`], files of packages keep theirs.
fn settle_times(image: &Path, build_began: u64) -> Result<()> {
    let file = File::options().read(true).write(true).open(image)?;
    let mut superblock = [0; 1024];
    file.read_exact_at(&mut superblock, 1024)?;
    ensure!(u16_at(&superblock, 0x38) == 0xEF53, "not an ext4 file system");
    let block_bytes = 1024u64 << u32_at(&superblock, 0x18);
    let inode_bytes = usize::from(u16_at(&superblock, 0x58));
    let (blocks, blocks_per_group) = (u32_at(&superblock, 0x04), u32_at(&superblock, 0x20));
    let inodes_per_group = u32_at(&superblock, 0x28) as usize;
    const WIDE_DESCRIPTORS: u32 = 0x80;
    const METADATA_CHECKSUMS: u32 = 0x400;
    ensure!(u32_at(&superblock, 0x60) & WIDE_DESCRIPTORS == 0, "64-bit group descriptors were not asked for");
    ensure!(u32_at(&superblock, 0x64) & METADATA_CHECKSUMS == 0, "metadata checksums were not asked for");
    ensure!(inode_bytes >= 256 && block_bytes == 4096, "other inode or block size than asked for");
    for group in 0..u64::from(blocks.div_ceil(blocks_per_group)) {
        // Descriptors of 32 bytes follow the superblock's block; the inode table's place stands at offset 8.
        let mut table = [0; 4];
        file.read_exact_at(&mut table, block_bytes + group * 32 + 8)?;
        let table = u64::from(u32::from_le_bytes(table)) * block_bytes;
        let mut inodes = vec![0; inodes_per_group * inode_bytes];
        file.read_exact_at(&mut inodes, table)?;
        for (index, inode) in inodes.chunks_exact_mut(inode_bytes).enumerate() {
            let was = inode.to_vec();
            settle_inode(inode, build_began);
            // Only what changed is written: the holes of the sparse file stay holes.
            if inode != was {
                file.write_all_at(inode, table + (index * inode_bytes) as u64)?;
            }
        }
    }
    Ok(())
}

fn settle_inode(inode: &mut [u8], build_began: u64) {
    let in_use = u16_at(inode, 0x00) != 0 && u16_at(inode, 0x1A) != 0;
    if !in_use {
        return;
    }
    let fixed = FIXED_TIME as u32;
    let modified = match u32_at(inode, 0x10) {
        time if u64::from(time) >= build_began => fixed,
        time => time,
    };
    let mut set = |offset: usize, value: u32| inode[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    // Accessed, changed, modified, then created; the four at 0x84 are the nanoseconds of the same times.
    for offset in [0x08, 0x0C, 0x10] {
        set(offset, modified);
    }
    set(0x90, fixed);
    for offset in [0x84, 0x88, 0x8C, 0x94] {
        set(offset, 0);
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes([bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]])
}

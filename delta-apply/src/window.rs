//! The output window: bytes of the target on their way into the slot. Hashes them, compares them with what the slot
//! holds, and writes only the blocks that differ: flash wears with each write, and most of an update is unchanged.

use crate::io::{IoError, Target};
use crate::tree::ImageHasher;
use alloc::boxed::Box;
use alloc::vec;

/// Bytes that are made and hashed at once: enough for hashing in wide steps and for few calls of the system.
pub(crate) const WINDOW_BYTES: usize = 64 * 1024;

/// Bytes that are compared with what the slot holds at once.
pub(crate) const HELD_BYTES: usize = 16 * 1024;

/// The grain of comparing and writing: the page of flash translation layers and of the page cache.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// How much was written and how much was right already, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes written to the slot.
    pub written: u64,
    /// Bytes that the slot held already.
    pub unchanged: u64,
    /// Bytes copied from the base.
    pub copied: u64,
    /// Bytes that came with the payload.
    pub added: u64,
}

/// See the module.
pub(crate) struct Window {
    made: Box<[u8]>,
    held: Box<[u8]>,
    filled: usize,
    /// Where in the target the window starts.
    at: u64,
    pub(crate) stats: Stats,
}

impl Window {
    pub(crate) fn new() -> Self {
        let buffer = |bytes| vec![0; bytes].into_boxed_slice();
        Self { made: buffer(WINDOW_BYTES), held: buffer(HELD_BYTES), filled: 0, at: 0, stats: Stats::default() }
    }

    /// Forgets what an interrupted step left behind.
    pub(crate) fn discard(&mut self) {
        self.filled = 0;
    }

    /// Starts a segment.
    pub(crate) fn seek(&mut self, at: u64) {
        debug_assert_eq!(self.filled, 0, "a segment ends with a flush");
        self.at = at;
    }

    /// The free part of the window, at most `want` bytes; never empty after a flush.
    pub(crate) fn free(&mut self, want: u64) -> &mut [u8] {
        let bytes = (WINDOW_BYTES - self.filled).min(usize::try_from(want).unwrap_or(WINDOW_BYTES));
        &mut self.made[self.filled..self.filled + bytes]
    }

    /// Counts bytes that were put into [`Self::free`]; gives true when the window is full and must be flushed.
    pub(crate) fn fill(&mut self, bytes: usize) -> bool {
        self.filled += bytes;
        self.filled == WINDOW_BYTES
    }

    /// Bytes that a flush will hand on.
    pub(crate) fn pending(&self) -> u64 {
        self.filled as u64
    }

    /// Hashes what was made and brings the slot to it.
    pub(crate) fn flush(&mut self, hasher: &mut ImageHasher, target: &mut impl Target) -> Result<(), IoError> {
        let made = &self.made[..self.filled];
        hasher.update(made);
        // What differs and was not written yet.
        let mut changed = 0..0;
        for from in (0..made.len()).step_by(HELD_BYTES) {
            let held = &mut self.held[..HELD_BYTES.min(made.len() - from)];
            target.read_at(self.at + from as u64, held)?;
            for (block, held) in (from..).step_by(BLOCK_BYTES).zip(held.chunks(BLOCK_BYTES)) {
                let range = block..block + held.len();
                if made[range.clone()] != *held {
                    changed = if changed.is_empty() { range } else { changed.start..range.end };
                    continue;
                }
                self.stats.unchanged += held.len() as u64;
                if !changed.is_empty() {
                    target.write_at(self.at + changed.start as u64, &made[changed.clone()])?;
                    self.stats.written += changed.len() as u64;
                    changed = 0..0;
                }
            }
        }
        if !changed.is_empty() {
            target.write_at(self.at + changed.start as u64, &made[changed.clone()])?;
            self.stats.written += changed.len() as u64;
        }
        self.at += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::ReadAt;
    use alloc::vec::Vec;

    /// A slot that remembers which ranges were written.
    struct Slot {
        bytes: Vec<u8>,
        writes: Vec<(u64, usize)>,
    }

    impl ReadAt for Slot {
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
            (&self.bytes[..]).read_at(offset, out)
        }
    }

    impl Target for Slot {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
            self.writes.push((offset, bytes.len()));
            self.bytes[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
        fn sync(&mut self) -> Result<(), IoError> {
            Ok(())
        }
    }

    /// Blocks that are right are not written again; neighbours that differ are written in one piece; a short last block
    /// is a block.
    #[test]
    fn only_changed_blocks_are_written() {
        let target: Vec<u8> = (0..10 * BLOCK_BYTES + 100).map(|i| (i % 249) as u8).collect();
        let mut slot = Slot { bytes: target.clone(), writes: Vec::new() };
        for at in [0, 3 * BLOCK_BYTES, 4 * BLOCK_BYTES + 9, 10 * BLOCK_BYTES + 99] {
            slot.bytes[at] ^= 1;
        }
        let mut window = Window::new();
        let mut hasher = ImageHasher::new(0, true);
        window.free(target.len() as u64).copy_from_slice(&target);
        assert!(!window.fill(target.len()), "the window is not full");
        window.flush(&mut hasher, &mut slot).expect("memory does not fail");
        let block = BLOCK_BYTES as u64;
        assert_eq!(slot.writes, [(0, BLOCK_BYTES), (3 * block, 2 * BLOCK_BYTES), (10 * block, 100)]);
        assert!(slot.bytes == target);
        assert_eq!(window.stats.written + window.stats.unchanged, target.len() as u64);
        assert_eq!(hasher.finish().as_bytes(), blake3::hash(&target).as_bytes());
    }
}

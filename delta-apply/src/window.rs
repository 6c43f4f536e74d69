//! The output window: bytes of the target on their way into the slot. Hashes them, compares them with what the slot
//! holds, and writes only the blocks that differ: flash wears with each write, and most of an update is unchanged.

use crate::io::{IoError, Target};
use crate::tree::ImageHasher;
use alloc::boxed::Box;
use alloc::vec;

/// Bytes that are made, hashed and compared at once.
pub(crate) const WINDOW_BYTES: usize = 128 * 1024;

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
        let buffer = || vec![0; WINDOW_BYTES].into_boxed_slice();
        Self { made: buffer(), held: buffer(), filled: 0, at: 0, stats: Stats::default() }
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
        let (made, held) = (&self.made[..self.filled], &mut self.held[..self.filled]);
        hasher.update(made);
        target.read_at(self.at, held)?;
        let mut from = 0;
        while from < made.len() {
            let same = made[from..].chunks(BLOCK_BYTES).zip(held[from..].chunks(BLOCK_BYTES));
            let equal: usize = same.take_while(|(m, h)| m == h).map(|(m, _)| m.len()).sum();
            from += equal;
            self.stats.unchanged += equal as u64;
            let differs = made[from..].chunks(BLOCK_BYTES).zip(held[from..].chunks(BLOCK_BYTES));
            let changed: usize = differs.take_while(|(m, h)| m != h).map(|(m, _)| m.len()).sum();
            if changed > 0 {
                target.write_at(self.at + from as u64, &made[from..from + changed])?;
            }
            from += changed;
            self.stats.written += changed as u64;
        }
        self.at += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}

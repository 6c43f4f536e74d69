//! Bytes of the base, read in pieces that are kept.

use super::{BROKEN, SectionError};
use crate::io::ReadAt;
use alloc::boxed::Box;
use alloc::vec;

const PIECE: usize = 1 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Cached {
    piece: Box<[u8]>,
    start: u64,
    filled: usize,
}

impl Cached {
    pub(super) const BYTES: u64 = PIECE as u64;

    pub(super) fn new() -> Self {
        Self { piece: vec![0; PIECE].into_boxed_slice(), start: 0, filled: 0 }
    }

    /// The bytes at `at`, which must end at `end` at the latest.
    #[inline]
    pub(super) fn get<const N: usize>(
        &mut self,
        base: &mut impl ReadAt,
        at: u64,
        end: u64,
    ) -> Result<[u8; N], SectionError> {
        if at.checked_add(N as u64).is_none_or(|last| last > end) {
            return Err(BROKEN);
        }
        let is_there = at >= self.start && at + N as u64 <= self.start + self.filled as u64;
        if !is_there {
            let filled = (end - at).min(PIECE as u64) as usize;
            base.read_at(at, &mut self.piece[..filled]).map_err(SectionError::Base)?;
            (self.start, self.filled) = (at, filled);
        }
        let from = (at - self.start) as usize;
        self.piece.get(from..).and_then(|piece| piece.first_chunk()).copied().ok_or(BROKEN)
    }

    /// Words from `at` on.
    pub(super) fn words<const N: usize>(
        &mut self,
        base: &mut impl ReadAt,
        at: u64,
        end: u64,
    ) -> Result<[u32; N], SectionError> {
        let mut words = [0; N];
        for (index, word) in (0..).zip(&mut words) {
            *word = u32::from_le_bytes(self.get::<4>(base, at + 4 * index, end)?);
        }
        Ok(words)
    }
}

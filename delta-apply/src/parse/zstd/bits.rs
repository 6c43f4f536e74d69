//! Bits as Zstandard has them: written from low to high, and read backwards where the last ones come first.

use alloc::vec::Vec;
use core::ops::Range;

/// `count` bits at bit `at`, at most 32; zeros behind the end.
#[inline]
pub(super) fn bits(bytes: &[u8], at: usize, count: u32) -> u32 {
    let rest = bytes.get(at / 8..).unwrap_or(&[]);
    let word = match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    (word >> (at % 8) & ((1 << count) - 1)) as u32
}

/// A stretch of bytes whose bits are read from the end to the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backward {
    start: usize,
    /// Bits that are left; less than none when too many were taken.
    left: i64,
}

impl Backward {
    /// `None` where there is no mark of the end.
    pub(super) fn new(bytes: &[u8], range: Range<usize>) -> Option<Self> {
        let last = *bytes.get(range.clone())?.last()?;
        let mark = last.checked_ilog2()?;
        Some(Self { start: range.start, left: (range.len() as i64 - 1) * 8 + i64::from(mark) })
    }

    /// The next `count` bits, at most 32; zeros in front of the start.
    #[inline]
    pub(super) fn peek(&self, bytes: &[u8], count: u32) -> u32 {
        let low = self.left - i64::from(count);
        let there = self.left.clamp(0, count.into()) as u32;
        let found = bits(bytes, self.start * 8 + low.max(0) as usize, there);
        if there == 0 { 0 } else { found << (count - there) }
    }

    pub(super) fn skip(&mut self, count: u32) {
        self.left -= i64::from(count);
    }

    #[inline]
    pub(super) fn read(&mut self, bytes: &[u8], count: u32) -> u32 {
        let read = self.peek(bytes, count);
        self.skip(count);
        read
    }

    /// Bits that are left.
    pub(super) fn left(&self) -> i64 {
        self.left
    }
}

/// Bytes that are made of bits, up to a limit: what is beyond it gets lost.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    word: u64,
    held: u32,
}

/// The most bytes of a block.
pub(super) const BYTES_MAX: usize = 1 << 17;

impl Written {
    /// With memory for a block.
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(BYTES_MAX), word: 0, held: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.word, self.held) = (0, 0);
    }

    /// Whole bytes.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() <= BYTES_MAX {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The lowest `count` bits, at most 32; nothing is above them.
    #[inline]
    pub(super) fn push(&mut self, value: u32, count: u32) {
        self.word |= u64::from(value) << self.held;
        self.held += count;
        while self.held >= 8 {
            if self.bytes.len() < BYTES_MAX {
                self.bytes.push(self.word as u8);
            }
            self.word >>= 8;
            self.held -= 8;
        }
    }

    /// Fills the last byte up.
    pub(super) fn align(&mut self) {
        self.push(0, (8 - self.held) % 8);
    }

    /// The mark of the end, for who reads backwards.
    pub(super) fn end(&mut self) {
        self.push(1, 1);
        self.align();
    }
}

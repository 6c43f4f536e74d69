//! The range coder of LZMA in both directions behind one trait, so that what it codes is written down once.

use alloc::vec::Vec;

/// A probability in 1/2048 that a bit is clear.
pub(super) type Chance = u16;

/// No bit is expected more than the other.
pub(super) const EVEN: Chance = 1 << 10;

const CHANCE_BITS: u32 = 11;
const MOVE_BITS: u32 = 5;
/// Below it the range is renewed by a byte.
const RANGE_MIN: u32 = 1 << 24;

/// Codes bits: an encoder takes them, a decoder gives them back.
pub(super) trait Range {
    /// A bit, and what is learned of it.
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool;

    /// The lowest `bits` of a number as they are, the highest first.
    fn direct(&mut self, value: u32, bits: u32) -> u32;
}

#[inline]
fn learn(chance: &mut Chance, bit: bool) {
    match bit {
        false => *chance += ((1 << CHANCE_BITS) - *chance) >> MOVE_BITS,
        true => *chance -= *chance >> MOVE_BITS,
    }
}

/// Reads the bytes of one chunk.
#[derive(Debug)]
pub(super) struct RangeDecoder<'a> {
    bytes: &'a [u8],
    at: usize,
    range: u32,
    code: u32,
}

impl<'a> RangeDecoder<'a> {
    /// Reads a chunk from its start; `None` when it cannot be one.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (first, code) = (*bytes.first()?, *bytes.get(1..)?.first_chunk()?);
        (first == 0).then_some(Self { bytes, at: 5, range: u32::MAX, code: u32::from_be_bytes(code) })
    }

    /// Whether all bytes were used, none beyond them, and what was read is what an encoder leaves at its end.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.renew();
        self.at == self.bytes.len() && self.code == 0
    }

    /// Whether bytes were missing.
    pub(super) fn failed(&self) -> bool {
        self.at > self.bytes.len()
    }

    #[inline]
    fn renew(&mut self) {
        if self.range < RANGE_MIN {
            self.range <<= 8;
            self.code = self.code << 8 | u32::from(self.bytes.get(self.at).copied().unwrap_or(0));
            self.at += 1;
        }
    }
}

impl Range for RangeDecoder<'_> {
    #[inline]
    fn bit(&mut self, chance: &mut Chance, _: bool) -> bool {
        self.renew();
        let bound = (self.range >> CHANCE_BITS) * u32::from(*chance);
        let bit = self.code >= bound;
        if bit {
            self.range -= bound;
            self.code -= bound;
        } else {
            self.range = bound;
        }
        learn(chance, bit);
        bit
    }

    fn direct(&mut self, _: u32, bits: u32) -> u32 {
        let mut value = 0;
        for _ in 0..bits {
            self.renew();
            self.range >>= 1;
            let bit = self.code >= self.range;
            if bit {
                self.code -= self.range;
            }
            value = value << 1 | u32::from(bit);
        }
        value
    }
}

/// Makes the bytes of one chunk.
#[derive(Debug)]
pub(super) struct RangeEncoder {
    pub(super) bytes: Vec<u8>,
    low: u64,
    range: u32,
    /// The last byte, which a carry may still change, and how many bytes wait for it, itself included.
    last: u8,
    waiting: usize,
}

impl Default for RangeEncoder {
    fn default() -> Self {
        Self { bytes: Vec::new(), low: 0, range: u32::MAX, last: 0, waiting: 1 }
    }
}

impl RangeEncoder {
    /// Starts the next chunk.
    pub(super) fn restart(&mut self) {
        self.bytes.clear();
        (self.low, self.range, self.last, self.waiting) = (0, u32::MAX, 0, 1);
    }

    /// Bytes that there will be when it is ended now.
    pub(super) fn bytes_so_far(&self) -> usize {
        self.bytes.len() + self.waiting + 4
    }

    /// Ends the chunk: all its bytes are there.
    pub(super) fn end(&mut self) {
        self.renew();
        (0..5).for_each(|_| self.shift());
    }

    fn shift(&mut self) {
        if (self.low as u32) < 0xff00_0000 || self.low >> 32 != 0 {
            let carry = (self.low >> 32) as u8;
            let mut byte = self.last;
            for _ in 0..self.waiting {
                self.bytes.push(byte.wrapping_add(carry));
                byte = 0xff;
            }
            self.waiting = 0;
            self.last = (self.low >> 24) as u8;
        }
        self.waiting += 1;
        self.low = u64::from((self.low as u32) << 8);
    }

    #[inline]
    fn renew(&mut self) {
        if self.range < RANGE_MIN {
            self.range <<= 8;
            self.shift();
        }
    }
}

impl Range for RangeEncoder {
    #[inline]
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool {
        self.renew();
        let bound = (self.range >> CHANCE_BITS) * u32::from(*chance);
        if bit {
            self.low += u64::from(bound);
            self.range -= bound;
        } else {
            self.range = bound;
        }
        learn(chance, bit);
        bit
    }

    fn direct(&mut self, value: u32, bits: u32) -> u32 {
        for at in (0..bits).rev() {
            self.renew();
            self.range >>= 1;
            if value >> at & 1 == 1 {
                self.low += u64::from(self.range);
            }
        }
        value
    }
}

//! Canonical Huffman codes: from code lengths to codes, and the table that decodes them.

use super::format::BITS_MAX;
use alloc::vec::Vec;

/// Bits that one look into the table covers; longer codes are found by counting.
const TABLE_BITS: usize = 10;

/// Decodes symbols of one code.
#[derive(Debug, Default)]
pub(super) struct DecodeTable {
    /// By the next [`TABLE_BITS`] bits: symbol << 4 | length; 0 where the code is longer or unknown.
    short: Vec<u16>,
    /// Symbols in the order of their codes.
    symbols: Vec<u16>,
    counts: [u16; BITS_MAX + 1],
}

/// The lengths describe more codes than there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Oversubscribed;

impl DecodeTable {
    /// Takes over the code with these lengths. A code with gaps is accepted: bits in a gap decode to nothing.
    pub(super) fn set(&mut self, lengths: &[u8]) -> Result<(), Oversubscribed> {
        self.counts = [0; BITS_MAX + 1];
        lengths.iter().for_each(|&length| self.counts[usize::from(length)] += 1);
        self.counts[0] = 0;
        let mut firsts = [0u16; BITS_MAX + 2];
        let mut left = 1i32;
        for bits in 1..=BITS_MAX {
            left = (left << 1) - i32::from(self.counts[bits]);
            if left < 0 {
                return Err(Oversubscribed);
            }
            firsts[bits + 1] = firsts[bits] + self.counts[bits];
        }
        self.symbols.clear();
        self.symbols.resize(lengths.len(), 0);
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut firsts[usize::from(length)];
            self.symbols[usize::from(*place)] = symbol as u16;
            *place += 1;
        }
        self.short.clear();
        self.short.resize(1 << TABLE_BITS, 0);
        let mut codes = [0; 320];
        let codes = &mut codes[..lengths.len()];
        assign_codes(lengths, codes);
        for (symbol, (&length, &code)) in lengths.iter().zip(codes.iter()).enumerate() {
            let bits = usize::from(length);
            if bits > 0 && bits <= TABLE_BITS {
                self.short[usize::from(code)..].iter_mut().step_by(1 << bits).for_each(|entry| {
                    *entry = (symbol << 4 | bits) as u16;
                });
            }
        }
        Ok(())
    }

    /// The symbol at the start of `bits` (lowest first) and its length; None in a gap of the code.
    #[inline]
    pub(super) fn decode(&self, bits: u32) -> Option<(usize, usize)> {
        let entry = *self.short.get(bits as usize & ((1 << TABLE_BITS) - 1))?;
        if entry != 0 {
            return Some((usize::from(entry >> 4), usize::from(entry & 15)));
        }
        self.decode_long(bits)
    }

    /// As [`Self::decode`], bit by bit: codes of one length are neighbours.
    fn decode_long(&self, mut bits: u32) -> Option<(usize, usize)> {
        let (mut code, mut first, mut index) = (0usize, 0usize, 0usize);
        for length in 1..=BITS_MAX {
            code |= (bits & 1) as usize;
            bits >>= 1;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                return Some((usize::from(*self.symbols.get(index + (code - first))?), length));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// The codes for `lengths`, first bit lowest, as deflate sends them. Lengths that describe too many codes give nonsense.
pub(super) fn assign_codes(lengths: &[u8], codes: &mut [u16]) {
    let mut next = [0u16; BITS_MAX + 2];
    for &length in lengths.iter().filter(|length| **length > 0) {
        next[usize::from(length) + 1] += 1;
    }
    for bits in 1..=BITS_MAX {
        next[bits + 1] = (next[bits].wrapping_add(next[bits + 1])).wrapping_shl(1);
    }
    for (&length, code) in lengths.iter().zip(codes) {
        if length > 0 {
            let place = &mut next[usize::from(length)];
            *code = place.reverse_bits() >> (16 - length);
            *place = place.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1951, section 3.2.2, and codes longer than the table.
    #[test]
    fn codes_decode_to_their_symbols() {
        let long: Vec<u8> = (1..=15).chain([15]).collect();
        for lengths in [vec![3u8, 3, 3, 3, 3, 2, 4, 4], vec![1, 0, 1], long] {
            let mut codes = vec![0; lengths.len()];
            assign_codes(&lengths, &mut codes);
            let mut table = DecodeTable::default();
            assert_eq!(table.set(&lengths), Ok(()));
            for (symbol, (&length, &code)) in lengths.iter().zip(&codes).enumerate().filter(|(_, (l, _))| **l > 0) {
                for above in [0, u32::MAX << length] {
                    assert_eq!(table.decode(u32::from(code) | above), Some((symbol, length.into())));
                }
            }
        }
        let mut codes = [0; 8];
        assign_codes(&[3, 3, 3, 3, 3, 2, 4, 4], &mut codes);
        assert_eq!(codes[..3], [0b010, 0b110, 0b001], "010, 011, 100 with the first bit lowest");
    }

    /// Too many codes are refused; a gap decodes to nothing.
    #[test]
    fn wrong_codes_are_refused() {
        let mut table = DecodeTable::default();
        assert_eq!(table.set(&[1, 1, 1]), Err(Oversubscribed));
        assert_eq!(table.set(&[0, 1]), Ok(()));
        assert_eq!(table.decode(0), Some((1, 1)));
        assert_eq!(table.decode(1), None);
    }
}

//! Adaptive models of single bits and of numbers.

use super::coder::BitCoder;

/// The probability of a bit of which nothing is known.
pub(super) const EVEN: u16 = 1 << 15;

/// An adaptive bit: the mean of a quick and a slow estimate, both exact averages until they have seen enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bit {
    quick: u16,
    slow: u16,
    seen: u8,
}

/// 65536 / (n + 1.5): how far the n-th bit moves an estimate.
const STEPS: [u16; 128] = {
    let mut steps = [0; 128];
    let mut n = 0;
    while n < steps.len() {
        steps[n] = (131072 / (2 * n as u32 + 3)) as u16;
        n += 1;
    }
    steps
};

/// Bits after which the quick and the slow estimate forget: 1/19 and 1/127.
const QUICK_SEEN: u8 = 18;
const SLOW_SEEN: u8 = 126;

/// Estimates stay this far from certainty, in 1/65536.
const CERTAIN: u16 = 24;

impl Default for Bit {
    fn default() -> Self {
        Self::new()
    }
}

impl Bit {
    /// Knows nothing.
    pub const fn new() -> Self {
        Self { quick: EVEN, slow: EVEN, seen: 0 }
    }

    /// Expects a clear bit.
    pub const fn rare() -> Self {
        Self { quick: 1 << 11, slow: 1 << 11, seen: 6 }
    }

    /// The probability of a set bit in 1/65536.
    #[inline]
    pub fn one(&self) -> u16 {
        let mean = (u32::from(self.quick) + u32::from(self.slow)) >> 1;
        (mean as u16).clamp(CERTAIN, u16::MAX - CERTAIN)
    }

    /// How many bits it has seen, or is taken to have.
    pub(super) const fn seen(&self) -> u8 {
        self.seen
    }

    /// Learns a bit.
    #[inline]
    pub fn learn(&mut self, bit: bool) {
        // Distances from the goal shrink; what is left of one is rounded so that an estimate moves down to the next
        // lower number, in either direction.
        let (goal, rounding) = if bit { (u16::MAX, 0) } else { (0, 65535) };
        let step = |estimate: u16, seen: u8| -> u16 {
            let distance = u32::from(estimate ^ goal);
            let moved = (distance * u32::from(STEPS[usize::from(seen) % STEPS.len()]) + rounding) >> 16;
            (distance - moved) as u16 ^ goal
        };
        self.quick = step(self.quick, self.seen.min(QUICK_SEEN));
        self.slow = step(self.slow, self.seen);
        self.seen = (self.seen + 1).min(SLOW_SEEN);
    }

    /// Codes a bit and learns it.
    #[inline]
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, bit: bool) -> bool {
        let bit = coder.code(bit, self.one());
        self.learn(bit);
        bit
    }
}

/// A probability that moves by less the more it has seen: in the upper 22 bits, how often it moved in the lowest eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate(u32);

/// How far an estimate moves, by how often it has, in 1/65536: 1 / (n + 1.5).
const ESTIMATE_STEPS: [u16; 256] = {
    let mut steps = [0; 256];
    let mut n = 0;
    while n < steps.len() {
        steps[n] = ((2 << 16) / (2 * n as u32 + 3)) as u16;
        n += 1;
    }
    steps
};

impl Estimate {
    /// A probability in 1/65536, taken for what came of `seen` bits.
    pub(super) const fn new(one: u16, seen: u8) -> Self {
        Self((one as u32) << 16 | seen as u32)
    }

    /// The probability of a set bit in 1/65536.
    #[inline]
    pub(super) fn one(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Learns a bit. From `slowest` bits on it moves by one in that many.
    #[inline]
    pub(super) fn learn(&mut self, bit: bool, slowest: u8) {
        let seen = self.0 as u8;
        let (goal, rounding) = if bit { ((1 << 22) - 1, 0) } else { (0, 65535) };
        let distance = (self.0 >> 10) ^ goal;
        let moved = (u64::from(distance) * u64::from(ESTIMATE_STEPS[usize::from(seen)]) + rounding) >> 16;
        let now = (distance - moved as u32) ^ goal;
        self.0 = (now << 10) | (u32::from(seen) + u32::from(seen < slowest));
    }
}

/// Upper bits of a number that are modelled below its size.
const LEAD_BITS: u32 = 4;
/// Sizes that have models of their bits of their own; numbers beyond are rare, and share those of the last.
const SIZES: usize = 32;
/// Lowest bits that are modelled: numbers in programs are often aligned.
const TAIL_BITS: u32 = 3;

/// An adaptive number: its size in bits in unary, then its upper bits and its lowest bits by size; what is between them
/// is sent as it is. Any u64 but the largest.
#[derive(Clone, Debug)]
pub struct Number {
    size: [Bit; 64],
    lead: [[Bit; 1 << LEAD_BITS]; SIZES],
    tail: [[Bit; 1 << TAIL_BITS]; SIZES],
}

impl Default for Number {
    fn default() -> Self {
        Self::new()
    }
}

impl Number {
    /// Knows nothing.
    pub const fn new() -> Self {
        Self {
            size: [Bit::new(); 64],
            lead: [[Bit::new(); 1 << LEAD_BITS]; SIZES],
            tail: [[Bit::new(); 1 << TAIL_BITS]; SIZES],
        }
    }

    /// Codes `value`, which must be below `u64::MAX`; the decoder gives what it reads.
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, value: u64) -> u64 {
        let plus_one = value.wrapping_add(1);
        let bits = if C::ENCODES { 63 - plus_one.leading_zeros() } else { 0 };
        let mut size = 0;
        while size < 63 && self.size[size as usize].code(coder, size < bits) {
            size += 1;
        }
        let class = (size as usize).min(SIZES - 1);
        let (lead, tail) = (&mut self.lead[class], &mut self.tail[class]);
        let mut made = 1u64;
        let mut below = 1usize;
        for at in (0..size).rev() {
            let bit = plus_one >> at & 1 == 1;
            let bit = if size - 1 - at < LEAD_BITS {
                lead[made as usize & ((1 << LEAD_BITS) - 1)].code(coder, bit)
            } else if at < TAIL_BITS {
                let bit = tail[below].code(coder, bit);
                below = below << 1 | usize::from(bit);
                bit
            } else {
                coder.code(bit, EVEN)
            };
            made = made << 1 | u64::from(bit);
        }
        made - 1
    }

    /// Codes a signed number: small ones of either sign are short.
    pub fn code_signed<C: BitCoder>(&mut self, coder: &mut C, value: i64) -> i64 {
        let folded = self.code(coder, ((value << 1) ^ (value >> 63)) as u64);
        (folded >> 1) as i64 ^ -((folded & 1) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::coder::{Decoder, Encoder, SliceSource};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(values in proptest::collection::vec((any::<u64>(), 0u32..64), 0..300)) {
            let values: Vec<u64> = values.into_iter().map(|(value, shift)| (value >> shift).min(u64::MAX - 1)).collect();
            let (mut encoder, mut model) = (Encoder::default(), Number::new());
            values.iter().for_each(|&value| { model.code(&mut encoder, value); });
            let bytes = encoder.finish();
            let (mut decoder, mut model) = (Decoder::new(SliceSource::new(&bytes)), Number::new());
            for &value in &values {
                prop_assert_eq!(model.code(&mut decoder, 0), value);
            }
        }

        #[test]
        fn signed_numbers_round_trip(values in proptest::collection::vec(i64::MIN + 1..i64::MAX, 0..100)) {
            let (mut encoder, mut model) = (Encoder::default(), Number::new());
            values.iter().for_each(|&value| { model.code_signed(&mut encoder, value); });
            let bytes = encoder.finish();
            let (mut decoder, mut model) = (Decoder::new(SliceSource::new(&bytes)), Number::new());
            for &value in &values {
                prop_assert_eq!(model.code_signed(&mut decoder, 0), value);
            }
        }
    }

    /// A bit that is always the same soon costs next to nothing; noise costs a bit each.
    #[test]
    fn a_constant_costs_nothing() {
        let (mut encoder, mut bit) = (Encoder::default(), Bit::new());
        (0..100_000).for_each(|_| {
            bit.code(&mut encoder, true);
        });
        assert!(encoder.finish().len() < 40);
    }
}

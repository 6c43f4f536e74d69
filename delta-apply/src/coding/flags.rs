//! Bits that depend on several contexts at once: whether a block is clean, a prediction holds, a byte differs.

use super::bits::{Bit, EVEN, Estimate};
use super::coder::BitCoder;
use super::mix::{Inputs, Weights, bound, learn, squash, stretch};
use alloc::boxed::Box;
use alloc::vec;

/// A bit under `N` contexts, each a row of adaptive bits in a common table.
#[derive(Debug)]
pub(crate) struct Flag<const N: usize> {
    table: Box<[Estimate]>,
    shift: u32,
    weights: [Weights; SELECTORS],
}

/// What contexts say of a bit.
#[derive(Debug)]
pub(crate) struct Seen<const N: usize> {
    places: [usize; N],
    inputs: Inputs,
    /// The highest of their probabilities.
    pub(crate) most: u16,
}

/// Sets of weights.
pub(crate) const SELECTORS: usize = 16;

/// What an estimate counts up to.
const SLOWEST: u8 = 60;

/// How quickly weights learn.
const RATE: i32 = 12;

/// Log2 of the usual table.
pub(crate) const TABLE_LOG2: u32 = 12;

impl<const N: usize> Flag<N> {
    /// Bytes of memory of a table of `1 << table_log2` bits.
    pub(crate) const fn memory_bytes(table_log2: u32) -> u64 {
        (size_of::<Estimate>() << table_log2) as u64
    }

    /// Expects what `bit` does.
    pub(crate) fn new(table_log2: u32, bit: Bit) -> Self {
        Self {
            table: vec![Estimate::new(bit.one(), bit.seen()); 1 << table_log2].into_boxed_slice(),
            shift: 32 - table_log2,
            weights: [Weights::new(N); SELECTORS],
        }
    }

    /// Codes a bit. Contexts are any numbers; `selector` is below [`SELECTORS`].
    #[inline]
    pub(crate) fn code<C: BitCoder>(&mut self, coder: &mut C, contexts: [u32; N], selector: usize, bit: bool) -> bool {
        let seen = self.look_up(contexts);
        self.code_at(coder, &seen, selector, bit)
    }

    /// What contexts say of the next bit.
    #[inline]
    pub(crate) fn look_up(&self, contexts: [u32; N]) -> Seen<N> {
        let (mut seen, mut n) = (Seen { places: [0; N], inputs: Inputs::default(), most: 0 }, 0);
        while n < N {
            seen.places[n] = (hash(contexts[n], n as u32 + 1) >> self.shift) as usize;
            let one = self.table[seen.places[n]].one();
            seen.inputs.0[n] = stretch(one);
            seen.most = seen.most.max(one);
            n += 1;
        }
        seen
    }

    /// Codes a bit under contexts that were looked up.
    #[inline]
    pub(crate) fn code_at<C: BitCoder>(&mut self, coder: &mut C, seen: &Seen<N>, selector: usize, bit: bool) -> bool {
        let weights = &mut self.weights[selector % SELECTORS];
        let terms = weights.0.iter().zip(&seen.inputs.0).map(|(&weight, &input)| i32::from(weight) * i32::from(input));
        let one = squash(bound(terms.sum()));
        let bit = coder.code(bit, one);
        learn([weights], &seen.inputs, [one], bit, RATE);
        self.learn(seen, bit);
        bit
    }

    /// Learns a bit that was coded otherwise.
    #[inline]
    pub(crate) fn learn(&mut self, seen: &Seen<N>, bit: bool) {
        seen.places.iter().for_each(|&place| self.table[place].learn(bit, SLOWEST));
    }

    /// Codes a number, below `u64::MAX`: its size in bits in unary, its upper and its lowest bits, under the contexts;
    /// what is between them is sent as it is. `what`, below 16, tells numbers apart.
    pub(crate) fn number<C: BitCoder>(&mut self, coder: &mut C, contexts: [u32; N], what: u32, value: u64) -> u64 {
        let plus_one = value.wrapping_add(1);
        let bits = if C::ENCODES { 63 - plus_one.leading_zeros() } else { 0 };
        let under = |node: u32| contexts.map(|context| hash(context, what << 12 | node));
        let mut size = 0;
        while size < 63 && self.code(coder, under(size), (what * 2) as usize & 15, size < bits) {
            size += 1;
        }
        let mut made = 1u64;
        for at in (0..size).rev() {
            let bit = plus_one >> at & 1 == 1;
            let is_modelled = size - 1 - at < LEAD_BITS || at < TAIL_BITS;
            let bit = if is_modelled {
                let known =
                    (made as u32) & if size - 1 - at < LEAD_BITS { 31 } else { (1 << (TAIL_BITS - 1 - at)) - 1 };
                let node = 64 + (size << 6 | known) + if size - 1 - at < LEAD_BITS { 0 } else { 32 + at * 8 };
                self.code(coder, under(node), (what * 2 + 1) as usize & 15, bit)
            } else {
                coder.code(bit, EVEN)
            };
            made = made << 1 | u64::from(bit);
        }
        made - 1
    }
}

/// Upper bits of a number that are modelled below its size, and lowest ones.
const LEAD_BITS: u32 = 5;
const TAIL_BITS: u32 = 3;

/// Spreads a context over 32 bits; `salt` tells contexts apart that hold the same number.
#[inline]
pub(crate) fn hash(context: u32, salt: u32) -> u32 {
    let mixed = (context ^ salt.wrapping_mul(0x9E37_79B1)).wrapping_mul(0x85EB_CA6B);
    (mixed ^ mixed >> 15).wrapping_mul(0x2C1B_3C6D)
}

#[cfg(test)]
mod tests {
    use super::super::coder::{Decoder, Encoder, SliceSource};
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// Numbers of any size come back under any contexts.
        #[test]
        fn numbers_round_trip(values in proptest::collection::vec((any::<u64>(), 0u32..64, any::<u32>()), 0..200)) {
            let values: Vec<(u64, [u32; 2])> =
                values.into_iter().map(|(value, shift, of)| ((value >> shift).min(u64::MAX - 1), [of & 3, of & 255])).collect();
            let (mut encoder, mut model) = (Encoder::default(), Flag::<2>::new(10, Bit::new()));
            values.iter().for_each(|(value, contexts)| { model.number(&mut encoder, *contexts, 15, *value); });
            let bytes = encoder.finish();
            let (mut decoder, mut model) = (Decoder::new(SliceSource::new(&bytes)), Flag::<2>::new(10, Bit::new()));
            for (value, contexts) in &values {
                prop_assert_eq!(model.number(&mut decoder, *contexts, 15, 0), *value);
            }
        }
    }
}

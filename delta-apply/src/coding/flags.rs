//! Bits that depend on several contexts at once: whether a block is clean, a prediction holds, a byte differs.

use super::bits::Bit;
use super::coder::BitCoder;
use super::mix::{Weights, squash, stretch};
use alloc::boxed::Box;
use alloc::vec;

/// A bit under `N` contexts, each a row of adaptive bits in a common table of `1 << TABLE_LOG2`.
#[derive(Debug)]
pub(crate) struct Flag<const N: usize> {
    table: Box<[Bit]>,
    weights: [Weights<N>; SELECTORS],
}

/// Sets of weights.
pub(crate) const SELECTORS: usize = 16;

const TABLE_LOG2: u32 = 12;

impl<const N: usize> Flag<N> {
    /// Bytes of memory.
    pub(crate) const MEMORY_BYTES: u64 = (size_of::<Bit>() << TABLE_LOG2) as u64;

    /// Expects a clear bit.
    pub(crate) fn new() -> Self {
        Self { table: vec![Bit::rare(); 1 << TABLE_LOG2].into_boxed_slice(), weights: [Weights::new(); SELECTORS] }
    }

    /// Codes a bit. Contexts are any numbers; `selector` is below [`SELECTORS`].
    #[inline]
    pub(crate) fn code<C: BitCoder>(&mut self, coder: &mut C, contexts: [u32; N], selector: usize, bit: bool) -> bool {
        let (mut places, mut inputs, mut n) = ([0; N], [0; N], 0);
        while n < N {
            places[n] = (hash(contexts[n], n as u32 + 1) >> (32 - TABLE_LOG2)) as usize;
            inputs[n] = stretch(self.table[places[n]].one());
            n += 1;
        }
        let one = squash(self.weights[selector].mix(&inputs));
        let bit = coder.code(bit, one);
        self.weights[selector].learn(&inputs, one, bit, 6);
        places.iter().for_each(|&place| self.table[place].learn(bit));
        bit
    }
}

/// Spreads a context over 32 bits; `salt` tells contexts apart that hold the same number.
#[inline]
pub(crate) fn hash(context: u32, salt: u32) -> u32 {
    let mixed = (context ^ salt.wrapping_mul(0x9E37_79B1)).wrapping_mul(0x85EB_CA6B);
    (mixed ^ mixed >> 15).wrapping_mul(0x2C1B_3C6D)
}

//! What the bytes of a piece cost as literals.
//!
//! In: the bytes of a piece. Out: an estimate for each pair of a byte and the one before it. Code, text and tables cost
//! quite different amounts, and whether a short match pays depends on it. Integers only: the same on every machine.

use super::cover::BIT;

/// Cheapest literal. The coder would make less of a constant run, but a literal takes a device a hundred times as long
/// as a byte of a match.
const COST_MIN: u32 = BIT / 2;

/// Cost of each byte behind each byte.
pub(super) struct LiteralCosts(Vec<u16>);

impl LiteralCosts {
    /// Counts the pairs in `parts`. Unseen pairs count as an eighth.
    pub(super) fn new<'a>(parts: impl Iterator<Item = &'a [u8]>, percent: u32) -> Self {
        let mut pairs = vec![0u32; 1 << 16];
        for pair in parts.flat_map(|bytes| bytes.windows(2)) {
            pairs[pair_index(pair[0], pair[1])] += 8;
        }
        let mut costs = vec![0; 1 << 16];
        for (counts, costs) in pairs.chunks_exact(256).zip(costs.chunks_exact_mut(256)) {
            let total = log2(counts.iter().map(|count| count + 1).sum());
            for (count, cost) in counts.iter().zip(costs) {
                // The coder knows more than one byte before.
                *cost = ((total - log2(count + 1)) * percent / 100).max(COST_MIN) as u16;
            }
        }
        Self(costs)
    }

    /// Cost of `byte` behind `before`, in parts of [`BIT`].
    pub(super) fn cost(&self, before: u8, byte: u8) -> u32 {
        u32::from(self.0[pair_index(before, byte)])
    }
}

fn pair_index(before: u8, byte: u8) -> usize {
    usize::from(before) << 8 | usize::from(byte)
}

/// Binary logarithm in parts of [`BIT`], straight between powers of two. `number` is not 0.
fn log2(number: u32) -> u32 {
    let whole = number.ilog2();
    let fraction = (u64::from(number) << BIT.ilog2() >> whole) as u32 - BIT;
    whole * BIT + fraction
}

//! Bytes under several contexts: the model of literals and of bytes that differ from their prediction.
//!
//! Every context is looked up once for each half of a byte, in a bucket of 16 slots that names its context, so that a
//! bit costs one line of the processor's cache for each context.

use super::coder::BitCoder;
use super::flags::hash;
use super::mix::{Correction, Weights, squash, stretch};
use alloc::boxed::Box;
use alloc::vec;

/// A slot: the probability of a set bit in the upper 13 bits, how much it has seen in the lower 3.
type Slot = u16;
/// Half a byte under one context: a check of the context, and 15 slots.
type Bucket = [u16; 16];

const UNSEEN: Slot = 1 << 15;
/// How far a slot moves, by how much it has seen; in 1/65536.
const STEPS: [i32; 8] = [40000, 26000, 19000, 14000, 10500, 8000, 6000, 4600];
/// How much an estimate counts before it has seen enough, in 1/16.
const TRUST: [i32; 8] = [0, 9, 12, 14, 15, 16, 16, 17];

/// A model of bytes under `N` contexts; `M` is N + 1.
#[derive(Debug)]
pub(super) struct ByteModel<const N: usize, const M: usize> {
    buckets: Box<[Bucket]>,
    weights: Box<[[Weights<M>; 256]]>,
    selected: Box<[Weights<M>]>,
    correction: Correction<256>,
}

/// Sets of weights that the caller selects from.
pub(super) const SELECTORS: usize = 512;

/// A prediction from elsewhere: a byte that is likely, and how strongly, in the logistic domain (1/256).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint {
    /// The byte.
    pub(super) byte: u8,
    /// 0: no hint.
    pub(super) strength: i32,
}

impl<const N: usize, const M: usize> ByteModel<N, M> {
    /// Bytes of memory of a model with a table of `1 << table_log2` bytes.
    pub(super) const fn memory_bytes(table_log2: u8) -> u64 {
        (1 << table_log2) + (256 * 33 * 2 + (256 + SELECTORS) * 4 * M) as u64
    }

    /// Knows nothing. `table_log2` bytes are at least 32.
    pub(super) fn new(table_log2: u8) -> Self {
        let mut empty = [UNSEEN; 16];
        empty[0] = 0;
        Self {
            buckets: vec![empty; 1 << (table_log2 - 5)].into_boxed_slice(),
            weights: vec![[Weights::new(); 256]; 1].into_boxed_slice(),
            selected: vec![Weights::new(); SELECTORS].into_boxed_slice(),
            correction: Correction::new(),
        }
    }

    /// The bucket of a context: its own, or the less used one of two that is taken over.
    #[inline]
    fn bucket(&mut self, context: u32) -> usize {
        let mask = self.buckets.len() - 1;
        let check = (context as u16) | 1;
        let first = (context >> 12) as usize & mask;
        let second = first ^ 1;
        if self.buckets[first][0] == check {
            return first;
        }
        if self.buckets[second][0] == check {
            return second;
        }
        let victim = if self.buckets[first][1] & 7 <= self.buckets[second][1] & 7 { first } else { second };
        self.buckets[victim] = [UNSEEN; 16];
        self.buckets[victim][0] = check;
        // What was not replaced ages, so that it does not stay for ever.
        let other = victim ^ 1;
        let seen = self.buckets[other][1] & 7;
        if seen > 0 {
            self.buckets[other][1] -= 1;
        }
        victim
    }

    /// Codes a byte. `contexts` are any numbers, `selector` is below [`SELECTORS`].
    #[inline]
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        contexts: &[u32; N],
        selector: usize,
        hint: Hint,
        byte: u8,
    ) -> u8 {
        let mut made = 1usize;
        let mut hinted = hint.strength != 0;
        for half in 0..2 {
            let mut at = [0; N];
            let mut n = 0;
            while n < N {
                let salt = n as u32 + 1 + if half == 1 { made as u32 * 64 } else { 0 };
                at[n] = self.bucket(hash(contexts[n], salt));
                n += 1;
            }
            let mut node = 1usize;
            for shift in (0..4).rev() {
                let shift = shift + 4 * (1 - half);
                let bit = byte >> shift & 1 == 1;
                let mut inputs = [0; M];
                let mut n = 0;
                while n < N {
                    let slot = self.buckets[at[n]][node];
                    inputs[n] = (stretch(slot) * TRUST[usize::from(slot & 7)]) >> 4;
                    n += 1;
                }
                if hinted {
                    inputs[N] = if hint.byte >> shift & 1 == 1 { hint.strength } else { -hint.strength };
                }
                let by_node = &mut self.weights[0][made];
                let by_caller = &mut self.selected[selector];
                let (x, y) = (by_node.mix(&inputs), by_caller.mix(&inputs));
                let mean = (x + y) >> 1;
                let refined = self.correction.refine(mean, made);
                let one = ((u32::from(squash(mean)) + u32::from(refined)) >> 1).clamp(32, 65504) as u16;
                let bit = coder.code(bit, one);
                by_node.learn(&inputs, squash(x), bit, 3);
                by_caller.learn(&inputs, squash(y), bit, 3);
                self.correction.learn(bit);
                for &place in &at {
                    learn(&mut self.buckets[place][node], bit);
                }
                if hinted && (hint.byte >> shift & 1 == 1) != bit {
                    hinted = false;
                }
                node = node << 1 | usize::from(bit);
                made = made << 1 | usize::from(bit);
            }
        }
        made as u8
    }
}

#[inline]
fn learn(slot: &mut Slot, bit: bool) {
    let seen = usize::from(*slot & 7);
    let one = i32::from(*slot & !7);
    let goal = if bit { 65528 } else { 0 };
    let moved = one + (((goal - one) as i64 * i64::from(STEPS[seen])) >> 16) as i32;
    *slot = (moved.clamp(8, 65520) as u16) & !7 | (seen + 1).min(7) as u16;
}

#[cfg(test)]
mod tests {
    use super::super::coder::{Decoder, Encoder, SliceSource};
    use super::*;

    /// Text under its last bytes shrinks, and comes back.
    #[test]
    fn bytes_round_trip() {
        let text = include_bytes!("bytes.rs");
        let contexts = |done: &[u8]| {
            let last = |n: usize| done.len().checked_sub(n).map_or(0, |at| u32::from(done[at]));
            [last(1), last(1) | last(2) << 8, last(1) | last(2) << 8 | last(3) << 16]
        };
        let (mut encoder, mut model) = (Encoder::default(), ByteModel::<3, 4>::new(18));
        for (at, &byte) in text.iter().enumerate() {
            model.code(&mut encoder, &contexts(&text[..at]), 0, Hint::default(), byte);
        }
        let bytes = encoder.finish();
        assert!(bytes.len() * 5 < text.len() * 2, "{} of {}", bytes.len(), text.len());
        let (mut decoder, mut model) = (Decoder::new(SliceSource::new(&bytes)), ByteModel::<3, 4>::new(18));
        let mut made = Vec::new();
        for _ in 0..text.len() {
            let byte = model.code(&mut decoder, &contexts(&made), 0, Hint::default(), 0);
            made.push(byte);
        }
        assert!(made == text);
    }
}

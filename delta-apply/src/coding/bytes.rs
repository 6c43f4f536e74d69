//! Bytes under several contexts: the model of literals and of bytes that differ from their prediction.
//!
//! Every context is looked up once for each half of a byte, in a bucket of 16 bytes that names its context, so that a
//! bit costs one line of the processor's cache for each context. What became of the bits there is kept as a history of a
//! byte; what a history is worth is learned for each context (indirect modelling: Mahoney, "Data Compression Explained",
//! section 4.1.3).

use super::bits::Estimate;
use super::coder::BitCoder;
use super::flags::hash;
use super::mix::{Correction, INPUTS, Inputs, Weights, squash, stretch};
use alloc::boxed::Box;
use alloc::vec;

/// Half a byte under one context: a check of the context, and 15 histories.
type Bucket = [u8; 16];

/// What became of the bits under a context, as a number: how many were clear, how many were set, which was last. Numbers
/// grow with how much was seen.
#[derive(Debug)]
struct Histories {
    /// The history that follows each with a clear and with a set bit.
    next: [[u8; 2]; 256],
    /// The history that each fades to.
    older: [u8; 256],
    /// How many of each bit each stands for.
    counts: [[u8; 2]; 256],
}

/// The most bits of one kind, by how many there are of the other.
const MOST: [u8; 6] = [30, 20, 12, 9, 7, 6];

fn is_history(counts: [u8; 2]) -> bool {
    let [less, more] = [counts[0].min(counts[1]), counts[0].max(counts[1])];
    MOST.get(usize::from(less)).is_some_and(|most| more <= *most)
}

impl Histories {
    fn new() -> Self {
        let mut made = Self { next: [[0; 2]; 256], older: [0; 256], counts: [[0; 2]; 256] };
        let mut last = [0u8; 256];
        let mut used = 0;
        for sum in 0..=30u8 {
            for set in 0..=sum {
                let counts = [sum - set, set];
                let bits = if set > 0 && set < sum { 2 } else { 1 };
                for bit in (0..bits).filter(|_| is_history(counts)) {
                    made.counts[used] = counts;
                    last[used] = if bits == 2 { bit } else { u8::from(set > 0) };
                    used += 1;
                }
            }
        }
        for from in 0..used {
            let mut counts = made.counts[from];
            let larger = usize::from(counts[1] > counts[0]);
            counts[larger] = counts[larger].saturating_sub(1);
            made.older[from] = (0..used).find(|to| made.counts[*to] == counts).unwrap_or(0) as u8;
            for bit in 0..2 {
                let mut counts = made.counts[from];
                counts[bit] += 1;
                // A surprise makes most of what was seen before worth less.
                let other = &mut counts[1 - bit];
                if *other > 2 {
                    *other = other.ilog2() as u8 + 1;
                }
                while !is_history(counts) {
                    let larger = usize::from(counts[1] > counts[0] || counts[1] == counts[0] && bit == 0);
                    counts[larger] -= 1;
                }
                let is_next = |to: &usize| made.counts[*to] == counts && usize::from(last[*to]) == bit;
                let same = |to: &usize| made.counts[*to] == counts;
                made.next[from][bit] = (0..used).find(is_next).or((0..used).find(same)).unwrap_or(0) as u8;
            }
        }
        made
    }
}

/// What an estimate counts up to: from then on it moves by one in this many.
const SLOWEST: u8 = 255;
/// The last history that does not fade.
const YOUNG: u8 = 10;
/// How quickly weights learn.
const RATE: i32 = 14;

/// A model of bytes under `N` contexts and [`HINTS`] hints.
#[derive(Debug)]
pub(super) struct ByteModel<const N: usize> {
    buckets: Box<[Bucket]>,
    histories: Histories,
    /// The probability of a set bit behind each history, by context.
    estimates: Box<[[Estimate; 256]; N]>,
    /// Weights by the bits of the byte so far, by what the caller selects, and by the byte before.
    by_node: Box<[Weights]>,
    by_caller: Box<[Weights]>,
    by_last: Box<[Weights]>,
    correction: Correction<256>,
}

/// Sets of weights that the caller selects from.
pub(super) const SELECTORS: usize = 512;

/// Hints for one byte.
pub(super) const HINTS: usize = 2;

/// A prediction from elsewhere: a byte that is likely, and how strongly, in the logistic domain (1/256).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint {
    /// The byte.
    pub(super) byte: u8,
    /// 0: no hint.
    pub(super) strength: i16,
}

impl<const N: usize> ByteModel<N> {
    /// Bytes of memory of a model with a table of `1 << table_log2` bytes.
    pub(super) const fn memory_bytes(table_log2: u8) -> u64 {
        (1 << table_log2) + (256 * 33 * 2 + 256 * 4 * N + (512 + SELECTORS) * 2 * INPUTS) as u64
    }

    /// Knows nothing. `table_log2` bytes are at least 32.
    pub(super) fn new(table_log2: u8) -> Self {
        let histories = Histories::new();
        let estimate = |[clear, set]: [u8; 2]| {
            let (clear, set) = (u32::from(clear) * 4 + 1, u32::from(set) * 4 + 1);
            Estimate::new(((set << 16) / (clear + set)) as u16, 6)
        };
        Self {
            buckets: vec![[0; 16]; 1 << (table_log2 - 4)].into_boxed_slice(),
            estimates: Box::new([histories.counts.map(estimate); N]),
            histories,
            by_node: vec![Weights::new(N + HINTS); 256].into_boxed_slice(),
            by_last: vec![Weights::new(N + HINTS); 256].into_boxed_slice(),
            by_caller: vec![Weights::new(N + HINTS); SELECTORS].into_boxed_slice(),
            correction: Correction::new(),
        }
    }

    /// Codes a byte. `contexts` are any numbers; `selector`, below [`SELECTORS`], and the byte `last` choose weights.
    #[inline]
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        contexts: &[u32; N],
        (selector, last): (usize, u8),
        hints: [Hint; HINTS],
        byte: u8,
    ) -> u8 {
        const { assert!(N + HINTS <= INPUTS) }
        let mut made = 1usize;
        let mut hints = hints;
        let by_caller = &mut self.by_caller[selector % SELECTORS];
        let by_last = &mut self.by_last[usize::from(last)];
        for half in 0..2 {
            let mut at = [0; N];
            for n in 0..N {
                let salt = n as u32 + 1 + if half == 1 { made as u32 * 64 } else { 0 };
                at[n] = bucket(&mut self.buckets, &self.histories, hash(contexts[n], salt));
            }
            let mut node = 1usize;
            for shift in (0..4).rev() {
                let shift = shift + 4 * (1 - half);
                let bit = byte >> shift & 1 == 1;
                let (mut inputs, mut histories) = (Inputs::default(), [0; N]);
                for n in 0..N {
                    histories[n] = self.buckets[at[n]][node & 15];
                    inputs.0[n] = stretch(self.estimates[n][usize::from(histories[n])].one());
                }
                for (input, hint) in inputs.0[N..].iter_mut().zip(&hints) {
                    *input = if hint.byte >> shift & 1 == 1 { hint.strength } else { -hint.strength };
                }
                let by_node = &mut self.by_node[made & 255];
                let (x, y, z) = (by_node.mix(&inputs), by_caller.mix(&inputs), by_last.mix(&inputs));
                let mean = ((x + y + z) * 11) >> 5;
                let refined = self.correction.refine(mean, made & 255);
                let one = ((u32::from(squash(mean)) + 3 * u32::from(refined)) >> 2).clamp(32, 65504) as u16;
                let bit = coder.code(bit, one);
                by_node.learn(&inputs, squash(x), bit, RATE);
                by_caller.learn(&inputs, squash(y), bit, RATE);
                by_last.learn(&inputs, squash(z), bit, RATE);
                self.correction.learn(bit);
                for n in 0..N {
                    let history = usize::from(histories[n]);
                    self.estimates[n][history].learn(bit, SLOWEST);
                    self.buckets[at[n]][node & 15] = self.histories.next[history][usize::from(bit)];
                }
                for hint in &mut hints {
                    if (hint.byte >> shift & 1 == 1) != bit {
                        hint.strength = 0;
                    }
                }
                node = node << 1 | usize::from(bit);
                made = made << 1 | usize::from(bit);
            }
        }
        made as u8
    }
}

/// The bucket of a context: its own, or the less used one of two that is taken over.
#[inline]
fn bucket(buckets: &mut [Bucket], histories: &Histories, context: u32) -> usize {
    let mask = buckets.len() - 1;
    let check = context as u8;
    let first = (context >> 8) as usize & mask;
    let second = first ^ 1;
    if buckets[first][0] == check {
        return first;
    }
    if buckets[second][0] == check {
        return second;
    }
    let victim = if buckets[first][1] <= buckets[second][1] { first } else { second };
    buckets[victim] = [0; 16];
    buckets[victim][0] = check;
    // What was not replaced ages, so that it does not stay for ever.
    let other = &mut buckets[victim ^ 1][1];
    if *other > YOUNG {
        *other = histories.older[usize::from(*other)];
    }
    victim
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
        let (mut encoder, mut model) = (Encoder::default(), ByteModel::<3>::new(18));
        for (at, &byte) in text.iter().enumerate() {
            model.code(&mut encoder, &contexts(&text[..at]), (0, 0), Default::default(), byte);
        }
        let bytes = encoder.finish();
        assert!(bytes.len() * 5 < text.len() * 2, "{} of {}", bytes.len(), text.len());
        let (mut decoder, mut model) = (Decoder::new(SliceSource::new(&bytes)), ByteModel::<3>::new(18));
        let mut made = Vec::new();
        for _ in 0..text.len() {
            let byte = model.code(&mut decoder, &contexts(&made), (0, 0), Default::default(), 0);
            made.push(byte);
        }
        assert!(made == text);
    }
}

//! Bytes under several contexts: the model of literals and of bytes that differ from their prediction.
//!
//! Every context is looked up once for each half of a byte, in a bucket of 16 bytes that names its context, so that a
//! bit costs one line of the processor's cache for each context. What became of the bits there is kept as a history of a
//! byte; what a history is worth is learned for each context (indirect modelling: Mahoney, "Data Compression Explained",
//! section 4.1.3).

use super::coder::BitCoder;
use super::flags::hash;
use super::mix::{Correction, INPUTS, Inputs, Weights, bound, learn, squash, stretch};
use alloc::boxed::Box;
use alloc::vec;

/// Half a byte under one context: a check of the context, and 15 histories.
type Bucket = [u8; 16];

/// Two buckets, either of which a context may have, in one line of the processor's cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Line([Bucket; 2]);

/// What became of the bits under a context, as a number: how many were clear, how many were set, which was last. Numbers
/// grow with how much was seen.
#[derive(Debug)]
struct Histories {
    /// The history that follows each with a clear and with a set bit.
    next: [[u8; 2]; 256],
    /// What each becomes while others take places beside it: young ones stay.
    aged: [u8; 256],
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
        let mut made = Self { next: [[0; 2]; 256], aged: [0; 256], counts: [[0; 2]; 256] };
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
            let older = (0..used).find(|to| made.counts[*to] == counts).unwrap_or(0);
            made.aged[from] = if from > usize::from(YOUNG) { older } else { from } as u8;
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

/// How far an estimate moves: 1 / (1 << SLOWNESS).
const SLOWNESS: u32 = 7;
/// A probability of 1, in the unit of estimates.
const CERTAIN: i32 = 1 << 22;
/// Weights learn from bits that were taken for more likely to come out otherwise than this, in 1/65536.
const SURE: u16 = 1 << 11;
/// The last history that does not fade.
const YOUNG: u8 = 10;
/// How quickly weights learn.
const RATE: i32 = 14;

/// A model of bytes under `N` contexts.
#[derive(Debug)]
pub(super) struct ByteModel<const N: usize> {
    lines: Box<[Line]>,
    histories: Histories,
    /// The probability of a set bit behind each history, by context, in 1/2^22.
    estimates: Box<[[i32; 256]; N]>,
    /// Weights by what the caller selects, for either half of a byte, and by the byte before.
    by_caller: Box<[[Weights; 2]]>,
    by_last: Box<[Weights]>,
    correction: Correction<256>,
}

/// Sets of weights that the caller selects from.
pub(super) const SELECTORS: usize = 512;

impl<const N: usize> ByteModel<N> {
    /// Bytes of memory of a model with a table of `1 << table_log2` bytes.
    pub(super) const fn memory_bytes(table_log2: u8) -> u64 {
        (1 << table_log2) + (256 * 33 * 2 + 256 * 4 * N + (256 + 2 * SELECTORS) * 2 * INPUTS) as u64
    }

    /// Knows nothing. `table_log2` bytes are at least 32.
    pub(super) fn new(table_log2: u8) -> Self {
        let histories = Histories::new();
        let estimate = |[clear, set]: [u8; 2]| {
            let (clear, set) = (u32::from(clear) * 4 + 1, u32::from(set) * 4 + 1);
            ((u64::from(set) << 22) / u64::from(clear + set)) as i32
        };
        Self {
            lines: vec![Line([[0; 16]; 2]); 1 << (table_log2 - 5)].into_boxed_slice(),
            estimates: Box::new([histories.counts.map(estimate); N]),
            histories,
            by_caller: vec![[Weights::new(N); 2]; SELECTORS].into_boxed_slice(),
            by_last: vec![Weights::new(N); 256].into_boxed_slice(),
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
        byte: u8,
    ) -> u8 {
        const { assert!(N <= INPUTS) }
        let mut made = 1usize;
        let by_caller = &mut self.by_caller[selector % SELECTORS];
        let by_last = &mut self.by_last[usize::from(last)];
        for (half, by_caller) in by_caller.iter_mut().enumerate() {
            let (mut places, mut rows) = ([(0, 0); N], [[0; 16]; N]);
            for n in 0..N {
                let salt = n as u32 + 1 + if half == 1 { made as u32 * 64 } else { 0 };
                (places[n], rows[n]) = look_up(&mut self.lines, &self.histories, hash(contexts[n], salt));
            }
            let mut node = 1usize;
            for shift in (0..4).rev() {
                let shift = shift + 4 * (1 - half);
                let bit = byte >> shift & 1 == 1;
                let (mut inputs, mut ones, mut sums) = (Inputs::default(), [0i32; N], [0i32; 2]);
                // Sums are taken along: processors would have to wait for all inputs to read them back together.
                for n in 0..N {
                    ones[n] = self.estimates[n][usize::from(rows[n][node & 15])];
                    let input = stretch((ones[n] >> 6) as u16);
                    inputs.0[n] = input;
                    sums[0] += i32::from(by_caller.0[n]) * i32::from(input);
                    sums[1] += i32::from(by_last.0[n]) * i32::from(input);
                }
                let means = sums.map(bound);
                let mean = (means[0] + means[1]) >> 1;
                let refined = self.correction.refine(mean, made & 255);
                let one = ((u32::from(squash(mean)) + 3 * u32::from(refined)) >> 2).clamp(32, 65504) as u16;
                let bit = coder.code(bit, one);
                if (if bit { u16::MAX - one } else { one }) > SURE {
                    learn([by_caller, by_last], &inputs, means.map(squash), bit, RATE);
                }
                self.correction.learn(bit);
                let goal = if bit { CERTAIN - 1 } else { 0 };
                ones.iter_mut().for_each(|one| *one += (goal - *one) >> SLOWNESS);
                for n in 0..N {
                    let history = usize::from(rows[n][node & 15]);
                    self.estimates[n][history] = ones[n];
                    let (line, side) = places[n];
                    self.lines[line].0[side][node & 15] = self.histories.next[history][usize::from(bit)];
                }
                node = node << 1 | usize::from(bit);
                made = made << 1 | usize::from(bit);
            }
        }
        made as u8
    }
}

/// The bucket of a context and where it is: its own, or the less used one of two that is taken over. No branch depends on
/// what is found, so that the processor looks up several contexts at a time.
#[inline]
fn look_up(lines: &mut [Line], histories: &Histories, context: u32) -> ((usize, usize), Bucket) {
    let check = context as u8;
    let at = (context >> 8) as usize & (lines.len() - 1);
    let Line(pair) = &mut lines[at];
    let (one, other) = (u128::from_le_bytes(pair[0]), u128::from_le_bytes(pair[1]));
    let (is_one, is_other) = (one as u8 == check, other as u8 == check);
    let takes_one = is_one | (!is_other & ((one >> 8) as u8 <= (other >> 8) as u8));
    let is_known = is_one | is_other;
    let (row, left) = if takes_one { (one, other) } else { (other, one) };
    let row = if is_known { row } else { u128::from(check) };
    // What was not replaced ages, so that it does not stay for ever.
    let age = (left >> 8) as u8;
    let aged = histories.aged[usize::from(age)];
    let side = usize::from(!takes_one);
    pair[side] = row.to_le_bytes();
    pair[1 - side][1] = if is_known { age } else { aged };
    ((at, side), row.to_le_bytes())
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
            model.code(&mut encoder, &contexts(&text[..at]), (0, 0), byte);
        }
        let bytes = encoder.finish();
        assert!(bytes.len() * 5 < text.len() * 2, "{} of {}", bytes.len(), text.len());
        let (mut decoder, mut model) = (Decoder::new(SliceSource::new(&bytes)), ByteModel::<3>::new(18));
        let mut made = Vec::new();
        for _ in 0..text.len() {
            let byte = model.code(&mut decoder, &contexts(&made), (0, 0), 0);
            made.push(byte);
        }
        assert!(made == text);
    }
}

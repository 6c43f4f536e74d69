//! A suffix array of the rest of the base, and the longest equal range that it holds for a place in the target.
//!
//! In: a window of the rest. Out: for the bytes from some offset of the target on, the place in the base where most of
//! them stand. Many places may be equally good; the one nearest to the expected place is taken, since the next match
//! then starts from there. Constructed by libsais (Grebnov). The window, its
//! array and what speeds up the search take eight to nine bytes for each byte of the window.

use super::rest::Rest;
use crate::bytes::{common_prefix, word};
use crate::rope::Rope;
use libsais::SuffixArrayConstruction;

/// Neighbours in the array that are tried on each side for a nearer place.
const NEIGHBOURS: usize = 4;
/// Bytes compared for one place; longer ranges are equally good.
pub(super) const COMPARED_MAX: usize = 512;

/// Shortest equal range that is searched, at most a word.
pub(super) const SEED_BYTES_MIN: usize = 6;
/// Distance of suffixes in the array whose first bytes are kept.
const HEADS_STEP: usize = 8;
/// The filter has eight bits for each byte of the window.
const FILTER_BITS: u32 = 3;

/// The array with what speeds up its search.
pub(super) struct Suffixes {
    rest: Rest,
    /// Offsets of all suffixes in order of their bytes.
    sorted: Vec<i32>,
    /// For each value of the leading bits, where its suffixes start in `sorted`; one more entry ends the last.
    starts: Vec<u32>,
    shift: u32,
    /// The first bytes of every [`HEADS_STEP`]th suffix: most of a search stays here, where it misses the cache less.
    heads: Vec<u64>,
    /// A bit for each hash of [`SEED_BYTES_MIN`] bytes, set when they stand somewhere. Refuses most new data by one look.
    filter: Vec<u64>,
    filter_shift: u32,
}

/// A place in the base and the bytes that are equal there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed {
    pub(super) base: usize,
    pub(super) length: usize,
}

impl Suffixes {
    pub(super) fn new(rest: Rest) -> Self {
        let sorted = SuffixArrayConstruction::for_text(&rest.bytes[..])
            .in_owned_buffer32()
            .single_threaded()
            .run()
            .expect("a window is shorter than 2 GiB")
            .into_vec();
        let bits = rest.bytes.len().next_power_of_two().trailing_zeros().saturating_sub(2).clamp(8, 24);
        let shift = 24 - bits;
        let mut starts = vec![0u32; (1 << bits) + 1];
        for at in 0..rest.bytes.len() {
            starts[(leading(&rest.bytes[at..]) >> shift) as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let heads = sorted.iter().step_by(HEADS_STEP).map(|&at| big_endian(&rest.bytes[at as usize..])).collect();
        let filter_bits = rest.bytes.len().next_power_of_two().trailing_zeros().max(6) + FILTER_BITS;
        let mut filter = vec![0u64; 1 << filter_bits >> 6];
        let filter_shift = 64 - filter_bits;
        for at in 0..(rest.bytes.len() + 1).saturating_sub(8) {
            let bit = (seed_hash(&rest.bytes[at..]) >> filter_shift) as usize;
            filter[bit / 64] |= 1 << (bit % 64);
        }
        Self { rest, sorted, starts, shift, heads, filter, filter_shift }
    }

    /// The longest equal range for `wanted`, which may stand here, when it has at least `length_min` bytes, and of the longest the one nearest
    /// to `expected` in the base.
    pub(super) fn longest(&self, base: &Rope<'_>, wanted: &[u8], expected: i64, length_min: usize) -> Option<Seed> {
        // A range that is long enough ends with bytes that must stand somewhere, too.
        let end = wanted.get(length_min.saturating_sub(SEED_BYTES_MIN)..)?;
        if end.len() < 8 || (length_min > SEED_BYTES_MIN && !self.may_hold(end)) {
            return None;
        }
        let wanted = &wanted[..wanted.len().min(COMPARED_MAX)];
        let slot = (leading(wanted) >> self.shift) as usize;
        let (first, behind) = (self.starts[slot] as usize, self.starts[slot + 1] as usize);
        let (mut low, mut high) = self.narrowed(first, behind, big_endian(wanted));
        // Bytes that `wanted` shares with all suffixes that are still possible.
        let (mut shared_low, mut shared_high) = (0, 0);
        while low < high {
            let middle = low.midpoint(high);
            let suffix = self.suffix(middle);
            let known = shared_low.min(shared_high);
            let shared = known + common_prefix(&suffix[known..], &wanted[known..]);
            if shared == wanted.len() || suffix.get(shared).is_some_and(|&byte| byte > wanted[shared]) {
                (high, shared_high) = (middle, shared);
            } else {
                (low, shared_low) = (middle + 1, shared);
            }
        }
        let below = if low > first { common_prefix(self.suffix(low - 1), wanted) } else { 0 };
        let above = if low < behind { common_prefix(self.suffix(low), wanted) } else { 0 };
        let length = below.max(above);
        if length < length_min {
            return None;
        }
        let wanted = &wanted[..length];
        let continues = usize::try_from(expected).map_or(&[][..], |from| base.bytes_from(from));
        if common_prefix(continues, wanted) == length {
            return Some(Seed { base: expected as usize, length });
        }
        let equal = |&index: &usize| common_prefix(self.suffix(index), wanted) == length;
        let below = (first..low).rev().take(NEIGHBOURS).take_while(equal);
        let above = (low..behind).take(NEIGHBOURS).take_while(equal);
        below
            .chain(above)
            .map(|index| self.rest.base_offset(self.sorted[index] as usize))
            .min_by_key(|&place| ((place as i64).abs_diff(expected), place))
            .map(|place| Seed { base: place, length })
    }

    /// The range in which `sorted[first..behind]` has its first suffix that is not below bytes that start with `head`.
    fn narrowed(&self, first: usize, behind: usize, head: u64) -> (usize, usize) {
        let heads = &self.heads[first.div_ceil(HEADS_STEP)..behind.div_ceil(HEADS_STEP)];
        let below = heads.partition_point(|&one| one < head);
        // Most heads are there once or not at all.
        let not_above = match heads.get(below + 1) {
            Some(&second) if second == head => below + heads[below..].partition_point(|&one| one == head),
            _ => below + usize::from(heads.get(below) == Some(&head)),
        };
        let index = |number: usize| (first.div_ceil(HEADS_STEP) + number) * HEADS_STEP;
        let low = if below > 0 { index(below - 1) + 1 } else { first };
        let high = if not_above < heads.len() { index(not_above) } else { behind };
        (low, high)
    }

    /// Whether the first bytes of `wanted` may stand somewhere in the window.
    pub(super) fn may_hold(&self, wanted: &[u8]) -> bool {
        wanted.len() >= 8 && {
            let bit = (seed_hash(wanted) >> self.filter_shift) as usize;
            self.filter[bit / 64] >> (bit % 64) & 1 == 1
        }
    }

    fn suffix(&self, index: usize) -> &[u8] {
        &self.rest.bytes[self.sorted[index] as usize..]
    }
}

/// The first eight bytes as a number that sorts like them; zeros stand for those behind the end.
fn big_endian(bytes: &[u8]) -> u64 {
    match bytes.get(..8) {
        Some(eight) => word(eight, 0).swap_bytes(),
        None => bytes.iter().rev().fold(0, |number, &byte| number >> 8 | u64::from(byte) << 56),
    }
}

/// The first [`SEED_BYTES_MIN`] of at least eight bytes, as a number.
pub(super) fn head(bytes: &[u8]) -> u64 {
    word(bytes, 0) << (64 - 8 * SEED_BYTES_MIN)
}

fn seed_hash(bytes: &[u8]) -> u64 {
    let mixed = head(bytes).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// The first three bytes as a number that sorts like them.
fn leading(bytes: &[u8]) -> u32 {
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or(0));
    byte(0) << 16 | byte(1) << 8 | byte(2)
}

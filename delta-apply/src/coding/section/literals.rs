//! New bytes of a section: what no copy makes.
//!
//! Bytes are coded under what was made before and what stands around the place in the base. In code that is known,
//! contexts follow instructions, and distances are coded as the addresses that they lead to: a function that is called
//! twice is the same bytes then. Noise, as packed streams are, is not modelled: it would only grow and take time.

use super::{AARCH64, ARM, Section, SectionError, TAIL_BYTES, X86_64, truth_at};
use crate::coding::bits::EVEN;
use crate::coding::coder::{BitCoder, Purpose};
use crate::coding::copies::SectionCopy;
use crate::coding::flags::hash;
use crate::coding::instructions::{Part, Place};
use crate::coding::models::{LITERAL_CONTEXTS, Models};
use crate::io::ReadAt;
use crate::reference::MARGIN_BYTES;

/// New bytes that may be said to be noise, at least.
const NOISE_BYTES_MIN: usize = 1024;
/// Noise has a chi-squared of about 255, and rarely of more than 330; what models understand has thousands.
const NOISE_CHI_SQUARED_MAX: u64 = 400;

impl Section {
    pub(super) fn add<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        next: Option<SectionCopy>,
        bytes: usize,
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        coder.account(Purpose::Literals);
        if bytes >= NOISE_BYTES_MIN && models.noise.code(coder, C::ENCODES && is_noise(&truth[..bytes])) {
            for at in 0..bytes {
                let byte = truth_at::<C>(truth, at);
                let made =
                    (0..8).rev().fold(0, |made, bit| made << 1 | u8::from(coder.code(byte >> bit & 1 == 1, EVEN)));
                self.expected[at] = made;
            }
            return Ok(bytes);
        }
        // What followed the last copy in the base, and what precedes the next one, is often much the same.
        let last = self.last;
        let along =
            |copy: Option<SectionCopy>| copy.map_or(0, |copy| copy.diagonal().wrapping_add(self.made as i64) as u64);
        let (follows, precedes) = (along(last), along(next));
        self.read(base, follows.min(self.base_bytes), bytes)?;
        let before = &mut self.precedes[..bytes];
        match precedes.checked_add(bytes as u64).is_some_and(|end| end <= self.base_bytes) {
            true => base.read_at(precedes, before).map_err(SectionError::Base)?,
            false => before.fill(0),
        }
        let region = self.pair.as_ref().and_then(|pair| pair.target.region_at(self.made)).copied();
        let kind = region.map_or(15, |region| region.kind.number() as u32);
        let mut history = self.history;
        let is_x86 = kind == X86_64;
        let mut place = Place::default();
        if is_x86 {
            self.tail.iter().for_each(|byte| place.push(*byte));
        }
        let is_words = kind == AARCH64 || kind == ARM;
        let mut words = [0u32; 6];
        let skew = (self.made & 3) as usize;
        for (n, word) in words.iter_mut().enumerate().filter(|_| is_words) {
            let end = TAIL_BYTES - skew - 4 * n;
            *word = self.tail[..end].last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        }
        let mut at = 0;
        while at < bytes {
            if is_words && (self.made as usize + at) & 3 == 0 && at + 4 <= bytes && !(kind == ARM && is_thumb(&words)) {
                let address =
                    region.map_or(0, |region| region.address.wrapping_add(self.made + at as u64 - region.offset));
                self.word(coder, models, kind, at, address, &mut words, truth);
                history = history << 32 | u64::from(words[0].swap_bytes());
                at += 4;
                continue;
            }
            let width = match region.filter(|_| is_x86 && at + 4 <= bytes).zip(Field::of(&place)) {
                Some((region, field)) => {
                    let address = region.address.wrapping_add(self.made + at as u64 - region.offset);
                    self.field(coder, models, field, at, address, &place, &mut history, truth);
                    4
                }
                None => {
                    let follows = self.window[MARGIN_BYTES + at];
                    let precedes = self.precedes[at];
                    let now = self.made + at as u64;
                    let mut contexts = literal_contexts(history, kind, now, follows.into(), precedes.into());
                    let mut selector = (kind as usize & 15) << 3 | now as usize & 7;
                    if is_x86 {
                        let phase = (place.part as u32) << 4 | u32::from(place.left);
                        let opcode = u32::from(place.opcode) | phase << 12;
                        let low = history as u32;
                        contexts[4] = opcode << 8 | u32::from(place.operands) ^ 0x5555;
                        contexts[6] = hash(opcode << 8 | u32::from(place.prefix), place.before & 0xffff);
                        contexts[7] = hash(opcode << 8 | u32::from(place.operands), place.before) ^ (low & 0xff);
                        selector = 256 | (place.part as usize) << 3 | usize::from(place.left.min(7));
                    }
                    let byte =
                        models.literal.code(coder, &contexts, (selector, history as u8), truth_at::<C>(truth, at));
                    self.expected[at] = byte;
                    history = history << 8 | u64::from(byte);
                    1
                }
            };
            if is_x86 {
                self.expected[at..at + width].iter().for_each(|byte| place.push(*byte));
            }
            at += width;
        }
        Ok(bytes)
    }

    /// Codes a new instruction of four bytes, its opcode first, and distances in calls as the addresses they lead to.
    #[allow(clippy::too_many_arguments, reason = "all of it is context")]
    fn word<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        kind: u32,
        at: usize,
        address: u64,
        words: &mut [u32; 6],
        truth: &[u8],
    ) {
        let truth =
            if C::ENCODES { truth[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) } else { 0 };
        let bytes = moved(kind, truth, address, 1).to_be_bytes();
        let follows = self.window[MARGIN_BYTES + at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let [one, two, three, ..] = *words;
        let mut made = 0u32;
        for (k, byte) in (0..4).zip(bytes) {
            let so_far = made | 1 << (8 * k) | kind << 27;
            let contexts = [
                so_far,
                hash(so_far, one >> 24),
                hash(so_far, one >> 16),
                hash(so_far, hash(one, two >> 16)),
                hash(so_far, one >> 24 | two >> 24 << 8 | three >> 24 << 16),
                hash(so_far, u32::from(self.precedes[at + 3 - k as usize]) | (follows >> (24 - 8 * k) & 0xff) << 8),
                hash(so_far, follows),
                hash(so_far, one & 31 | (one >> 24) << 8),
            ];
            let selector =
                320 | usize::from(kind == ARM) << 5 | (k as usize) << 3 | (made >> (8 * k.max(1) - 3)) as usize & 7;
            let byte =
                models.literal.code(coder, &contexts, (selector, if k == 0 { one >> 24 } else { made } as u8), byte);
            made = made << 8 | u32::from(byte);
        }
        words.rotate_right(1);
        words[0] = made;
        self.expected[at..at + 4].copy_from_slice(&moved(kind, made, address, u32::MAX).to_le_bytes());
    }

    /// Codes a distance in new code as the address that it leads to.
    #[allow(clippy::too_many_arguments, reason = "all of it is context")]
    fn field<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        field: Field,
        at: usize,
        address: u64,
        place: &Place,
        history: &mut u64,
        truth: &[u8],
    ) {
        let origin = address.wrapping_add(4 + u64::from(field.behind)) as u32;
        let low = self.pair.as_ref().map_or(0, |pair| pair.target.memory().start) as u32;
        let origin = origin.wrapping_sub(low);
        let truth =
            if C::ENCODES { truth[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) } else { 0 };
        let bytes = truth.wrapping_add(origin).to_be_bytes();
        let class = field.class;
        let last = self.last_target[class];
        let opcode = u32::from(place.opcode) << 8 | u32::from(place.operands);
        let mut made = 0u32;
        for (k, byte) in (0..4).zip(bytes) {
            let so_far = made | 1 << (8 * k) | (class as u32) << 30;
            let contexts = [
                so_far,
                hash(so_far, opcode),
                hash(so_far, *history as u32),
                hash(so_far, last),
                hash(so_far, *history as u32 & 0xffff),
                hash(so_far, (*history >> 8) as u32),
                hash(so_far, origin >> 12),
                hash(so_far, hash(last, self.last_target[2])),
            ];
            let selector = 384 | class << 2 | k as usize;
            let byte = models.literal.code(coder, &contexts, (selector, made as u8), byte);
            made = made << 8 | u32::from(byte);
        }
        self.expected[at..at + 4].copy_from_slice(&made.wrapping_sub(origin).to_le_bytes());
        self.last_target[2] = last;
        self.last_target[class] = made;
        *history = *history << 32 | u64::from(made);
    }
}

/// Whether bytes, and their differences over the widths of numbers, are spread as evenly as by chance.
fn is_noise(bytes: &[u8]) -> bool {
    let chi_squared = |width: usize| {
        let mut counts = [0u64; 256];
        let behind = &bytes[width..];
        match width {
            0 => behind.iter().for_each(|byte| counts[usize::from(*byte)] += 1),
            _ => behind.iter().zip(bytes).for_each(|(one, other)| counts[usize::from(one.wrapping_sub(*other))] += 1),
        }
        let length = behind.len() as u64;
        (256 * counts.iter().map(|count| count * count).sum::<u64>() / length).saturating_sub(length)
    };
    [0, 1, 2, 4].into_iter().all(|width| chi_squared(width) <= NOISE_CHI_SQUARED_MAX)
}

/// The contexts of a new byte: what was made before, its column, and the byte at its place in the base.
#[inline]
fn literal_contexts(history: u64, kind: u32, at: u64, follows: u32, precedes: u32) -> [u32; LITERAL_CONTEXTS] {
    let low = history as u32;
    let byte = |n: u32| (history >> (8 * n)) as u32 & 0xff;
    [
        byte(0) | kind << 8,
        low & 0xffff,
        low & 0xff_ffff,
        follows | byte(0) << 8 | 1 << 16,
        (at as u32 & 3) | byte(3) << 8 | byte(7) << 16,
        precedes | follows << 8 | byte(0) << 16,
        (at as u32 & 1) | byte(1) << 8 | byte(3) << 16 | kind << 24,
        hash((at as u32 & 1) | byte(1) << 8 | byte(0) << 16 | byte(3) << 24, byte(5) + 77),
    ]
}

/// Whether the instructions before are not of four bytes each: in A32 almost all have the condition "always".
fn is_thumb(words: &[u32; 6]) -> bool {
    words.iter().filter(|word| **word >> 28 == 0xe).count() < 3
}

/// An instruction whose distance is replaced by the address that it leads to, or, if `sign` is -1, the other way round.
fn moved(kind: u32, word: u32, address: u64, sign: u32) -> u32 {
    let (here, page) = (((address >> 2) as u32).wrapping_mul(sign), ((address >> 12) as u32).wrapping_mul(sign));
    match (kind, word >> 24) {
        (AARCH64, 0x94..=0x97) => word & 0xfc00_0000 | word.wrapping_add(here) & 0x03ff_ffff,
        (AARCH64, top) if top & 0x9f == 0x90 => {
            let number = (word >> 29 & 3 | word >> 3 & 0x1f_fffc).wrapping_add(page);
            word & 0x9f00_001f | (number & 3) << 29 | (number & 0x1f_fffc) << 3
        }
        (ARM, 0xeb) => word & 0xff00_0000 | word.wrapping_add(here) & 0x00ff_ffff,
        _ => word,
    }
}

/// A distance in an instruction.
#[derive(Clone, Copy)]
struct Field {
    /// 0: a call; 1: an operand.
    class: usize,
    /// Bytes of the instruction behind it.
    behind: u8,
}

impl Field {
    /// The field that starts at a place.
    fn of(place: &Place) -> Option<Self> {
        match place.part {
            _ if place.left != 4 => None,
            Part::Immediate if matches!(place.opcode, 0xe8 | 0xe9) => Some(Self { class: 0, behind: 0 }),
            Part::Distance if place.operands & 0xc7 == 5 => Some(Self { class: 1, behind: place.immediate }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::section::PIECE_BYTES;
    use proptest::prelude::*;

    proptest! {
        /// An instruction whose distance became an address becomes itself again.
        #[test]
        fn distances_come_back(word: u32, address: u64, is_arm: bool) {
            let kind = if is_arm { ARM } else { AARCH64 };
            let there = moved(kind, word, address, 1);
            prop_assert_eq!(moved(kind, there, address, u32::MAX), word);
        }
    }

    /// What nothing can be learned from is noise; numbers that grow, text and repetitions are not.
    #[test]
    fn noise() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        for length in [NOISE_BYTES_MIN, PIECE_BYTES] {
            let noise: Vec<u8> = (0..length).map(|_| random()).collect();
            assert!(is_noise(&noise), "{length}");
            let twice = [&noise[..length / 2], &noise[..length / 2]].concat();
            assert!(!is_noise(&twice), "{length} twice");
            assert!(!is_noise(&vec![0; length]));
            let numbers: Vec<u8> = (0..length as u32 / 4).flat_map(|n| (n * 0x01_9e37).to_le_bytes()).collect();
            assert!(!is_noise(&numbers), "{length} of numbers");
        }
    }

    /// Two calls of one function are the same word.
    #[test]
    fn calls_of_one_function_are_equal() {
        // bl +8 and bl +4, four bytes further.
        assert_eq!(moved(AARCH64, 0x9400_0002, 0x1000, 1), moved(AARCH64, 0x9400_0001, 0x1004, 1));
        assert_eq!(moved(ARM, 0xeb00_0002, 0x1000, 1), moved(ARM, 0xeb00_0001, 0x1004, 1));
        // adrp x0, two pages and one page further.
        assert_eq!(moved(AARCH64, 0xd000_0000, 0x1000, 1), moved(AARCH64, 0xb000_0000, 0x2000, 1));
    }
}

//! Earlier places of the same bytes: what the encoder's match finder may have found.

use super::find::History;
use alloc::boxed::Box;
use alloc::vec;

/// Bytes that are the same, most first, and entries of the table of each.
pub(super) const WIDTHS: [usize; 6] = [12, 8, 6, 4, 3, 2];
const ENTRIES_LOG2: [u32; WIDTHS.len()] = [14, 15, 15, 16, 15, 12];
const ENTRIES: usize = Index::sum();
const WIDEST: u64 = WIDTHS[0] as u64;

/// The last place of each hash, for all places of a stream.
#[derive(Debug)]
pub(super) struct Index {
    /// Places from the start of the stream, plus one; 0 for none.
    tables: Box<[u32]>,
    start: u64,
    /// Places that are entered, and the bytes from there on.
    entered: u64,
    bytes: u128,
    held: u64,
}

impl Index {
    pub(super) const BYTES: usize = ENTRIES * size_of::<u32>();

    pub(super) fn new() -> Self {
        Self { tables: vec![0; ENTRIES].into_boxed_slice(), start: 0, entered: 0, bytes: 0, held: 0 }
    }

    const fn sum() -> usize {
        let (mut sum, mut width) = (0, 0);
        while width < WIDTHS.len() {
            sum += 1 << ENTRIES_LOG2[width];
            width += 1;
        }
        sum
    }

    /// A stream starts.
    pub(super) fn begin(&mut self, at: u64) {
        self.tables.fill(0);
        (self.start, self.entered, self.bytes, self.held) = (at, at, 0, 0);
    }

    /// The entries of the bytes at a place, widest first.
    #[inline]
    fn slots(bytes: u128) -> [usize; WIDTHS.len()] {
        let mut slots = [0; WIDTHS.len()];
        let mut first = 0;
        for (at, slot) in slots.iter_mut().enumerate() {
            let kept = bytes & ((1 << (8 * WIDTHS[at])) - 1);
            let high = ((kept >> 64) as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
            let mixed = (kept as u64 ^ high).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            *slot = first + (mixed >> (64 - ENTRIES_LOG2[at])) as usize;
            first += 1 << ENTRIES_LOG2[at];
        }
        slots
    }

    /// The distances to the last places of the bytes at `at`, widest first; 0 for none. Enters all places before.
    #[inline]
    pub(super) fn find(&mut self, history: &History, at: u64) -> [u32; WIDTHS.len()] {
        if self.entered + BEHIND_MAX < at {
            // A long token was taken as a whole.
            (self.entered, self.bytes, self.held) = (at - BEHIND_MAX, 0, 0);
        }
        loop {
            while self.held < WIDEST {
                let Some(byte) = history.there(self.entered + self.held) else { return [0; WIDTHS.len()] };
                self.bytes |= u128::from(byte) << (8 * self.held);
                self.held += 1;
            }
            let slots = Self::slots(self.bytes);
            let place = (self.entered - self.start) as u32;
            if self.entered >= at {
                return slots.map(|slot| match self.tables[slot] {
                    0 => 0,
                    known => place.wrapping_sub(known.wrapping_sub(1)),
                });
            }
            slots.iter().for_each(|slot| self.tables[*slot] = place.wrapping_add(1));
            self.bytes >>= 8;
            self.held -= 1;
            self.entered += 1;
        }
    }
}

/// Places that are entered at most behind a token.
const BEHIND_MAX: u64 = 1 << 15;

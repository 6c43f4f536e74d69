//! The middle levels of zlib-ng and zlib-rs: the match after a match is looked for before the first is written, and may
//! take over all of it but a byte.

use super::{AHEAD, BUFFER_BYTES, Candidate, Finder, MATCH_MIN, Token};

/// Bytes that are hashed; shorter matches are not taken.
pub(super) const HASHED: usize = 4;
/// A match that grew to this length grows no more.
const GROWN_MAX: usize = 256;

/// The hash of the four bytes at `place`: Knuth's multiplication.
#[inline]
pub(super) fn hash(bytes: &[u8; BUFFER_BYTES], place: usize) -> u16 {
    let four = bytes[place..].first_chunk().copied().map_or(0, u32::from_le_bytes);
    (four.wrapping_mul(2_654_435_761) >> 16) as u16
}

impl Finder {
    /// Whether the level is one of the middle.
    pub(super) fn looks_ahead(&self) -> bool {
        !self.effort.is_lazy
    }

    /// The longest match whose bytes are all entered into the hash table. The last byte of a longer one is.
    pub(super) fn inserted_max(&self) -> usize {
        if self.looks_ahead() { 16 * self.effort.lazy } else { usize::MAX }
    }

    /// Whether a candidate agrees where zlib-ng looks first: in eight bytes at its start and at the end of the best.
    pub(super) fn looks_better(&self, candidate: usize, place: usize, best: usize) -> bool {
        let eight = |at: usize| self.bytes[at..].first_chunk::<8>();
        let ends = best.checked_sub(7).map(|tail| eight(candidate + tail) == eight(place + tail));
        ends == Some(true) && eight(candidate) == eight(place)
    }

    /// The token that zlib-ng would write at a middle level.
    pub(super) fn predict_ng(&mut self) -> Token {
        let ahead = self.end - self.at;
        let mut here = match self.here.take() {
            // At the end of what it knows it forgets the next match, and then finds no other at that place.
            Some(_) if ahead < AHEAD => LITERAL,
            Some(known) => known,
            None => self.match_or_literal(self.at),
        };
        loop {
            let behind = self.at + here.length;
            let knows_next = !self.effort.gives_up && ahead > AHEAD && behind < 2 * self.window_bytes - AHEAD;
            if !knows_next {
                break;
            }
            if here.length > self.inserted_max() {
                self.enter(self.at + 1);
                self.entered = self.entered.max(behind - 1);
            }
            let mut next = self.match_or_literal(behind);
            if next.length > 1 {
                self.take_over(&mut here, &mut next);
            }
            if here.length > 0 {
                self.next = Some(next);
                break;
            }
            here = next;
        }
        match here.length {
            0 | 1 => Token::Literal,
            length => Token::Match { length: length as u16, distance: here.distance as u16 },
        }
    }

    fn match_or_literal(&mut self, place: usize) -> Candidate {
        let found = self.longest(place, MATCH_MIN - 1);
        if found.length < HASHED { LITERAL } else { found }
    }

    /// Lets `next` begin earlier as long as it matches, when that leaves a byte of `here` at most.
    fn take_over(&self, here: &mut Candidate, next: &mut Candidate) {
        let start = self.at + here.length;
        let from = start - next.distance;
        if here.length <= 1 || here.length > 1 + from {
            return;
        }
        let oldest = start.saturating_sub(self.distance_max);
        let mut step = 0;
        while step < here.length
            && start - step > oldest
            && next.length + step < GROWN_MAX
            && from - step > 1
            && self.bytes[from - step - 1] == self.bytes[start - step - 1]
        {
            step += 1;
        }
        if step + 1 >= here.length {
            here.length -= step;
            next.length += step;
        }
    }
}

/// One byte that stands for itself.
const LITERAL: Candidate = Candidate { length: 1, distance: 0 };

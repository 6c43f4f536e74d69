//! The plaintext that tokens are made of, and earlier places with the same bytes.

use super::{Plaintext, UnpackError};
use crate::io::ReadAt;
use alloc::boxed::Box;
use alloc::vec;

/// Plaintext in memory: half of it is behind the place at work, half ahead.
const WINDOW: usize = 1 << 17;
pub(super) const AHEAD: u64 = (WINDOW / 2) as u64;
/// Plaintext that is read at once.
const PIECE: usize = 1 << 12;

/// The plaintext of a group, which lies in a virtual base from `start` on.
#[derive(Debug)]
pub(super) struct History {
    window: Box<[u8]>,
    start: u64,
    /// What was read.
    end: u64,
}

impl History {
    pub(super) const BYTES: usize = WINDOW;

    pub(super) fn new() -> Self {
        Self { window: vec![0; WINDOW].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Starts with a group whose plaintext is from `start` on.
    pub(super) fn begin(&mut self, start: u64) {
        (self.start, self.end) = (start, 0);
    }

    /// Forgets what was read from `at` on.
    pub(super) fn rewind(&mut self, at: u64) {
        self.end = self.end.min(at);
    }

    /// Reads what is ahead of `at`, as far as `there`.
    pub(super) fn fill(&mut self, base: &mut impl ReadAt, at: u64, there: u64) -> Result<(), UnpackError> {
        while self.end + PIECE as u64 <= at + AHEAD && self.end < there {
            let from = self.end as usize % WINDOW;
            let bytes = (there - self.end).min((PIECE - from % PIECE) as u64) as usize;
            base.read_at(self.start + self.end, &mut self.window[from..from + bytes])?;
            self.end += bytes as u64;
        }
        Ok(())
    }

    /// Where the plaintext is.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// A byte, if it is in the window.
    #[inline]
    pub(super) fn there(&self, at: u64) -> Option<u8> {
        (at < self.end && at + WINDOW as u64 >= self.end).then(|| self.near(at))
    }

    /// A byte that is in the window.
    #[inline]
    fn near(&self, at: u64) -> u8 {
        self.window[at as usize % WINDOW]
    }

    /// Bytes that are the same at `at`, which is in the window, and `distance` before; `most` at most.
    #[inline]
    pub(super) fn common(&self, base: &mut impl ReadAt, at: u64, distance: u64, most: u64) -> Result<u64, UnpackError> {
        let most = most.min(self.end.saturating_sub(at));
        let Some(from) = at.checked_sub(distance) else { return Ok(0) };
        let mut same = 0;
        if from + WINDOW as u64 >= self.end {
            while same < most && self.near(at + same) == self.near(from + same) {
                same += 1;
            }
            return Ok(same);
        }
        let mut piece = [0; 32];
        loop {
            let bytes = (most - same).min(piece.len() as u64).min(distance) as usize;
            base.read_at(self.start + from + same, &mut piece[..bytes])?;
            for byte in &piece[..bytes] {
                if *byte != self.near(at + same) {
                    return Ok(same);
                }
                same += 1;
            }
            if bytes == 0 {
                return Ok(same);
            }
        }
    }

    /// The four bytes at `at`, when they are in the window.
    #[inline]
    fn four(&self, at: u64) -> Option<u32> {
        (at + 4 <= self.end).then(|| (0..4).fold(0, |four, byte| four << 8 | u32::from(self.near(at + byte))))
    }
}

/// The plaintext together with what it is read from.
pub(super) struct Reading<'a, B> {
    pub(super) history: &'a History,
    pub(super) base: &'a mut B,
}

impl<B: ReadAt> Plaintext for Reading<'_, B> {
    fn byte(&mut self, at: u64) -> Result<u8, UnpackError> {
        if at < self.history.end && at + WINDOW as u64 >= self.history.end {
            return Ok(self.history.near(at));
        }
        let mut byte = [0];
        self.base.read_at(self.history.start + at, &mut byte)?;
        Ok(byte[0])
    }
}

/// Heads of chains, and places that chains go back.
const HEADS_LOG2: u32 = 15;
const CHAIN: usize = 1 << 16;
/// Places that are looked at for one token: where the base's encoder is likely to be right, and where it is not.
pub(super) const SHALLOW: usize = 16;
pub(super) const DEEP: usize = 2048;
/// Matches that are long enough for everybody.
const ENOUGH: u64 = 512;

/// Earlier places of the same four bytes, the last ones first.
#[derive(Debug)]
pub(super) struct Finder {
    /// The last place of a hash, plus one; how far before each place the one before it was, 0 for none.
    heads: Box<[u32]>,
    chain: Box<[u16]>,
    /// Places that are entered, and where the stream starts: nothing before counts.
    entered: u64,
    first: u64,
}

/// A match that was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) length: u64,
    pub(super) distance: u64,
}

impl Finder {
    pub(super) const BYTES: usize = (4 << HEADS_LOG2) + 2 * CHAIN;

    pub(super) fn new() -> Self {
        Self { heads: Box::default(), chain: Box::default(), entered: 0, first: 0 }
    }

    /// Gives its memory back until the next stream starts.
    pub(super) fn release(&mut self) {
        (self.heads, self.chain) = (Box::default(), Box::default());
    }

    /// A stream starts at `at`; nothing before it is entered any more.
    pub(super) fn begin(&mut self, at: u64) {
        if self.heads.is_empty() {
            self.heads = vec![0; 1 << HEADS_LOG2].into_boxed_slice();
            self.chain = vec![0; CHAIN].into_boxed_slice();
        }
        self.heads.fill(0);
        (self.entered, self.first) = (at, at);
    }

    fn hash(four: u32) -> usize {
        (four.wrapping_mul(0x9E37_79B1) >> (32 - HEADS_LOG2)) as usize
    }

    /// Enters all places before `at`.
    fn enter(&mut self, history: &History, at: u64) {
        // Far behind: a long token was taken as a whole.
        self.entered = self.entered.max(at.saturating_sub(CHAIN as u64));
        while self.entered < at {
            let Some(four) = history.four(self.entered) else { return };
            let head = &mut self.heads[Self::hash(four)];
            let place = (self.entered - self.first) as u32;
            let before = u64::from(*head).checked_sub(1).map_or(0, |before| u64::from(place).saturating_sub(before));
            self.chain[self.entered as usize % CHAIN] = if before < CHAIN as u64 { before as u16 } else { 0 };
            *head = place.wrapping_add(1);
            self.entered += 1;
        }
    }

    /// Calls `each` for earlier places with the four bytes of `at`, nearest first, until it gives false.
    fn walk(
        &mut self,
        history: &History,
        at: u64,
        tries: usize,
        mut each: impl FnMut(u64) -> Result<bool, UnpackError>,
    ) -> Result<(), UnpackError> {
        self.enter(history, at);
        let Some(four) = history.four(at) else { return Ok(()) };
        let Some(place) = u64::from(self.heads[Self::hash(four)]).checked_sub(1) else { return Ok(()) };
        let mut place = place + self.first;
        for _ in 0..tries {
            if place < at && (at - place >= CHAIN as u64 || !each(at - place)?) {
                return Ok(());
            }
            let back = u64::from(self.chain[place as usize % CHAIN]);
            if back == 0 || place < self.first + back {
                return Ok(());
            }
            place -= back;
        }
        Ok(())
    }

    /// The longest match at `at` among so many places, and of those the nearest.
    pub(super) fn longest(
        &mut self,
        history: &History,
        base: &mut impl ReadAt,
        at: u64,
        (most, tries): (u64, usize),
    ) -> Result<Found, UnpackError> {
        let mut best = Found::default();
        let most = most.min(ENOUGH);
        self.walk(history, at, tries, |distance| {
            // The byte that would make it longer first.
            if best.length > 0
                && (at + best.length >= history.end
                    || history.near(at + best.length) != history.near(at + best.length - distance))
            {
                return Ok(true);
            }
            let length = history.common(base, at, distance, most)?;
            if length > best.length {
                best = Found { length, distance };
            }
            Ok(length < most)
        })?;
        Ok(if best.length >= 4 { best } else { Found::default() })
    }

    /// How many nearer places match as long, if `distance` is found at all.
    pub(super) fn rank(
        &mut self,
        history: &History,
        base: &mut impl ReadAt,
        at: u64,
        token: Found,
    ) -> Result<Option<u64>, UnpackError> {
        let (mut rank, mut found) = (0, false);
        self.walk(history, at, DEEP, |distance| {
            found = distance == token.distance;
            if !found && history.common(base, at, distance, token.length)? >= token.length {
                rank += 1;
            }
            Ok(!found)
        })?;
        Ok(found.then_some(rank))
    }

    /// The distance that has this rank, if there is one.
    pub(super) fn ranked(
        &mut self,
        history: &History,
        base: &mut impl ReadAt,
        at: u64,
        length: u64,
        rank: u64,
    ) -> Result<Option<u64>, UnpackError> {
        let (mut left, mut found) = (rank, None);
        self.walk(history, at, DEEP, |distance| {
            if history.common(base, at, distance, length)? >= length {
                if left == 0 {
                    found = Some(distance);
                    return Ok(false);
                }
                left -= 1;
            }
            Ok(true)
        })?;
        Ok(found)
    }
}

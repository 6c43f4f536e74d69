//! What the encoder would do next: the match finders of zlib, over a window of plaintext.
//!
//! Follows the rules of zlib's deflate.c (hash of three bytes, chains of former places, lazy matching, limits of distance
//! and effort). Where the real encoder did something else the predictor is told, and goes on from there.

mod miniz;
mod ng;

use super::Plain;
use super::format::{MATCH_MAX, MATCH_MIN};
use super::method::{Effort, Maker, Method};
use super::token::Token;
use alloc::boxed::Box;
use alloc::vec;

/// Plaintext that zlib knows ahead of a token, unless there is no more.
const AHEAD: usize = MATCH_MAX + MATCH_MIN + 1;
/// The same for miniz: a match at the next byte.
const AHEAD_MINIZ: usize = MATCH_MAX + 1;
/// The largest window: twice what matches may reach back to.
const WINDOW_BYTES: usize = 1 << 16;
/// The window's memory: what looks a little beyond its end finds zeros.
const BUFFER_BYTES: usize = WINDOW_BYTES + 1024;
/// zlib takes no match of three bytes from further away.
const TOO_FAR: usize = 4096;
/// Candidates that a correction may count through.
const RANK_CHAIN_MAX: usize = 4096;

/// A match that was found; shorter than 3: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Candidate {
    length: usize,
    distance: usize,
}

/// The window and the chains of places with equal hashes.
#[derive(Debug)]
pub(super) struct Finder {
    bytes: Box<[u8; BUFFER_BYTES]>,
    /// The newest place of each hash, 0 for none: as in zlib, the first byte of a stream is never matched.
    heads: Box<[u16; 1 << 16]>,
    /// The place before, by place.
    chain: Box<[u16; 1 << 15]>,
    /// What places are counted from. zlib moves its places with the window; those of miniz stay, and wrap around.
    origin: u64,
    maker: Maker,
    ahead: usize,
    /// The next byte to be predicted, the end of the known plaintext, and whether that is the end of all.
    at: usize,
    end: usize,
    is_whole: bool,
    /// Where the chains end.
    entered: usize,
    effort: Effort,
    /// Whether the places within long matches are entered too.
    enters_all: bool,
    window_bytes: usize,
    distance_max: usize,
    hash_shift: u32,
    hash_mask: u32,
    /// What is known about the match at `at`, and about that at the next byte.
    here: Option<Candidate>,
    next: Option<Candidate>,
    /// The token after which the latter holds.
    predicted: Token,
    /// Bytes that are hashed.
    hashed: usize,
}

impl Finder {
    /// Bytes of memory.
    pub(super) const BYTES: usize = BUFFER_BYTES + (2 << 16) + (2 << 15);

    pub(super) fn new() -> Self {
        Self {
            bytes: zeroed(),
            heads: zeroed(),
            chain: zeroed(),
            origin: 0,
            maker: Maker::Zlib,
            ahead: AHEAD,
            at: 0,
            end: 0,
            is_whole: false,
            entered: 0,
            effort: Method::USUAL.effort(),
            enters_all: true,
            window_bytes: 0,
            distance_max: 0,
            hash_shift: 0,
            hash_mask: 0,
            here: None,
            next: None,
            predicted: Token::Literal,
            hashed: MATCH_MIN,
        }
    }

    /// Starts a stream.
    pub(super) fn start(&mut self, method: Method) {
        // Both: places that were left out are looked up too, and must not depend on the stream before.
        self.heads.fill(0);
        self.chain.fill(0);
        (self.at, self.end, self.entered, self.is_whole) = (0, 0, 0, false);
        (self.here, self.next) = (None, None);
        self.origin = 0;
        self.maker = method.maker;
        self.ahead = if method.maker == Maker::Miniz { AHEAD_MINIZ } else { AHEAD };
        self.effort = method.effort();
        self.enters_all = self.effort.is_lazy || matches!(method.maker, Maker::Miniz | Maker::Ng);
        self.hashed = if method.maker == Maker::Ng { ng::HASHED } else { MATCH_MIN };
        self.window_bytes = 1 << method.window;
        self.distance_max = self.window_bytes - AHEAD;
        self.hash_shift = method.hash_bits().div_ceil(3);
        self.hash_mask = (1 << method.hash_bits()) - 1;
    }

    /// Sees to it that the plaintext is known far enough for the next token.
    #[inline]
    pub(super) fn fill<C, P: Plain<C>>(&mut self, coder: &mut C, plain: &mut P) -> Result<(), P::Error> {
        if self.end - self.at >= self.ahead || self.is_whole { Ok(()) } else { self.read(coder, plain) }
    }

    fn read<C, P: Plain<C>>(&mut self, coder: &mut C, plain: &mut P) -> Result<(), P::Error> {
        if self.at + self.ahead > 2 * self.window_bytes {
            self.slide();
        }
        let room = 2 * self.window_bytes;
        while self.end < room {
            let read = plain.read(coder, &mut self.bytes[self.end..room])?;
            if read == 0 {
                self.is_whole = true;
                break;
            }
            self.end = (self.end + read).min(room);
        }
        Ok(())
    }

    /// Forgets the older half of the window.
    fn slide(&mut self) {
        let half = self.window_bytes;
        self.bytes.copy_within(half..self.end, 0);
        (self.at, self.end, self.entered) = (self.at - half, self.end - half, self.entered - half);
        if self.maker == Maker::Miniz {
            self.origin += half as u64;
            return;
        }
        let heads = &mut self.heads[..=self.hash_mask as usize];
        heads.iter_mut().chain(&mut self.chain[..half]).for_each(|place| *place = place.saturating_sub(half as u16));
    }

    /// Whether all plaintext was consumed, as far as [`Self::fill`] knows.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    /// Bytes that are known ahead.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.bytes[self.at..self.end]
    }

    /// The next byte.
    #[inline]
    pub(super) fn byte(&self) -> u8 {
        self.bytes[self.at]
    }

    /// Whether a predicted literal makes way for a match at the next byte.
    pub(super) fn waits(&self) -> bool {
        self.next.is_some()
    }

    /// The token that the encoder would write. There is a next byte.
    #[inline]
    pub(super) fn predict(&mut self) -> Token {
        self.predicted = match self.maker {
            _ if self.effort.chain == 0 => Token::Literal,
            Maker::Ng if self.looks_ahead() => self.predict_ng(),
            _ => self.predict_zlib(),
        };
        self.predicted
    }

    fn predict_zlib(&mut self) -> Token {
        let here = self.here.take().unwrap_or_else(|| self.longest(self.at, MATCH_MIN - 1));
        if here.length < MATCH_MIN {
            return Token::Literal;
        }
        if self.effort.is_lazy && here.length < self.effort.lazy {
            let next = self.longest(self.at + 1, here.length);
            if next.length > here.length {
                self.next = Some(next);
                return Token::Literal;
            }
        }
        Token::Match { length: here.length as u16, distance: here.distance as u16 }
    }

    /// Goes on behind the token that was written; the plaintext ahead is long enough for it.
    #[inline]
    pub(super) fn accept(&mut self, token: Token) {
        let length = token.length();
        let next = self.next.take();
        self.here = if token == self.predicted { next } else { None };
        if self.effort.chain == 0 {
            self.at += length;
            self.entered = self.at;
            return;
        }
        let to = self.at + length;
        if self.maker == Maker::Ng && length > self.inserted_max() {
            self.enter(self.at + 1);
            self.entered = self.entered.max(to - 1);
            self.enter(to);
        } else if self.enters_all || length == 1 || length <= self.effort.lazy && self.end - to >= MATCH_MIN {
            self.enter(to);
        } else {
            self.enter(self.at + 1);
            self.entered = self.entered.max(to);
        }
        self.at = to;
    }

    /// Enters all places before `to` into the chains that were not.
    #[inline]
    fn enter(&mut self, to: usize) {
        let last = to.min(self.end.saturating_sub(self.hashed - 1));
        match self.hashed {
            ng::HASHED => self.enter_hashed(last, ng::hash),
            _ => {
                let (shift, mask) = (self.hash_shift, self.hash_mask);
                self.enter_hashed(last, |bytes, place| hash(bytes, place, shift, mask));
            }
        }
        self.entered = self.entered.max(to);
    }

    #[inline]
    fn enter_hashed(&mut self, last: usize, hash: impl Fn(&[u8; BUFFER_BYTES], usize) -> u16) {
        let mask = self.window_bytes - 1;
        for place in self.entered..last {
            let head = &mut self.heads[usize::from(hash(&self.bytes, place))];
            self.chain[place & mask & ((1 << 15) - 1)] = *head;
            *head = (self.origin as u16).wrapping_add(place as u16);
        }
    }

    #[inline]
    fn before(&self, place: usize) -> usize {
        self.chain[place & ((1 << 15) - 1) & (self.window_bytes - 1)].into()
    }

    /// The match at `place` that zlib would find, if it is longer than `longer_than`.
    #[inline]
    fn longest(&mut self, place: usize, longer_than: usize) -> Candidate {
        let ahead = self.end - place;
        if ahead < self.hashed {
            return Candidate::default();
        }
        self.enter(place + 1);
        if self.maker == Maker::Miniz {
            return self.longest_miniz(place, longer_than);
        }
        let mut candidate = self.before(place);
        if candidate == 0 || candidate >= place || place - candidate > self.distance_max {
            return Candidate::default();
        }
        let oldest = place.saturating_sub(self.distance_max);
        let length_max = ahead.min(MATCH_MAX);
        let nice = self.effort.nice.min(ahead);
        let mut left = self.effort.chain;
        if longer_than >= self.effort.good {
            left >>= 2;
        }
        let mut best = Candidate { length: longer_than, distance: 0 };
        if best.length >= length_max {
            return Candidate::default();
        }
        let bytes = &*self.bytes;
        let (mut tail, mut mask) = self.tail(best.length);
        let mut last = four(tail, place) & mask;
        loop {
            if four(tail, candidate) & mask == last {
                let length = common(bytes, candidate, place, length_max);
                if length > best.length {
                    best = Candidate { length, distance: place - candidate };
                    if length >= nice {
                        break;
                    }
                    (tail, mask) = self.tail(length);
                    last = four(tail, place) & mask;
                } else if self.effort.gives_up && self.looks_better(candidate, place, best.length) {
                    break;
                }
            }
            candidate = self.before(candidate);
            left -= 1;
            // Beyond the oldest, or newer than this place.
            if candidate.wrapping_sub(oldest + 1) >= place - oldest - 1 || left == 0 {
                break;
            }
        }
        let is_zlib = self.effort.is_lazy && self.maker != Maker::Ng;
        let is_too_far = is_zlib && best.length == MATCH_MIN && best.distance > TOO_FAR;
        if best.distance == 0 || is_too_far { Candidate::default() } else { best }
    }

    /// The window from where the last four bytes of a match longer than `length` begin, and which of their bits count.
    #[inline]
    fn tail(&self, length: usize) -> (&[u8; WINDOW_BYTES + 4], u32) {
        let (from, mask) = if length < MATCH_MIN { (0, 0xff_ffff) } else { (length - MATCH_MIN, u32::MAX) };
        (self.bytes[from..].first_chunk().expect("the buffer is longer than the window and a match"), mask)
    }

    /// Candidates at the next byte that match `length` bytes, the nearest first.
    fn candidates(&mut self, length: usize) -> impl Iterator<Item = usize> {
        let place = self.at;
        self.enter(place + 1);
        let furthest = place.min(self.window_bytes);
        let here = (self.origin as u16).wrapping_add(place as u16);
        let known = self.end - place >= self.hashed;
        let mut entry = if known { self.before(place) as u16 } else { 0 };
        let mut nearest = 0;
        let chain = core::iter::from_fn(move || {
            let distance = usize::from(here.wrapping_sub(entry));
            if entry == 0 || distance <= nearest || distance > furthest {
                return None;
            }
            nearest = distance;
            entry = self.before(entry.into()) as u16;
            Some((common(&self.bytes, place - distance, place, length) >= length).then_some(distance))
        });
        chain.take(RANK_CHAIN_MAX).flatten()
    }

    /// How many candidates for a match of `length` are nearer than `distance`.
    pub(super) fn rank(&mut self, length: usize, distance: usize) -> Option<u64> {
        self.candidates(length).position(|candidate| candidate == distance).map(|rank| rank as u64)
    }

    /// The distance of the candidate of that rank.
    pub(super) fn ranked(&mut self, length: usize, rank: u64) -> Option<usize> {
        self.candidates(length).nth(usize::try_from(rank).ok()?)
    }
}

/// zlib's hash of the three bytes at a place of the window.
#[inline]
fn hash(bytes: &[u8; BUFFER_BYTES], place: usize, shift: u32, mask: u32) -> u16 {
    let place = place & (WINDOW_BYTES - 1);
    let (a, b, c) = (u32::from(bytes[place]), u32::from(bytes[place + 1]), u32::from(bytes[place + 2]));
    ((a << shift << shift ^ b << shift ^ c) & mask) as u16
}

/// Four bytes at a place of the window.
#[inline]
fn four(bytes: &[u8; WINDOW_BYTES + 4], place: usize) -> u32 {
    let place = place & (WINDOW_BYTES - 1);
    u32::from_le_bytes([bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]])
}

/// Equal bytes from two places of the window on, `most` at most.
#[inline]
fn common(bytes: &[u8; BUFFER_BYTES], a: usize, b: usize, most: usize) -> usize {
    const EIGHTS: usize = MATCH_MAX.div_ceil(8);
    let eights = |place: usize| bytes[place & (WINDOW_BYTES - 1)..].first_chunk::<{ 8 * EIGHTS }>();
    let (Some(a), Some(b)) = (eights(a), eights(b)) else { return 0 };
    let pairs = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    for (at, (a, b)) in pairs.enumerate() {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return (8 * at + differs.trailing_zeros() as usize / 8).min(most);
        }
    }
    most
}

fn zeroed<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    let slice = vec![T::default(); N].into_boxed_slice();
    slice.try_into().unwrap_or_else(|_| Box::new([T::default(); N]))
}

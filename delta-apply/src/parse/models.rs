//! What is learned about parses while they are coded: one set of models for all groups of a record.

use super::find::Found;
use super::{Token, lzma, predict, track::Known, zstd};
use crate::coding::bits::{Bit, Number};
use crate::coding::coder::BitCoder;
use crate::coding::flags::{Flag, TABLE_LOG2, hash};
use alloc::boxed::Box;

/// Contexts of a guess.
const CONTEXTS: usize = 6;

/// Models of everything that a group says about its streams.
#[derive(Debug)]
pub struct Models {
    pub(super) envelopes: Number,
    pub(super) is_raw: [Bit; 2],
    pub(super) is_envelope: Bit,
    pub(super) raw_bytes: [Number; 2],
    pub(super) full: Bit,
    pub(super) packed_bytes: Number,
    /// Does the stream end with the literals that come? By how much room it has.
    pub(super) last: [Bit; 128],
    /// Is the token as guessed? First and second guess.
    first: Flag<CONTEXTS>,
    second: Flag<3>,
    /// Is it a run of literals? By what was guessed.
    literals: [Bit; 16],
    run: [Number; 4],
    /// Is the distance as guessed, or one of the last?
    same_distance: [Bit; 2],
    recent: [Bit; RECENT],
    /// Is the length that of the longest match at that distance?
    whole: [Bit; 2],
    length: [Number; 4],
    rank: Number,
    distance: Number,
    /// How the last guesses went, the last one lowest.
    history: u32,
    /// Of LZMA, once there is any.
    pub(super) lzma: Option<Box<LzmaModels>>,
    /// Of Zstandard.
    pub(super) zstd: Option<Box<ZstdModels>>,
}

/// Models of LZMA streams and of their tokens.
pub(super) type LzmaModels = (lzma::Models, predict::TokenModels);

/// Models of Zstandard frames and of their tokens.
pub(super) type ZstdModels = (zstd::Models, predict::TokenModels);

/// Distances that are known from before.
pub(super) const RECENT: usize = 3;

/// What is expected at a place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    /// The token, and another one: of length 0 when there is none.
    pub(super) tokens: [Token; 2],
    /// What the base's encoder did, if that is known.
    pub(super) known: Known,
    pub(super) is_known: bool,
    /// Whether the known token had to be cut, or could be longer, or leads elsewhere.
    pub(super) fit: u32,
    /// The longest match in the plaintext.
    pub(super) found: Found,
    /// Bytes from the start of the stream.
    pub(super) age: u32,
    /// The token before was a run of literals.
    pub(super) after_run: bool,
}

impl Guess {
    fn log2(value: u64) -> u32 {
        64 - value.leading_zeros()
    }

    /// The contexts of the first guess, and a class of it.
    fn contexts(&self, history: u32) -> ([u32; CONTEXTS], u32) {
        let [token, _] = self.tokens;
        let kind = match token {
            Token { length: 0, .. } => 0,
            Token { distance: 0, .. } => 1,
            _ => 2,
        } | u32::from(self.is_known) << 2
            | u32::from(self.known.starts) << 3
            | u32::from(self.after_run) << 4;
        let length = token.length.min(63);
        let found = self.found.length.min(63) as u32;
        let young = Self::log2(self.known.age.into());
        let age = Self::log2(self.age.into());
        let distance = Self::log2(token.distance.into());
        let same = u32::from(self.found.distance == u64::from(token.distance));
        let contexts = [
            kind | (history & 0xff) << 5 | self.fit << 13,
            kind | length << 5 | found << 11 | same << 17,
            kind | young << 5 | age << 10 | self.fit << 15,
            kind | distance << 5 | self.fit << 10 | length.min(15) << 14 | same << 18,
            kind | found << 5 | (history & 3) << 11 | young.saturating_sub(8) << 13 | age.saturating_sub(8) << 17,
            kind | hash(token.distance, 9) >> 18 << 5,
        ];
        (contexts, kind)
    }
}

impl Default for Models {
    fn default() -> Self {
        Self {
            envelopes: Number::new(),
            is_raw: [Bit::rare(); 2],
            is_envelope: Bit::new(),
            raw_bytes: Default::default(),
            full: Bit::new(),
            packed_bytes: Number::new(),
            last: [Bit::rare(); 128],
            first: Flag::new(TABLE_LOG2, Bit::rare()),
            second: Flag::new(TABLE_LOG2, Bit::rare()),
            literals: [Bit::new(); 16],
            run: Default::default(),
            same_distance: Default::default(),
            recent: Default::default(),
            whole: Default::default(),
            length: Default::default(),
            rank: Number::new(),
            distance: Number::new(),
            history: 0,
            lzma: None,
            zstd: None,
        }
    }
}

/// What of the plaintext is needed when a token is none of those that were guessed.
pub(super) trait Matches<E> {
    /// The longest match at this distance.
    fn longest_at(&mut self, distance: u32) -> Result<u32, E>;
    /// See [`super::find::Finder::rank`].
    fn rank(&mut self, token: Token) -> Result<Option<u64>, E>;
    /// See [`super::find::Finder::ranked`].
    fn ranked(&mut self, length: u32, rank: u64) -> Result<Option<u32>, E>;
}

impl Models {
    pub(crate) const BYTES: u64 = size_of::<Self>() as u64
        + Flag::<CONTEXTS>::memory_bytes(TABLE_LOG2)
        + Flag::<3>::memory_bytes(TABLE_LOG2)
        + size_of::<lzma::Models>() as u64
        + size_of::<zstd::Models>() as u64
        + 2 * predict::TokenModels::BYTES;

    /// Codes a token. `recent` are distances before; None stands for a token that makes no sense.
    pub(super) fn token<C: BitCoder, E>(
        &mut self,
        coder: &mut C,
        guess: &Guess,
        recent: &[u32; RECENT],
        given: Token,
        matches: &mut impl Matches<E>,
    ) -> Result<Option<Token>, E> {
        let (contexts, kind) = guess.contexts(self.history);
        let [first, second] = guess.tokens;
        // A flag expects a clear bit: that the guess is right.
        let wrong = first.length == 0 || self.first.code(coder, contexts, (kind & 15) as usize, first != given);
        self.history = self.history << 1 | u32::from(wrong);
        if !wrong {
            return Ok(Some(first));
        }
        if second.length > 0 && second != first {
            let contexts = [
                kind | u32::from(second.distance > 0) << 5 | second.length.min(63) << 6 | first.length.min(63) << 12,
                kind | (self.history & 0xff) << 5 | u32::from(second.distance > 0) << 13,
                kind | second.length.min(63) << 5 | Guess::log2(second.distance.into()) << 11,
            ];
            if !self.second.code(coder, contexts, (kind & 15) as usize, second != given) {
                return Ok(Some(second));
            }
        }
        let class = (kind & 3) as usize | usize::from(guess.found.length > 0) << 2;
        let is_run = !guess.after_run && self.literals[class & 15].code(coder, given.distance == 0);
        if is_run {
            let class = usize::from(first.length > 0 && first.distance == 0) | usize::from(guess.found.length > 0) << 1;
            let length = self.run[class].code(coder, u64::from(given.length).wrapping_sub(1));
            return Ok(u32::try_from(length)
                .ok()
                .and_then(|length| length.checked_add(1))
                .map(|length| Token { length, distance: 0 }));
        }
        // The distance: as guessed, or as lately, or by rank among those of its length.
        let guessed = if first.distance > 0 { first.distance } else { guess.found.distance as u32 };
        let mut distance = 0;
        if guessed > 0 && self.same_distance[usize::from(first.distance > 0)].code(coder, given.distance == guessed) {
            distance = guessed;
        }
        for (at, known) in recent.iter().enumerate() {
            if distance == 0 && *known > 0 && *known != guessed && self.recent[at].code(coder, given.distance == *known)
            {
                distance = *known;
            }
        }
        if distance > 0 {
            let longest = matches.longest_at(distance)?;
            let length = match longest > 0 && self.whole[0].code(coder, given.length == longest) {
                true => longest,
                false => self.length(coder, (kind & 1) as usize, given),
            };
            return Ok(Some(Token { length, distance }));
        }
        let longest = guess.found.length as u32;
        let length = match longest > 0 && self.whole[1].code(coder, given.length == longest) {
            true => longest,
            false => self.length(coder, 2 | (kind & 1) as usize, given),
        };
        let token = Token { length, ..given };
        let rank = if C::ENCODES { matches.rank(token)?.map_or(0, |rank| rank + 1) } else { 0 };
        let distance = match self.rank.code(coder, rank).checked_sub(1) {
            Some(rank) => matches.ranked(length, rank)?.unwrap_or(0),
            None => u32::try_from(self.distance.code(coder, u64::from(given.distance).wrapping_sub(1)).wrapping_add(1))
                .unwrap_or(0),
        };
        Ok((distance > 0).then_some(Token { length, distance }))
    }

    fn length<C: BitCoder>(&mut self, coder: &mut C, class: usize, given: Token) -> u32 {
        let length = self.length[class].code(coder, u64::from(given.length).wrapping_sub(1));
        u32::try_from(length).unwrap_or(u32::MAX - 1).saturating_add(1)
    }
}

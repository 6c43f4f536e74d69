//! What the next token of an LZMA2 stream or a Zstandard frame is expected to be, and what is coded about it.

use super::find::History;
use super::index::{Index, WIDTHS};
use super::track::Known;
use super::{Token, UnpackError};
use crate::coding::bits::{Bit, Number};
use crate::coding::coder::BitCoder;
use crate::coding::flags::{Flag, TABLE_LOG2};
use crate::io::ReadAt;
use alloc::boxed::Box;
use alloc::vec;

/// Distances that are tried: the expected one, the last ones, those of the base's tokens around, those of the index.
const RECENT: usize = 4;
const AROUND: usize = 2;
const CHOICES: usize = 1 + RECENT + AROUND + WIDTHS.len();
/// Matches up to this distance are in memory.
const NEAR: u32 = 1 << 16;
/// Contexts of the flag whether a token is as expected.
const CONTEXTS: usize = 5;

/// What is learned about tokens.
#[derive(Debug)]
pub(super) struct TokenModels {
    /// Is the token other than expected?
    wrong: Flag<CONTEXTS>,
    /// Is it a run of literals, and how long? By what was expected.
    is_run: Flag<4>,
    run: [Number; 3],
    /// Is it this distance?
    choice: Flag<5>,
    distance: Number,
    /// How much shorter is the match than it could be?
    shorter: Flag<4>,
    /// How the last expectations went, the last one lowest.
    history: u32,
}

impl Default for TokenModels {
    fn default() -> Self {
        Self {
            wrong: Flag::new(TABLE_LOG2, Bit::rare()),
            is_run: Flag::new(TABLE_LOG2, Bit::new()),
            run: Default::default(),
            choice: Flag::new(TABLE_LOG2, Bit::new()),
            distance: Number::new(),
            shorter: Flag::new(TABLE_LOG2, Bit::new()),
            history: 0,
        }
    }
}

impl TokenModels {
    pub(super) const BYTES: u64 = size_of::<Self>() as u64 + 4 * Flag::<CONTEXTS>::memory_bytes(TABLE_LOG2);
}

/// Where pages of the virtual base went, as the copies so far say: for distances that lead out of a section.
const PAGE_LOG2: u32 = 12;
const PAGES: usize = 1 << 14;

/// Predicts the tokens of streams, one after the other.
#[derive(Debug)]
pub(super) struct Predictor {
    index: Index,
    pages: Box<[i64]>,
    recent: [u32; RECENT],
}

/// What the base's encoder did at the place that the place at work is copied from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) place: u64,
    pub(super) known: Known,
    /// How far back the bytes are now that the base's token repeats, as the section says.
    pub(super) led: Option<u64>,
}

/// Where the next token is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// In the plaintext of the group, and how far from the start and the end of the stream.
    pub(super) at: u64,
    pub(super) age: u64,
    pub(super) left: u64,
    /// The shortest and the longest match that its format has.
    pub(super) least: u32,
    pub(super) most: u64,
    pub(super) after_run: bool,
}

/// What is expected.
#[derive(Clone, Copy, Debug, Default)]
struct Guess {
    token: Token,
    /// How the base's token fits.
    fit: u32,
    /// 0 without a base; 1 inside of its token, 2 at its start, 3 when it cannot be repeated.
    sync: u32,
    /// The longest match that was found, if one was looked for.
    found: u32,
}

impl Predictor {
    pub(super) const BYTES: usize = Index::BYTES + PAGES * size_of::<i64>();

    pub(super) fn new() -> Self {
        Self { index: Index::new(), pages: vec![i64::MIN; PAGES].into_boxed_slice(), recent: [0; RECENT] }
    }

    /// A group starts.
    pub(super) fn begin_group(&mut self) {
        self.pages.fill(i64::MIN);
    }

    /// A stream starts at `at`, with those distances as the last ones.
    pub(super) fn begin(&mut self, at: u64, recent: [u32; RECENT]) {
        self.index.begin(at);
        self.recent = recent;
    }

    /// Codes the token at a place; `around` says how far back the base's tokens around lead, `given` is what the encoder
    /// knows.
    #[allow(clippy::too_many_arguments, reason = "what a token is told by, one by one")]
    pub(super) fn token<C: BitCoder, B: ReadAt>(
        &mut self,
        coder: &mut C,
        models: &mut TokenModels,
        (history, base): (&History, &mut B),
        place: Place,
        origin: Option<Origin>,
        around: impl FnOnce(&mut B) -> Result<[u32; AROUND], UnpackError>,
        given: Token,
    ) -> Result<Token, UnpackError> {
        let far = self.index.find(history, place.at);
        let guess = self.guess((history, &mut *base), place, origin, &far)?;
        let first = guess.token;
        let kind = u32::from(first.distance > 0) | u32::from(place.after_run) << 1 | guess.sync << 2;
        let which = self.recent.iter().position(|known| *known == first.distance).unwrap_or(RECENT) as u32;
        let length = first.length.min(63);
        let log2 = first.distance.checked_ilog2().map_or(0, |log2| log2 + 1);
        let contexts = [
            kind | guess.fit << 4 | (models.history & 0xff) << 8,
            kind | length << 4 | guess.found.min(31) << 10 | (models.history & 1) << 15,
            kind | log2 << 4 | which << 9 | length.min(7) << 12 | guess.fit << 15,
            kind | guess.found.min(31) << 4 | (models.history & 7) << 9 | length.min(15) << 12,
            kind | guess.fit << 4 | which << 8 | length << 11 | (models.history & 3) << 17,
        ];
        let wrong = first.length == 0 || models.wrong.code(coder, contexts, (kind & 15) as usize, first != given);
        models.history = models.history << 1 | u32::from(wrong);
        let token = match wrong {
            false => first,
            true => {
                let mut known = [0; CHOICES];
                known[0] = first.distance;
                known[1..=RECENT].copy_from_slice(&self.recent);
                known[1 + RECENT..1 + RECENT + AROUND].copy_from_slice(&around(base)?);
                known[1 + RECENT + AROUND..].copy_from_slice(&far);
                Self::other(coder, models, (history, base), (place, guess, kind), known, given)?
            }
        };
        if token.distance > 0 {
            let known = self.recent.iter().position(|known| *known == token.distance).unwrap_or(RECENT - 1);
            self.recent[..=known].rotate_right(1);
            self.recent[0] = token.distance;
        }
        Ok(token)
    }

    /// Codes a token that is not the expected one.
    fn other<C: BitCoder, B: ReadAt>(
        coder: &mut C,
        models: &mut TokenModels,
        (history, base): (&History, &mut B),
        (place, guess, kind): (Place, Guess, u32),
        mut tried: [u32; CHOICES],
        given: Token,
    ) -> Result<Token, UnpackError> {
        let first = guess.token;
        // How far each would match; one that is there already or matches less than any token is none.
        let (mut lengths, mut best) = ([0; CHOICES], 0);
        for choice in 0..CHOICES {
            let distance = tried[choice];
            if distance == 0 || u64::from(distance) > place.age || tried[..choice].contains(&distance) {
                tried[choice] = 0;
                continue;
            }
            let length = history.common(base, place.at, distance.into(), place.most)? as u32;
            // One byte can be repeated from the last distance only, and not in every format.
            let is_last = choice == 1 || choice == 0 && distance == tried[1];
            let least = if is_last && place.least == 2 { 1 } else { place.least };
            (lengths[choice], tried[choice]) = (length, if length < least { 0 } else { distance });
            best = best.max(length);
        }
        let wrong = models.history & 0xff;
        let sync = guess.sync;
        if !place.after_run {
            let contexts = [
                kind | wrong << 8,
                best.min(31) | kind << 8,
                lengths[1].min(7) | best.min(15) << 4 | kind << 8,
                first.length.min(15) | best.min(15) << 4 | sync << 8 | 1 << 12,
            ];
            if models.is_run.code(coder, contexts, (kind & 15) as usize, given.distance == 0) {
                let class = if first.length == 0 { 0 } else { 1 + usize::from(first.distance == 0) };
                let length = models.run[class].code(coder, u64::from(given.length).wrapping_sub(1)).saturating_add(1);
                let length = u32::try_from(length).map_err(|_| UnpackError::Invalid)?;
                return Ok(Token { length, distance: 0 });
            }
        }
        let (mut distance, mut way, mut refused) = (0, CHOICES as u32, 0);
        for (choice, known) in (0..).zip(tried).filter(|(_, known)| *known > 0) {
            let length = lengths[choice as usize];
            let longer = (best - length).min(7);
            let log2 = known.ilog2();
            let contexts = [
                choice | sync << 4 | longer << 6,
                choice | length.min(31) << 4 | longer << 10,
                log2 | length.min(15) << 5 | longer << 10,
                choice | refused << 4 | longer << 8 | u32::from(place.after_run) << 11,
                choice | longer << 4 | wrong << 8 | length.min(7) << 16,
            ];
            if models.choice.code(coder, contexts, choice as usize, given.distance == known) {
                (distance, way) = (known, choice);
                break;
            }
            refused = (refused + 1).min(15);
        }
        if distance == 0 {
            let above = models.distance.code(coder, u64::from(given.distance).wrapping_sub(1)).saturating_add(1);
            distance = u32::try_from(above).map_err(|_| UnpackError::Invalid)?;
        }
        let most = match lengths.get(way as usize) {
            Some(length) => *length,
            None => history.common(base, place.at, distance.into(), place.most)? as u32,
        };
        let contexts = [
            most.min(63) | way << 6,
            (best.saturating_sub(most)).min(7) | most.min(15) << 4 | way << 8,
            first.length.min(31) | most.min(31) << 5 | u32::from(first.distance == distance) << 10 | sync << 11,
            way | sync << 4,
        ];
        // It is longer where it ends behind what is there of the plaintext.
        let shorter = i64::from(most) - i64::from(given.length);
        let shorter = models.shorter.number(coder, contexts, 0, ((shorter << 1) ^ (shorter >> 63)) as u64);
        let shorter = (shorter >> 1) as i64 ^ -((shorter & 1) as i64);
        let length = u32::try_from(i64::from(most).wrapping_sub(shorter)).map_err(|_| UnpackError::Invalid)?;
        Ok(Token { length, distance })
    }

    /// What is expected at a place.
    fn guess<B: ReadAt>(
        &mut self,
        (history, base): (&History, &mut B),
        place: Place,
        origin: Option<Origin>,
        far: &[u32; WIDTHS.len()],
    ) -> Result<Guess, UnpackError> {
        let mut guess = Guess::default();
        let most = place.most;
        if let Some(Origin { place: origin, known, led }) = origin {
            let Token { length, distance } = known.token;
            guess.sync = 1 + u32::from(known.starts);
            let page = |place: u64| (place >> PAGE_LOG2) as usize % PAGES;
            self.pages[page(origin)] = (place.at as i64).wrapping_sub(origin as i64);
            if distance == 0 {
                if !place.after_run {
                    guess.token = Token { length: u64::from(length).min(place.left) as u32, distance: 0 };
                    return Ok(guess);
                }
            } else {
                let from = origin.wrapping_sub(distance.into());
                let moved = Some(self.pages[page(from)]).filter(|moved| *moved != i64::MIN);
                let moved = moved.map(|moved| place.at.wrapping_sub(from.wrapping_add(moved as u64)));
                let wanted = u64::from(length).min(most);
                let mut best = 0;
                for (way, back) in [led, moved, Some(distance.into())].into_iter().enumerate() {
                    let Some(back) = back.filter(|back| *back > 0 && *back <= place.age && best < wanted) else {
                        continue;
                    };
                    let same = history.common(base, place.at, back, wanted + 1)?;
                    if same.min(wanted) > best {
                        best = same.min(wanted);
                        guess.token = Token { length: best as u32, distance: back as u32 };
                        guess.fit =
                            1 + u32::from(same < wanted) + 2 * u32::from(same > wanted) + 4 * (way.min(2) as u32);
                    }
                }
                let is_one = best == 1 && place.least == 2 && guess.token.distance == self.recent[0] && length == 1;
                if best >= place.least.into() || is_one {
                    // Inside of the base's token a longer match counts more.
                    let found = self.longest((history, &mut *base), place, far, known.starts)?;
                    guess.found = found.length;
                    if !known.starts && found.length > guess.token.length && found.length >= place.least {
                        (guess.token, guess.sync) = (found, 3);
                    }
                    return Ok(guess);
                }
            }
            (guess.token, guess.fit, guess.sync) = (Token::default(), 0, 3);
        }
        let best = self.longest((history, base), place, far, false)?;
        guess.found = best.length;
        if best.length >= place.least {
            guess.token = best;
        }
        Ok(guess)
    }

    /// The longest match: of the last distances, or of those found; of those in memory if `near`.
    fn longest<B: ReadAt>(
        &self,
        (history, base): (&History, &mut B),
        place: Place,
        far: &[u32; WIDTHS.len()],
        near: bool,
    ) -> Result<Token, UnpackError> {
        let most = place.most;
        let mut best = Token::default();
        for &distance in self.recent.iter().chain(far) {
            let is_tried = distance > 0 && u64::from(distance) <= place.age && (!near || distance < NEAR);
            if is_tried && u64::from(best.length) < most {
                let length = history.common(base, place.at, distance.into(), most)? as u32;
                if length > best.length {
                    best = Token { length, distance };
                }
            }
        }
        Ok(best)
    }
}

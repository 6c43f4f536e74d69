//! What the next token is expected to be, and what is coded about it.

use super::index::{Index, WIDTHS};
use super::model::LENGTH_MAX;
use crate::coding::bits::{Bit, Number};
use crate::coding::coder::BitCoder;
use crate::coding::flags::{Flag, TABLE_LOG2};
use crate::io::ReadAt;
use crate::parse::find::History;
use crate::parse::track::Known;
use crate::parse::{Token, UnpackError};
use alloc::boxed::Box;
use alloc::vec;

/// Distances that are tried: the expected one, the last ones, those of the index.
const RECENT: usize = 4;
const CHOICES: usize = 1 + RECENT + WIDTHS.len();
/// Contexts of the flag whether a token is as expected.
const CONTEXTS: usize = 5;

/// Runs of literals that are shorter are coded length by length.
const RUN: usize = 16;

/// Lengths of matches that are told apart.
const FOUND: usize = 6;

fn found_class(length: u32) -> usize {
    match length {
        0..2 => 0,
        2 => 1,
        3 => 2,
        4..6 => 3,
        6..10 => 4,
        10.. => 5,
    }
}

/// What is learned about tokens.
#[derive(Debug)]
pub(in crate::parse) struct TokenModels {
    /// Is the token other than expected?
    wrong: Flag<CONTEXTS>,
    /// Is it a run of literals, and how long? By what was expected.
    is_run: [[Bit; FOUND]; 16],
    /// Is the run this long, by what was expected? How much longer than all of these?
    run: [[Bit; RUN]; RUN + 2],
    longer: Number,
    /// Is it this distance? By what is known of the base.
    choice: [[[Bit; CHOICES]; 2]; 4],
    distance: Number,
    /// Is the match as long as can be? How much shorter?
    whole: [[Bit; CHOICES + 1]; FOUND],
    shorter: [Number; 4],
    /// How the last expectations went, the last one lowest.
    history: u32,
}

impl Default for TokenModels {
    fn default() -> Self {
        Self {
            wrong: Flag::new(TABLE_LOG2, Bit::rare()),
            is_run: [[Bit::new(); FOUND]; 16],
            run: [[Bit::new(); RUN]; RUN + 2],
            longer: Number::new(),
            choice: [[[Bit::new(); CHOICES]; 2]; 4],
            distance: Number::new(),
            whole: [[Bit::new(); CHOICES + 1]; FOUND],
            shorter: Default::default(),
            history: 0,
        }
    }
}

impl TokenModels {
    /// Codes the length of a run of literals that is not as expected.
    fn run<C: BitCoder>(&mut self, coder: &mut C, guess: &Guess, given: u32) -> Result<u32, UnpackError> {
        let Token { length, distance } = guess.token;
        let class = match distance {
            0 => (length as usize).min(RUN - 1),
            _ => RUN + usize::from(matches!(guess.sync, 1 | 2)),
        };
        for known in 1..RUN as u32 {
            let is_expected = distance == 0 && known == length;
            if !is_expected && self.run[class][known as usize].code(coder, given == known) {
                return Ok(known);
            }
        }
        let longer = self.longer.code(coder, u64::from(given).wrapping_sub(RUN as u64));
        u32::try_from(longer.saturating_add(RUN as u64)).map_err(|_| UnpackError::Invalid)
    }

    pub(in crate::parse) const BYTES: u64 = size_of::<Self>() as u64 + Flag::<CONTEXTS>::memory_bytes(TABLE_LOG2);
}

/// Where pages of the virtual base went, as the copies so far say: for distances that lead out of a section.
const PAGE_LOG2: u32 = 12;
const PAGES: usize = 1 << 14;

/// Predicts the tokens of streams, one after the other.
#[derive(Debug)]
pub(in crate::parse) struct Predictor {
    index: Index,
    pages: Box<[i64]>,
    recent: [u32; RECENT],
}

/// What the base's encoder did at the place that the place at work is copied from.
#[derive(Clone, Copy, Debug)]
pub(in crate::parse) struct Origin {
    pub(in crate::parse) place: u64,
    pub(in crate::parse) known: Known,
    /// How far back the bytes are now that the base's token repeats, as the section says.
    pub(in crate::parse) led: Option<u64>,
}

/// Where the next token is.
#[derive(Clone, Copy, Debug)]
pub(in crate::parse) struct Place {
    /// In the plaintext of the group, and how far from the start and the end of the stream.
    pub(in crate::parse) at: u64,
    pub(in crate::parse) age: u64,
    pub(in crate::parse) left: u64,
    pub(in crate::parse) after_run: bool,
}

/// What is expected.
#[derive(Clone, Copy, Debug, Default)]
struct Guess {
    token: Token,
    /// How the base's token fits.
    fit: u32,
    /// 0 without a base; 1 inside of its token, 2 at its start, 3 when it cannot be repeated.
    sync: u32,
    /// The longest match that was found.
    found: Token,
}

impl Predictor {
    pub(in crate::parse) const BYTES: usize = Index::BYTES + PAGES * size_of::<i64>();

    pub(in crate::parse) fn new() -> Self {
        Self { index: Index::new(), pages: vec![i64::MIN; PAGES].into_boxed_slice(), recent: [0; RECENT] }
    }

    /// A group starts.
    pub(in crate::parse) fn begin_group(&mut self) {
        self.pages.fill(i64::MIN);
    }

    /// A stream starts at `at`.
    pub(in crate::parse) fn begin(&mut self, at: u64) {
        self.index.begin(at);
        self.recent = [1; RECENT];
    }

    /// Codes the token at a place; `given` is what the encoder knows.
    pub(in crate::parse) fn token<C: BitCoder, B: ReadAt>(
        &mut self,
        coder: &mut C,
        models: &mut TokenModels,
        (history, base): (&History, &mut B),
        place: Place,
        origin: Option<Origin>,
        given: Token,
    ) -> Result<Token, UnpackError> {
        let far = self.index.find(history, place.at);
        let guess = self.guess((history, &mut *base), place, origin, &far)?;
        let first = guess.token;
        let kind = u32::from(first.distance > 0) | u32::from(place.after_run) << 1 | guess.sync << 2;
        let which = self.recent.iter().position(|known| *known == first.distance).unwrap_or(RECENT) as u32;
        let length = first.length.min(63);
        let log2 = first.distance.checked_ilog2().map_or(0, |log2| log2 + 1);
        let found = guess.found.length.min(31);
        let contexts = [
            kind | guess.fit << 4 | (models.history & 0xff) << 8,
            kind | length << 4 | found << 10 | (models.history & 1) << 15,
            kind | log2 << 4 | which << 9 | length.min(7) << 12 | guess.fit << 15,
            kind | found << 4 | (models.history & 7) << 9 | length.min(15) << 12,
            kind | guess.fit << 4 | which << 8 | length << 11 | (models.history & 3) << 17,
        ];
        let wrong = first.length == 0 || models.wrong.code(coder, contexts, (kind & 15) as usize, first != given);
        models.history = models.history << 1 | u32::from(wrong);
        let token = match wrong {
            false => first,
            true => Self::other(coder, models, (history, base), (place, guess, kind), (self.recent, far), given)?,
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
        (recent, far): ([u32; RECENT], [u32; WIDTHS.len()]),
        given: Token,
    ) -> Result<Token, UnpackError> {
        let first = guess.token;
        if !place.after_run
            && models.is_run[(kind & 15) as usize][found_class(guess.found.length)].code(coder, given.distance == 0)
        {
            return Ok(Token { length: models.run(coder, &guess, given.length)?, distance: 0 });
        }
        let sync = guess.sync as usize;
        let mut tried = [0; CHOICES];
        let known = [first.distance].into_iter().chain(recent).chain(far);
        let (mut distance, mut way) = (0, CHOICES);
        let longest = place.left.min(LENGTH_MAX.into());
        // A match of two bytes can be told from what is none only where these are there.
        let is_told = history.there(place.at + 1).is_some();
        for (choice, known) in known.enumerate() {
            if known == 0 || u64::from(known) > place.age || tried[..choice].contains(&known) {
                continue;
            }
            tried[choice] = known;
            let most = history.common(base, place.at, known.into(), longest)? as u32;
            if is_told && most < if known == recent[0] { 1 } else { 2 } {
                continue;
            }
            let is_longest = usize::from(most >= guess.found.length);
            if models.choice[sync][is_longest][choice].code(coder, given.distance == known) {
                (distance, way) = (known, choice);
                break;
            }
        }
        if distance == 0 {
            let above = models.distance.code(coder, u64::from(given.distance).wrapping_sub(1)).saturating_add(1);
            distance = u32::try_from(above).map_err(|_| UnpackError::Invalid)?;
        }
        let most = history.common(base, place.at, distance.into(), longest)? as u32;
        let mut length = most;
        if most == 0 || !models.whole[found_class(most)][way].code(coder, given.length == most) {
            let class = (most / 4).min(3) as usize;
            let shorter = models.shorter[class].code_signed(coder, i64::from(most).wrapping_sub(given.length.into()));
            length = u32::try_from(i64::from(most).wrapping_sub(shorter)).map_err(|_| UnpackError::Invalid)?;
        }
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
        let most = place.left.min(LENGTH_MAX.into());
        let mut guess = Guess { found: self.longest((history, &mut *base), place, most, far)?, ..Guess::default() };
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
                // In the midst of a token of the base, another one was taken before: what is longest counts.
                let is_shorter = guess.sync == 1 && u64::from(guess.found.length) > best;
                if is_shorter {
                    (guess.token, guess.fit) = (guess.found, 0);
                    return Ok(guess);
                }
                if best >= 2 || best == 1 && guess.token.distance == self.recent[0] && length == 1 {
                    return Ok(guess);
                }
            }
            (guess.token, guess.fit, guess.sync) = (Token::default(), 0, 3);
        }
        if guess.found.length >= 2 {
            guess.token = guess.found;
        }
        Ok(guess)
    }

    /// The longest match at a place: of the last distances, or of those found.
    fn longest<B: ReadAt>(
        &mut self,
        (history, base): (&History, &mut B),
        place: Place,
        most: u64,
        far: &[u32; WIDTHS.len()],
    ) -> Result<Token, UnpackError> {
        let mut best = Token::default();
        for &distance in self.recent.iter().chain(far) {
            if distance > 0 && u64::from(distance) <= place.age && u64::from(best.length) < most {
                let length = history.common(base, place.at, distance.into(), most)? as u32;
                if length > best.length {
                    best = Token { length, distance };
                }
            }
        }
        Ok(best)
    }
}

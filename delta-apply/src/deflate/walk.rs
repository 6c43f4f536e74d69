//! The walk over a stream that encoder and decoder share: each block is predicted, corrected and written.

use super::correct::{code_header, code_token};
use super::format::{END, STORED_MAX, distance_symbol, fixed_lengths, length_symbol};
use super::inflate::Kind;
use super::method::{Maker, Method};
use super::models::Models;
use super::pack::BitWriter;
use super::predict::Finder;
use super::token::{Token, TokenStore};
use super::tree::{self, Frequencies, Header, Smallest};
use super::{PackError, Plain, Sink};
use crate::coding::coder::BitCoder;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What is known about a block before it is walked. Decoders know nothing.
#[derive(Debug)]
pub(super) struct TrueBlock {
    pub(super) last: bool,
    pub(super) kind: Kind,
    pub(super) tokens: Vec<Token>,
    pub(super) header: Header,
    pub(super) verdict: Verdict,
}

impl TrueBlock {
    pub(super) fn new() -> Self {
        let kind = Kind::Fixed;
        Self { last: false, kind, tokens: Vec::new(), header: Header::default(), verdict: Verdict::default() }
    }
}

/// What a walk over a block shows, and the next walk says in advance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The block ends where the encoder would end it.
    pub(super) natural: bool,
    /// All its tokens are as predicted.
    pub(super) perfect: bool,
}

/// Where an encoder's walk has the truth from; for a decoder it is empty.
pub(super) trait Truth {
    fn method(&self) -> Method;
    /// Goes on to the next block, which is there for the encoder; says what it is.
    fn next(&mut self) -> Option<&TrueBlock>;
    /// Takes note of what the walk over a block showed.
    fn learn(&mut self, verdict: Verdict);
    /// The bits behind the last block.
    fn padding(&mut self) -> u8;
}

/// A decoder's truth.
pub(super) struct Unknown(pub(super) Box<TrueBlock>);

impl Truth for Unknown {
    fn method(&self) -> Method {
        Method::USUAL
    }
    fn next(&mut self) -> Option<&TrueBlock> {
        Some(&self.0)
    }
    fn learn(&mut self, _: Verdict) {}
    fn padding(&mut self) -> u8 {
        0
    }
}

/// The memory that walks use, taken once.
#[derive(Debug)]
pub(super) struct Walker {
    finder: Finder,
    tokens: TokenStore,
    raw: Vec<u8>,
    header: Box<Header>,
}

/// Bytes that a walker allocates at most: the finder, the tokens, a stored block, a header for itself and one for
/// the truth.
pub(super) const MEMORY_BYTES: usize =
    Finder::BYTES + TokenStore::BYTES_MAX + STORED_MAX + 2 * size_of::<Header>() + size_of::<TrueBlock>();

type Outcome<T, P, S> = Result<T, PackError<P, S>>;

impl Walker {
    pub(super) fn new() -> Self {
        Self { finder: Finder::new(), tokens: TokenStore::default(), raw: Vec::new(), header: Box::default() }
    }

    /// Writes one stream.
    pub(super) fn walk<C: BitCoder, P: Plain<C>, S: Sink, T: Truth>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        plain: &mut P,
        sink: &mut S,
        truth: &mut T,
    ) -> Outcome<(), P::Error, S::Error> {
        let method = models.method.code(coder, truth.method()).ok_or(PackError::Invalid)?;
        self.finder.start(method);
        let mut out = BitWriter::new(sink);
        let mut was_stored = false;
        loop {
            let block = truth.next().ok_or(PackError::Invalid)?;
            let is_stored = matches!(block.kind, Kind::Stored { .. });
            was_stored = models.stored[usize::from(was_stored)].code(coder, is_stored);
            let (last, verdict) = match was_stored {
                true => self.stored_block(coder, models, plain, &mut out, method, block)?,
                false => self.coded_block(coder, models, plain, &mut out, method, block)?,
            };
            truth.learn(verdict);
            if coder.failed() {
                return Err(PackError::Coder);
            }
            if last {
                break;
            }
        }
        self.finder.fill(coder, plain).map_err(PackError::Plain)?;
        if !self.finder.is_at_end() {
            return Err(PackError::Invalid);
        }
        let padding = truth.padding();
        let padding = code_padding(coder, models, out.missing(), padding);
        out.pad(padding).map_err(PackError::Sink)?;
        out.finish().map_err(PackError::Sink)
    }

    /// A block of tokens; gives whether it is the last.
    fn coded_block<C: BitCoder, P: Plain<C>, S: Sink>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        plain: &mut P,
        out: &mut BitWriter<'_, S>,
        method: Method,
        block: &TrueBlock,
    ) -> Outcome<(bool, Verdict), P::Error, S::Error> {
        let natural = models.natural[0].code(coder, block.verdict.natural);
        let count = match natural {
            true => None,
            false => Some(models.count[0].code(coder, block.tokens.len() as u64)),
        };
        let perfect = models.perfect.code(coder, block.verdict.perfect);
        self.tokens.clear();
        let mut frequencies = Frequencies::new();
        let mut end = BlockEnd::new(method);
        let mut verdict = Verdict { natural: true, perfect: true };
        let finder = &mut self.finder;
        let is_full = loop {
            finder.fill(coder, plain).map_err(PackError::Plain)?;
            let is_full = end.is_here(&frequencies);
            let ends_naturally = is_full || finder.is_at_end();
            match count {
                None if ends_naturally => break is_full,
                Some(count) if end.tokens as u64 == count => {
                    verdict.natural &= ends_naturally;
                    break is_full;
                }
                Some(_) => verdict.natural &= !ends_naturally,
                None => {}
            }
            if finder.is_at_end() {
                return Err(PackError::Invalid);
            }
            let predicted = finder.predict();
            let token = if perfect {
                predicted
            } else {
                let known = block.tokens.get(end.tokens).copied().unwrap_or(Token::Literal);
                verdict.perfect &= predicted == known;
                let tokens = &mut models.tokens;
                code_token(coder, tokens, finder, predicted, known).ok_or(PackError::Invalid)?
            };
            let byte = finder.byte();
            self.tokens.push(token, byte).map_err(|_| PackError::TooLarge)?;
            match token {
                Token::Literal => frequencies.literals[usize::from(byte)] += 1,
                Token::Match { length, distance } => {
                    frequencies.literals[END + 1 + length_symbol(length.into())] += 1;
                    frequencies.distances[distance_symbol(distance.into())] += 1;
                }
            }
            finder.accept(token);
            end.advance(token);
        };
        let last = self.code_last(coder, models, is_full, block.last);
        let smallest = tree::predict(&frequencies, end.plain as u64, method.trees(), &mut self.header);
        let fixed = models.fixed[usize::from(smallest == Smallest::Fixed)].code(coder, block.kind == Kind::Fixed);
        let write = |out: &mut BitWriter<'_, S>, header: &Header, tokens: &TokenStore| {
            out.put(u32::from(last) | if fixed { 2 } else { 4 }, 3)?;
            if fixed {
                let (literals, distances) = fixed_lengths();
                out.tokens(tokens, &literals, &distances)
            } else {
                out.header(header)?;
                let (literals, distances) = header.lengths();
                out.tokens(tokens, literals, distances)
            }
        };
        if !fixed {
            let (header, known) = (&mut *self.header, &block.header);
            code_header(coder, &mut models.header, method.trees(), header, known).ok_or(PackError::Invalid)?;
        }
        write(out, &self.header, &self.tokens).map_err(PackError::Sink)?;
        Ok((last, verdict))
    }

    /// A stored block; gives whether it is the last. Its tokens were made and thrown away: they are taken as predicted.
    fn stored_block<C: BitCoder, P: Plain<C>, S: Sink>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        plain: &mut P,
        out: &mut BitWriter<'_, S>,
        method: Method,
        block: &TrueBlock,
    ) -> Outcome<(bool, Verdict), P::Error, S::Error> {
        let (known_length, known_padding) = match block.kind {
            Kind::Stored { length, padding } => (length.into(), padding),
            _ => (0, 0),
        };
        let natural = models.natural[1].code(coder, block.verdict.natural);
        let length = match natural {
            true => None,
            false => Some(models.count[1].code(coder, known_length)),
        };
        self.raw.clear();
        self.raw.reserve_exact(STORED_MAX);
        let mut frequencies = Frequencies::new();
        let mut end = BlockEnd::new(method);
        let mut verdict = Verdict { natural: true, perfect: true };
        let finder = &mut self.finder;
        let is_full = loop {
            finder.fill(coder, plain).map_err(PackError::Plain)?;
            let is_full = end.is_here(&frequencies);
            let ends_naturally = is_full || finder.is_at_end();
            match length {
                None if ends_naturally => break is_full,
                Some(length) if end.plain as u64 == length => {
                    verdict.natural &= ends_naturally;
                    break is_full;
                }
                Some(_) => verdict.natural &= !ends_naturally,
                None => {}
            }
            let mut token = finder.predict();
            if length.is_some_and(|length| (end.plain + token.length()) as u64 > length) {
                token = Token::Literal;
                verdict.natural = false;
            }
            let bytes = finder.ahead().get(..token.length()).ok_or(PackError::Invalid)?;
            if self.raw.len() + bytes.len() > STORED_MAX {
                return Err(PackError::Invalid);
            }
            self.raw.extend_from_slice(bytes);
            if let Token::Match { distance, .. } = token {
                frequencies.distances[distance_symbol(distance.into())] += 1;
            }
            finder.accept(token);
            end.advance(token);
        };
        let last = self.code_last(coder, models, is_full, block.last);
        out.put(last.into(), 3).map_err(PackError::Sink)?;
        let padding = code_padding(coder, models, out.missing(), known_padding);
        out.stored(&self.raw, padding).map_err(PackError::Sink)?;
        Ok((last, verdict))
    }

    fn code_last<C: BitCoder>(&self, coder: &mut C, models: &mut Models, is_full: bool, known: bool) -> bool {
        models.last[usize::from(self.finder.is_at_end()) * 2 + usize::from(is_full)].code(coder, known)
    }
}

fn code_padding<C: BitCoder>(coder: &mut C, models: &mut Models, missing: usize, known: u8) -> u8 {
    if missing > 0 && models.padded.code(coder, known != 0) { models.padding.code(coder, known) } else { 0 }
}

/// Where the encoder would end a block that is not cut short.
struct BlockEnd {
    method: Method,
    block_tokens: usize,
    /// Tokens and plaintext so far, and the plaintext before the last token.
    tokens: usize,
    plain: usize,
    before: usize,
    /// Bytes that the tokens take in miniz's buffer, without its flags.
    buffered: usize,
}

impl BlockEnd {
    fn new(method: Method) -> Self {
        Self { method, block_tokens: method.block_tokens(), tokens: 0, plain: 0, before: 0, buffered: 0 }
    }

    #[inline]
    fn advance(&mut self, token: Token) {
        self.before = self.plain;
        self.plain += token.length();
        self.tokens += 1;
        self.buffered += if token == Token::Literal { 1 } else { 3 };
    }

    #[inline]
    fn is_here(&self, frequencies: &Frequencies) -> bool {
        if self.tokens >= self.block_tokens {
            return true;
        }
        match self.method.maker {
            Maker::Zlib | Maker::Ng => false,
            // gzip looks every 4096 tokens whether the block compresses well, and starts a new one then.
            Maker::Gzip => {
                let looks = self.tokens & 0xfff == 0 && self.tokens > 0 && self.method.level > 2;
                looks && self.compresses_well(frequencies)
            }
            // A byte of flags for each eight tokens, the next one open already. Text that does not compress ends early.
            Maker::Miniz => {
                let buffered = 1 + self.buffered + self.tokens / 8;
                buffered > (1 << 16) - 8 || self.plain > 31 << 10 && (buffered * 115) >> 7 >= self.plain
            }
        }
    }

    #[cold]
    fn compresses_well(&self, frequencies: &Frequencies) -> bool {
        let matches: u32 = frequencies.distances.iter().sum();
        let each = frequencies.distances.iter().zip(super::format::DISTANCE_EXTRA);
        let distance_bits: u64 = each.map(|(&count, extra)| u64::from(count) * u64::from(5 + extra)).sum();
        let coded = (self.tokens as u64 * 8 + distance_bits) >> 3;
        let plain = self.before + usize::from(self.method.effort().is_lazy);
        (matches as usize) < self.tokens / 2 && coded < plain as u64 / 2
    }
}

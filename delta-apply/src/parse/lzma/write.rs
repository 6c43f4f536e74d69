//! Writes LZMA2 from tokens.

use super::model::{History, LENGTH_MAX, LENGTH_MIN, Model, Properties, Symbol};
use super::range::RangeEncoder;
use super::{
    CODED, END, PACKED_MAX, PLAIN_MAX, RESET_HISTORY, RESET_PROPERTIES, RESET_STATE, STORED, STORED_FIRST, Token,
    UnpackError,
};
use crate::coding::bits::{Bit, Number};
use crate::coding::coder::BitCoder;
use crate::deflate::Sink;
use crate::parse::Plaintext;
use alloc::vec::Vec;

/// liblzma ends a chunk when its plaintext or its packed bytes may get too many with the next step.
const PLAIN_FULL: usize = PLAIN_MAX - LENGTH_MAX as usize;
const PACKED_FULL: usize = PACKED_MAX - 4097;

/// A chunk that liblzma would have ended elsewhere, or one that is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where it starts, from the end of the last one or the start of the stream.
    pub(super) gap: u64,
    /// Bytes of its plaintext.
    pub(super) bytes: u64,
    pub(super) stored: bool,
}

/// The most cuts of a stream. A stored chunk has 60,000 bytes or so.
const CUTS_MAX: u64 = 1 << 12;

/// What plaintext and tokens of a stream do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of its plaintext.
    pub(super) plain_bytes: u64,
    pub(super) properties: u8,
    pub(super) cuts: Vec<Cut>,
    /// How distances are said that are among the last ones, in order: 0 to 3, or 4 for as a new one. Only the encoder
    /// has it.
    pub(super) said: Vec<u8>,
}

/// What a decoder knows.
pub(in crate::parse) static UNKNOWN: Shape =
    Shape { plain_bytes: 0, properties: 0, cuts: Vec::new(), said: Vec::new() };

/// What is learned about streams while they are coded.
#[derive(Debug, Default)]
pub struct Models {
    bytes: Number,
    properties: Number,
    count: Number,
    gap: Number,
    cut: [Number; 2],
    stored: Bit,
    /// Is a distance said as the last one that it equals?
    said: [Bit; 4],
}

/// Whether liblzma would end a chunk that has come to this.
#[inline]
pub(super) fn is_full(range: &RangeEncoder, plain: u64) -> bool {
    plain >= PLAIN_FULL as u64 || range.bytes_so_far() >= PACKED_FULL
}

/// Writes one stream after the other.
#[derive(Debug)]
pub struct Writer {
    model: Model,
    range: RangeEncoder,
    shape: Shape,
    /// Where the stream starts in the plaintext of its group, where the chunk at hand does.
    start: u64,
    chunk: u64,
    /// What the next coded chunk resets.
    due: u8,
    /// The cut that the chunk is, and where it ends.
    cut: Option<Cut>,
    /// Cuts and said distances so far, where the last cut ended.
    cuts: usize,
    said: usize,
    cut_end: u64,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            model: Model::new(),
            range: RangeEncoder::default(),
            shape: Shape::default(),
            start: 0,
            chunk: 0,
            due: 0,
            cut: None,
            cuts: 0,
            said: 0,
            cut_end: 0,
        }
    }
}

/// The plaintext before a place, as history.
struct Before<'a, P> {
    plain: &'a mut P,
    start: u64,
    at: u64,
}

impl<P: Plaintext> History for Before<'_, P> {
    type Error = UnpackError;

    #[inline]
    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError> {
        let at = self.at.checked_sub(u64::from(distance) + 1).filter(|at| *at >= self.start);
        self.plain.byte(at.ok_or(UnpackError::Invalid)?)
    }
}

impl Writer {
    /// Bytes of memory that a writer and its models take at most.
    pub const BYTES: usize =
        size_of::<Self>() + Model::BYTES + PACKED_MAX + CUTS_MAX as usize * size_of::<Cut>() + size_of::<Models>();

    /// Starts a stream whose plaintext starts at `at`; gives where that ends.
    ///
    /// # Errors
    /// [`UnpackError::Invalid`] when there is no such stream.
    pub fn start<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        given: &Shape,
        at: u64,
    ) -> Result<u64, UnpackError> {
        let shape = &mut self.shape;
        shape.plain_bytes = models.bytes.code(coder, given.plain_bytes);
        shape.properties = models.properties.code(coder, given.properties.into()) as u8;
        let count = models.count.code(coder, given.cuts.len() as u64);
        if count > CUTS_MAX {
            return Err(UnpackError::Invalid);
        }
        shape.cuts.clear();
        for index in 0..count as usize {
            let cut = given.cuts.get(index).copied().unwrap_or_default();
            let stored = models.stored.code(coder, cut.stored);
            let gap = models.gap.code(coder, cut.gap);
            let bytes = models.cut[usize::from(stored)].code(coder, cut.bytes);
            let most = if stored { PACKED_MAX } else { PLAIN_MAX };
            if bytes == 0 || bytes > most as u64 || coder.failed() {
                return Err(UnpackError::Invalid);
            }
            shape.cuts.push(Cut { gap, bytes, stored });
        }
        if C::ENCODES {
            shape.said.clone_from(&given.said);
        }
        self.model.reset(Some(Properties::parse(shape.properties).ok_or(UnpackError::Invalid)?));
        (self.start, self.chunk, self.cut_end, self.cuts, self.said) = (at, at, at, 0, 0);
        (self.due, self.cut) = (RESET_HISTORY, None);
        self.range.restart();
        at.checked_add(self.shape.plain_bytes).ok_or(UnpackError::Invalid)
    }

    /// Takes a token; `at` is the place of its plaintext.
    ///
    /// # Errors
    /// [`UnpackError`] of the plaintext, or for a token that no stream has; the sink's.
    pub fn token<C: BitCoder, S: Sink<Error: From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        token: Token,
        at: u64,
        plain: &mut impl Plaintext,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        if token.distance == 0 {
            for at in at..at + u64::from(token.length) {
                self.boundary(at, sink)?;
                let byte = plain.byte(at)?;
                match self.cut {
                    Some(Cut { stored: true, .. }) => self.range.bytes.push(byte),
                    _ => self.symbol(Symbol::Literal, byte, at, plain)?,
                }
            }
            return Ok(());
        }
        self.boundary(at, sink)?;
        let symbol = self.repetition(coder, models, token)?;
        let (start, end) = (self.start, at + u64::from(token.length));
        let fits = match self.cut {
            Some(cut) => !cut.stored && end <= self.cut_end,
            None => end - self.chunk <= PLAIN_MAX as u64,
        };
        if !fits || u64::from(token.distance) > at - start {
            return Err(UnpackError::Invalid.into());
        }
        Ok(self.symbol(symbol, 0, at, plain)?)
    }

    /// Ends the stream at `at`.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub fn finish<S: Sink<Error: From<UnpackError>>>(&mut self, at: u64, sink: &mut S) -> Result<(), S::Error> {
        if at != self.start + self.shape.plain_bytes {
            return Err(UnpackError::Invalid.into());
        }
        if at > self.chunk {
            self.end_chunk(at, sink)?;
        }
        sink.push(&[END])
    }

    fn symbol(&mut self, symbol: Symbol, byte: u8, at: u64, plain: &mut impl Plaintext) -> Result<(), UnpackError> {
        let mut history = Before { plain, start: self.start, at };
        self.model.code(&mut self.range, &mut history, at - self.start, (symbol, byte))?;
        Ok(())
    }

    /// How a repetition is said.
    fn repetition<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        token: Token,
    ) -> Result<Symbol, UnpackError> {
        let Token { length, distance } = token;
        let distance = distance - 1;
        let last = self.model.last;
        if length < LENGTH_MIN {
            let symbol = Symbol::Repeat { which: 0, length };
            return if distance == last[0] { Ok(symbol) } else { Err(UnpackError::Invalid) };
        }
        if length > LENGTH_MAX {
            return Err(UnpackError::Invalid);
        }
        if !last.contains(&distance) {
            return Ok(Symbol::Match { length, distance });
        }
        let known = self.shape.said.get(self.said).copied().unwrap_or(0);
        self.said += 1;
        for which in 0..4 {
            let is_equal = last[usize::from(which)] == distance;
            if is_equal && models.said[usize::from(which)].code(coder, which == known) {
                return Ok(Symbol::Repeat { which, length });
            }
        }
        Ok(Symbol::Match { length, distance })
    }

    /// Ends the chunk before `at` where it has to end, and starts the next one.
    #[inline]
    fn boundary<S: Sink<Error: From<UnpackError>>>(&mut self, at: u64, sink: &mut S) -> Result<(), S::Error> {
        let is_full = match self.cut {
            Some(_) => at >= self.cut_end,
            None => {
                let next = self.shape.cuts.get(self.cuts).map(|cut| self.cut_end.saturating_add(cut.gap));
                is_full(&self.range, at - self.chunk) || next.is_some_and(|next| at >= next)
            }
        };
        if !is_full {
            // Only a cut can make it longer than its length can say.
            return if self.range.bytes.len() > PACKED_MAX { Err(UnpackError::Invalid.into()) } else { Ok(()) };
        }
        if at > self.chunk {
            self.end_chunk(at, sink)?;
        }
        let next = self.shape.cuts.get(self.cuts).filter(|cut| self.cut_end.saturating_add(cut.gap) <= at);
        self.cut = next.copied();
        if let Some(cut) = self.cut {
            if self.cut_end + cut.gap != at {
                return Err(UnpackError::Invalid.into());
            }
            self.cut_end = at + cut.bytes;
            self.cuts += 1;
        }
        if self.due > 0 && self.due < RESET_HISTORY {
            self.model.reset(None);
        }
        Ok(())
    }

    fn end_chunk<S: Sink<Error: From<UnpackError>>>(&mut self, at: u64, sink: &mut S) -> Result<(), S::Error> {
        let plain = (at - self.chunk) as usize;
        let stored = self.cut.is_some_and(|cut| cut.stored);
        if stored {
            let control = if self.due == RESET_HISTORY { STORED_FIRST } else { STORED };
            let [high, low] = (plain.wrapping_sub(1) as u16).to_be_bytes();
            sink.push(&[control, high, low])?;
            self.due = if self.due >= RESET_PROPERTIES { RESET_PROPERTIES } else { RESET_STATE };
        } else {
            self.range.end();
            let packed = self.range.bytes.len();
            if packed > PACKED_MAX || plain > PLAIN_MAX {
                return Err(UnpackError::Invalid.into());
            }
            let plain = plain - 1;
            let [high, low] = (plain as u16).to_be_bytes();
            let [packed_high, packed_low] = (packed.wrapping_sub(1) as u16).to_be_bytes();
            let control = CODED | self.due | (plain >> 16) as u8;
            let header = [control, high, low, packed_high, packed_low, self.shape.properties];
            sink.push(&header[..if self.due >= RESET_PROPERTIES { 6 } else { 5 }])?;
            self.due = 0;
        }
        sink.push(&self.range.bytes)?;
        self.range.restart();
        self.chunk = at;
        Ok(())
    }
}

//! Reads deflate streams (RFC 1951): block by block and token by token, or at once into plaintext.
//!
//! In: untrusted bytes. Out: blocks, tokens, plaintext. Nothing panics on any bytes, no memory depends on them, and the
//! caller says how long the plaintext may be.

use super::format::{
    BITS_MAX, DISTANCE_BASE, DISTANCE_EXTRA, DISTANCE_MAX, DISTANCES, END, LENGTH_BASE, LENGTH_EXTRA, LITERALS,
    MATCH_MAX, RUN_EXTRA, RUN_ORDER, fixed_lengths,
};
use super::huffman::{DecodeTable, Oversubscribed};
use super::token::Token;
use super::tree::{Header, Run};
use super::{Input, Sink};
use alloc::boxed::Box;
use alloc::vec;

/// Why a stream cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError<I, S> {
    /// The input could not be read.
    Input(I),
    /// The plaintext was not taken.
    Sink(S),
    /// No valid stream, or it ends early.
    Invalid,
    /// The plaintext is longer than allowed.
    TooLong,
}

/// A block is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Raw bytes: how many, and the bits that fill up the byte before their length.
    Stored { length: u16, padding: u8 },
    /// Tokens in the fixed code.
    Fixed,
    /// Tokens in a code of their own: [`Blocks::header`].
    Dynamic,
}

/// The stream is no deflate stream, or its input failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockError<E> {
    Input(E),
    Invalid,
}

impl<E> From<Oversubscribed> for BlockError<E> {
    fn from(_: Oversubscribed) -> Self {
        Self::Invalid
    }
}

/// Reads a stream block by block.
#[derive(Debug)]
pub(super) struct Blocks<I> {
    bits: Bits<I>,
    literals: DecodeTable,
    distances: DecodeTable,
    header: Box<Header>,
}

impl<I: Input> Blocks<I> {
    pub(super) fn new(input: I) -> Self {
        let buffer = Box::new([0; BUFFER_BYTES]);
        let bits = Bits { input, buffer, start: 0, end: 0, hold: 0, held: 0, taken: 0, over: 0 };
        Self { bits, literals: DecodeTable::default(), distances: DecodeTable::default(), header: Box::default() }
    }

    /// Reads the start of a block: whether it is the last, and what it is.
    pub(super) fn next_block(&mut self) -> Result<(bool, Kind), BlockError<I::Error>> {
        self.bits.fill()?;
        let last = self.bits.take(1) == 1;
        let kind = match self.bits.take(2) {
            0 => {
                let padding = self.bits.take_padding();
                self.bits.fill()?;
                let (length, check) = (self.bits.take(16), self.bits.take(16));
                if length ^ check != 0xffff {
                    return Err(BlockError::Invalid);
                }
                Kind::Stored { length: length as u16, padding }
            }
            1 => {
                let (literals, distances) = fixed_lengths();
                self.literals.set(&literals)?;
                self.distances.set(&distances)?;
                Kind::Fixed
            }
            2 => {
                self.read_header()?;
                let (literals, distances) = self.header.lengths();
                self.literals.set(literals)?;
                self.distances.set(distances)?;
                Kind::Dynamic
            }
            _ => return Err(BlockError::Invalid),
        };
        self.bits.check()?;
        Ok((last, kind))
    }

    /// The code of the dynamic block that was announced last.
    #[cfg(any(feature = "encode", test))]
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    fn read_header(&mut self) -> Result<(), BlockError<I::Error>> {
        let header = &mut *self.header;
        self.bits.fill()?;
        let (literals, distances) = (self.bits.take(5) as usize + 257, self.bits.take(5) as usize + 1);
        let run_lengths = self.bits.take(4) as usize + 4;
        if literals > LITERALS || distances > DISTANCES {
            return Err(BlockError::Invalid);
        }
        header.clear(literals, distances);
        header.run_lengths_sent = run_lengths;
        for &symbol in &RUN_ORDER[..run_lengths] {
            self.bits.fill()?;
            header.run_lengths[usize::from(symbol)] = self.bits.take(3) as u8;
        }
        self.literals.set(&header.run_lengths)?;
        while !header.is_complete() {
            self.bits.fill()?;
            let (symbol, length) = self.literals.decode(self.bits.peek()).ok_or(BlockError::Invalid)?;
            self.bits.skip(length);
            let run = match symbol.checked_sub(16) {
                None => Run { symbol: symbol as u8, extra: 0 },
                Some(long) => {
                    let (bits, _) = RUN_EXTRA[long.min(2)];
                    Run { symbol: symbol as u8, extra: self.bits.take(bits.into()) as u8 }
                }
            };
            header.push_run(run).ok_or(BlockError::Invalid)?;
        }
        self.bits.check()
    }

    /// The next token and the byte of a literal; None at the end of the block.
    #[inline]
    pub(super) fn token(&mut self) -> Result<Option<(Token, u8)>, BlockError<I::Error>> {
        self.bits.fill()?;
        let (symbol, bits) = self.literals.decode(self.bits.peek()).ok_or(BlockError::Invalid)?;
        self.bits.skip(bits);
        if symbol < END {
            return Ok(Some((Token::Literal, symbol as u8)));
        }
        if symbol == END {
            self.bits.check()?;
            return Ok(None);
        }
        let symbol = symbol - END - 1;
        let base = *LENGTH_BASE.get(symbol).ok_or(BlockError::Invalid)?;
        let length = base + self.bits.take(LENGTH_EXTRA[symbol].into()) as u16;
        if usize::from(length) == MATCH_MAX && symbol != LENGTH_BASE.len() - 1 {
            // 258 written as 227 + 31: nobody does, and the token could not tell it from the usual way.
            return Err(BlockError::Invalid);
        }
        self.bits.fill()?;
        let (symbol, bits) = self.distances.decode(self.bits.peek()).ok_or(BlockError::Invalid)?;
        self.bits.skip(bits);
        let base = *DISTANCE_BASE.get(symbol).ok_or(BlockError::Invalid)?;
        let distance = base + self.bits.take(DISTANCE_EXTRA[symbol].into()) as u16;
        self.bits.check()?;
        Ok(Some((Token::Match { length, distance }, 0)))
    }

    /// Fills `out` with bytes of a stored block.
    pub(super) fn stored(&mut self, out: &mut [u8]) -> Result<(), BlockError<I::Error>> {
        for byte in out {
            self.bits.fill()?;
            *byte = self.bits.take(8) as u8;
        }
        self.bits.check()
    }

    /// The bits after the last block up to the end of its last byte.
    pub(super) fn padding(&mut self) -> u8 {
        self.bits.take_padding()
    }

    /// Bytes of the input that were needed so far, the last one perhaps in part.
    pub(super) fn used(&self) -> u64 {
        self.bits.taken - u64::from(self.bits.held / 8) - (self.bits.end - self.bits.start) as u64
    }
}

/// Input that is read at once.
const BUFFER_BYTES: usize = 2048;

/// The input as bits, lowest first.
#[derive(Debug)]
struct Bits<I> {
    input: I,
    buffer: Box<[u8; BUFFER_BYTES]>,
    /// The unread part of the buffer.
    start: usize,
    end: usize,
    /// Bits in hand, and how many.
    hold: u64,
    held: u32,
    /// Bytes that came from the input.
    taken: u64,
    /// Bits that were taken beyond the end of the input.
    over: u32,
}

impl<I: Input> Bits<I> {
    /// Brings 48 bits or more into the hold, fewer only at the end of the input.
    #[inline]
    fn fill(&mut self) -> Result<(), BlockError<I::Error>> {
        if self.held >= 48 {
            return Ok(());
        }
        if let Some(Ok(bytes)) = self.buffer.get(self.start..self.end).and_then(|b| b.get(..8)).map(TryInto::try_into) {
            self.hold |= u64::from_le_bytes(bytes) << self.held;
            let bytes = (63 - self.held) / 8;
            self.start += bytes as usize;
            self.held += bytes * 8;
            // Bits above `held` are those of bytes that are still to come: the same again next time.
            self.hold &= u64::MAX >> (64 - self.held);
            return Ok(());
        }
        self.fill_slowly()
    }

    fn fill_slowly(&mut self) -> Result<(), BlockError<I::Error>> {
        while self.held < 48 {
            if self.start == self.end {
                self.start = 0;
                self.end = self.input.read(&mut self.buffer[..]).map_err(BlockError::Input)?.min(BUFFER_BYTES);
                self.taken += self.end as u64;
                if self.end == 0 {
                    return Ok(());
                }
            }
            self.hold |= u64::from(self.buffer[self.start]) << self.held;
            self.start += 1;
            self.held += 8;
        }
        Ok(())
    }

    #[inline]
    fn peek(&self) -> u32 {
        self.hold as u32
    }

    #[inline]
    fn skip(&mut self, bits: usize) {
        let bits = bits as u32;
        self.hold >>= bits;
        self.over += bits.saturating_sub(self.held);
        self.held = self.held.saturating_sub(bits);
    }

    #[inline]
    fn take(&mut self, bits: usize) -> u32 {
        debug_assert!(bits <= BITS_MAX + 1);
        let value = self.hold as u32 & ((1 << bits) - 1);
        self.skip(bits);
        value
    }

    /// The bits up to the next byte.
    fn take_padding(&mut self) -> u8 {
        self.take((self.held % 8) as usize) as u8
    }

    /// Whether more was taken than there was.
    #[inline]
    fn check(&self) -> Result<(), BlockError<I::Error>> {
        if self.over == 0 { Ok(()) } else { Err(BlockError::Invalid) }
    }
}

/// The window of plaintext: what matches may reach back to, and as much again so that it moves seldom.
const WINDOW_BYTES: usize = 2 * DISTANCE_MAX;

/// Inflates one stream into `sink`; gives the bytes of input it took and the bytes of plaintext it made.
///
/// # Errors
/// See [`InflateError`]; the sink may have got a part of the plaintext.
pub fn inflate<I: Input, S: Sink>(
    input: I,
    sink: &mut S,
    length_max: u64,
) -> Result<(u64, u64), InflateError<I::Error, S::Error>> {
    let mut blocks = Blocks::new(input);
    let mut window = History { bytes: vec![0; WINDOW_BYTES].into(), at: 0, pushed: 0, room: length_max, sink };
    loop {
        let (last, kind) = blocks.next_block().map_err(from_block)?;
        match kind {
            Kind::Stored { length, .. } => {
                let mut left = usize::from(length);
                while left > 0 {
                    let piece = left.min(1024);
                    blocks.stored(window.free(piece)?).map_err(from_block)?;
                    window.at += piece;
                    left -= piece;
                }
            }
            Kind::Fixed | Kind::Dynamic => {
                while let Some((token, literal)) = blocks.token().map_err(from_block)? {
                    match token {
                        Token::Literal => {
                            window.free(1)?[0] = literal;
                            window.at += 1;
                        }
                        Token::Match { length, distance } => window.repeat(length.into(), distance.into())?,
                    }
                }
            }
        }
        if last {
            window.flush()?;
            blocks.padding();
            return Ok((blocks.used(), length_max - window.room));
        }
    }
}

fn from_block<E, S>(error: BlockError<E>) -> InflateError<E, S> {
    match error {
        BlockError::Input(error) => InflateError::Input(error),
        BlockError::Invalid => InflateError::Invalid,
    }
}

/// The plaintext that matches refer to.
struct History<'s, S> {
    bytes: Box<[u8]>,
    /// Where the next byte goes, and what of the window the sink has got.
    at: usize,
    pushed: usize,
    /// Bytes that may still come.
    room: u64,
    sink: &'s mut S,
}

impl<S: Sink> History<'_, S> {
    /// Room for `length` bytes behind the plaintext.
    #[inline]
    fn free<I>(&mut self, length: usize) -> Result<&mut [u8], InflateError<I, S::Error>> {
        self.room = self.room.checked_sub(length as u64).ok_or(InflateError::TooLong)?;
        if self.at + length > self.bytes.len() {
            self.flush()?;
            self.bytes.copy_within(self.at - DISTANCE_MAX..self.at, 0);
            (self.at, self.pushed) = (DISTANCE_MAX, DISTANCE_MAX);
        }
        Ok(&mut self.bytes[self.at..self.at + length])
    }

    #[inline]
    fn repeat<I>(&mut self, length: usize, distance: usize) -> Result<(), InflateError<I, S::Error>> {
        self.free(length)?;
        let from = self.at.checked_sub(distance).ok_or(InflateError::Invalid)?;
        if distance >= length {
            self.bytes.copy_within(from..from + length, self.at);
        } else {
            for byte in 0..length {
                self.bytes[self.at + byte] = self.bytes[from + byte];
            }
        }
        self.at += length;
        Ok(())
    }

    fn flush<I>(&mut self) -> Result<(), InflateError<I, S::Error>> {
        self.sink.push(&self.bytes[self.pushed..self.at]).map_err(InflateError::Sink)?;
        self.pushed = self.at;
        Ok(())
    }
}

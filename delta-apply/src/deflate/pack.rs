//! Writes deflate streams: tokens and headers in, bits out.

use super::Sink;
use super::format::{
    DISTANCE_BASE, DISTANCE_EXTRA, END, LENGTH_BASE, LENGTH_EXTRA, RUN_EXTRA, RUN_ORDER, RUN_SYMBOLS, distance_symbol,
    length_symbol,
};
use super::huffman::assign_codes;
use super::token::{Token, TokenStore};
use super::tree::Header;

/// Output that is pushed at once.
const BUFFER_BYTES: usize = 1024;

/// Bits on their way into a sink, lowest first.
pub(super) struct BitWriter<'s, S> {
    hold: u64,
    held: u32,
    buffer: [u8; BUFFER_BYTES],
    filled: usize,
    sink: &'s mut S,
}

impl<'s, S: Sink> BitWriter<'s, S> {
    pub(super) fn new(sink: &'s mut S) -> Self {
        Self { hold: 0, held: 0, buffer: [0; BUFFER_BYTES], filled: 0, sink }
    }

    /// Appends the lowest `count` (up to 32) bits of `bits`; those above are clear.
    #[inline]
    pub(super) fn put(&mut self, bits: u32, count: usize) -> Result<(), S::Error> {
        self.hold |= u64::from(bits) << self.held;
        self.held += count as u32;
        if self.held >= 32 {
            self.bytes(&(self.hold as u32).to_le_bytes())?;
            self.hold >>= 32;
            self.held -= 32;
        }
        Ok(())
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), S::Error> {
        while !bytes.is_empty() {
            if self.filled == BUFFER_BYTES {
                self.sink.push(&self.buffer)?;
                self.filled = 0;
            }
            let piece = bytes.len().min(BUFFER_BYTES - self.filled);
            self.buffer[self.filled..self.filled + piece].copy_from_slice(&bytes[..piece]);
            self.filled += piece;
            bytes = &bytes[piece..];
        }
        Ok(())
    }

    /// Bits that are missing to the end of the last byte.
    pub(super) fn missing(&self) -> usize {
        (8 - self.held as usize % 8) % 8
    }

    /// Fills up the last byte with the lowest bits of `padding`.
    pub(super) fn pad(&mut self, padding: u8) -> Result<(), S::Error> {
        let missing = self.missing();
        self.put(u32::from(padding) & ((1 << missing) - 1), missing)?;
        let whole = self.held as usize / 8;
        let hold = (self.hold as u32).to_le_bytes();
        (self.hold, self.held) = (0, 0);
        self.bytes(&hold[..whole])
    }

    /// Hands everything on; the last byte is full.
    pub(super) fn finish(self) -> Result<(), S::Error> {
        debug_assert_eq!(self.held, 0);
        self.sink.push(&self.buffer[..self.filled])
    }

    /// A stored block behind its three bits.
    pub(super) fn stored(&mut self, raw: &[u8], padding: u8) -> Result<(), S::Error> {
        self.pad(padding)?;
        let length = raw.len() as u16;
        self.bytes(&length.to_le_bytes())?;
        self.bytes(&(!length).to_le_bytes())?;
        self.bytes(raw)
    }

    /// The header of a dynamic block behind its three bits.
    pub(super) fn header(&mut self, header: &Header) -> Result<(), S::Error> {
        let (literals, distances) = header.lengths();
        self.put(literals.len() as u32 - 257, 5)?;
        self.put(distances.len() as u32 - 1, 5)?;
        self.put(header.run_lengths_sent as u32 - 4, 4)?;
        for &symbol in &RUN_ORDER[..header.run_lengths_sent] {
            self.put(header.run_lengths[usize::from(symbol)].into(), 3)?;
        }
        let mut codes = [0; RUN_SYMBOLS];
        assign_codes(&header.run_lengths, &mut codes);
        for run in header.runs() {
            let symbol = usize::from(run.symbol);
            self.put(codes[symbol].into(), header.run_lengths[symbol].into())?;
            if let Some(long) = symbol.checked_sub(16) {
                self.put(run.extra.into(), RUN_EXTRA[long].0.into())?;
            }
        }
        Ok(())
    }

    /// The tokens of a block and its end. Symbols without a code are written as nothing.
    pub(super) fn tokens(&mut self, tokens: &TokenStore, literals: &[u8], distances: &[u8]) -> Result<(), S::Error> {
        let mut literal_codes = [(0u16, 0u8); 288];
        let mut distance_codes = [(0u16, 0u8); 32];
        fill_codes(literals, &mut literal_codes);
        fill_codes(distances, &mut distance_codes);
        tokens.for_each(|token, literal| match token {
            Token::Literal => {
                let (code, bits) = literal_codes[usize::from(literal)];
                self.put(code.into(), bits.into())
            }
            Token::Match { length, distance } => {
                let symbol = length_symbol(length.into());
                let (code, bits) = literal_codes[END + 1 + symbol];
                let above = u32::from(length - LENGTH_BASE[symbol]);
                self.put(u32::from(code) | above << bits, usize::from(bits + LENGTH_EXTRA[symbol]))?;
                let symbol = distance_symbol(distance.into());
                let (code, bits) = distance_codes[symbol & 31];
                let above = u32::from(distance - DISTANCE_BASE[symbol]);
                self.put(u32::from(code) | above << bits, usize::from(bits + DISTANCE_EXTRA[symbol]))
            }
        })?;
        let (code, bits) = literal_codes[END];
        self.put(code.into(), bits.into())
    }
}

fn fill_codes(lengths: &[u8], out: &mut [(u16, u8)]) {
    let mut codes = [0; 288];
    assign_codes(lengths, &mut codes[..lengths.len().min(288)]);
    out.iter_mut().zip(codes).zip(lengths).for_each(|((out, code), &length)| *out = (code, length));
}

//! LZMA2: the chunks inside of a block of an xz file, as decisions and back.
//!
//! What an encoder decided tells its stream but for three things: where chunks end, which of them are stored as they
//! are, and how a distance is said that is among the last four. The first two are taken to be what liblzma does, and
//! said where they are not. The third is coded with the tokens.

mod model;
mod range;
#[cfg(any(feature = "encode", test))]
mod survey;
#[cfg(test)]
mod tests;
mod write;

#[cfg(any(feature = "encode", test))]
pub use survey::survey;
pub(super) use write::UNKNOWN;
pub use write::{Models, Shape, Writer};

use super::{Token, UnpackError, Unpacked};
use crate::deflate::Input;
use crate::io::IoError;
use alloc::vec::Vec;
use model::{History, Model, Properties, Symbol};
pub(super) use model::{LENGTH_MAX, LENGTH_MIN};
use range::RangeDecoder;

/// Packed bytes of a chunk, and plaintext of one that is coded, at most.
const PACKED_MAX: usize = 1 << 16;
const PLAIN_MAX: usize = 1 << 21;
/// What the first byte of a chunk says: the end, stored bytes with or without a start of the history, or else coded
/// bytes with what is reset: nothing, the state, properties too, the history too.
const END: u8 = 0;
const STORED: u8 = 2;
const STORED_FIRST: u8 = 1;
const CODED: u8 = 0x80;
const RESET_STATE: u8 = 0x20;
const RESET_PROPERTIES: u8 = 0x40;
const RESET_HISTORY: u8 = 0x60;

/// What the header of a chunk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    plain: usize,
    coding: Option<Coding>,
}

/// How a chunk is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Coding {
    packed: usize,
    reset: u8,
    properties: Option<Properties>,
}

/// The chunks of a stream.
struct Chunks<I> {
    input: I,
    left: u64,
    /// Bytes of the chunk at hand.
    bytes: Vec<u8>,
    /// What the next one must reset at least.
    due: u8,
    /// The last properties as their byte.
    properties: u8,
}

impl<I: Input<Error = IoError>> Chunks<I> {
    fn new(input: I, left: u64) -> Self {
        Self { input, left, bytes: Vec::new(), due: RESET_HISTORY, properties: 0 }
    }

    fn read(&mut self, bytes: usize) -> Result<(), UnpackError> {
        self.left = self.left.checked_sub(bytes as u64).ok_or(UnpackError::Invalid)?;
        self.bytes.resize(bytes, 0);
        let mut at = 0;
        while at < bytes {
            let read = self.input.read(&mut self.bytes[at..])?;
            if read == 0 {
                return Err(UnpackError::Invalid);
            }
            at += read;
        }
        Ok(())
    }

    /// The header of the next chunk, and its bytes; `None` at the end.
    fn next(&mut self) -> Result<Option<Chunk>, UnpackError> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) + 1;
        self.read(1)?;
        let control = self.bytes[0];
        if control == END {
            return if self.left == 0 { Ok(None) } else { Err(UnpackError::Invalid) };
        }
        if control < CODED {
            let first = self.due == RESET_HISTORY;
            if control != if first { STORED_FIRST } else { STORED } {
                return Err(UnpackError::Invalid);
            }
            self.due = if self.due >= RESET_PROPERTIES { RESET_PROPERTIES } else { RESET_STATE };
            self.read(2)?;
            let plain = number(&self.bytes);
            self.read(plain)?;
            return Ok(Some(Chunk { plain, coding: None }));
        }
        let reset = control & RESET_HISTORY;
        // A history that starts anew would be a stream of its own.
        if reset < self.due || (reset == RESET_HISTORY) != (self.due == RESET_HISTORY) {
            return Err(UnpackError::Invalid);
        }
        self.due = 0;
        self.read(if reset >= RESET_PROPERTIES { 5 } else { 4 })?;
        let plain = usize::from(control & !RESET_HISTORY & !CODED) << 16 | (number(&self.bytes[..2]) - 1);
        let packed = number(&self.bytes[2..4]);
        let mut properties = None;
        if let Some(&byte) = self.bytes.get(4) {
            self.properties = byte;
            properties = Some(Properties::parse(byte).ok_or(UnpackError::Invalid)?);
        }
        self.read(packed)?;
        Ok(Some(Chunk { plain: plain + 1, coding: Some(Coding { packed, reset, properties }) }))
    }
}

/// What was unpacked, as history.
struct Past<'a, U>(&'a mut U);

impl<U: Unpacked> History for Past<'_, U> {
    type Error = UnpackError;

    #[inline]
    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError> {
        self.0.byte(distance.checked_add(1).ok_or(UnpackError::Invalid)?)
    }
}

/// Unpacks one stream of `packed_bytes`, its end mark included.
///
/// # Errors
/// [`UnpackError`]; a second start of the history is refused too.
pub fn unpack<I: Input<Error = IoError>>(
    input: I,
    packed_bytes: u64,
    out: &mut impl Unpacked,
) -> Result<(), UnpackError> {
    let mut chunks = Chunks::new(input, packed_bytes);
    let mut model = Model::new();
    out.begin()?;
    let start = out.made();
    while let Some(chunk) = chunks.next()? {
        let Some(coding) = chunk.coding else {
            chunks.bytes.iter().try_for_each(|byte| out.literal(*byte))?;
            continue;
        };
        if coding.reset > 0 {
            model.reset(coding.properties);
        }
        let mut range = RangeDecoder::new(&chunks.bytes).ok_or(UnpackError::Invalid)?;
        let end = out.made() + chunk.plain as u64;
        while out.made() < end {
            let position = out.made() - start;
            let (symbol, byte) = model.code(&mut range, &mut Past(out), position, (Symbol::Literal, 0))?;
            if range.failed() {
                return Err(UnpackError::Invalid);
            }
            match symbol {
                Symbol::Literal => out.literal(byte)?,
                _ => {
                    let distance = model.last[0].checked_add(1).ok_or(UnpackError::Invalid)?;
                    let length = symbol.length();
                    if u64::from(length) > end - out.made() {
                        return Err(UnpackError::Invalid);
                    }
                    out.repeat(Token { length, distance })?;
                }
            }
        }
        if !range.is_at_end() {
            return Err(UnpackError::Invalid);
        }
    }
    Ok(())
}

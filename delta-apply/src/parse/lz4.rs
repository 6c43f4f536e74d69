//! LZ4 blocks: sequences of a run of literals and a match, the last one without a match.

use super::{Plaintext, Token, UnpackError, Unpacked};
use crate::deflate::{Input, Sink};
use crate::io::IoError;

/// The shortest match.
pub(super) const MATCH_MIN: u32 = 4;
/// Lengths from here on go on in bytes of their own.
const NIBBLE_MAX: u32 = 15;
/// The furthest distance.
pub(super) const DISTANCE_MAX: u32 = 65535;

/// Input that is read at once.
const BUFFER_BYTES: usize = 512;

/// The bytes of a stream, one by one.
pub(super) struct Bytes<I> {
    input: I,
    buffer: [u8; BUFFER_BYTES],
    at: usize,
    end: usize,
    left: u64,
}

impl<I: Input<Error = IoError>> Bytes<I> {
    /// The next `left` bytes of `input`.
    pub(super) fn new(input: I, left: u64) -> Self {
        Self { input, buffer: [0; BUFFER_BYTES], at: 0, end: 0, left }
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<u8, UnpackError> {
        self.left = self.left.checked_sub(1).ok_or(UnpackError::Invalid)?;
        if self.at == self.end {
            (self.at, self.end) = (0, self.input.read(&mut self.buffer)?.min(BUFFER_BYTES));
            if self.end == 0 {
                return Err(UnpackError::Invalid);
            }
        }
        self.at += 1;
        Ok(self.buffer[self.at - 1])
    }

    /// A length of which the nibble is known.
    fn length(&mut self, nibble: u8) -> Result<u32, UnpackError> {
        let mut length = u32::from(nibble);
        if length == NIBBLE_MAX {
            loop {
                let more = self.next()?;
                length = length.checked_add(more.into()).ok_or(UnpackError::Invalid)?;
                if more < 255 {
                    break;
                }
            }
        }
        Ok(length)
    }
}

/// Unpacks one block of `packed_bytes`.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack<I: Input<Error = IoError>>(
    input: I,
    packed_bytes: u64,
    out: &mut impl Unpacked,
) -> Result<(), UnpackError> {
    let mut bytes = Bytes::new(input, packed_bytes);
    out.begin()?;
    loop {
        let lengths = bytes.next()?;
        for _ in 0..bytes.length(lengths >> 4)? {
            out.literal(bytes.next()?)?;
        }
        if bytes.left == 0 {
            return Ok(());
        }
        let distance = u32::from(bytes.next()?) | u32::from(bytes.next()?) << 8;
        let length = bytes.length(lengths & 15)? + MATCH_MIN;
        if distance == 0 {
            return Err(UnpackError::Invalid);
        }
        out.repeat(Token { length, distance })?;
    }
}

/// Bytes of a length beyond its nibble.
fn length_bytes(length: u32) -> u64 {
    length.checked_sub(NIBBLE_MAX).map_or(0, |more| u64::from(more / 255) + 1)
}

/// Writes blocks from tokens.
#[derive(Debug, Default)]
pub struct Writer {
    /// Literals that wait for their match.
    run: u32,
    /// Bytes written of this block.
    made: u64,
}

impl Writer {
    /// Starts a block.
    pub fn start(&mut self) {
        *self = Self::default();
    }

    /// Whether the block that ended has so many bytes.
    pub(super) fn is_exactly(&self, packed_bytes: u64) -> bool {
        self.made == packed_bytes
    }

    /// The longest last run that a block of `packed_bytes` has room for.
    pub(super) fn last_run(&self, packed_bytes: u64) -> u32 {
        let room = packed_bytes.saturating_sub(self.made + 1).min(u32::MAX.into()) as u32;
        let more = if room < NIBBLE_MAX { 0 } else { (room + 256 - NIBBLE_MAX) / 256 };
        room - more
    }

    /// Takes a token; `at` is the place of its plaintext.
    ///
    /// # Errors
    /// [`UnpackError`] of the plaintext, or for a token that no block has; the sink's.
    pub fn token<S: Sink<Error: From<UnpackError>>>(
        &mut self,
        token: Token,
        at: u64,
        plain: &mut impl Plaintext,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        if token.distance == 0 {
            self.run = token.length;
            return Ok(());
        }
        if token.length < MATCH_MIN || token.distance > DISTANCE_MAX {
            return Err(UnpackError::Invalid.into());
        }
        let length = token.length - MATCH_MIN;
        self.literals(length.min(NIBBLE_MAX) as u8, at, plain, sink)?;
        sink.push(&(token.distance as u16).to_le_bytes())?;
        self.made += 2;
        self.length(length, sink)
    }

    /// The literals that the block ends with.
    pub fn last(&mut self, run: u32) {
        self.run = run;
    }

    /// Ends the block behind the plaintext up to `at`.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub fn finish<S: Sink<Error: From<UnpackError>>>(
        &mut self,
        at: u64,
        plain: &mut impl Plaintext,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        self.literals(0, at, plain, sink)
    }

    /// The literals that wait, which end at `at`.
    fn literals<S: Sink<Error: From<UnpackError>>>(
        &mut self,
        match_nibble: u8,
        at: u64,
        plain: &mut impl Plaintext,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let run = core::mem::take(&mut self.run);
        sink.push(&[(run.min(NIBBLE_MAX) as u8) << 4 | match_nibble])?;
        self.made += 1;
        self.length(run, sink)?;
        let mut from = at.checked_sub(run.into()).ok_or(UnpackError::Invalid)?;
        let mut piece = [0; 64];
        self.made += u64::from(run);
        while from < at {
            let bytes = (at - from).min(piece.len() as u64) as usize;
            for byte in &mut piece[..bytes] {
                *byte = plain.byte(from)?;
                from += 1;
            }
            sink.push(&piece[..bytes])?;
        }
        Ok(())
    }

    /// What of a length is beyond its nibble.
    fn length<S: Sink>(&mut self, length: u32, sink: &mut S) -> Result<(), S::Error> {
        let Some(mut more) = length.checked_sub(NIBBLE_MAX) else { return Ok(()) };
        self.made += length_bytes(length);
        while more >= 255 {
            sink.push(&[255])?;
            more -= 255;
        }
        sink.push(&[more as u8])
    }
}

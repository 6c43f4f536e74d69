//! Finds out what tokens and shape a frame has, on hosts.

use super::unpack::{Watch, frame};
use super::write::Shape;
use super::{Block, Distances, Header, MATCH_MIN, Models, REPEATS, Token, UnpackError, Writer};
use crate::coding::coder::Encoder;
use crate::deflate::Sink;
use crate::io::IoError;
use crate::parse::{Unpacked, lz4::Bytes};
use alloc::vec::Vec;

/// A frame in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Its plaintext.
    pub plain: Vec<u8>,
    /// Its tokens. None goes on behind the end of a block.
    pub tokens: Vec<Token>,
    /// What these do not say.
    pub shape: Shape,
}

#[cfg(test)]
impl Surveyed {
    /// Bytes that its shape takes to say, on its own.
    pub(super) fn shape_bytes(&self) -> usize {
        again(self).map_or(usize::MAX, |(_, said)| said.len())
    }
}

/// How long a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its bytes, without its checksum.
    pub packed_bytes: u64,
    /// Bytes of its checksum.
    pub checksum_bytes: u64,
    /// Bytes of its plaintext.
    pub plain_bytes: u64,
}

/// The frame that `bytes` start with, if there is one with a plaintext of at most `plain_max` bytes.
pub fn extent(bytes: &[u8], plain_max: usize) -> Option<Extent> {
    let mut made = Collected { plain_max, ..Collected::default() };
    let mut input = Bytes::new(Source(bytes), bytes.len() as u64);
    frame(&mut input, &mut made, &mut ()).ok()?;
    let has_checksum = bytes.get(4)? & 4 != 0;
    Some(Extent {
        packed_bytes: bytes.len() as u64 - input.left(),
        checksum_bytes: if has_checksum { 4 } else { 0 },
        plain_bytes: made.plain.len() as u64,
    })
}

/// The parts of a frame of at most `plain_max` bytes of plaintext, if it can be made of them again.
pub fn survey(packed: &[u8], plain_max: usize) -> Option<Surveyed> {
    let mut made = Collected { plain_max, ..Collected::default() };
    let mut seen = Seen(Shape::default());
    let mut input = Bytes::new(Source(packed), packed.len() as u64);
    frame(&mut input, &mut made, &mut seen).ok()?;
    made.cut().ok()?;
    seen.0.plain_bytes = made.plain.len() as u64;
    let surveyed = Surveyed { plain: made.plain, tokens: made.tokens, shape: seen.0 };
    (again(&surveyed)?.0 == packed).then_some(surveyed)
}

/// The frame that is made of its parts, and what its shape took to say.
fn again(surveyed: &Surveyed) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut writer, mut coder, mut models) = (Writer::new(), Encoder::default(), Models::default());
    let (mut made, mut at) = (Made(Vec::new()), 0);
    let shape = &surveyed.shape;
    let end = writer.start(&mut coder, &mut models, shape, 0, &mut made).ok()?;
    let mut tokens = surveyed.tokens.iter();
    loop {
        if writer.ends(&mut coder, &mut models, shape, at, None) {
            if writer.end_block(&mut coder, &mut models, shape, at, &mut made).ok()? {
                break;
            }
            continue;
        }
        let token = *tokens.next()?;
        if u64::from(token.length) > writer.left(at) || (token.distance > 0 && token.length < MATCH_MIN) {
            return None;
        }
        writer.token(&mut coder, &mut models, shape, token, at, &mut &surveyed.plain[..]).ok()?;
        at += u64::from(token.length);
    }
    (at == end && tokens.next().is_none()).then(|| (made.0, coder.finish()))
}

/// Keeps the shape.
struct Seen(Shape);

impl Watch for Seen {
    fn header(&mut self, header: Header) {
        self.0.header = header;
    }

    fn block(&mut self, block: &Block, plain_bytes: u64) {
        self.0.blocks.push(Block { plain_bytes, ..block.clone() });
    }

    fn offset(&mut self, last: &Distances, offset: u32, is_behind_run: bool) {
        let distance = last.get(offset, is_behind_run);
        if (1..=REPEATS).any(|known| last.get(known, is_behind_run) == distance) {
            self.0.said.push(if offset > REPEATS { 0 } else { offset as u8 });
        }
    }
}

/// Plaintext and tokens in memory.
#[derive(Default)]
struct Collected {
    plain: Vec<u8>,
    plain_max: usize,
    tokens: Vec<Token>,
    run: u32,
}

impl Unpacked for Collected {
    fn begin(&mut self) -> Result<(), UnpackError> {
        Ok(())
    }

    fn cut(&mut self) -> Result<(), UnpackError> {
        let length = core::mem::take(&mut self.run);
        if length > 0 {
            self.tokens.push(Token { length, distance: 0 });
        }
        Ok(())
    }

    fn literal(&mut self, byte: u8) -> Result<(), UnpackError> {
        if self.plain.len() >= self.plain_max {
            return Err(UnpackError::Invalid);
        }
        self.run += 1;
        self.plain.push(byte);
        Ok(())
    }

    fn repeat(&mut self, token: Token) -> Result<(), UnpackError> {
        let from = self.plain.len().checked_sub(token.distance as usize).ok_or(UnpackError::Invalid)?;
        if token.distance == 0 || token.length as usize > self.plain_max - self.plain.len() {
            return Err(UnpackError::Invalid);
        }
        self.cut()?;
        self.tokens.push(token);
        (from..from + token.length as usize).for_each(|at| self.plain.push(self.plain[at]));
        Ok(())
    }

    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError> {
        let at = self.plain.len().checked_sub(distance as usize);
        at.and_then(|at| self.plain.get(at).copied()).ok_or(UnpackError::Invalid)
    }

    fn envelope(&mut self, _byte: u8) -> Result<(), UnpackError> {
        Err(UnpackError::Invalid)
    }

    fn unfilter(&mut self, _start: u64) -> Result<(), UnpackError> {
        Err(UnpackError::Invalid)
    }

    fn made(&self) -> u64 {
        self.plain.len() as u64
    }

    fn left(&self) -> u64 {
        (self.plain_max - self.plain.len()) as u64
    }
}

/// The frame as it is read.
struct Source<'a>(&'a [u8]);

impl crate::deflate::Input for Source<'_> {
    type Error = IoError;

    fn read(&mut self, out: &mut [u8]) -> Result<usize, IoError> {
        crate::deflate::Input::read(&mut self.0, out).map_err(|never| match never {})
    }
}

/// The frame as it is made.
struct Made(Vec<u8>);

impl Sink for Made {
    type Error = UnpackError;

    fn push(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

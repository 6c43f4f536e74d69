//! Finds out what tokens and shape a stream has, on hosts.

use super::model::{History, LENGTH_MIN, Model, Symbol};
use super::range::{RangeDecoder, RangeEncoder};
use super::write::{Cut, Shape, Writer, is_full};
use super::{Chunks, Models, RESET_PROPERTIES, RESET_STATE, Token, UnpackError};
use crate::coding::coder::Encoder;
use crate::deflate::Sink;
use crate::io::IoError;
use crate::parse::Plaintext;
use alloc::vec::Vec;

/// A stream in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Its plaintext.
    pub plain: Vec<u8>,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// What these do not say.
    pub shape: Shape,
}

/// Plaintext in memory, and what is before a place of it.
struct Past<'a>(&'a [u8]);

impl History for Past<'_> {
    type Error = UnpackError;

    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError> {
        let at = self.0.len().checked_sub(distance as usize + 1);
        at.and_then(|at| self.0.get(at)).copied().ok_or(UnpackError::Invalid)
    }
}

impl Plaintext for &[u8] {
    fn byte(&mut self, at: u64) -> Result<u8, UnpackError> {
        usize::try_from(at).ok().and_then(|at| self.get(at)).copied().ok_or(UnpackError::Invalid)
    }
}

impl Surveyed {
    fn push(&mut self, token: Token) {
        match self.tokens.last_mut().filter(|last| last.distance == 0 && token.distance == 0) {
            Some(last) => last.length += token.length,
            None => self.tokens.push(token),
        }
    }

    fn literal(&mut self, byte: u8) {
        self.plain.push(byte);
        self.push(Token { length: 1, distance: 0 });
    }
}

/// The parts of a stream of at most `plain_max` bytes of plaintext, if it can be made of them again.
pub fn survey(stream: &[u8], plain_max: usize) -> Option<Surveyed> {
    let surveyed = parts(stream, plain_max)?;
    (again(&surveyed)? == stream).then_some(surveyed)
}

fn parts(stream: &[u8], plain_max: usize) -> Option<Surveyed> {
    let mut made = Surveyed { plain: Vec::new(), tokens: Vec::new(), shape: Shape::default() };
    let mut input = stream;
    let mut chunks = Chunks::new(Source(&mut input), stream.len() as u64);
    let (mut model, mut again, mut range) = (Model::new(), Model::new(), RangeEncoder::default());
    // Where the last cut ended, and one that is none if the stream ends or a stored chunk follows.
    let (mut cut_end, mut pending) = (0, None);
    let mut push_cut = |shape: &mut Shape, start: u64, bytes: u64, stored: bool| {
        shape.cuts.push(Cut { gap: start - cut_end, bytes, stored });
        cut_end = start + bytes;
    };
    loop {
        let due = chunks.due;
        let Some(chunk) = chunks.next().ok()? else { break };
        let start = made.plain.len();
        if start + chunk.plain > plain_max {
            return None;
        }
        let Some(coding) = chunk.coding else {
            pending = None;
            push_cut(&mut made.shape, start as u64, chunk.plain as u64, true);
            chunks.bytes.iter().for_each(|byte| made.literal(*byte));
            continue;
        };
        if let Some((start, bytes)) = pending.take() {
            push_cut(&mut made.shape, start, bytes, false);
        }
        // liblzma resets no more than it must, and changes no properties.
        if coding.reset != due || coding.properties.is_some() && made.shape.properties != 0 {
            return None;
        }
        if coding.reset >= RESET_STATE {
            model.reset(coding.properties);
            again.reset(coding.properties);
        }
        if coding.reset >= RESET_PROPERTIES {
            made.shape.properties = chunks.properties;
        }
        let mut decoder = RangeDecoder::new(&chunks.bytes)?;
        range.restart();
        let mut is_late = false;
        while made.plain.len() < start + chunk.plain {
            let position = made.plain.len();
            is_late |= is_full(&range, (position - start) as u64);
            let last = model.last;
            let mut past = Past(&made.plain);
            let (symbol, byte) = model.code(&mut decoder, &mut past, position as u64, (Symbol::Literal, 0)).ok()?;
            again.code(&mut range, &mut past, position as u64, (symbol, byte)).ok()?;
            if decoder.failed() {
                return None;
            }
            if symbol == Symbol::Literal {
                made.literal(byte);
                continue;
            }
            let (length, distance) = (symbol.length(), model.last[0].checked_add(1)?);
            if length >= LENGTH_MIN && last.contains(&model.last[0]) {
                made.shape.said.push(if let Symbol::Repeat { which, .. } = symbol { which } else { 4 });
            }
            let from = position.checked_sub(distance as usize)?;
            (from..from + length as usize).for_each(|at| made.plain.push(made.plain[at]));
            made.push(Token { length, distance });
        }
        let is_early = !is_full(&range, chunk.plain as u64);
        range.end();
        if made.plain.len() > start + chunk.plain || range.bytes != chunks.bytes {
            return None;
        }
        let extent = (start as u64, chunk.plain as u64);
        if is_late {
            push_cut(&mut made.shape, extent.0, extent.1, false);
        }
        pending = (is_early && !is_late).then_some(extent);
    }
    made.shape.plain_bytes = made.plain.len() as u64;
    Some(made)
}

/// The stream that is made of its parts.
fn again(surveyed: &Surveyed) -> Option<Vec<u8>> {
    let (mut writer, mut coder, mut models) = (Writer::default(), Encoder::default(), Models::default());
    writer.start(&mut coder, &mut models, &surveyed.shape, 0).ok()?;
    let (mut made, mut at) = (Made(Vec::new()), 0);
    for token in &surveyed.tokens {
        let plain = &mut &surveyed.plain[..];
        writer.token(&mut coder, &mut models, *token, at, plain, &mut made).ok()?;
        at += u64::from(token.length);
    }
    writer.finish(at, &mut made).ok()?;
    Some(made.0)
}

/// The stream as it is read.
struct Source<'a, 'b>(&'a mut &'b [u8]);

impl crate::deflate::Input for Source<'_, '_> {
    type Error = IoError;

    fn read(&mut self, out: &mut [u8]) -> Result<usize, IoError> {
        crate::deflate::Input::read(self.0, out).map_err(|never| match never {})
    }
}

/// The stream as it is made.
struct Made(Vec<u8>);

impl Sink for Made {
    type Error = UnpackError;

    fn push(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

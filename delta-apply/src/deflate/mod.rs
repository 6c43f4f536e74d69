//! Deflate streams (zip, gzip, PNG, ...) as their plaintext plus what that does not say.
//!
//! A delta compares plaintext, so the target's streams are unpacked by whoever makes the delta, and packed again on the
//! device: bit for bit as they were. [`Packer`] imitates the encoder that made a stream (its match finder, its block
//! ends, its Huffman codes) and only where the stream differs from the imitation a correction is coded. A stream that
//! zlib made costs a few bytes.
//!
//! In: plaintext, pulled through the same coder as the corrections, and the corrections. Out: the stream. It never reads
//! or writes anything else, its memory is bounded, and hostile corrections give wrong streams or errors, no more.

mod correct;
mod format;
mod huffman;
mod inflate;
mod method;
mod models;
mod pack;
mod predict;
#[cfg(any(feature = "encode", test))]
mod survey;
mod token;
mod tree;
mod walk;

pub use inflate::{InflateError, inflate};
pub use method::Method;
pub use models::Models;
#[cfg(any(feature = "encode", test))]
pub use survey::{Survey, survey};

use crate::coding::coder::BitCoder;
use alloc::boxed::Box;
use walk::{TrueBlock, Unknown, Walker};

/// Where coded bytes come from.
pub trait Input {
    /// Why they cannot be had.
    type Error;

    /// Puts the next bytes into `out`; gives how many, 0 only at the end.
    ///
    /// # Errors
    /// The source's own; it is passed on.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error>;
}

/// Bytes in memory are an input.
impl Input for &[u8] {
    type Error = core::convert::Infallible;

    fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        let (now, later) = self.split_at(self.len().min(out.len()));
        out[..now.len()].copy_from_slice(now);
        *self = later;
        Ok(now.len())
    }
}

/// Where plaintext comes from when a stream is packed: it is coded with the coder that the corrections are coded with,
/// in between them.
pub trait Plain<C> {
    /// Why it cannot be had.
    type Error;

    /// Puts the next bytes of plaintext into `out`; gives how many, 0 only at the container's end.
    ///
    /// # Errors
    /// The source's own; it is passed on.
    fn read(&mut self, coder: &mut C, out: &mut [u8]) -> Result<usize, Self::Error>;
}

/// Where made bytes go. It counts them and fails when there are more than was announced.
pub trait Sink {
    /// Why they are not taken.
    type Error;

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The sink's own; it is passed on.
    fn push(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// All of it, in memory: for those who bound it otherwise.
impl Sink for alloc::vec::Vec<u8> {
    type Error = core::convert::Infallible;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Why a stream cannot be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError<P, S> {
    /// The plaintext could not be had.
    Plain(P),
    /// The stream was not taken.
    Sink(S),
    /// The coder's input failed.
    Coder,
    /// The corrections make no sense.
    Invalid,
    /// A block has more tokens than memory is meant for.
    TooLarge,
}

/// Makes deflate streams from plaintext and corrections. Keep it: its memory serves one stream after the other.
#[derive(Debug)]
pub struct Packer {
    walker: Walker,
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}

impl Packer {
    /// Takes the memory.
    pub fn new() -> Self {
        Self { walker: Walker::new() }
    }

    /// Bytes that a packer allocates at most.
    pub const fn memory_bytes() -> u64 {
        walk::MEMORY_BYTES as u64
    }

    /// Makes one stream.
    ///
    /// # Errors
    /// See [`PackError`]; the sink may have got a part of the stream.
    pub fn pack<C: BitCoder, P: Plain<C>, S: Sink>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        plain: &mut P,
        sink: &mut S,
    ) -> Result<(), PackError<P::Error, S::Error>> {
        self.walker.walk(coder, models, plain, sink, &mut Unknown(Box::new(TrueBlock::new())))
    }
}

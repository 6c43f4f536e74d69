//! Packed streams whose encoder is not imitated, as their plaintext and their *parse*: what the encoder decided.
//!
//! An LZ encoder decides piece by piece whether bytes are literals or repeat earlier ones. The stream follows from its
//! plaintext and these decisions, here [`Token`]s. The base's stream tells its own when it is unpacked: they are kept as
//! its *track*, and what the base's encoder did at a place is what the target's is expected to do at the place that
//! resembles it. Only where it did something else a correction is coded.
//!
//! In: streams of the base; plaintext, corrections and the track of the base. Out: plaintext and track; streams. Memory
//! does not depend on either, and hostile tracks and corrections give wrong streams or errors, no more.

mod find;
mod index;
pub mod lz4;
pub mod lzma;
mod models;
mod origins;
mod pack;
mod predict;
#[cfg(test)]
mod samples;
mod survey;
pub mod track;
pub mod x86;
pub mod zstd;

pub use models::Models;
pub(crate) use origins::Origins;
pub(crate) use pack::Packer;
pub use survey::Survey;
#[cfg(any(feature = "encode", test))]
pub use survey::survey;

use crate::deflate::Input;
use crate::io::IoError;
use delta_format::FormatError;

/// A decision of an LZ encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Bytes of plaintext, at least one.
    pub length: u32,
    /// How far back they stand as well; 0 for literals. Two runs of literals never follow each other.
    pub distance: u32,
}

/// How the streams of a group are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// Deflate (RFC 1951): `crate::deflate`.
    Deflate = 0,
    /// LZ4 blocks, each one alone.
    Lz4 = 1,
    /// LZMA2, as in the blocks of xz files.
    Lzma = 2,
    /// Zstandard frames, without their checksums.
    Zstd = 3,
}

impl Format {
    /// The format that a group of streams says; deflate streams are no group.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        [Self::Lz4, Self::Lzma, Self::Zstd].into_iter().find(|format| *format as u64 == number)
    }
}

/// How streams stand in the base and in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How they are packed.
    pub format: Format,
    /// Streams end at multiples of this power of two; zeros stand before them.
    pub align_log2: u8,
    /// Whether what they pack is filtered x86 code: [`x86`].
    pub is_filtered: bool,
}

impl Layout {
    /// Zeros in front of a stream.
    pub fn zeros(&self, packed_bytes: u64) -> u64 {
        packed_bytes.wrapping_neg() & ((1 << (self.align_log2 & 31)) - 1)
    }
}

/// A part of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes that are the same in the plaintext.
    Raw {
        /// How many.
        bytes: u64,
    },
    /// A stream.
    Stream {
        /// Its bytes.
        packed_bytes: u64,
    },
    /// Bytes around streams that are none of the plaintext: those of all envelopes stand in front of it, so that they
    /// do not part what belongs together.
    Envelope {
        /// How many.
        bytes: u64,
    },
}

impl Part {
    /// Bytes of all envelopes among `parts`; `u64::MAX` when there is no such number.
    pub fn envelope_bytes<'p>(parts: impl IntoIterator<Item = &'p Self>) -> u64 {
        let bytes = |part: &Self| if let Self::Envelope { bytes } = part { *bytes } else { 0 };
        parts.into_iter().map(bytes).fold(0, u64::saturating_add)
    }
}

/// Why a stream cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// The storage failed.
    Io(IoError),
    /// It is no such stream, or does not make what was announced.
    Invalid,
}

impl From<IoError> for UnpackError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl From<UnpackError> for crate::coding::SectionError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Io(error) => Self::Base(error),
            UnpackError::Invalid => Self::Format(FormatError::BadField("unpacked stream")),
        }
    }
}

/// Where an unpacked stream goes, byte by byte and token by token.
pub trait Unpacked {
    /// A stream starts: repetitions reach no further back.
    ///
    /// # Errors
    /// [`UnpackError`].
    fn begin(&mut self) -> Result<(), UnpackError>;

    /// A block ends and the next one starts: no token is part of both.
    ///
    /// # Errors
    /// [`UnpackError`].
    fn cut(&mut self) -> Result<(), UnpackError>;

    /// Takes a literal.
    ///
    /// # Errors
    /// [`UnpackError`]: storage, or more than was announced.
    fn literal(&mut self, byte: u8) -> Result<(), UnpackError>;

    /// Takes a repetition; its distance is not 0.
    ///
    /// # Errors
    /// [`UnpackError`]: storage, more than was announced, or it reaches too far back.
    fn repeat(&mut self, token: Token) -> Result<(), UnpackError>;

    /// The byte `distance` back; 1 is the last one.
    ///
    /// # Errors
    /// As [`Self::repeat`].
    fn byte(&mut self, distance: u32) -> Result<u8, UnpackError>;

    /// Takes a byte of an envelope.
    ///
    /// # Errors
    /// [`UnpackError`]: storage, or more than was announced.
    fn envelope(&mut self, byte: u8) -> Result<(), UnpackError>;

    /// What was made from `start` on is filtered code: makes it what it was before.
    ///
    /// # Errors
    /// [`UnpackError`].
    fn unfilter(&mut self, start: u64) -> Result<(), UnpackError>;

    /// Bytes of plaintext so far, of all streams of the group.
    fn made(&self) -> u64;

    /// Bytes of plaintext that may still come.
    fn left(&self) -> u64;
}

/// Plaintext that is made, at any place.
pub trait Plaintext {
    /// The byte at `at` of the group's plaintext.
    ///
    /// # Errors
    /// [`UnpackError`].
    fn byte(&mut self, at: u64) -> Result<u8, UnpackError>;

    /// The bytes from `at` on.
    ///
    /// # Errors
    /// [`UnpackError`].
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), UnpackError> {
        (at..).zip(out).try_for_each(|(at, byte)| {
            *byte = self.byte(at)?;
            Ok(())
        })
    }
}

/// Unpacks the parts of a group. `input` gives its bytes from a place on.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack<I: Input<Error = IoError>>(
    layout: Layout,
    parts: &[Part],
    input: impl Fn(u64) -> I,
    out: &mut impl Unpacked,
) -> Result<(), UnpackError> {
    let mut at = 0u64;
    for part in parts {
        match *part {
            Part::Raw { bytes } => {
                out.begin()?;
                let mut raw = lz4::Bytes::new(input(at), bytes);
                for _ in 0..bytes {
                    out.literal(raw.next()?)?;
                }
                at = at.checked_add(bytes).ok_or(UnpackError::Invalid)?;
            }
            Part::Envelope { bytes } => {
                let mut raw = lz4::Bytes::new(input(at), bytes);
                for _ in 0..bytes {
                    out.envelope(raw.next()?)?;
                }
                at = at.checked_add(bytes).ok_or(UnpackError::Invalid)?;
            }
            Part::Stream { packed_bytes } => {
                let start = at.checked_add(layout.zeros(packed_bytes)).ok_or(UnpackError::Invalid)?;
                at = start.checked_add(packed_bytes).ok_or(UnpackError::Invalid)?;
                let made = out.made();
                match layout.format {
                    Format::Lz4 => lz4::unpack(input(start), packed_bytes, out)?,
                    Format::Lzma => lzma::unpack(input(start), packed_bytes, out)?,
                    Format::Zstd => zstd::unpack(input(start), packed_bytes, out)?,
                    Format::Deflate => return Err(UnpackError::Invalid),
                }
                if layout.is_filtered {
                    out.unfilter(made)?;
                }
            }
        }
    }
    Ok(())
}

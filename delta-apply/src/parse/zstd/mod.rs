//! Zstandard frames (RFC 8878), as decisions and back.
//!
//! A frame follows from its plaintext, the tokens of its encoder, and its *shape*: the header, and block by block where
//! it ends, how its literals are packed and which tables its sequences are coded with. What libzstd makes of the same
//! literals and sequences is computed again; only what differs is said. Where an offset is one of the last three, the
//! tokens say which they mean.
//!
//! Frames end in front of their checksum, which is bytes like others. Frames with a dictionary, and those that no such
//! writer makes, stay as they are: whoever opens one makes it again and compares.

mod bits;
mod fse;
mod huffman;
#[cfg(any(feature = "encode", test))]
mod survey;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

#[cfg(any(feature = "encode", test))]
pub use survey::{Extent, extent, survey};
pub use unpack::unpack;
pub(super) use write::UNKNOWN;
pub use write::{Models, Shape, Writer};

use super::{Token, UnpackError};
use fse::Counts;
use huffman::Lengths;

/// What a frame starts with.
const MAGIC: [u8; 4] = 0xFD2F_B528u32.to_le_bytes();
/// Plaintext of a block, at most.
const BLOCK_MAX: u64 = 1 << 17;
/// The shortest match.
pub(super) const MATCH_MIN: u32 = 3;
/// Offsets above this are distances; the first ones are the last distances.
const REPEATS: u32 = 3;

/// The distances that a frame starts with.
const FIRST_DISTANCES: [u32; 3] = [1, 4, 8];

/// What the header of a frame says apart from the content size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Header {
    descriptor: u8,
    /// The byte of the window; 0 where there is none.
    window: u8,
}

impl Header {
    /// Whether the window is the content.
    fn is_single(self) -> bool {
        self.descriptor & 0x20 != 0
    }

    /// Whether it has a dictionary or what is reserved.
    fn is_foreign(self) -> bool {
        self.descriptor & 0x0B != 0
    }

    /// Bytes of the content size.
    fn size_bytes(self) -> usize {
        match self.descriptor >> 6 {
            0 => usize::from(self.is_single()),
            log2 => 1 << log2,
        }
    }

    /// Where blocks end at the latest.
    fn block_max(self) -> u64 {
        if self.is_single() {
            return BLOCK_MAX;
        }
        let base = 1u64 << (10 + (self.window >> 3));
        (base + base / 8 * u64::from(self.window & 7)).min(BLOCK_MAX)
    }
}

/// Which of three a block is, as its header says.
const RAW: u8 = 0;
const RUN: u8 = 1;
const PACKED: u8 = 2;
/// Literals are these as well, or of the last code.
const SAME_CODE: u8 = 3;

/// How a table of symbols is given; else it is the last one.
const PREDEFINED: u8 = 0;
const ONLY: u8 = 1;
const DESCRIBED: u8 = 2;

/// How a block is packed, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    /// Bytes of its plaintext.
    plain_bytes: u64,
    kind: u8,
    literals: u8,
    /// Literals are four streams.
    is_four: bool,
    lengths: Lengths,
    /// The table that describes the code of literals; none where it is said directly.
    weights: Option<Counts>,
    /// How the tables are given, and the tables: of runs, offsets, lengths.
    modes: [u8; 3],
    tables: [Counts; 3],
}

impl Block {
    /// In front of the first one.
    const NONE: Self = Self {
        plain_bytes: 0,
        kind: PACKED,
        literals: RAW,
        is_four: false,
        lengths: [0; 256],
        weights: None,
        modes: [PREDEFINED; 3],
        tables: PREDEFINED_TABLES,
    };
}

/// Symbols of the three tables, and the most states that they may have.
const SYMBOLS: [usize; 3] = [36, 32, 53];
const LOGS_MAX: [u32; 3] = [9, 8, 9];

/// The tables that nobody describes.
static PREDEFINED_TABLES_OF: [Counts; 3] = PREDEFINED_TABLES;
const PREDEFINED_TABLES: [Counts; 3] = [
    Counts::of(
        6,
        &[
            4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1,
            -1,
        ],
    ),
    Counts::of(5, &[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1]),
    Counts::of(
        6,
        &[
            1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
        ],
    ),
];

/// Numbers by codes: a code stands for numbers from a first one on, which bits behind it tell apart.
struct Codes<const N: usize> {
    firsts: [u32; N],
    widths: [u8; N],
}

impl<const N: usize> Codes<N> {
    /// Codes from `first` on: the first `plain` ones stand for one number each.
    const fn new<const M: usize>(first: u32, wide: [u8; M]) -> Self {
        let (mut codes, mut next, mut code) = (Self { firsts: [0; N], widths: [0; N] }, first, 0);
        while code < N {
            codes.firsts[code] = next;
            codes.widths[code] = if code < N - M { 0 } else { wide[code + M - N] };
            next += 1 << codes.widths[code];
            code += 1;
        }
        codes
    }

    /// The code of a number, and the bits behind it.
    #[inline]
    fn code(&self, number: u32) -> (u8, u32, u32) {
        let code = self.firsts.partition_point(|first| *first <= number).saturating_sub(1);
        (code as u8, number.wrapping_sub(self.firsts[code]), self.widths[code].into())
    }
}

static RUNS: Codes<36> = Codes::new(0, [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
static LENGTHS: Codes<53> =
    Codes::new(MATCH_MIN, [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

/// The last distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Distances([u32; 3]);

impl Distances {
    /// The distance that an offset says, behind a run or not; 0 for none.
    fn take(&mut self, offset: u32, is_behind_run: bool) -> u32 {
        let distance = self.get(offset, is_behind_run);
        let from = if offset > REPEATS { 2 } else { (offset + u32::from(!is_behind_run) - 1).min(2) };
        self.0[..=from as usize].rotate_right(1);
        self.0[0] = distance;
        distance
    }

    /// The same, and nothing changes.
    fn get(&self, offset: u32, is_behind_run: bool) -> u32 {
        match offset + u32::from(!is_behind_run) {
            _ if offset > REPEATS => offset - REPEATS,
            at @ 1..=3 => self.0[at as usize - 1],
            _ => self.0[0].saturating_sub(1),
        }
    }
}

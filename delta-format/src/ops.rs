//! The payload: records in target order, and the operations of one frame. `docs/formats/payload.md`.
//!
//! ```text
//! payload = record*
//! record  = varint(segments << 2 | kind) body
//! body    = nothing                                 kind 0: the segments equal the base at the same offset
//!         | [digest] varint(length) frame           kind 1: one segment, coded as one Zstandard frame
//!         | [digest] varint(length) stream          kind 2: segments coded as one adaptive stream
//! frame   = Zstandard(varint(count) lengths* offsets* literals)
//! ```
//! `digest` is the first half of the BLAKE3 hash of what the record makes; the only coded record of a target of one
//! record has none (the header's target digest is the same thing). `lengths` are varint(length << 1 | is_add) for each
//! operation; `offsets` are zigzag varints for each COPY, relative to where the previous COPY's diagonal points.
//!
//! Integers are LEB128 varints of at most 10 bytes, without padding.

use crate::FormatError;
use crate::limits::IMAGE_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// One operation. Operations of a target cover it exactly, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Take bytes of the base.
    Copy {
        /// Where in the base.
        base_offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// Take new bytes from the literals.
    Add {
        /// How many bytes.
        length: u64,
    },
}

impl Op {
    /// Bytes of the target that the operation makes.
    pub const fn length(&self) -> u64 {
        match *self {
            Self::Copy { length, .. } | Self::Add { length } => length,
        }
    }
}

/// How far a target is done: everything before `segment` is in the slot, and `payload_offset` is where the record of
/// that segment starts. Always between two records, where no decoder state is needed to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Watermark {
    /// Segments of the target that are done.
    pub segment: u64,
    /// Bytes of the payload that are used up.
    pub payload_offset: u64,
}

/// How a record makes its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// They equal the base at the same offset.
    Same = 0,
    /// One segment, in one Zstandard frame of operations and literals.
    Frame = 1,
    /// One adaptive stream.
    Stream = 2,
}

/// The tag of one record of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTag {
    /// How the record is coded.
    pub kind: RecordKind,
    /// Segments of the target that it makes, at least one.
    pub segments: u64,
}

impl RecordTag {
    /// The tag as a number.
    pub const fn to_varint(self) -> u64 {
        self.segments << 2 | self.kind as u64
    }

    /// The tag of a number.
    ///
    /// # Errors
    /// Records of nothing, unknown kinds, frames of several segments and numbers beyond the limits are refused.
    pub fn from_varint(value: u64) -> Result<Self, FormatError> {
        let segments = value >> 2;
        let kind = match value & 3 {
            0 => RecordKind::Same,
            1 if segments == 1 => RecordKind::Frame,
            2 => RecordKind::Stream,
            _ => return Err(FormatError::BadField("record")),
        };
        match segments {
            0 => Err(FormatError::BadField("record")),
            1..=IMAGE_BYTES_MAX => Ok(Self { kind, segments }),
            _ => Err(FormatError::LimitExceeded("record")),
        }
    }
}

/// Bytes of the digest of a record.
pub const RECORD_DIGEST_BYTES: usize = 16;

/// Predicts where the next COPY of a segment reads: on the diagonal of the previous one.
///
/// Encoder and decoder step it with the same operations and so agree. It starts at each segment on the diagonal of
/// equal offsets, so no state crosses segments.
#[derive(Clone, Copy, Debug)]
pub struct Diagonal {
    target_at: u64,
    base_minus_target: i64,
}

impl Diagonal {
    /// The predictor at the start of the segment that begins at `target_at`.
    pub fn new(target_at: u64) -> Self {
        Self { target_at, base_minus_target: 0 }
    }

    /// The number to send for a COPY from `base_offset`.
    pub fn encode(&mut self, base_offset: u64, length: u64) -> u64 {
        let diagonal = base_offset as i64 - self.target_at as i64;
        let step = diagonal - self.base_minus_target;
        self.base_minus_target = diagonal;
        self.target_at += length;
        ((step << 1) ^ (step >> 63)) as u64
    }

    /// The base offset that a sent number means; checked to lie in a base of `base_bytes`.
    ///
    /// # Errors
    /// [`FormatError::BadField`] when the COPY leaves the base.
    pub fn decode(&mut self, sent: u64, length: u64, base_bytes: u64) -> Result<u64, FormatError> {
        let outside = FormatError::BadField("copy range");
        let step = (sent >> 1) as i64 ^ -((sent & 1) as i64);
        let diagonal = self.base_minus_target.checked_add(step).ok_or(outside)?;
        let base_offset = self.target_at.checked_add_signed(diagonal).ok_or(outside)?;
        let end = base_offset.checked_add(length).ok_or(outside)?;
        if end > base_bytes {
            return Err(outside);
        }
        self.base_minus_target = diagonal;
        self.target_at += length;
        Ok(base_offset)
    }

    /// Steps over an ADD.
    pub fn add(&mut self, length: u64) {
        self.target_at += length;
    }
}

/// The longest varint: ten bytes carry 64 bits.
pub const VARINT_BYTES_MAX: usize = 10;

/// Writes `value` to the front of `out`; gives the number of bytes.
pub fn write_varint(mut value: u64, out: &mut [u8; VARINT_BYTES_MAX]) -> usize {
    let mut used = 0;
    loop {
        let more = value > 0x7f;
        out[used] = value as u8 & 0x7f | u8::from(more) << 7;
        used += 1;
        value >>= 7;
        if !more {
            return used;
        }
    }
}

/// Reads a varint byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct VarintReader {
    value: u64,
    bits: u32,
}

impl VarintReader {
    /// Takes the next byte; gives the value when it is complete.
    ///
    /// # Errors
    /// [`FormatError::NotCanonical`] for padding, [`FormatError::LimitExceeded`] beyond 64 bits.
    pub fn push(&mut self, byte: u8) -> Result<Option<u64>, FormatError> {
        let payload = u64::from(byte & 0x7f);
        if self.bits > 63 || (self.bits == 63 && payload > 1) {
            return Err(FormatError::LimitExceeded("varint"));
        }
        if byte == 0 && self.bits > 0 {
            return Err(FormatError::NotCanonical);
        }
        self.value |= payload << self.bits;
        if byte & 0x80 != 0 {
            self.bits += 7;
            return Ok(None);
        }
        let value = self.value;
        *self = Self::default();
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Option<u64>, FormatError> {
        let mut reader = VarintReader::default();
        bytes.iter().try_fold(None, |_, &byte| reader.push(byte))
    }

    proptest! {
        /// Every number comes back, in one spelling only.
        #[test]
        fn varints_round_trip(value: u64) {
            let mut out = [0; VARINT_BYTES_MAX];
            let used = write_varint(value, &mut out);
            prop_assert_eq!(read(&out[..used]), Ok(Some(value)));
            prop_assert_eq!(read(&out[..used - 1]).map(|v| v.is_some()), Ok(false));
        }

        /// Whatever copies a segment has, the decoder finds their places again.
        #[test]
        fn diagonals_round_trip(
            start in 0u64..1 << 47,
            steps in proptest::collection::vec((any::<bool>(), 0u64..1 << 47, 1u64..1 << 20), 0..50),
        ) {
            let (mut encoder, mut decoder) = (Diagonal::new(start), Diagonal::new(start));
            for (is_add, base_offset, length) in steps {
                if is_add {
                    encoder.add(length);
                    decoder.add(length);
                } else {
                    let sent = encoder.encode(base_offset, length);
                    prop_assert_eq!(decoder.decode(sent, length, IMAGE_BYTES_MAX), Ok(base_offset));
                }
            }
        }

        /// No number leads outside the base, and none panics.
        #[test]
        fn hostile_offsets_are_refused(start in 0u64..IMAGE_BYTES_MAX, sent: u64, length in 1u64..1 << 26, base: u32) {
            let base = u64::from(base);
            if let Ok(offset) = Diagonal::new(start).decode(sent, length, base) {
                prop_assert!(offset + length <= base);
            }
        }
    }

    /// Padding and numbers beyond 64 bits are refused.
    #[test]
    fn varints_are_canonical() {
        assert_eq!(read(&[0x80, 0x00]), Err(FormatError::NotCanonical));
        assert_eq!(read(&[0xff; 10]), Err(FormatError::LimitExceeded("varint")));
        assert_eq!(read(&[0x80; 9]), Ok(None));
    }

    /// Tags round-trip; empty, unknown and oversized ones are refused.
    #[test]
    fn record_tags() {
        for (kind, segments) in [(RecordKind::Same, 9), (RecordKind::Frame, 1), (RecordKind::Stream, IMAGE_BYTES_MAX)] {
            let tag = RecordTag { kind, segments };
            assert_eq!(RecordTag::from_varint(tag.to_varint()), Ok(tag));
        }
        for (number, refusal) in [
            (0, FormatError::BadField("record")),
            (2, FormatError::BadField("record")),
            (7, FormatError::BadField("record")),
            (2 << 2 | 1, FormatError::BadField("record")),
            ((IMAGE_BYTES_MAX + 1) << 2, FormatError::LimitExceeded("record")),
        ] {
            assert_eq!(RecordTag::from_varint(number), Err(refusal), "{number}");
        }
    }
}

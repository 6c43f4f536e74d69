//! Makes the target: record by record, each between two watermarks.

use crate::decode::{DecodeError, Decoder, Failed, OP_BYTES, frame_memory_bytes};
use crate::groups::{GroupError, GroupIndex, GroupReader};
use crate::io::{Cancelled, IoError, Observer, Payload, ReadAt, Target};
use crate::tree::ImageHasher;
pub use crate::window::Stats;
use crate::window::{WINDOW_BYTES, Window};
use core::fmt;
use delta_format::header::{BundleHeader, DeviceLimits, PayloadId};
use delta_format::limits::GROUP_BYTES;
use delta_format::ops::{Op, RecordTag, VarintReader, Watermark};
use delta_format::{Blake3, FormatError};

/// Why a target could not be made. `E` is the error of the payload's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError<E> {
    /// The source of the payload failed.
    Source(E),
    /// A payload group does not match the signed root.
    GroupDamaged {
        /// Its number.
        group: u64,
    },
    /// The payload is signed but breaks the format: the fault of whoever made the bundle.
    Format(FormatError),
    /// As [`Self::Format`], inside a Zstandard frame.
    Frame,
    /// The header declares less memory than its own limits need.
    LimitsUnderstated,
    /// The base cannot be read.
    Base(IoError),
    /// The target cannot be read or written.
    Target(IoError),
    /// A segment came out other than signed: the base changed after it was checked, or memory is failing.
    SegmentMismatch {
        /// Its number.
        segment: u64,
    },
    /// The observer stopped the work.
    Cancelled,
}

impl<E: fmt::Display> fmt::Display for ApplyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "{error}"),
            Self::GroupDamaged { group } => write!(f, "payload group {group} does not match the signed hash tree"),
            Self::Format(error) => write!(f, "the payload is malformed: {error}"),
            Self::Frame => f.write_str("the payload is malformed: bad Zstandard frame"),
            Self::LimitsUnderstated => f.write_str("the bundle declares less memory than it needs"),
            Self::Base(error) => write!(f, "the base cannot be read: {error}"),
            Self::Target(error) => write!(f, "the inactive slot cannot be written: {error}"),
            Self::SegmentMismatch { segment } => {
                write!(f, "segment {segment} of the target came out wrong: the base changed while it was read")
            }
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ApplyError<E> {}

impl<E> From<Cancelled> for ApplyError<E> {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl<E> From<GroupError<E>> for ApplyError<E> {
    fn from(error: GroupError<E>) -> Self {
        match error {
            GroupError::Source(error) => Self::Source(error),
            GroupError::Damaged { group } => Self::GroupDamaged { group },
            GroupError::End => Self::Format(FormatError::Truncated),
        }
    }
}

impl<E> From<DecodeError<E>> for ApplyError<E> {
    fn from(error: DecodeError<E>) -> Self {
        match error {
            DecodeError::Group(error) => error.into(),
            DecodeError::Frame => Self::Frame,
            DecodeError::Format(error) => Self::Format(error),
        }
    }
}

/// Bytes of memory that applying allocates at most: the decoder, the operations of a segment, the group index, one
/// group and the two halves of the window. The host declares this number in the header.
pub fn memory_bytes(limits: &DeviceLimits, payload: &PayloadId) -> u64 {
    let operations = u64::from(limits.segment_ops_max) * OP_BYTES;
    let buffers = GROUP_BYTES + 2 * WINDOW_BYTES as u64 + 4096;
    frame_memory_bytes(limits.window_log2) + operations + payload.index_bytes() + buffers
}

/// How far a step of work came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The budget is used up; sync the target, store the watermark and go on from it.
    Until(Watermark),
    /// All of the target is made; sync, then read back.
    Complete,
}

/// The engine for one bundle.
pub struct Applier<'h> {
    header: &'h BundleHeader,
    index: GroupIndex,
    decoder: Decoder,
    window: Window,
}

impl fmt::Debug for Applier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier").field("target", &self.header.target).finish_non_exhaustive()
    }
}

impl<'h> Applier<'h> {
    /// Prepares the engine; takes its memory.
    ///
    /// # Errors
    /// [`ApplyError::LimitsUnderstated`] when the header's own limits need more than it declares.
    pub fn new<E>(header: &'h BundleHeader, index: GroupIndex) -> Result<Self, ApplyError<E>> {
        if memory_bytes(&header.limits, &header.payload) > header.limits.memory_bytes.into() {
            return Err(ApplyError::LimitsUnderstated);
        }
        assert_eq!(index.payload(), header.payload, "the index was verified for this payload");
        Ok(Self { header, index, decoder: Decoder::new(header.limits), window: Window::new() })
    }

    /// The verified group index.
    pub fn index(&self) -> &GroupIndex {
        &self.index
    }

    /// What was written, kept, copied and added since the engine was made.
    pub fn stats(&self) -> Stats {
        self.window.stats
    }

    /// Applies records from `at` on until `budget_bytes` of the target have been written (not counting those that
    /// were right already), or to the end. Applying the same records again is harmless: the base never changes and
    /// blocks that are right are not written again.
    ///
    /// # Errors
    /// [`ApplyError`]; everything before the last watermark stays good.
    pub fn apply<P, E>(
        &mut self,
        mut at: Watermark,
        payload: &mut P,
        base: &mut impl ReadAt,
        target: &mut impl Target,
        budget_bytes: u64,
        observer: &mut impl Observer,
    ) -> Result<Applied, ApplyError<E>>
    where
        P: Payload<Error = E>,
    {
        let budget_end = self.window.stats.written.saturating_add(budget_bytes);
        let mut groups = GroupReader::new(&self.index, payload, at.payload_offset);
        let (header, decoder, window) = (self.header, &mut self.decoder, &mut self.window);
        window.discard();
        while at.segment < header.segments() {
            if window.stats.written >= budget_end {
                return Ok(Applied::Until(at));
            }
            let mut step = Step { header, window: &mut *window, base: &mut *base, target: &mut *target };
            match read_tag(&mut groups)? {
                RecordTag::Same { segments } => {
                    if segments > header.segments() - at.segment {
                        return Err(ApplyError::Format(FormatError::BadField("record")));
                    }
                    for segment in at.segment..at.segment + segments {
                        step.same(segment, observer)?;
                    }
                    at.segment += segments;
                }
                RecordTag::Coded { coded_bytes } => {
                    step.coded(at.segment, coded_bytes, decoder, &mut groups, observer)?;
                    at.segment += 1;
                }
            }
            at.payload_offset = groups.position();
        }
        if at.payload_offset < header.payload.length {
            return Err(ApplyError::Format(FormatError::TrailingBytes));
        }
        Ok(Applied::Complete)
    }
}

/// Reads the tag of the next record.
fn read_tag<P: Payload>(groups: &mut GroupReader<'_, P>) -> Result<RecordTag, ApplyError<P::Error>> {
    let mut varint = VarintReader::default();
    loop {
        let byte = groups.byte()?;
        if let Some(value) = varint.push(byte).map_err(ApplyError::Format)? {
            return RecordTag::from_varint(value).map_err(ApplyError::Format);
        }
    }
}

/// One segment's work.
struct Step<'a, B, T> {
    header: &'a BundleHeader,
    window: &'a mut Window,
    base: &'a mut B,
    target: &'a mut T,
}

impl<B: ReadAt, T: Target> Step<'_, B, T> {
    /// Where a segment starts and how long it is.
    fn range(&self, segment: u64) -> (u64, u64) {
        let bytes = self.header.limits.segment_bytes();
        let start = segment * bytes;
        (start, bytes.min(self.header.target.length - start))
    }

    /// A segment that equals the base at the same offset. Its base bytes were checked against the signed root, so it
    /// has no digest of its own.
    fn same<E>(&mut self, segment: u64, observer: &mut impl Observer) -> Result<(), ApplyError<E>> {
        let (start, length) = self.range(segment);
        if start + length > self.header.base.length {
            return Err(ApplyError::Format(FormatError::BadField("record")));
        }
        let mut hasher = ImageHasher::new(start, false);
        self.window.seek(start);
        self.copy(start, length, &mut hasher, observer)?;
        self.flush(&mut hasher, observer)
    }

    /// A coded segment.
    fn coded<P: Payload>(
        &mut self,
        segment: u64,
        coded_bytes: u64,
        decoder: &mut Decoder,
        groups: &mut GroupReader<'_, P>,
        observer: &mut impl Observer,
    ) -> Result<(), ApplyError<P::Error>> {
        let (start, length) = self.range(segment);
        let whole = self.header.segments() == 1;
        let expected = if whole {
            self.header.target.blake3
        } else {
            let mut value = [0; 32];
            groups.exact(&mut value)?;
            Blake3::new(value)
        };
        let mut hasher = ImageHasher::new(start, whole);
        self.window.seek(start);
        let failed = Failed::default();
        let mut coded = decoder.segment(groups, coded_bytes, start, length, self.header.base.length, &failed)?;
        for op in coded.ops {
            match op.unpack() {
                Op::Copy { base_offset, length } => self.copy(base_offset, length, &mut hasher, observer)?,
                Op::Add { length } => {
                    self.window.stats.added += length;
                    let mut left = length;
                    while left > 0 {
                        let out = self.window.free(left);
                        coded.literals(out)?;
                        let bytes = out.len();
                        left -= bytes as u64;
                        if self.window.fill(bytes) {
                            self.flush(&mut hasher, observer)?;
                        }
                    }
                }
            }
        }
        coded.finish()?;
        self.flush(&mut hasher, observer)?;
        if hasher.finish() == expected { Ok(()) } else { Err(ApplyError::SegmentMismatch { segment }) }
    }

    fn copy<E>(
        &mut self,
        mut base_offset: u64,
        length: u64,
        hasher: &mut ImageHasher,
        observer: &mut impl Observer,
    ) -> Result<(), ApplyError<E>> {
        self.window.stats.copied += length;
        let mut left = length;
        while left > 0 {
            let out = self.window.free(left);
            self.base.read_at(base_offset, out).map_err(ApplyError::Base)?;
            let bytes = out.len();
            (base_offset, left) = (base_offset + bytes as u64, left - bytes as u64);
            if self.window.fill(bytes) {
                self.flush(hasher, observer)?;
            }
        }
        Ok(())
    }

    fn flush<E>(&mut self, hasher: &mut ImageHasher, observer: &mut impl Observer) -> Result<(), ApplyError<E>> {
        let bytes = self.window.pending();
        if bytes > 0 {
            self.window.flush(hasher, self.target).map_err(ApplyError::Target)?;
            observer.advance(bytes)?;
        }
        Ok(())
    }
}

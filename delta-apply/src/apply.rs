//! Makes the target: record by record, each between two watermarks.

use crate::coding::coder::{ByteSource, Decoder};
use crate::coding::{Engine as StreamEngine, SectionError, SectionLimits, StreamError, VirtualBase};
use crate::decode::{DecodeError, Failed, FrameEngine, OP_BYTES, frame_memory_bytes};
use crate::deflate::Sink;
use crate::groups::{GroupError, GroupIndex, GroupReader};
use crate::io::{Cancelled, IoError, Observer, Payload, ReadAt, Target};
use crate::tree::ImageHasher;
pub use crate::window::Stats;
use crate::window::{HELD_BYTES, WINDOW_BYTES, Window};
use alloc::boxed::Box;
use core::fmt;
use delta_format::FormatError;
use delta_format::header::{BundleHeader, DeviceLimits, PayloadId};
use delta_format::limits::GROUP_BYTES;
use delta_format::ops::{Op, RECORD_DIGEST_BYTES, RecordKind, RecordTag, VarintReader, Watermark};

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
    /// The base, or what was unpacked of it, cannot be read or kept.
    Base(IoError),
    /// The target cannot be read or written.
    Target(IoError),
    /// A record came out other than signed: the base changed after it was checked, or memory is failing.
    SegmentMismatch {
        /// The number of its first segment.
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

impl<E> From<SectionError> for ApplyError<E> {
    fn from(error: SectionError) -> Self {
        match error {
            SectionError::Format(error) => Self::Format(error),
            SectionError::Base(error) => Self::Base(error),
        }
    }
}

/// Bytes of memory that applying allocates at most: the larger of the two decoders with the operations that it holds,
/// the group index, one group and the window with what it is compared with. The host declares this number in the header.
pub fn memory_bytes(limits: &DeviceLimits, payload: &PayloadId) -> u64 {
    let ops = u64::from(limits.ops_max);
    let frame = match limits.window_log2 {
        0 => 0,
        window_log2 => frame_memory_bytes(window_log2) + ops * OP_BYTES,
    };
    let stream = match limits.table_log2 {
        0 => 0,
        table_log2 => StreamEngine::memory_bytes(table_log2, ops, limits.scratch_bytes > 0),
    };
    let buffers = GROUP_BYTES + (WINDOW_BYTES + HELD_BYTES) as u64 + 4096;
    frame.max(stream) + payload.index_bytes() + buffers
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
    engine: Engine,
    window: Window,
}

/// The decoder that is in use. There is memory for one at a time.
#[derive(Default)]
enum Engine {
    #[default]
    None,
    Frame(Box<FrameEngine>),
    Stream(Box<StreamEngine>),
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
        Ok(Self { header, index, engine: Engine::None, window: Window::new() })
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
    /// blocks that are right are not written again. `scratch` holds up to `limits.scratch_bytes` for the time of a
    /// record.
    ///
    /// # Errors
    /// [`ApplyError`]; everything before the last watermark stays good.
    #[allow(clippy::too_many_arguments, reason = "what the engine is handed, one by one")]
    pub fn apply<P, E>(
        &mut self,
        mut at: Watermark,
        payload: &mut P,
        base: &mut impl ReadAt,
        target: &mut impl Target,
        scratch: &mut impl Target,
        budget_bytes: u64,
        observer: &mut impl Observer,
    ) -> Result<Applied, ApplyError<E>>
    where
        P: Payload<Error = E>,
    {
        let budget_end = self.window.stats.written.saturating_add(budget_bytes);
        let mut groups = GroupReader::new(&self.index, payload, at.payload_offset);
        let (header, engine, window) = (self.header, &mut self.engine, &mut self.window);
        window.discard();
        while at.segment < header.segments() {
            if window.stats.written >= budget_end {
                return Ok(Applied::Until(at));
            }
            let tag = read_tag(&mut groups)?;
            if tag.segments > header.segments() - at.segment {
                return Err(ApplyError::Format(FormatError::BadField("record")));
            }
            let mut step =
                Step { header, window: &mut *window, base: &mut *base, target: &mut *target, scratch: &mut *scratch };
            match tag.kind {
                RecordKind::Same => {
                    (at.segment..at.segment + tag.segments).try_for_each(|segment| step.same(segment, observer))?;
                }
                RecordKind::Frame => step.frame(at.segment, engine, &mut groups, observer)?,
                RecordKind::Stream => step.stream(at.segment, tag.segments, engine, &mut groups, observer)?,
            }
            at.segment += tag.segments;
            at.payload_offset = groups.position();
        }
        if at.payload_offset < header.payload.length {
            return Err(ApplyError::Format(FormatError::TrailingBytes));
        }
        Ok(Applied::Complete)
    }
}

/// Reads a varint.
fn read_varint<P: Payload>(groups: &mut GroupReader<'_, P>) -> Result<u64, ApplyError<P::Error>> {
    let mut varint = VarintReader::default();
    loop {
        let byte = groups.byte()?;
        if let Some(value) = varint.push(byte).map_err(ApplyError::Format)? {
            return Ok(value);
        }
    }
}

/// Reads the tag of the next record.
fn read_tag<P: Payload>(groups: &mut GroupReader<'_, P>) -> Result<RecordTag, ApplyError<P::Error>> {
    RecordTag::from_varint(read_varint(groups)?).map_err(ApplyError::Format)
}

/// One record's work.
struct Step<'a, B, T, S> {
    header: &'a BundleHeader,
    window: &'a mut Window,
    base: &'a mut B,
    target: &'a mut T,
    scratch: &'a mut S,
}

/// What a record must hash to.
enum Expected {
    /// The target is this record: its own digest.
    Target,
    /// The record's digest.
    Record([u8; RECORD_DIGEST_BYTES]),
}

impl<B: ReadAt, T: Target, S: Target> Step<'_, B, T, S> {
    /// Where segments start and how long they are together.
    fn range(&self, segment: u64, segments: u64) -> (u64, u64) {
        let bytes = self.header.limits.segment_bytes();
        let start = segment * bytes;
        (start, (segments.saturating_mul(bytes)).min(self.header.target.length - start))
    }

    /// A segment that equals the base at the same offset. Its base bytes were checked against the signed root, so it
    /// has no digest of its own.
    fn same<E>(&mut self, segment: u64, observer: &mut impl Observer) -> Result<(), ApplyError<E>> {
        let (start, length) = self.range(segment, 1);
        if start + length > self.header.base.length {
            return Err(ApplyError::Format(FormatError::BadField("record")));
        }
        let mut hasher = ImageHasher::new(start, false);
        self.window.seek(start);
        self.copy(start, length, &mut hasher, observer)?;
        self.flush(&mut hasher, observer)
    }

    /// Reads the digest that a coded record of all of `segments` has.
    fn expected<P: Payload>(
        &self,
        segments: u64,
        groups: &mut GroupReader<'_, P>,
    ) -> Result<Expected, ApplyError<P::Error>> {
        if segments == self.header.segments() {
            return Ok(Expected::Target);
        }
        let mut digest = [0; RECORD_DIGEST_BYTES];
        groups.exact(&mut digest)?;
        Ok(Expected::Record(digest))
    }

    /// Ends a record: all of it is written, and it is what was signed.
    fn finish<E>(
        &mut self,
        segment: u64,
        mut hasher: ImageHasher,
        expected: &Expected,
        observer: &mut impl Observer,
    ) -> Result<(), ApplyError<E>> {
        self.flush(&mut hasher, observer)?;
        let made = hasher.finish();
        let matches = match expected {
            Expected::Target => made == self.header.target.blake3,
            Expected::Record(digest) => made.as_bytes().starts_with(digest),
        };
        if matches { Ok(()) } else { Err(ApplyError::SegmentMismatch { segment }) }
    }

    /// A segment that is coded as a frame.
    fn frame<P: Payload>(
        &mut self,
        segment: u64,
        engine: &mut Engine,
        groups: &mut GroupReader<'_, P>,
        observer: &mut impl Observer,
    ) -> Result<(), ApplyError<P::Error>> {
        let (start, length) = self.range(segment, 1);
        if self.header.limits.window_log2 == 0 {
            return Err(ApplyError::Format(FormatError::LimitExceeded("window")));
        }
        let expected = self.expected(1, groups)?;
        let coded_bytes = read_varint(groups)?;
        if !matches!(engine, Engine::Frame(_)) {
            // The other one's memory first.
            *engine = Engine::None;
            *engine = Engine::Frame(Box::new(FrameEngine::new(self.header.limits)));
        }
        let Engine::Frame(decoder) = engine else { unreachable!("made above") };
        // Without an offset: the hash of the record alone.
        let mut hasher = ImageHasher::new(0, true);
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
        self.finish(segment, hasher, &expected, observer)
    }

    /// Segments that are coded as one stream.
    fn stream<P: Payload>(
        &mut self,
        segment: u64,
        segments: u64,
        engine: &mut Engine,
        groups: &mut GroupReader<'_, P>,
        observer: &mut impl Observer,
    ) -> Result<(), ApplyError<P::Error>> {
        let (start, length) = self.range(segment, segments);
        let limits = self.header.limits;
        if limits.table_log2 == 0 {
            return Err(ApplyError::Format(FormatError::LimitExceeded("table")));
        }
        let expected = self.expected(segments, groups)?;
        let coded_bytes = read_varint(groups)?;
        // Models start anew with each record; their memory is taken again only after another kind of record.
        *engine = Engine::None;
        *engine = Engine::Stream(Box::new(StreamEngine::new(limits.table_log2)));
        let Engine::Stream(models) = engine else { unreachable!("made above") };

        let mut coder = Decoder::new(CodedBytes { groups, left: coded_bytes, error: None });
        let base_bytes = self.header.base.length;
        let mut made = Made { window: self.window, target: self.target, hasher: ImageHasher::new(0, true), observer };
        made.window.seek(start);
        let mut base = VirtualBase { base: &mut *self.base, base_bytes, scratch: &mut *self.scratch, scratch_bytes: 0 };
        let unpack = |unpack| base.unpack_one(&unpack);
        let result = models.unpack_each(&mut coder, &[], base_bytes, limits.scratch_bytes, unpack).map(|()| {
            let limits = SectionLimits {
                base_bytes: base_bytes + base.scratch_bytes,
                ops_max: limits.ops_max.into(),
                group_bytes: limits.scratch_bytes - base.scratch_bytes,
                containers: limits.scratch_bytes > 0,
            };
            models.make(&mut coder, &mut base, limits, (start, length), core::iter::empty(), &mut made)
        });
        let hasher = made.hasher;
        let source = coder.into_source();
        if let Some(error) = source.error {
            return Err(error.into());
        }
        let left = source.left;
        match result {
            Ok(Ok(())) if left == 0 => {}
            Ok(Ok(())) => return Err(ApplyError::Format(FormatError::TrailingBytes)),
            Ok(Err(StreamError::Sink(error))) => return Err(error.cast()),
            Ok(Err(StreamError::Section(error))) | Err(error) => return Err(error.into()),
        }
        self.finish(segment, hasher, &expected, observer)
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

/// Takes what a stream makes into the window.
struct Made<'a, T, O> {
    window: &'a mut Window,
    target: &'a mut T,
    hasher: ImageHasher,
    observer: &'a mut O,
}

/// Why the window did not take it.
enum Refused {
    Target(IoError),
    Cancelled,
}

impl Refused {
    fn cast<E>(self) -> ApplyError<E> {
        match self {
            Self::Target(error) => ApplyError::Target(error),
            Self::Cancelled => ApplyError::Cancelled,
        }
    }
}

impl<T: Target, O: Observer> Sink for Made<'_, T, O> {
    type Error = Refused;

    fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refused> {
        while !bytes.is_empty() {
            let out = self.window.free(bytes.len() as u64);
            let (now, later) = bytes.split_at(out.len());
            out.copy_from_slice(now);
            bytes = later;
            if self.window.fill(now.len()) {
                let pending = self.window.pending();
                self.window.flush(&mut self.hasher, self.target).map_err(Refused::Target)?;
                self.observer.advance(pending).map_err(|_| Refused::Cancelled)?;
            }
        }
        Ok(())
    }
}

/// The coded bytes of one stream as the coder's input.
struct CodedBytes<'s, 'r, P: Payload> {
    groups: &'s mut GroupReader<'r, P>,
    left: u64,
    error: Option<GroupError<P::Error>>,
}

impl<P: Payload> ByteSource for CodedBytes<'_, '_, P> {
    #[inline]
    fn next(&mut self) -> u8 {
        if self.left == 0 {
            // The length was wrong: as if the payload had ended.
            self.error.get_or_insert(GroupError::End);
        }
        if self.error.is_some() {
            return 0;
        }
        self.left -= 1;
        self.groups.byte().unwrap_or_else(|error| {
            self.error = Some(error);
            0
        })
    }

    fn failed(&self) -> bool {
        self.error.is_some()
    }
}

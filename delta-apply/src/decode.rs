//! One coded segment: its Zstandard frame is decoded as a stream, the operations first, then the literals.
//!
//! Nothing here trusts the bytes beyond "the signer's hash tree covers them": counts, lengths, ranges and the window
//! are checked against the declared limits before memory is taken.

use crate::groups::{GroupError, GroupReader};
use crate::io::Payload;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use delta_format::FormatError;
use delta_format::header::DeviceLimits;
use delta_format::ops::{Diagonal, Op, VarintReader};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use ruzstd::io::{Error, ErrorKind, Read};

/// Decoded bytes that are fetched from the frame at once while operations are read.
const BUFFER_BYTES: usize = 4096;

/// Why a segment cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError<E> {
    /// The payload could not be read or verified.
    Group(GroupError<E>),
    /// The frame is no valid Zstandard frame, or asks for a larger window than declared.
    Frame,
    /// The operations break the format.
    Format(FormatError),
}

impl<E> From<FormatError> for DecodeError<E> {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

/// The parts that are kept from segment to segment, so that memory is taken once.
pub(crate) struct FrameEngine {
    frame: FrameDecoder,
    ops: Vec<PackedOp>,
    buffer: Box<[u8; BUFFER_BYTES]>,
    limits: DeviceLimits,
}

impl FrameEngine {
    pub(crate) fn new(limits: DeviceLimits) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(1 << limits.window_log2);
        Self { frame, ops: Vec::new(), buffer: Box::new([0; BUFFER_BYTES]), limits }
    }

    /// Opens the segment of `target_bytes` at `target_at`, whose coded form is the next `coded_bytes` of the payload.
    pub(crate) fn segment<'s, 'r, P: Payload>(
        &'s mut self,
        groups: &'s mut GroupReader<'r, P>,
        coded_bytes: u64,
        target_at: u64,
        target_bytes: u64,
        base_bytes: u64,
        failed: &'s Failed<P::Error>,
    ) -> Result<Segment<'s, 'r, P>, DecodeError<P::Error>> {
        let source = CodedBytes { groups, left: coded_bytes, failed };
        let mut stream = StreamingDecoder::new_with_decoder(source, &mut self.frame).map_err(|_| failure(failed))?;
        let mut fields = Fields { buffer: &mut self.buffer, range: 0..0 };
        self.ops.clear();
        let count = fields.next(&mut stream)?;
        if count > self.limits.ops_max.into() {
            return Err(FormatError::LimitExceeded("operations of a frame").into());
        }
        self.ops.reserve_exact(count as usize);
        let mut left = target_bytes;
        for _ in 0..count {
            let tag = fields.next(&mut stream)?;
            let length = tag >> 1;
            if length == 0 || length > left {
                return Err(FormatError::BadField("operation length").into());
            }
            left -= length;
            self.ops.push(PackedOp::new(length, tag & 1 == 1));
        }
        if left > 0 {
            return Err(FormatError::BadField("operation length").into());
        }
        let mut diagonal = Diagonal::new(target_at);
        for op in &mut self.ops {
            match op.unpack() {
                Op::Add { length } => diagonal.add(length),
                Op::Copy { length, .. } => {
                    op.set_base_offset(diagonal.decode(fields.next(&mut stream)?, length, base_bytes)?);
                }
            }
        }
        let early = fields.range;
        Ok(Segment { stream, ops: &self.ops, early: &self.buffer[early] })
    }
}

/// A segment whose operations are known and whose literals are still to be read.
pub(crate) struct Segment<'s, 'r, P: Payload> {
    stream: StreamingDecoder<CodedBytes<'s, 'r, P>, &'s mut FrameDecoder>,
    pub(crate) ops: &'s [PackedOp],
    /// Literals that were decoded together with the operations.
    early: &'s [u8],
}

impl<P: Payload> Segment<'_, '_, P> {
    /// Fills `out` with the next literals.
    pub(crate) fn literals(&mut self, mut out: &mut [u8]) -> Result<(), DecodeError<P::Error>> {
        let taken = self.early.len().min(out.len());
        let (now, later) = self.early.split_at(taken);
        out[..taken].copy_from_slice(now);
        self.early = later;
        out = &mut out[taken..];
        while !out.is_empty() {
            match read(&mut self.stream, out)? {
                0 => return Err(FormatError::Truncated.into()),
                read => out = &mut out[read..],
            }
        }
        Ok(())
    }

    /// Checks that operations and literals used up the frame, and the frame its coded bytes.
    pub(crate) fn finish(mut self) -> Result<(), DecodeError<P::Error>> {
        let clean = self.early.is_empty() && read(&mut self.stream, &mut [0])? == 0;
        if clean && self.stream.get_ref().left == 0 { Ok(()) } else { Err(FormatError::TrailingBytes.into()) }
    }
}

fn read<P: Payload>(
    stream: &mut StreamingDecoder<CodedBytes<'_, '_, P>, &mut FrameDecoder>,
    out: &mut [u8],
) -> Result<usize, DecodeError<P::Error>> {
    stream.read(out).map_err(|_| failure(stream.get_ref().failed))
}

/// Where the input of a frame leaves its own error: the decoder's error type cannot carry it.
pub(crate) type Failed<E> = Cell<Option<GroupError<E>>>;

fn failure<E>(failed: &Failed<E>) -> DecodeError<E> {
    failed.take().map_or(DecodeError::Frame, DecodeError::Group)
}

/// Varints out of the decoded stream.
struct Fields<'b> {
    buffer: &'b mut [u8; BUFFER_BYTES],
    range: core::ops::Range<usize>,
}

impl Fields<'_> {
    fn next<P: Payload>(
        &mut self,
        stream: &mut StreamingDecoder<CodedBytes<'_, '_, P>, &mut FrameDecoder>,
    ) -> Result<u64, DecodeError<P::Error>> {
        let mut varint = VarintReader::default();
        loop {
            if self.range.is_empty() {
                self.range = 0..read(stream, self.buffer)?;
                if self.range.is_empty() {
                    return Err(FormatError::Truncated.into());
                }
            }
            let byte = self.buffer[self.range.start];
            self.range.start += 1;
            if let Some(value) = varint.push(byte)? {
                return Ok(value);
            }
        }
    }
}

/// The coded bytes of one segment as the decoder's input.
struct CodedBytes<'s, 'r, P: Payload> {
    groups: &'s mut GroupReader<'r, P>,
    left: u64,
    failed: &'s Failed<P::Error>,
}

impl<P: Payload> Read for CodedBytes<'_, '_, P> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        if self.left == 0 || out.is_empty() {
            return Ok(0);
        }
        match self.groups.available() {
            Ok(available) => {
                let taken = available.len().min(out.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                out[..taken].copy_from_slice(&available[..taken]);
                self.groups.consume(taken);
                self.left -= taken as u64;
                Ok(taken)
            }
            Err(error) => {
                self.failed.set(Some(error));
                Err(Error::from(ErrorKind::Other))
            }
        }
    }
}

/// Bytes that the decoder of a frame allocates at most: its ring buffer doubles once beyond the window to hold a block,
/// its tables and block buffers are fixed (RFC 8878 limits a block to 128 KiB).
pub(crate) fn frame_memory_bytes(window_log2: u8) -> u64 {
    2 * ((1 << window_log2) + (128 << 10)) + (640 << 10)
}

/// An operation as it waits for its turn. A segment has up to 2^18 of them, so they are packed: 12 bytes instead of 24.
#[derive(Clone, Copy)]
pub(crate) struct PackedOp {
    /// Length in the upper 31 bits, whether it is an ADD in the lowest. A segment is at most 2^26 bytes long.
    tag: u32,
    /// Base offset of a COPY: low half, high half.
    base_offset: [u32; 2],
}

impl PackedOp {
    fn new(length: u64, is_add: bool) -> Self {
        Self { tag: (length as u32) << 1 | u32::from(is_add), base_offset: [0; 2] }
    }

    fn set_base_offset(&mut self, offset: u64) {
        self.base_offset = [offset as u32, (offset >> 32) as u32];
    }

    pub(crate) fn unpack(self) -> Op {
        let length = u64::from(self.tag >> 1);
        match self.tag & 1 == 1 {
            true => Op::Add { length },
            false => {
                let [low, high] = self.base_offset.map(u64::from);
                Op::Copy { base_offset: high << 32 | low, length }
            }
        }
    }
}

/// Bytes of one decoded operation.
pub(crate) const OP_BYTES: u64 = size_of::<PackedOp>() as u64;

const _: () = assert!(OP_BYTES == 12, "docs/formats/payload.md and limits.rs count 12 bytes an operation");

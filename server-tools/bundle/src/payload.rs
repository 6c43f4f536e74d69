//! Codes the operations of a delta into the payload. `docs/formats/payload.md`.
//!
//! In: two images and the operations between them. Out: payload bytes into a writer, their root, their group index, and
//! the limits that a device must allow. Segments are coded side by side and written in order, so the bytes do not
//! depend on the number of threads.

use crate::functions::{self, Functions};
use crate::plan::{self, Section, TargetPlan};
use crate::profile::{Profile, StreamLimits};
use crate::spent::Spent;
use crate::unpacked::{self, ASIDES, Opened, Survey, Virtual};
use delta_apply::coding::coder::Encoder;
use delta_apply::coding::{Engine, Plan, SectionLimits, StreamError};
use delta_apply::deflate::Sink;
use delta_apply::{TreeRoot, memory_bytes, subtree_value};
use delta_format::Blake3;
use delta_format::header::{Coding, DeviceLimits, PayloadId};
use delta_format::limits::GROUP_BYTES;
use delta_format::ops::{Diagonal, Op, RECORD_DIGEST_BYTES, RecordKind, RecordTag, VARINT_BYTES_MAX, write_varint};
use delta_scanner::{Cancelled, Control, Match, Options, operations};
use rayon::prelude::*;
use std::io::{self, Write};
use std::ops::Range;

/// Log2 of a segment's bytes, 4 MiB: the grain of records.
pub const SEGMENT_LOG2_DEFAULT: u8 = 22;

/// Bytes of the target in one record, unless an executable is longer: what an interrupted device makes again.
const RECORD_BYTES_MAX: u64 = 64 << 20;
/// New bytes in one record, more or less, so that records are coded side by side.
const RECORD_NEW_BYTES_MAX: u64 = 4 << 20;
/// Unchanged segments between two others that are worth a record of their own: each coded record learns from nothing.
const SAME_RUN_MIN: u64 = 4;
/// Segments of one `same` record at most, so that a watermark comes at least every 64 MiB of unchanged target.
const SAME_RUN_MAX: u64 = 16;

/// Log2 of the window of frames.
const WINDOW_LOG2: u8 = 20;
/// Operations of one frame at most.
pub(crate) const OPS_MAX: u32 = 40 << 10;

/// Zstandard level for frames, while there are few; beyond, [`LEVEL_BULK`]. Both use the binary tree match finders,
/// whose output does not depend on SIMD (facebook/zstd#4099 is about the row match finder).
const LEVEL_SMALL: i32 = 19;
const LEVEL_BULK: i32 = 13;
const SMALL_BYTES: u64 = 48 << 20;

/// The payload of a delta, once it is written.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Length, root and coding.
    pub id: PayloadId,
    /// One chaining value a group; empty when there is one group.
    pub index: Vec<u8>,
    /// What applying it asks of a device.
    pub limits: DeviceLimits,
    /// What its bytes are spent on.
    pub spent: Spent,
    /// The exact operations that make the same target.
    pub ops: Vec<Op>,
    /// What changed in the functions of executables; nothing without a base.
    pub functions: Option<Functions>,
}

/// Why there is no payload.
#[derive(Debug)]
pub(crate) enum EncodeError {
    Cancelled,
    Io(io::Error),
}

impl From<Cancelled> for EncodeError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<io::Error> for EncodeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Codes what makes `target` out of `base` into `sink`. `equal` are long equal ranges of both, `progress` hears of target
/// bytes that are coded.
///
/// # Errors
/// [`EncodeError`].
pub(crate) fn encode(
    base: &[u8],
    target: &[u8],
    equal: &[Match],
    (options, profile): (Options, Profile),
    sink: impl Write,
    control: Control<'_>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Payload, EncodeError> {
    let (virtual_base, opened) = match base.is_empty() || !profile.has_frames_and_containers() {
        true => unpacked::closed(base, target),
        false => unpacked::open(base, target),
    };
    let plan = match base.is_empty() {
        true if profile.has_frames_and_containers() => TargetPlan::default(),
        true => TargetPlan { sections: plan::new_bytes(target.len() as u64), ..TargetPlan::default() },
        false => plan::plan(&virtual_base, &opened, equal, control)?,
    };
    let functions = match base.is_empty() {
        true => None,
        false => Some(functions::compare(&virtual_base.bytes, &opened.bytes, &plan, control)?),
    };
    let sections = plan.sections;
    let ops = operations(base, target, &plan::of_closed(&sections, &opened, base.len() as u64), options, control)?;
    let segment_log2 = options.segment_log2();
    let segments = cut(&ops, target.len() as u64, 1 << segment_log2);
    let types = sections.iter().map(|section| section.types).max().unwrap_or(0) as u32;
    let streams = profile.stream_limits(!opened.packed.is_empty(), types);
    let coder = Coder {
        base,
        target,
        virtual_base: &virtual_base,
        opened: &opened,
        segments,
        segment_log2,
        streams,
        profile,
        control,
    };
    let records = coder.records(&sections);
    let made: Vec<Result<Vec<Record>, EncodeError>> = assign(records, sections, |segment| coder.opened_at(segment))
        .into_par_iter()
        .map(|(segments, sections)| {
            control.check()?;
            let record = coder.record(segments.clone(), sections)?;
            progress(coder.bytes(&segments).len() as u64);
            Ok(record)
        })
        .collect();
    let mut writer = GroupWriter::new(sink);
    let mut limits = DeviceLimits { segment_log2, ..DeviceLimits::default() };
    let mut spent = Spent::default();
    for record in made.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        writer.varint(record.tag.to_varint())?;
        if record.tag.kind == RecordKind::Same {
            continue;
        }
        if let Some(digest) = record.digest {
            writer.write(&digest)?;
        }
        writer.varint(record.bytes.len() as u64)?;
        writer.write(&record.bytes)?;
        limits.ops_max = limits.ops_max.max(record.ops);
        limits.scratch_bytes = limits.scratch_bytes.max(record.scratch_bytes);
        match record.tag.kind {
            RecordKind::Stream => limits.table_log2 = streams.table_log2,
            _ => limits.window_log2 = WINDOW_LOG2,
        }
        spent.add(record.spent);
    }
    let (id, index) = writer.finish()?;
    limits.memory_bytes = u32::try_from(memory_bytes(&limits, &id)).unwrap_or(u32::MAX);
    Ok(Payload { id, index, limits, spent, ops, functions })
}

/// Bytes that a device keeps to make items, beside what it unpacks: streams made aside, and the plaintext of a group.
fn group_bytes(items: &[Plan<'_>]) -> u64 {
    let (mut most, mut asides) = (0, 0);
    for item in items {
        match item {
            Plan::Group { plain_bytes, .. } => most = most.max(asides + *plain_bytes),
            Plan::Aside { stream, .. } => asides += stream.len() as u64,
            _ => {}
        }
    }
    most.max(asides)
}

/// Hands each record the sections that lie in it; sections without an executable are cut at its ends.
fn assign(
    records: Vec<Range<u64>>,
    sections: Vec<Section>,
    opened_at: impl Fn(u64) -> u64,
) -> Vec<(Range<u64>, Vec<Section>)> {
    let mut left = sections.into_iter();
    let mut next = left.next();
    let give = |record: Range<u64>| {
        let end = opened_at(record.end);
        let mut own = Vec::new();
        while let Some(section) = next.take() {
            if section.range.start >= end {
                next = Some(section);
                break;
            }
            if section.range.end > end {
                let (before, after) = section.split(end);
                own.push(before);
                next = Some(after);
                break;
            }
            own.push(section);
            next = left.next();
        }
        (record, own)
    };
    records.into_iter().map(give).collect()
}

/// The operations of one segment.
struct Segment {
    start: u64,
    length: u64,
    ops: Vec<Op>,
}

/// Cuts operations at segment boundaries.
fn cut(ops: &[Op], target_bytes: u64, segment_bytes: u64) -> Vec<Segment> {
    let mut segments: Vec<Segment> = (0..target_bytes.div_ceil(segment_bytes))
        .map(|n| n * segment_bytes)
        .map(|start| Segment { start, length: segment_bytes.min(target_bytes - start), ops: Vec::new() })
        .collect();
    let mut at = 0;
    for op in ops {
        let mut done = 0;
        while done < op.length() {
            let segment = &mut segments[(at / segment_bytes) as usize];
            let length = (segment.start + segment.length - at).min(op.length() - done);
            segment.ops.push(match *op {
                Op::Copy { base_offset, .. } => Op::Copy { base_offset: base_offset + done, length },
                Op::Add { .. } => Op::Add { length },
            });
            (at, done) = (at + length, done + length);
        }
    }
    assert_eq!(at, target_bytes, "operations cover the target");
    segments
}

struct Record {
    tag: RecordTag,
    digest: Option<[u8; RECORD_DIGEST_BYTES]>,
    bytes: Vec<u8>,
    ops: u32,
    scratch_bytes: u64,
    spent: Spent,
}

struct Coder<'a> {
    control: Control<'a>,
    base: &'a [u8],
    target: &'a [u8],
    virtual_base: &'a Virtual<'a>,
    opened: &'a Opened<'a>,
    /// Exact operations by segment.
    segments: Vec<Segment>,
    segment_log2: u8,
    /// What streams may take, so that a device of the profile has room for them.
    streams: StreamLimits,
    profile: Profile,
}

impl Coder<'_> {
    /// The target bytes of segments.
    fn bytes(&self, segments: &Range<u64>) -> Range<usize> {
        let end = (segments.end << self.segment_log2).min(self.target.len() as u64);
        (segments.start << self.segment_log2) as usize..end as usize
    }

    /// Where a record may start or end, in the opened target.
    fn opened_at(&self, segment: u64) -> u64 {
        let at = (segment << self.segment_log2).min(self.target.len() as u64);
        self.opened.place(at).unwrap_or(u64::MAX)
    }

    fn is_same(&self, segment: u64) -> bool {
        let range = self.bytes(&(segment..segment + 1));
        self.base.get(range.clone()) == Some(&self.target[range])
    }

    /// Cuts the target into records: ranges of segments that no executable crosses.
    fn records(&self, sections: &[Section]) -> Vec<Range<u64>> {
        let count = self.segments.len() as u64;
        let is_whole = |boundary: u64| {
            let Some(at) = self.opened.place((boundary << self.segment_log2).min(self.target.len() as u64)) else {
                return false;
            };
            let crosses = |section: &&Section| section.pair.is_some() && section.range.start < at;
            let first = sections.partition_point(|section| section.range.end <= at);
            sections.get(first).filter(crosses).is_none()
        };
        let new_bytes = |segment: u64| -> u64 {
            let new = |op: &Op| if let Op::Add { length } = op { *length } else { 0 };
            self.segments[segment as usize].ops.iter().map(new).sum()
        };
        let mut records = Vec::new();
        let mut at = 0;
        while at < count {
            let same = (at..count).take_while(|&segment| self.is_same(segment)).count() as u64;
            let run = (at..=at + same).rev().find(|&end| is_whole(end)).unwrap_or(at) - at;
            if run >= SAME_RUN_MIN || (run > 0 && (at == 0 || at + run == count)) {
                (at..at + run).step_by(SAME_RUN_MAX as usize).for_each(|start| {
                    records.push(start..(at + run).min(start + SAME_RUN_MAX));
                });
                at += run;
                continue;
            }
            let start = at;
            let mut new = 0;
            loop {
                new += new_bytes(at);
                at += 1;
                let full = (at - start) << self.segment_log2 >= RECORD_BYTES_MAX || new >= RECORD_NEW_BYTES_MAX;
                let rest = || (at..count).take(SAME_RUN_MIN as usize);
                let same = at + SAME_RUN_MIN <= count && rest().all(|segment| self.is_same(segment));
                if at == count || (is_whole(at) && (full || same || self.base.is_empty())) {
                    break;
                }
            }
            records.push(start..at);
        }
        records
    }

    /// Codes one record; in several where frames are shorter than a stream.
    fn record(&self, segments: Range<u64>, sections: Vec<Section>) -> Result<Vec<Record>, EncodeError> {
        if segments.clone().all(|segment| self.is_same(segment)) {
            let tag = RecordTag { kind: RecordKind::Same, segments: segments.end - segments.start };
            return Ok(vec![Record {
                tag,
                digest: None,
                bytes: Vec::new(),
                ops: 0,
                scratch_bytes: 0,
                spent: Spent::default(),
            }]);
        }
        let new: u64 = sections.iter().map(Section::new_bytes).sum();
        let bytes: u64 = sections.iter().map(|section| section.range.end - section.range.start).sum();
        let has_frames = self.profile.has_frames_and_containers();
        let stream = (!self.base.is_empty() || !has_frames).then(|| self.stream(segments.clone(), sections));
        let stream = stream.transpose()?;
        // Frames find repetitions within the target, and decode quickly; streams know the base better.
        if stream.is_some() && (new < bytes / 2 || !has_frames) {
            return Ok(stream.into_iter().collect());
        }
        let frame = |segment| {
            self.control.check()?;
            Ok(self.frame(segment)?)
        };
        let frames: Vec<Record> = segments.map(frame).collect::<Result<_, EncodeError>>()?;
        let length = |records: &[Record]| records.iter().map(|record| record.bytes.len() + 24).sum::<usize>();
        // A device's memory for operations is that of its streams, where there are any.
        let too_many = frames.iter().any(|frame| frame.ops > self.streams.ops_max);
        match stream {
            Some(stream) if too_many || length(std::slice::from_ref(&stream)) <= length(&frames) => Ok(vec![stream]),
            _ => Ok(frames),
        }
    }

    fn digest(&self, segments: &Range<u64>) -> Option<[u8; RECORD_DIGEST_BYTES]> {
        if segments.end - segments.start == self.segments.len() as u64 {
            return None;
        }
        blake3::hash(&self.target[self.bytes(segments)]).as_bytes().first_chunk().copied()
    }

    fn stream(&self, segments: Range<u64>, mut sections: Vec<Section>) -> Result<Record, Cancelled> {
        let range = self.bytes(&segments);
        let copies = sections.iter().map(|section| section.copies.len()).max().unwrap_or(0);
        // Where there are more, the shortest come in line, and no memory depends on them.
        let StreamLimits { table_log2, ops_max } = self.streams;
        let types = sections.iter().map(|section| section.types).max().unwrap_or(0) as u32;
        let ops = u32::try_from(copies).unwrap_or(u32::MAX).min(ops_max) + types;
        let copied = |section: &Section| -> Vec<u64> {
            let pair = section.pair.iter().map(|pair| pair.base_range.start);
            section.copies.iter().map(|copy| copy.base).filter(|base| *base < ASIDES).chain(pair).collect()
        };
        let mut part = self.virtual_base.part(sections.iter().flat_map(copied).map(|at| at..at + 1));
        // What is made aside comes behind what is unpacked.
        let first = sections.first().map_or(0, |section| section.range.start);
        let first = self.opened.packed.partition_point(|packed| packed.whole().end <= first);
        let first_aside = self.opened.packed[first..].iter().find_map(|packed| packed.asides.first());
        let first_aside = first_aside.map_or(ASIDES, |aside| aside.place);
        let asides = self.base.len() as u64 + part.scratch_bytes();
        for section in &mut sections {
            section.copies.iter_mut().for_each(|copy| {
                let aside = copy.base.checked_sub(first_aside);
                copy.base = aside.map_or_else(|| part.place(copy.base), |aside| asides + aside);
            });
            if let Some(pair) = &mut section.pair {
                let start = part.place(pair.base_range.start);
                pair.base_range = start..start + (pair.base_range.end - pair.base_range.start);
            }
        }
        let (mut encoder, mut engine) = (Encoder::default(), Engine::new(table_log2));
        let base_bytes = self.base.len() as u64;
        let unpacked_bytes = part.scratch_bytes();
        let parts: Vec<_> =
            sections.iter().map(|section| section.pair.is_some().then(|| section.parts.clone())).collect();
        let items = self.items(sections);
        let group_bytes = group_bytes(&items);
        let containers = items.iter().any(|item| !matches!(item, Plan::Section { .. }));
        // Whoever packs says so: with scratch storage.
        let scratch_bytes = (unpacked_bytes + group_bytes).max(containers.into());
        let limits =
            SectionLimits { base_bytes: base_bytes + unpacked_bytes, ops_max: ops.into(), group_bytes, containers };
        let (start, bytes) = (range.start as u64, range.len() as u64);
        let mut made = Expect { left: &self.target[range], control: self.control };
        let coded = engine
            .unpack(&mut encoder, part.unpack.clone(), base_bytes, scratch_bytes)
            .map_err(StreamError::Section)
            .and_then(|_| engine.make(&mut encoder, &mut part, limits, (start, bytes), items.into_iter(), &mut made));
        if let Err(StreamError::Sink(cancelled)) = coded {
            return Err(cancelled);
        }
        assert!(coded.is_ok(), "the encoder's own sections are sound: {coded:?}");
        let spent = Spent::of(&encoder, &parts.iter().map(Option::as_deref).collect::<Vec<_>>());
        let tag = RecordTag { kind: RecordKind::Stream, segments: segments.end - segments.start };
        Ok(Record { tag, digest: self.digest(&segments), bytes: encoder.finish(), ops, scratch_bytes, spent })
    }

    /// The items of a record: its sections, and its containers with theirs.
    fn items(&self, sections: Vec<Section>) -> Vec<Plan<'_>> {
        let mut items: Vec<Plan<'_>> = Vec::new();
        for section in sections {
            let Range { start, end } = section.range;
            let packed = &self.opened.packed;
            let next = packed.partition_point(|packed| packed.whole().end <= start);
            let plan = Plan::Section {
                truth: self.opened.bytes.get(start as usize..end as usize).unwrap_or_default(),
                pair: section.pair,
                copies: section.copies,
                types: section.types,
            };
            let Some(packed) = packed.get(next).filter(|packed| packed.whole().contains(&start)) else {
                items.push(plan);
                continue;
            };
            if let Some(aside) = packed.asides.iter().find(|aside| aside.plain.start == start) {
                let stream = packed.plain.start + aside.inside.start..packed.plain.start + aside.inside.end;
                let stream = self.opened.bytes.get(stream.start as usize..stream.end as usize).unwrap_or_default();
                let plain_bytes = aside.plain.end - start;
                items.push(Plan::Aside { stream, plain_bytes, survey: aside.survey.clone(), sections: Vec::new() });
            } else if start == packed.plain.start {
                let plain_bytes = packed.plain.end - start;
                items.push(match packed.survey.clone() {
                    Survey::Deflate(survey) => Plan::Deflate {
                        stream: &self.target[packed.stream.start as usize..packed.stream.end as usize],
                        plain_bytes,
                        survey,
                        sections: Vec::new(),
                    },
                    Survey::Group(layout, survey) => Plan::Group { layout, plain_bytes, survey, sections: Vec::new() },
                });
            }
            if let Some(Plan::Deflate { sections, .. } | Plan::Aside { sections, .. } | Plan::Group { sections, .. }) =
                items.last_mut()
            {
                sections.push(plan);
            }
        }
        items
    }

    fn frame(&self, number: u64) -> io::Result<Record> {
        let segment = &self.segments[number as usize];
        let level = if self.target.len() as u64 <= SMALL_BYTES { LEVEL_SMALL } else { LEVEL_BULK };
        let mut compressor = zstd::bulk::Compressor::new(level)?;
        compressor.set_parameter(zstd::zstd_safe::CParameter::WindowLog(WINDOW_LOG2.into()))?;
        let bytes = compressor.compress(&self.fields(segment))?;
        Ok(Record {
            tag: RecordTag { kind: RecordKind::Frame, segments: 1 },
            digest: self.digest(&(number..number + 1)),
            spent: Spent::frame(bytes.len()),
            bytes,
            ops: segment.ops.len() as u32,
            scratch_bytes: 0,
        })
    }

    /// The plain form of a segment: count, lengths, offsets, literals.
    fn fields(&self, segment: &Segment) -> Vec<u8> {
        let (ops, mut out) = (&segment.ops, Vec::new());
        push_varint(&mut out, ops.len() as u64);
        for op in ops {
            push_varint(&mut out, op.length() << 1 | u64::from(matches!(op, Op::Add { .. })));
        }
        let mut diagonal = Diagonal::new(segment.start);
        for op in ops {
            match *op {
                Op::Add { length } => diagonal.add(length),
                Op::Copy { base_offset, length } => push_varint(&mut out, diagonal.encode(base_offset, length)),
            }
        }
        let mut at = segment.start as usize;
        for op in ops {
            let end = at + op.length() as usize;
            if let Op::Add { .. } = op {
                out.extend_from_slice(&self.target[at..end]);
            }
            at = end;
        }
        out
    }
}

fn push_varint(out: &mut Vec<u8>, value: u64) {
    let mut bytes = [0; VARINT_BYTES_MAX];
    let used = write_varint(value, &mut bytes);
    out.extend_from_slice(&bytes[..used]);
}

/// What the encoder makes must be the target: it is what the decoder will make. An executable may
/// take a minute: each piece asks whether somebody still waits for it.
#[derive(Debug)]
struct Expect<'a> {
    left: &'a [u8],
    control: Control<'a>,
}

impl Sink for Expect<'_> {
    type Error = Cancelled;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        let (now, later) = self.left.split_at(bytes.len());
        assert!(now == bytes, "the encoder makes what it was given");
        self.left = later;
        self.control.check()
    }
}

/// Writes payload bytes and hashes each group on the way.
struct GroupWriter<W> {
    sink: W,
    group: Vec<u8>,
    index: Vec<u8>,
    length: u64,
}

impl<W: Write> GroupWriter<W> {
    fn new(sink: W) -> Self {
        Self { sink, group: Vec::with_capacity(GROUP_BYTES as usize), index: Vec::new(), length: 0 }
    }

    fn varint(&mut self, value: u64) -> io::Result<()> {
        let mut bytes = [0; VARINT_BYTES_MAX];
        let used = write_varint(value, &mut bytes);
        self.write(&bytes[..used])
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // A full group is written only when a byte follows, so that a single group is known as such.
            if self.group.len() == GROUP_BYTES as usize {
                self.close_group()?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(GROUP_BYTES as usize - self.group.len()));
            self.group.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn close_group(&mut self) -> io::Result<()> {
        self.index.extend_from_slice(subtree_value(self.length, &self.group).as_bytes());
        self.length += self.group.len() as u64;
        self.sink.write_all(&self.group)?;
        self.group.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(PayloadId, Vec<u8>)> {
        if self.index.is_empty() {
            let root = Blake3::new(*blake3::hash(&self.group).as_bytes());
            self.sink.write_all(&self.group)?;
            let id = PayloadId { length: self.group.len() as u64, root, coding: Coding::CopyAdd };
            return Ok((id, Vec::new()));
        }
        self.close_group()?;
        let mut root = TreeRoot::default();
        self.index.as_chunks().0.iter().for_each(|value| root.push(value));
        Ok((PayloadId { length: self.length, root: root.finish(), coding: Coding::CopyAdd }, self.index))
    }
}

#[cfg(test)]
mod tests;

//! Codes the operations of a delta into the payload. `docs/formats/payload.md`.
//!
//! In: two images and the operations between them. Out: payload bytes into a writer, their root, their group index, and
//! the limits that a device must allow. Segments are coded side by side and written in order, so the bytes do not
//! depend on the number of threads.

use delta_apply::{TreeRoot, memory_bytes, subtree_value};
use delta_format::Blake3;
use delta_format::header::{Coding, DeviceLimits, PayloadId};
use delta_format::limits::GROUP_BYTES;
use delta_format::ops::{Diagonal, Op, RecordTag, VARINT_BYTES_MAX, write_varint};
use rayon::prelude::*;
use std::io::{self, Write};

/// Log2 of a segment's bytes, 4 MiB. Resuming starts at a segment; smaller ones cost compression.
pub const SEGMENT_LOG2_DEFAULT: u8 = 22;

/// Segments of one `same` record at most, so that a watermark comes at least every 64 MiB of unchanged target.
const SAME_RUN_SEGMENTS: u64 = 16;

/// Segments that are coded at once; bounds the memory of the host.
const BATCH_SEGMENTS: usize = 8;

/// Log2 of the window. Literals of one segment of a delta rarely fill half a MiB, and its operations need the memory;
/// a full image has no operations, and repeats itself over longer distances. Both stay within
/// [`MEMORY_BYTES_DEFAULT`].
const WINDOW_LOG2_DELTA: u8 = 19;
const WINDOW_LOG2_FULL: u8 = 20;

/// Operations of one segment at most: 1.5 MiB on a device.
pub(crate) const SEGMENT_OPS_MAX: u32 = 1 << 17;

/// Memory that a device of the default profile gives the decoder, in bytes.
pub const MEMORY_BYTES_DEFAULT: u32 = 4 << 20;

/// Zstandard level for literals of up to [`SMALL_ADD_BYTES`]; beyond, [`LEVEL_BULK`]. Both use the binary tree match
/// finders, whose output does not depend on SIMD (facebook/zstd#4099 is about the row match finder).
const LEVEL_SMALL: i32 = 19;
const LEVEL_BULK: i32 = 13;
const SMALL_ADD_BYTES: u64 = 48 << 20;

/// The payload of a delta, once it is written.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Length, root and coding.
    pub id: PayloadId,
    /// One chaining value a group; empty when there is one group.
    pub index: Vec<u8>,
    /// What applying it asks of a device.
    pub limits: DeviceLimits,
}

/// Codes `ops`, which make `target` out of `base`, into `sink`. `progress` hears of target bytes that are coded.
///
/// # Errors
/// What `sink` says.
pub(crate) fn encode(
    base: &[u8],
    target: &[u8],
    ops: &[Op],
    segment_log2: u8,
    sink: impl Write,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Payload> {
    let segments = cut(ops, target.len() as u64, 1 << segment_log2);
    let add_bytes: u64 = ops.iter().map(|op| if let Op::Add { length } = op { *length } else { 0 }).sum();
    let window_log2 = if base.is_empty() { WINDOW_LOG2_FULL } else { WINDOW_LOG2_DELTA };
    let coder = Coder {
        base,
        window_log2,
        target,
        level: if add_bytes <= SMALL_ADD_BYTES { LEVEL_SMALL } else { LEVEL_BULK },
        single: segments.len() == 1,
    };
    let mut writer = GroupWriter::new(sink);
    let (mut run, mut ops_max) = (0, 1);
    for batch in segments.chunks(BATCH_SEGMENTS) {
        let records: Vec<io::Result<Record>> = batch
            .par_iter()
            .map(|segment| {
                let record = coder.record(segment);
                progress(segment.length);
                record
            })
            .collect();
        for record in records {
            match record? {
                Record::Same if run + 1 < SAME_RUN_SEGMENTS => run += 1,
                Record::Same => {
                    writer.varint(RecordTag::Same { segments: run + 1 }.to_varint())?;
                    run = 0;
                }
                Record::Coded { ops, bytes, digest } => {
                    writer.same(&mut run)?;
                    writer.varint(RecordTag::Coded { coded_bytes: bytes.len() as u64 }.to_varint())?;
                    if let Some(digest) = digest {
                        writer.write(digest.as_bytes())?;
                    }
                    writer.write(&bytes)?;
                    ops_max = ops_max.max(ops);
                }
            }
        }
    }
    writer.same(&mut run)?;
    let (id, index) = writer.finish()?;
    let mut limits = DeviceLimits { memory_bytes: 0, segment_log2, segment_ops_max: ops_max, window_log2 };
    limits.memory_bytes = u32::try_from(memory_bytes(&limits, &id)).unwrap_or(u32::MAX);
    Ok(Payload { id, index, limits })
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

enum Record {
    Same,
    Coded { ops: u32, bytes: Vec<u8>, digest: Option<Blake3> },
}

struct Coder<'a> {
    base: &'a [u8],
    target: &'a [u8],
    level: i32,
    window_log2: u8,
    single: bool,
}

impl Coder<'_> {
    fn record(&self, segment: &Segment) -> io::Result<Record> {
        let range = segment.start as usize..(segment.start + segment.length) as usize;
        let target = &self.target[range.clone()];
        if self.base.get(range) == Some(target) {
            return Ok(Record::Same);
        }
        let plain = self.fields(segment);
        let mut compressor = zstd::bulk::Compressor::new(self.level)?;
        compressor.set_parameter(zstd::zstd_safe::CParameter::WindowLog(self.window_log2.into()))?;
        let bytes = compressor.compress(&plain)?;
        let digest = (!self.single).then(|| subtree_value(segment.start, target));
        Ok(Record::Coded { ops: segment.ops.len() as u32, bytes, digest })
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

    /// Writes the pending run of unchanged segments.
    fn same(&mut self, run: &mut u64) -> io::Result<()> {
        match std::mem::take(run) {
            0 => Ok(()),
            segments => self.varint(RecordTag::Same { segments }.to_varint()),
        }
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
            let id = PayloadId { length: self.group.len() as u64, root, coding: Coding::Zstd };
            return Ok((id, Vec::new()));
        }
        self.close_group()?;
        let mut root = TreeRoot::default();
        self.index.as_chunks().0.iter().for_each(|value| root.push(value));
        Ok((PayloadId { length: self.length, root: root.finish(), coding: Coding::Zstd }, self.index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delta_apply::{Applied, Applier, ApplyError, GroupIndex, IoError, ReadAt, Target};
    use delta_format::header::{ArtifactType, BundleHeader, ImageId, ManifestId};
    use delta_format::ops::Watermark;
    use proptest::prelude::*;

    fn options() -> delta_scanner::Options {
        delta_scanner::Options::new(16, SEGMENT_OPS_MAX).expect("within the limits")
    }

    /// A slot in memory.
    struct Memory(Vec<u8>);

    impl ReadAt for Memory {
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
            (&self.0[..]).read_at(offset, out)
        }
    }

    impl Target for Memory {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
            self.0[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
        fn sync(&mut self) -> Result<(), IoError> {
            Ok(())
        }
    }

    struct Groups<'a>(&'a [u8]);

    impl delta_apply::Payload for Groups<'_> {
        type Error = IoError;
        fn read_group(&mut self, group: u64, out: &mut [u8]) -> Result<(), IoError> {
            self.0.read_at(group * GROUP_BYTES, out)
        }
    }

    fn image(bytes: &[u8]) -> ImageId {
        delta_ingest::digest(bytes, |_| ())
    }

    fn header(base: &[u8], target: &[u8], payload: &Payload) -> BundleHeader {
        let manifest = image(&[]).sha256;
        BundleHeader {
            format: 1,
            product: "p".parse().expect("a name"),
            hardware: heapless::Vec::from_slice(&["h".parse().expect("a name")]).expect("one"),
            version: "1".parse().expect("a version"),
            artifact_type: ArtifactType::Blob,
            base: image(base),
            target: image(target),
            payload: payload.id,
            manifest: ManifestId { length: 0, sha256: manifest, stored_length: 0, stored_sha256: manifest },
            limits: payload.limits,
            base_block_log2: 16,
            expires: None,
        }
    }

    /// Encodes, applies in steps of `budget`, and gives the slot.
    fn round_trip(base: &[u8], target: &[u8], budget: u64) -> Vec<u8> {
        let scan =
            delta_scanner::scan(base, target, options(), delta_scanner::Control::silent()).expect("not cancelled");
        let mut bytes = Vec::new();
        let payload = encode(base, target, &scan.ops, 16, &mut bytes, &|_| ()).expect("memory does not fail");
        assert_eq!(bytes.len() as u64, payload.id.length);
        assert_eq!(blake3::hash(&bytes).as_bytes(), payload.id.root.as_bytes(), "the root is plain BLAKE3");
        let header = header(base, target, &payload);
        let index = GroupIndex::verify(payload.id, payload.index).expect("the index is right");
        let mut applier = Applier::new::<IoError>(&header, index).expect("the limits hold");
        let (mut slot, mut at) = (Memory(vec![0; target.len()]), Watermark::default());
        loop {
            match applier.apply(at, &mut Groups(&bytes), &mut { base }, &mut slot, budget, &mut ()) {
                Ok(Applied::Complete) => return slot.0,
                Ok(Applied::Until(next)) => {
                    assert!(next > at, "each step goes on");
                    at = next;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn noise(seed: u64, bytes: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The target comes out again, whatever was moved, inserted, cut or replaced, and however often work stops.
        #[test]
        fn target_comes_out(
            length in 0usize..400_000,
            cut in 0usize..400_000,
            insert in 0usize..70_000,
            flips in proptest::collection::vec(0usize..400_000, 0..20),
            budget in prop_oneof![Just(1u64), Just(100_000), Just(u64::MAX)],
        ) {
            let base = noise(7, length);
            let mut target = base.clone();
            let cut = cut.min(target.len());
            target.splice(cut..cut, noise(9, insert));
            target.rotate_left(cut / 2);
            let bytes = target.len();
            flips.iter().filter(|_| bytes > 0).for_each(|flip| target[flip % bytes] ^= 0x55);
            prop_assert!(round_trip(&base, &target, budget) == target);
        }
    }

    /// Nothing to nothing, nothing to something (a full image), something to itself, and exact segment ends.
    #[test]
    fn corners() {
        let some = noise(1, 3 * 65536);
        for (base, target) in [(&some[..0], &some[..0]), (&[], &some), (&some, &some), (&some[1..], &some[..65536])] {
            assert!(round_trip(base, target, 1) == target);
        }
    }

    /// A flipped payload byte is found before it is decoded, in whichever group it stands.
    #[test]
    fn damaged_group_is_named() {
        let target = noise(5, 300_000);
        let scan =
            delta_scanner::scan(&[], &target, options(), delta_scanner::Control::silent()).expect("not cancelled");
        let mut bytes = Vec::new();
        let payload = encode(&[], &target, &scan.ops, 16, &mut bytes, &|_| ()).expect("memory does not fail");
        let header = header(&[], &target, &payload);
        bytes[200_000] ^= 1;
        let index = GroupIndex::verify(payload.id, payload.index).expect("the index is right");
        let mut applier = Applier::new::<IoError>(&header, index).expect("the limits hold");
        let mut slot = Memory(vec![0; target.len()]);
        let at = Watermark::default();
        let result = applier.apply(at, &mut Groups(&bytes), &mut &[][..], &mut slot, u64::MAX, &mut ());
        assert_eq!(result, Err(ApplyError::GroupDamaged { group: 200_000 / GROUP_BYTES }));
    }
}

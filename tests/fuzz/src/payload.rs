//! The payload decoder: records and frames, its group index and the base map. Streams: [`crate::streams`].

use crate::naive;
use delta_apply::{Applied, Applier, ApplyError, GroupIndex, IoError, Payload, ReadAt, Target};
use delta_apply::{locate_mismatch, memory_bytes, subtree_value};
use delta_format::container::Kind;
use delta_format::header::{BundleHeader, Coding, DeviceLimits, PayloadId};
use delta_format::limits::{GROUP_BYTES, TABLE_LOG2_MIN};
use delta_format::ops::Watermark;
use delta_format::{Blake3, FormatError};
use std::sync::OnceLock;
use tests_golden::parts::Parts;
use tests_golden::{build, images, store};

/// What the header of these targets allows.
pub(crate) const LIMITS: DeviceLimits = DeviceLimits {
    memory_bytes: 0,
    segment_log2: 16,
    ops_max: 64,
    window_log2: 17,
    table_log2: TABLE_LOG2_MIN,
    scratch_bytes: 1 << 18,
};

/// A header around a payload: that of the vector `patch`, with [`LIMITS`].
pub(crate) fn header() -> BundleHeader {
    static HEADER: OnceLock<BundleHeader> = OnceLock::new();
    let read = || {
        let parts = Parts::of(Kind::Bundle, &store::read("bundle/patch.bin"));
        BundleHeader { limits: LIMITS, ..BundleHeader::decode(&parts.body).expect("a header") }
    };
    HEADER.get_or_init(read).clone()
}

fn base() -> &'static [u8] {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    BASE.get_or_init(images::base)
}

/// A slot, or storage for what is unpacked, that fails the test when a byte outside of it is touched.
pub(crate) struct Slot(pub(crate) Vec<u8>);

impl ReadAt for Slot {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        out.copy_from_slice(&self.0[offset as usize..offset as usize + out.len()]);
        Ok(())
    }
}

impl Target for Slot {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.0[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

struct Bytes<'a>(&'a [u8]);

impl Payload for Bytes<'_> {
    type Error = IoError;

    fn read_group(&mut self, group: u64, out: &mut [u8]) -> Result<(), IoError> {
        let at = (group * GROUP_BYTES) as usize;
        out.copy_from_slice(&self.0[at..at + out.len()]);
        Ok(())
    }
}

/// Applies `payload` to `base`, made to look signed, in steps of `budget` written bytes.
pub(crate) fn apply(
    header: &mut BundleHeader,
    mut base: &[u8],
    payload: &[u8],
    budget: u64,
) -> Result<Vec<u8>, ApplyError<IoError>> {
    let root = Blake3::new(*blake3::hash(payload).as_bytes());
    header.payload = PayloadId { length: payload.len() as u64, root, coding: Coding::CopyAdd };
    header.limits.memory_bytes = memory_bytes(&header.limits, &header.payload) as u32;
    let index = match payload.len() as u64 > GROUP_BYTES {
        false => Vec::new(),
        true => (0..).zip(payload.chunks(GROUP_BYTES as usize)).fold(Vec::new(), |mut index, (group, bytes)| {
            index.extend_from_slice(subtree_value(group * GROUP_BYTES, bytes).as_bytes());
            index
        }),
    };
    let index = GroupIndex::verify(header.payload, index).expect("the index is made from the payload");
    let mut applier = Applier::new::<IoError>(header, index)?;
    let (mut slot, mut at) = (Slot(vec![0; header.target.length as usize]), Watermark::default());
    let mut scratch = Slot(vec![0; header.limits.scratch_bytes as usize]);
    loop {
        match applier.apply(at, &mut Bytes(payload), &mut base, &mut slot, &mut scratch, budget, &mut ())? {
            Applied::Complete => return Ok(slot.0),
            Applied::Until(next) => {
                assert!(next > at && next.segment <= header.segments(), "{at:?} {next:?}");
                at = next;
            }
        }
    }
}

/// Any bytes as the payload of a target of three segments. The last bytes choose the shape of the target.
pub fn payload(bytes: &[u8]) {
    let mut header = header();
    let (shape, payload) = bytes.split_last().map_or((0, bytes), |(last, rest)| (*last, rest));
    header.target.length = [1000, 65_536, 3 * 65_536 + 5, 0][usize::from(shape % 4)];
    made_or_refused(&apply(&mut header, base(), payload, 1));
}

/// A payload is applied, or refused for what it says: nothing outside of the images was asked for.
pub(crate) fn made_or_refused(result: &Result<Vec<u8>, ApplyError<IoError>>) {
    let refused = matches!(result, Err(ApplyError::Format(_) | ApplyError::Frame | ApplyError::SegmentMismatch { .. }));
    assert!(refused || result.is_ok(), "{result:?}");
}

/// Any bytes as the plain form of a segment: the engine and the naive twin agree on whether it is one, and on what it makes.
pub fn segment(plain: &[u8]) {
    let mut header = header();
    let ops_max = u64::from(LIMITS.ops_max);
    // Mostly a target of the length that the operations ask for, so that inputs get past the first rules.
    let wanted = naive::wanted(plain).filter(|bytes| (1..=65_536).contains(bytes) && !plain.len().is_multiple_of(4));
    header.target.length = wanted.unwrap_or(1000);
    let expected = naive::segment(plain, base(), header.target.length, ops_max);
    if let Some(target) = &expected {
        header.target.blake3 = Blake3::new(*blake3::hash(target).as_bytes());
    }
    let result = apply(&mut header, base(), &build::record(&build::frame(plain)), u64::MAX);
    match (&expected, &result) {
        (Some(expected), Ok(made)) => assert!(expected == made, "the engine makes something else"),
        (None, Err(ApplyError::Format(_))) => {}
        (expected, result) => panic!("naive {:?}, engine {result:?}", expected.as_ref().map(Vec::len)),
    }
}

/// Any bytes as the base map: a map that is not the signed one names the whole base, never a wrong part of it.
pub fn base_map(map: &[u8]) {
    let mut header = header();
    header.target.length = 0;
    let ranges = locate_mismatch(&mut base(), &header, map, &mut ()).expect("memory does not fail");
    let whole = ranges.len() == 1 && (ranges[0].offset, ranges[0].length) == (0, header.base.length);
    assert!(whole || ranges.is_empty(), "{ranges:?}");
}

/// Any bytes as a group index: the root decides.
pub fn group_index(index: &[u8]) {
    let payload = PayloadId { length: 3 * GROUP_BYTES, root: [7; 32].into(), coding: Coding::CopyAdd };
    assert!(GroupIndex::verify(payload, index.to_vec()).is_err());
    let single = PayloadId { length: index.len() as u64 % GROUP_BYTES, ..payload };
    assert_eq!(GroupIndex::verify(single, index.to_vec()).is_ok(), index.is_empty());
    let mut varint = delta_format::ops::VarintReader::default();
    for &byte in index {
        if let Err(FormatError::NotCanonical | FormatError::LimitExceeded(_)) = varint.push(byte) {
            break;
        }
    }
}

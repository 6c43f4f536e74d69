//! Signed payloads whose adaptive stream breaks the format.

use super::{Attack, Folder};
use crate::build::{around_payload, coded, tag, varint};
use crate::images::{SEGMENT, base};
use crate::streams::{Told, container, encode, packed, plaintexts, section};
use delta_apply::coding::{Pair, Plan, SectionCopy, Unpack};
use delta_apply::reference::{Image, Region, RegionKind, Span};
use delta_format::header::BundleHeader;
use delta_format::ops::RecordKind;

/// Bytes of the target: the start of the base.
const BYTES: usize = 1000;

/// The target as one stream that copies all of it; nothing is wrong with this one.
pub fn good() -> Vec<u8> {
    around(stream(&[], vec![section(&base()[..BYTES], &[(0, 0, BYTES as u32)])]))
}

/// What the encoder is told: it may do as it likes.
fn told() -> Told {
    Told { base_bytes: base().len() as u64, scratch_bytes: 1000, ops_max: 1000, target_bytes: BYTES as u64 }
}

fn stream(unpack: &[Unpack], items: Vec<Plan<'_>>) -> Vec<u8> {
    encode(&base(), unpack, items, told())
}

fn around(stream: Vec<u8>) -> Vec<u8> {
    limited(stream, |_| ())
}

fn limited(stream: Vec<u8>, change: impl FnOnce(&mut BundleHeader)) -> Vec<u8> {
    around_payload(BYTES, coded(RecordKind::Stream, 1, &stream), change)
}

/// Signed and logged streams that no right maker writes.
pub(super) fn streams(all: &mut Vec<Attack>) {
    let base = base();
    let truth = &base[..BYTES];
    let base_bytes = base.len() as u64;
    let all_of_it = BYTES as u32;
    let copied = || stream(&[], vec![section(truth, &[(0, 0, all_of_it)])]);
    let mut to = Folder { all, folder: "stream", kind: "bundle" };
    to.add("empty", "malformed", "A stream of no bytes.", around(Vec::new()));
    to.add("ends-early", "malformed", "Half of a stream of 1,000 new bytes.", {
        let whole = stream(&[], vec![section(truth, &[])]);
        around(whole[..whole.len() / 2].to_vec())
    });
    to.add("last-byte-missing", "malformed", "All of a stream but its last byte.", {
        let whole = copied();
        around(whole[..whole.len() - 1].to_vec())
    });
    to.add("trailing-byte", "malformed", "A byte after the four that end a stream.", {
        around([copied(), vec![0]].concat())
    });
    to.add("wrong-bytes", "segment-mismatch", "New bytes that are not the signed target.", {
        around(stream(&[], vec![section(&base[1..=BYTES], &[])]))
    });
    to.add("table-not-declared", "malformed", "A stream where the header declares no table.", {
        limited(copied(), |h| h.limits.table_log2 = 0)
    });
    to.add("beyond-the-target", "malformed", "A stream for two segments of a target of one.", {
        let stream = copied();
        let digest = vec![0; 16];
        let record = [tag(RecordKind::Stream, 2), digest, varint(stream.len() as u64), stream].concat();
        around_payload(BYTES, record, |_| ())
    });

    let copy = |base_offset, target, length| {
        let told = Told { base_bytes: base_bytes + SEGMENT as u64, ..told() };
        around(encode(&base, &[], vec![section(truth, &[(base_offset, target, length)])], told))
    };
    to.add("copy-beyond-the-base", "malformed", "The last byte of a copy is after the end of the base.", {
        copy(base_bytes - 999, 0, all_of_it)
    });
    to.add("copy-before-the-base", "malformed", "A copy starts at offset -1.", copy(u64::MAX, 0, all_of_it));
    to.add("copy-beyond-the-section", "malformed", "A copy of 1,001 bytes in a section of 1,000.", {
        copy(0, 0, all_of_it + 1)
    });
    to.add("copy-behind-the-section", "malformed", "A copy that starts where the section ends.", {
        copy(0, all_of_it, 1)
    });
    to.add("operations-beyond-the-limit", "malformed", "A section of two copies where the header allows one.", {
        let half = all_of_it / 2;
        let two = stream(&[], vec![section(truth, &[(0, 0, half), (half.into(), half, half)])]);
        limited(two, |h| h.limits.ops_max = 1)
    });
    to.add("section-longer-than-the-record", "malformed", "A section of 1,001 bytes in a record of 1,000.", {
        around(stream(&[], vec![section(&base[..=BYTES], &[])]))
    });
    to.add("empty-section", "malformed", "A section of no bytes.", around(stream(&[], vec![section(&[], &[])])));

    let unpack = |offset, plain_bytes| [Unpack { offset, plain_bytes, group: None }];
    to.add("unpacked-beyond-the-scratch", "malformed", "Unpacks 101 bytes where the header allows 100.", {
        limited(stream(&unpack(0, 101), Vec::new()), |h| h.limits.scratch_bytes = 100)
    });
    to.add("unpacked-from-behind-the-base", "malformed", "Unpacks what starts at the end of the base.", {
        limited(stream(&unpack(base_bytes, 100), Vec::new()), |h| h.limits.scratch_bytes = 100)
    });
    to.add("unpacked-noise", "malformed", "Unpacks bytes of the base that are no deflate stream.", {
        limited(stream(&unpack(0, 100), Vec::new()), |h| h.limits.scratch_bytes = 100)
    });
    to.add("unpacked-too-many", "malformed", "Unpacks 2^16 + 1 streams.", {
        let many = vec![Unpack { offset: 0, plain_bytes: 0, group: None }; (1 << 16) + 1];
        around(stream(&many, Vec::new()))
    });

    let executable = |image: Image, base_range| {
        let pair = Some(Pair { base: image.clone(), target: image, base_range });
        let copies = vec![SectionCopy { base: 0, target: 0, length: all_of_it }];
        around(stream(&[], vec![Plan::Section { truth, pair, copies, types: 0 }]))
    };
    to.add("executable-beyond-the-base", "malformed", "An executable of the base that ends behind the base.", {
        executable(Image::default(), base_bytes - 10..base_bytes + 1)
    });
    to.add("too-many-regions", "malformed", "An executable of 513 regions.", {
        let region = |offset| Region { offset, length: 1, address: offset, kind: RegionKind::Plain, parameter: 0 };
        executable(Image::new(Vec::new(), (0..513).map(region).collect()), 0..BYTES as u64)
    });
    to.add("too-many-spans", "malformed", "An executable of 513 spans.", {
        let span = |offset| Span { offset, address: offset, file_bytes: 1, memory_bytes: 1, executable: false };
        executable(Image::new((0..513).map(span).collect(), Vec::new()), 0..BYTES as u64)
    });

    let ([plain, _], [packed, _]) = (plaintexts(), packed());
    let plain_bytes = plain.len() as u64;
    to.add("section-longer-than-its-container", "malformed", "A plaintext one byte shorter than its section.", {
        around(stream(&[], vec![container(&packed, &plain, plain_bytes - 1)]))
    });
    to.add("container-longer-than-the-record", "malformed", "A deflate stream that is longer than the target.", {
        let bytes = packed.len() - 1;
        let told = Told { target_bytes: bytes as u64, ..told() };
        let stream = encode(&base, &[], vec![container(&packed, &plain, plain_bytes)], told);
        around_payload(bytes, coded(RecordKind::Stream, 1, &stream), |_| ())
    });
}

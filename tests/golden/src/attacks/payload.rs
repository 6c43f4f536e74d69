//! Signed payloads that break the format of records and frames.

use super::{Attack, Folder};
use crate::build::{add, around_payload, copy, frame, only_segment, record, step, tag, varint};
use crate::images::{SEGMENT, base};
use delta_format::ops::RecordKind;

/// Signed and logged payloads that no right maker writes: the decoder is what stands between them and the slot.
pub(super) fn payload(all: &mut Vec<Attack>) {
    let base_bytes = base().len() as i64;
    let mut to = Folder { all, folder: "payload", kind: "bundle" };
    let segment = |fields: &[u64], literals: &[u8]| around_payload(1000, only_segment(fields, literals), |_| ());
    to.add("copy-beyond-the-base", "malformed", "The last byte of a COPY is after the end of the base.", {
        segment(&[1, copy(1000), step(base_bytes - 999)], &[])
    });
    to.add(
        "copy-before-the-base",
        "malformed",
        "A COPY starts at offset -1.",
        segment(&[1, copy(1000), step(-1)], &[]),
    );
    to.add(
        "copy-offset-overflow",
        "malformed",
        "A COPY starts at 2^63 - 1.",
        segment(&[1, copy(1000), u64::MAX - 1], &[]),
    );
    to.add(
        "operations-too-short",
        "malformed",
        "The operations make 999 of 1,000 bytes.",
        segment(&[1, copy(999), 0], &[]),
    );
    to.add("operations-too-long", "malformed", "The operations make 1,001 of 1,000 bytes.", {
        segment(&[2, copy(1000), add(1), 0], b"x")
    });
    to.add("empty-operation", "malformed", "An operation of no bytes.", segment(&[2, copy(0), copy(1000), 0, 0], &[]));
    to.add("no-operations", "malformed", "No operation at all.", segment(&[0], &[]));
    to.add("operations-beyond-the-limit", "malformed", "Two operations where the header allows one.", {
        around_payload(1000, only_segment(&[2, copy(500), copy(500), 0, 0], &[]), |h| h.limits.ops_max = 1)
    });
    to.add("literals-missing", "malformed", "An ADD of 1,000 bytes with 999 literals.", {
        segment(&[1, add(1000)], &base()[..999])
    });
    to.add("wrong-bytes", "segment-mismatch", "Literals that are not the signed target.", {
        segment(&[1, add(1000)], &base()[1..1001])
    });
    to.add("empty-record", "malformed", "A record of no segments.", around_payload(1000, vec![0], |_| ()));
    to.add("unknown-kind", "malformed", "A record of kind 3.", around_payload(1000, varint(1 << 2 | 3), |_| ()));
    to.add("empty-frame", "malformed", "A frame of no bytes.", around_payload(1000, record(&[]), |_| ()));
    to.add("frame-of-two-segments", "malformed", "One frame for two segments.", {
        let whole = frame(&[varint(1), varint(copy(2 * SEGMENT as u64)), varint(0)].concat());
        let payload = [varint(2 << 2 | 1), varint(whole.len() as u64), whole].concat();
        around_payload(2 * SEGMENT, payload, |_| ())
    });
    to.add("no-records", "malformed", "A payload without records for a target with bytes.", {
        around_payload(1000, Vec::new(), |_| ())
    });
    to.add("frame-cut-off", "malformed", "The frame ends in the middle.", {
        let whole = frame(&[varint(1), varint(add(1000)), base()[..1000].to_vec()].concat());
        around_payload(1000, record(&whole[..whole.len() - 20]), |_| ())
    });
    to.add("not-a-frame", "malformed", "The coded bytes are no Zstandard frame.", {
        around_payload(1000, record(b"not a frame, but text"), |_| ())
    });
    to.add("window-beyond-the-limit", "malformed", "A frame that wants a larger window than the header declares.", {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(22).expect("a window");
        std::io::Write::write_all(&mut encoder, &[varint(1), varint(copy(1000)), varint(0)].concat()).expect("memory");
        around_payload(1000, record(&encoder.finish().expect("memory")), |_| ())
    });
    to.add("window-not-declared", "malformed", "A frame where the header declares none.", {
        around_payload(1000, only_segment(&[1, copy(1000), 0], &[]), |h| h.limits.window_log2 = 0)
    });
    to.add("same-beyond-the-target", "malformed", "A run of two unchanged segments in a target of one.", {
        around_payload(1000, tag(RecordKind::Same, 2), |_| ())
    });
    to.add("same-beyond-the-base", "malformed", "An unchanged segment that the base is too short for.", {
        let beyond = 5 * SEGMENT as u64 + 2000;
        around_payload(1000, tag(RecordKind::Same, 6), |h| h.target.length = beyond)
    });
    to.add("memory-understated", "malformed", "The header declares one byte less than its limits need.", {
        around_payload(1000, only_segment(&[1, copy(1000), 0], &[]), |h| h.limits.memory_bytes -= 1)
    });
}

//! One more than each limit of `delta_format::limits` that a head can break.

use super::{Attack, Folder, full, patch, with_proof};
use delta_format::capsule::Capsule;
use delta_format::header::BundleHeader;
use delta_format::limits::*;

/// One more than each limit of the header and the prefix.
pub(super) fn limits(all: &mut Vec<Attack>) {
    let (parts, delta) = (full(), patch());
    let mut to = Folder { all, folder: "limits", kind: "bundle" };
    let length = |at: usize, value: u32| {
        let mut file = parts.seal();
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        file
    };
    to.add("header-bytes", "malformed", "The prefix announces a header one byte beyond the limit.", {
        length(8, HEADER_BYTES_MAX as u32 + 1)
    });
    to.add("capsule-bytes", "malformed", "The prefix announces a capsule one byte beyond the limit.", {
        length(12, CAPSULE_BYTES_MAX as u32 + 1)
    });
    let mut header = |name, why, change: &dyn Fn(&mut BundleHeader)| {
        to.add(name, "malformed", why, delta.with_header(change).seal());
    };
    header("target-bytes", "A target of 2^48 + 1 bytes.", &|h| h.target.length = IMAGE_BYTES_MAX + 1);
    header("base-bytes", "A base of 2^48 + 1 bytes.", &|h| {
        (h.base.length, h.base_block_log2) = (IMAGE_BYTES_MAX + 1, BASE_BLOCK_LOG2_MAX);
    });
    header("empty-base", "A base of no bytes with the digests of another.", &|h| h.base.length = 0);
    header("groups", "A payload of 2^20 + 1 groups.", &|h| h.payload.length = GROUP_BYTES * GROUPS_MAX + 1);
    header("segment-too-small", "Segments of 32 KiB.", &|h| h.limits.segment_log2 = SEGMENT_LOG2_MIN - 1);
    header("segment-too-large", "Segments of 128 MiB.", &|h| h.limits.segment_log2 = SEGMENT_LOG2_MAX + 1);
    header("operations", "2^20 + 1 operations in a frame or section.", &|h| h.limits.ops_max = OPS_MAX + 1);
    header("window-too-small", "A window of 512 bytes.", &|h| h.limits.window_log2 = WINDOW_LOG2_MIN - 1);
    header("window-too-large", "A window of 16 MiB.", &|h| h.limits.window_log2 = WINDOW_LOG2_MAX + 1);
    header("table-too-small", "A table of 32 KiB.", &|h| h.limits.table_log2 = TABLE_LOG2_MIN - 1);
    header("table-too-large", "A table of 32 MiB.", &|h| h.limits.table_log2 = TABLE_LOG2_MAX + 1);
    header("scratch", "Scratch storage of 2^48 + 1 bytes.", &|h| h.limits.scratch_bytes = IMAGE_BYTES_MAX + 1);
    header("base-map", "A base map of 513 blocks.", &|h| h.base.length = (512 << 16) + 1);
    header("base-block", "Base blocks of 32 KiB.", &|h| h.base_block_log2 = BASE_BLOCK_LOG2_MIN - 1);
    header("manifest-bytes", "A stored manifest of 256 MiB and a byte.", &|h| {
        h.manifest.stored_length = MANIFEST_BYTES_MAX + 1;
    });
    header("expires", "An expiry beyond 2^48.", &|h| h.expires = Some(IMAGE_BYTES_MAX + 1));
    header("no-hardware", "No hardware name.", &|h| h.hardware.clear());
    header("hardware-order", "Hardware names out of order.", &|h| h.hardware.reverse());
    header("hardware-twice", "A hardware name twice.", &|h| h.hardware[1] = h.hardware[0].clone());
    let nine = |body: &mut Vec<u8>| {
        let at = body.windows(8).position(|bytes| bytes == b"\x07board-a").expect("a name") - 1;
        body[at] = 9;
        body.splice(at + 17..at + 17, b"\x07board-c".repeat(7));
    };
    to.add("nine-hardware-names", "malformed", "Nine hardware names.", delta.with_body(nine).seal());
    to.add("name-characters", "malformed", "A slash in the name of the product.", {
        delta.with_body(|body| body[4] = b'/').seal()
    });
    to.add("capsule-signatures", "malformed", "Nine signatures.", {
        let nine = |bytes: &mut Vec<u8>| {
            let one = bytes[2..74].to_vec();
            bytes[1] = 9;
            bytes.splice(74..74, one.repeat(8));
        };
        delta.with_capsule_bytes(nine).seal()
    });
    to.add("tree-size", "malformed", "A log of more entries than the limit.", {
        let change = |capsule: &mut Capsule| with_proof(capsule, |log| log.checkpoint.tree_size = LOG_ENTRIES_MAX + 1);
        delta.with_capsule(change).seal()
    });
    to.add("leaf-beyond-the-tree", "malformed", "The entry after the last one of the log.", {
        let change = |capsule: &mut Capsule| with_proof(capsule, |log| log.leaf_index = log.checkpoint.tree_size);
        delta.with_capsule(change).seal()
    });
}

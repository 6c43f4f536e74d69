//! Damage on the way, other spellings of the same value, unknown versions, and bytes after the end.

use super::{Attack, Folder, flipped, full, patch};
use crate::build::{around_payload, copy, frame, only_segment, record, varint};
use crate::parts::{BASE_MAP, MANIFEST, PAYLOAD};
use crate::store::read;
use delta_format::container::PREFIX_BYTES;
use delta_format::header::BundleHeader;

/// Files that lost bytes, gained bytes or changed bytes on the way.
pub(super) fn damage(all: &mut Vec<Attack>) {
    let (whole, parts) = (read("bundle/full.bin"), full());
    let head = parts.head_bytes();
    let mut to = Folder { all, folder: "truncated", kind: "bundle" };
    to.add("empty", "damaged", "No byte at all.", Vec::new());
    to.add("in-the-prefix", "damaged", "Cut off in the prefix.", whole[..PREFIX_BYTES - 1].to_vec());
    to.add("in-the-header", "damaged", "Cut off in the header.", whole[..PREFIX_BYTES + 20].to_vec());
    to.add("in-the-capsule", "damaged", "Cut off in the capsule.", whole[..head - 1].to_vec());
    to.add("in-the-payload", "damaged", "Cut off in the payload.", whole[..head + 5].to_vec());
    to.add("in-the-manifest", "damaged", "The last byte is missing.", whole[..whole.len() - 1].to_vec());

    let delta = patch();
    let part = |part: usize| delta.head_bytes() + delta.rest[..part].concat().len() + 3;
    let file = delta.seal();
    let mut to = Folder { all: to.all, folder: "flipped", kind: "bundle" };
    to.add("magic", "malformed", "One bit of the magic.", flipped(file.clone(), 2));
    to.add("header-length", "damaged", "One bit of the header's length.", flipped(file.clone(), 8));
    to.add("checksum", "damaged", "One bit of the checksum.", flipped(file.clone(), 20));
    to.add("header", "damaged", "One bit of the header.", flipped(file.clone(), PREFIX_BYTES + 9));
    to.add("capsule", "damaged", "One bit of the capsule.", flipped(file.clone(), delta.head_bytes() - 9));
    to.add("payload", "damaged", "One bit of the payload.", flipped(file.clone(), part(PAYLOAD)));
    to.add("base-map", "damaged", "One bit of the base map.", flipped(file.clone(), part(BASE_MAP)));
    to.add("manifest", "damaged", "One bit of the stored manifest.", flipped(file, part(MANIFEST)));

    let mut to = Folder { all: to.all, folder: "wrong-magic", kind: "bundle" };
    to.add("rollback", "malformed", "A rollback attestation.", read("rollback/back-to-1.9.bin"));
    to.add("channel", "malformed", "A channel index.", read("channel/stable-4.bin"));
    to.add("line-ends", "malformed", "A transfer in text mode turned the newline into two bytes.", {
        [&whole[..6], b"\r\n", &whole[7..]].concat()
    });
    to.add("html", "malformed", "The error page of a web server.", b"<!DOCTYPE html><title>404</title>".repeat(4));
}

/// The same value in another spelling, unknown versions, and bytes after the end.
pub(super) fn spelling(all: &mut Vec<Attack>) {
    let parts = full();
    let pad = |bytes: &mut Vec<u8>, at: usize| {
        bytes[at] |= 0x80;
        bytes.insert(at + 1, 0);
    };
    let mut to = Folder { all, folder: "padded-varint", kind: "bundle" };
    to.add("header", "malformed", "The first integer of the header has a padding byte.", {
        parts.with_body(|body| pad(body, 0)).seal()
    });
    to.add("capsule", "malformed", "The number of signatures has a padding byte.", {
        parts.with_capsule_bytes(|capsule| pad(capsule, 1)).seal()
    });
    let segment = only_segment(&[1, copy(1000), 0], &[]);
    let mut padded = segment.clone();
    pad(&mut padded, 0);
    to.add("record", "malformed", "The tag of the record has a padding byte.", around_payload(1000, padded, |_| ()));
    let fields: Vec<u8> = [vec![0x81, 0], varint(copy(1000)), varint(0)].concat();
    to.add("operations", "malformed", "The number of operations has a padding byte.", {
        around_payload(1000, record(&frame(&fields)), |_| ())
    });

    let mut to = Folder { all: to.all, folder: "unknown-version", kind: "bundle" };
    to.add("header", "malformed", "Header format 2.", parts.with_body(|body| body[0] = 2).seal());
    to.add("capsule", "malformed", "Capsule format 2.", parts.with_capsule_bytes(|capsule| capsule[0] = 2).seal());
    to.add("coding", "malformed", "Payload coding 1.", {
        let coding = parts.with_header(|_| ());
        let header = BundleHeader::decode(&coding.body).expect("a header");
        let root = header.payload.root;
        let at = coding.body.windows(32).position(|bytes| bytes == root.as_bytes()).expect("the root") + 32;
        coding.with_body(|body| body[at] = 1).seal()
    });

    let mut to = Folder { all: to.all, folder: "trailing-bytes", kind: "bundle" };
    to.add("header", "malformed", "A byte after the header.", parts.with_body(|body| body.push(0)).seal());
    to.add("capsule", "malformed", "A byte after the capsule.", {
        parts.with_capsule_bytes(|capsule| capsule.push(0)).seal()
    });
    to.add("file", "malformed", "A byte after the end of the file.", [parts.seal(), vec![0]].concat());
    to.add("payload", "malformed", "A byte after the last record.", {
        around_payload(1000, [segment.clone(), vec![2]].concat(), |_| ())
    });
    to.add("frame", "malformed", "A literal that no operation takes.", {
        around_payload(1000, only_segment(&[1, copy(1000), 0], b"x"), |_| ())
    });
    to.add("record", "malformed", "A byte between the frame and the end of its record.", {
        let coded = [frame(&[varint(1), varint(copy(1000)), varint(0)].concat()), vec![0]].concat();
        around_payload(1000, record(&coded), |_| ())
    });
}

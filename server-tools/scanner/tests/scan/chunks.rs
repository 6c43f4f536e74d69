//! Chunks cover an image, keep their boundaries from version to version of this crate, and find what changed.

use crate::support::Numbers;
use delta_scanner::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Chunk, Control, Scan, scan};

fn scanned(base: &[u8], target: &[u8]) -> Scan {
    scan(base, target, Control::silent()).expect("nobody cancels")
}

/// Every byte is in one chunk, in order, and every chunk but the last is within the limits.
#[test]
fn chunks_cover_the_image() {
    for image in [vec![], vec![7], Numbers(1).bytes(700_001), vec![0; 100_000], Numbers(2).code(300_000)] {
        let chunks = scanned(&image, &image).base_chunks;
        let mut at = 0;
        for chunk in &chunks {
            assert_eq!(chunk.offset, at);
            assert!(chunk.length as usize <= CHUNK_BYTES_MAX);
            at = chunk.end();
            assert!(chunk.length as usize >= CHUNK_BYTES_MIN || at == image.len() as u64);
        }
        assert_eq!(at, image.len() as u64);
    }
}

/// The cut points and the root of one image, written down when the format was made; ids and
/// root come from another implementation. They are in signed manifests: when
/// this test fails, the chunking has changed and old roots can no longer be reproduced.
#[test]
fn boundaries_and_root_stay_what_they_are() {
    let found = scanned(&[], &Numbers(42).bytes(100_000));
    let lengths: Vec<u32> = found.target_chunks.iter().map(|chunk| chunk.length).collect();
    assert_eq!(lengths, [8690, 10581, 9583, 16180, 16384, 5742, 4338, 11052, 10528, 6922]);
    assert_eq!(hex(&found.target_chunks[0].id), "8ec46f254bb613181d7c283d716ec47b4261a5c6d76d43023c423d34820d1997");
    assert_eq!(hex(&found.target_dag_root), "a0dfcbcc2474b0113257be03bdad73ce437ff11e4af9251f06bb2ca1cdb92813");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One changed byte changes the chunk around it and at most the next one; an insertion does not renumber the world.
#[test]
fn changed_chunks_are_those_around_the_edit() {
    let base = Numbers(3).bytes(1 << 20);
    let mut flipped = base.clone();
    flipped[500_000] ^= 1;
    let inserted = [&base[..500_000], b"new", &base[500_000..]].concat();
    for target in [flipped, inserted] {
        let found = scanned(&base, &target);
        assert!((1..=3).contains(&found.changed_chunks.len()), "{:?}", found.changed_chunks);
        let around = found
            .changed_chunks
            .iter()
            .any(|chunk| (chunk.offset..chunk.offset + u64::from(chunk.length)).contains(&500_000));
        assert!(around, "{:?}", found.changed_chunks);
        let shared = found.shared_chunks as usize + found.changed_chunks.len();
        assert_eq!(shared, found.target_chunks.len());
        assert_ne!(found.base_dag_root, found.target_dag_root);
    }
}

/// Content that only moved is not a change.
#[test]
fn moved_chunks_are_shared() {
    let base = Numbers(4).bytes(1 << 20);
    let cut = scanned(&base, &base).base_chunks[40].offset as usize;
    let found = scanned(&base, &[&base[cut..], &base[..cut]].concat());
    let ids: Vec<_> = found.base_chunks.iter().map(|chunk: &Chunk| chunk.id).collect();
    assert!(found.changed_chunks.len() <= 3, "{:?}", found.changed_chunks);
    assert!(found.changed_chunks.iter().all(|chunk| !ids.contains(&chunk.id)));
}

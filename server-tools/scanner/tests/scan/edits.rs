//! Operations make the target, whatever was done to the base.

use crate::support::{Numbers, applied, scanned};
use delta_scanner::Op;
use proptest::prelude::*;

/// Makes a base of one of several kinds.
fn base(kind: u8, seed: u64, length: usize) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    match kind {
        0 => numbers.bytes(length),
        1 => numbers.code(length),
        2 => vec![0; length],
        3 => (0..length).map(|_| b'a' + numbers.below(2) as u8).collect(),
        4 => numbers.bytes(24).into_iter().cycle().take(length).collect(),
        _ => [numbers.code(length / 3), vec![0; length / 3], numbers.bytes(length / 3)].concat(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// Edits of every kind on data of every kind give operations that reproduce the target, merged and not empty.
    #[test]
    fn operations_reproduce_the_target(kind in 0u8..6, seed: u64, length in 0usize..60_000, edits in 0usize..30) {
        let base = base(kind, seed, length);
        let target = Numbers(!seed).edit(&base, edits);
        let found = scanned(&base, &target);
        prop_assert_eq!(applied(&base, &target, &found.ops), target);
        for pair in found.ops.windows(2) {
            match (pair[0], pair[1]) {
                (Op::Add { .. }, Op::Add { .. }) => prop_assert!(false, "two additions in a row"),
                (Op::Copy { base_offset, length }, Op::Copy { base_offset: next, .. }) => {
                    prop_assert_ne!(base_offset + length, next, "two copies that are one");
                }
                _ => {}
            }
        }
    }

    /// Unrelated images, either of which may be empty, give operations that reproduce the target.
    #[test]
    fn unrelated_images_are_handled(kinds in (0u8..6, 0u8..6), seeds: (u64, u64), lengths in (0usize..20_000, 0usize..20_000)) {
        let (base, target) = (base(kinds.0, seeds.0, lengths.0), base(kinds.1, seeds.1, lengths.1));
        let found = scanned(&base, &target);
        prop_assert_eq!(applied(&base, &target, &found.ops), target);
    }

    /// On data without repetitions the cover adds no more than a matcher that compares every pair of offsets.
    #[test]
    fn no_more_is_added_than_by_the_naive_twin(seed: u64, length in 1usize..3_000, edits in 0usize..12) {
        let base = Numbers(seed).bytes(length);
        let target = Numbers(!seed).edit(&base, edits);
        let found = scanned(&base, &target);
        let naive = naive_added(&base, &target);
        prop_assert!(found.stats.add_bytes <= naive, "{} against {naive} bytes", found.stats.add_bytes);
    }
}

/// Bytes added when at each position the longest range of the base is copied, from 32 bytes on.
fn naive_added(base: &[u8], target: &[u8]) -> u64 {
    let (mut at, mut added) = (0, 0);
    while at < target.len() {
        let equal = |from: usize| base[from..].iter().zip(&target[at..]).take_while(|(a, b)| a == b).count();
        let longest = (0..base.len()).map(equal).max().unwrap_or(0);
        if longest >= 32 {
            at += longest;
        } else {
            at += 1;
            added += 1;
        }
    }
    added
}

#[test]
fn an_empty_base_gives_one_addition() {
    let target = Numbers(1).bytes(100_000);
    assert_eq!(scanned(&[], &target).ops, [Op::Add { length: 100_000 }]);
}

#[test]
fn an_empty_target_gives_no_operation() {
    assert_eq!(scanned(&Numbers(1).bytes(100_000), &[]).ops, []);
    assert_eq!(scanned(&[], &[]).ops, []);
}

#[test]
fn identical_images_give_one_copy_in_place() {
    for length in [1, 4095, 65_536, 300_000] {
        let image = Numbers(2).code(length);
        let found = scanned(&image, &image);
        assert_eq!(found.ops, [Op::Copy { base_offset: 0, length: length as u64 }]);
        assert_eq!(found.stats.in_place_bytes, length as u64);
        assert_eq!(found.scan.changed_chunks, []);
    }
}

/// Code that moved, with a few bytes changed in each hundred, is copied along one diagonal.
#[test]
fn moved_code_with_changed_addresses_is_copied() {
    let base = Numbers(3).code(200_000);
    let mut moved = base.clone();
    for at in (50..moved.len() - 4).step_by(100) {
        moved[at..at + 3].copy_from_slice(&[1, 2, 3]);
    }
    let target = [&Numbers(4).bytes(5000)[..], &moved].concat();
    let stats = scanned(&base, &target).stats;
    assert!(stats.add_bytes < 5000 + 3 * 2000 + 500, "{stats:?}");
}

/// Blocks that changed places are copied, without additions but for a few bytes at seams.
#[test]
fn swapped_halves_are_copied() {
    let base = Numbers(5).bytes(1 << 20);
    let (left, right) = base.split_at(400_001);
    let stats = scanned(&base, &[right, left].concat()).stats;
    assert!(stats.add_bytes <= 16 && stats.copies <= 4, "{stats:?}");
}

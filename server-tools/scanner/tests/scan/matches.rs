//! Matches keep their promises on any bytes, and find what was planted.

#![allow(clippy::single_range_in_vec_init, reason = "one range is meant")]

use crate::support::Numbers;
use core::ops::Range;
use delta_scanner::{Control, Match, MatchOptions, Rope, matches, sketch};
use proptest::prelude::*;

/// Matches of the pair, which are checked: inside both images, not empty, sorted, disjoint in the target.
fn matched(base: &[u8], target: &[u8]) -> Vec<Match> {
    matched_parts(&base.into(), &target.into())
}

fn matched_parts(base: &Rope<'_>, target: &Rope<'_>) -> Vec<Match> {
    let found = matches(base, target, &[], &MatchOptions::default(), Control::silent());
    checked(base, target, found.expect("nobody cancels"))
}

/// A sketch of parts of the pair.
fn sketched(base: (&Rope<'_>, &[Range<u64>]), target: (&Rope<'_>, &[Range<u64>]), known: &[Match]) -> Vec<Match> {
    checked(base.0, target.0, sketch(base, target, known, Control::silent()).expect("nobody cancels"))
}

fn checked(base: &Rope<'_>, target: &Rope<'_>, found: Vec<Match>) -> Vec<Match> {
    let mut made = 0;
    for one in &found {
        assert!(one.length > 0 && one.target >= made, "{one:?} behind {made}");
        assert!(one.base + one.length <= base.len() as u64, "{one:?} reads behind the base");
        made = one.end();
    }
    assert!(made <= target.len() as u64, "{made} bytes are more than the target has");
    found
}

/// Bytes of `range` of the target that are predicted right.
fn predicted(base: &[u8], target: &[u8], found: &[Match], range: Range<usize>) -> usize {
    let of = |one: &Match| {
        let start = range.start.max(one.target as usize);
        let end = range.end.min(one.end() as usize);
        (start..end).filter(|&at| base[(at as i64 + one.diagonal()) as usize] == target[at]).count()
    };
    found.iter().map(of).sum()
}

#[test]
fn without_a_base_or_a_target_nothing_matches() {
    assert_eq!(matched(b"", b""), []);
    assert_eq!(matched(b"", b"target"), []);
    assert_eq!(matched(b"base", b""), []);
    assert_eq!(matched(b"x", b"x").len(), 0);
}

#[test]
fn an_image_matches_itself_in_one_piece() {
    let image = Numbers(1).code(3 << 20);
    assert_eq!(matched(&image, &image), [Match { base: 0, target: 0, length: image.len() as u64 }]);
}

/// Functions that moved, with an address changed every forty bytes, are found as such and not as literals.
#[test]
fn moved_and_changed_ranges_are_found() {
    let mut numbers = Numbers(2);
    let base = numbers.code(300_000);
    let mut target = numbers.bytes(1000);
    let mut planted = Vec::new();
    for length in [40, 90, 300, 1500, 5000, 40_000] {
        let from = numbers.below(base.len() - length);
        let start = target.len();
        target.extend(&base[from..from + length]);
        for at in (start + 20..start + length - 20).step_by(40) {
            target[at] ^= 1 + numbers.below(255) as u8;
        }
        planted.push(start..target.len());
        target.extend(numbers.bytes(200));
    }
    let found = matched(&base, &target);
    for range in planted {
        let right = predicted(&base, &target, &found, range.clone());
        assert!(right >= range.len() - range.len() / 40 - 8, "{right} bytes of {range:?}");
    }
    assert!(found.len() < 40, "{} matches where 6 ranges were planted", found.len());
}

/// Constant and periodic images are as quick as others; a quadratic pass would not end here.
#[test]
fn repetition_is_not_quadratic() {
    let zeros = vec![0; 8 << 20];
    assert_eq!(predicted(&zeros, &zeros, &matched(&zeros, &zeros), 0..zeros.len()), zeros.len());
    let ones = vec![1; 4 << 20];
    matched(&zeros, &ones);
    matched(&zeros, &[&ones[..], &zeros[1 << 20..]].concat());
    let records: Vec<u8> =
        (0..(2u32 << 20) / 8).flat_map(|n| [n as u8 & 3, 0, 0, 0, 7, 0, (n >> 9) as u8, 0]).collect();
    let moved = [&records[24..], &records[..1000]].concat();
    matched(&records, &moved);
    matched(&records, &zeros);
}

/// Parts of an image change nothing but at their ends, and what is known stays as it is.
#[test]
fn images_in_parts_match_like_whole_ones() {
    let mut numbers = Numbers(4);
    let base = numbers.code(400_000);
    let target = numbers.edit(&base, 40);
    let whole = matched(&base, &target);
    let mut parts = (Rope::default(), Rope::default());
    for (image, parts) in [(&base, &mut parts.0), (&target, &mut parts.1)] {
        image.chunks(70_001).for_each(|part| parts.push(part));
    }
    let found = matched_parts(&parts.0, &parts.1);
    let right = |found: &[Match]| predicted(&base, &target, found, 0..target.len());
    assert!(right(&found) + 2000 >= right(&whole), "{} against {}", right(&found), right(&whole));
    let known = [Match { base: 5000, target: 100_000, length: 3000 }];
    let again = matches(&parts.0, &parts.1, &known, &MatchOptions::default(), Control::silent());
    let again = again.expect("nobody cancels");
    assert!(again.iter().any(|one| one.diagonal() == -95_000 && one.target <= 100_000 && one.end() >= 103_000));
}

/// A sketch finds nearly as much of what it is asked for, and nothing else.
#[test]
fn sketches_stay_in_their_ranges() {
    let mut numbers = Numbers(5);
    let base = numbers.code(400_000);
    let target = numbers.edit(&base, 40);
    let (length, whole) = (target.len() as u64, matched(&base, &target));
    let (of_base, of_target): (Rope<'_>, Rope<'_>) = (base[..].into(), target[..].into());
    let all = [0..base.len() as u64];
    let right = |found: &[Match]| predicted(&base, &target, found, 0..target.len());
    let found = sketched((&of_base, &all), (&of_target, &[0..length]), &[]);
    assert!(right(&found) + 20_000 >= right(&whole), "{} against {}", right(&found), right(&whole));
    let part = sketched((&of_base, &[100_000..300_000]), (&of_target, &[10..150_000, 250_000..260_000]), &[]);
    assert!(part.iter().all(|one| one.target >= 10 && one.end() <= 260_000), "{part:?}");
    assert!(!part.iter().any(|one| one.end() > 150_000 && one.target < 250_000), "{part:?}");
    assert!(right(&part) >= 40_000, "{}", right(&part));
    let known = [Match { base: 5000, target: 20_000, length: 3000 }];
    assert_eq!(sketched((&of_base, &all), (&of_target, &[20_000..23_000]), &known), known);
    assert_eq!(sketched((&of_base, &[]), (&of_target, &[0..length]), &known), known);
}

#[test]
fn threads_do_not_change_the_matches() {
    let mut numbers = Numbers(3);
    let base = [numbers.code(3 << 20), vec![0; 1 << 18], numbers.bytes(1 << 20), numbers.code(1 << 20)].concat();
    let target = numbers.edit(&base, 3000);
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| {
            let (of_base, of_target): (Rope<'_>, Rope<'_>) = (base[..].into(), target[..].into());
            let all = ([0..base.len() as u64], [0..target.len() as u64]);
            (matched(&base, &target), sketched((&of_base, &all.0), (&of_target, &all.1), &[]))
        })
    };
    let first = with_threads(1);
    assert!(first.0.len() > 1000 && first.1.len() > 100, "{} matches", first.0.len());
    for threads in [1, 2, 7] {
        assert!(with_threads(threads) == first, "{threads} threads differ");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the edits, matches keep their promises; `matched` checks them.
    #[test]
    fn any_edit_gives_well_formed_matches(seed: u64, length in 0usize..60_000, edits in 0usize..80) {
        let mut numbers = Numbers(seed);
        let base = if seed & 1 == 0 { numbers.code(length) } else { numbers.bytes(length) };
        let target = numbers.edit(&base, edits);
        let found = matched(&base, &target);
        let all = ([0..base.len() as u64], [0..target.len() as u64]);
        sketched((&base[..].into(), &all.0), (&target[..].into(), &all.1), &[]);
        let right = predicted(&base, &target, &found, 0..target.len());
        prop_assert!(edits > 0 || right + 64 >= length, "{right} of {length} bytes");
    }
}

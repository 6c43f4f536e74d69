//! What is bounded: operations of a segment, work on repetitive data, the time until a cancelled scan stops.

use crate::support::{Numbers, found, scanned};
use delta_scanner::{Cancelled, Control, Op, Options, Stage};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Operations of each segment, when those that reach over a boundary are cut there.
fn ops_per_segment(ops: &[Op], segment_log2: u8) -> Vec<u32> {
    let mut counts = Vec::new();
    let mut at = 0;
    for op in ops {
        let (first, last) = (at >> segment_log2, (at + op.length() - 1) >> segment_log2);
        counts.resize(last as usize + 1, 0);
        (first..=last).for_each(|segment| counts[segment as usize] += 1);
        at += op.length();
    }
    counts
}

/// Code in which one byte in 37 changed would take more operations than allowed, and gets as many as allowed.
#[test]
fn no_segment_has_more_operations_than_allowed() {
    let base = Numbers(1).code(300_000);
    let mut target = Numbers(2).edit(&base, 20);
    (0..target.len()).step_by(37).for_each(|at| target[at] ^= 0x55);
    let free = scanned(&base, &target);
    for (segment_log2, ops_max) in [(16, 72), (16, 1000), (17, 3000), (22, 10_000)] {
        let options = Options::new(segment_log2, ops_max).expect("within the limits");
        let found = found(&base, &target, options, Control::silent()).expect("nobody cancels");
        let most = ops_per_segment(&found.ops, segment_log2).into_iter().max();
        assert!(most <= Some(ops_max), "{most:?} of {ops_max}");
        assert!(found.ops.len() < free.ops.len(), "the limit was meant to be felt");
    }
}

#[test]
fn options_out_of_range_are_refused() {
    for (segment_log2, ops_max) in [(15, 1 << 17), (27, 1 << 18), (16, 71), (22, 4103)] {
        assert_eq!(Options::new(segment_log2, ops_max), None, "{segment_log2} {ops_max}");
    }
    assert_eq!(Options::new(22, 1 << 17), Some(Options::default()));
    assert!(Options::new(26, 1 << 17).is_some());
}

/// Runs of zeros and of one short pattern, grown, shrunk and disturbed, take a few operations and no noticeable time.
/// Comparing each block with each equal one would take hours here.
#[test]
fn repetitive_images_are_not_quadratic() {
    let pattern: Vec<u8> = Numbers(3).bytes(24);
    let repeated = |unit: &[u8], length: usize| unit.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    for unit in [&[0][..], b"ab", b"0123456789abcdef", &pattern] {
        let base = repeated(unit, 8 << 20);
        let mut target = repeated(unit, (9 << 20) + 12_345);
        (1..9).for_each(|number| target[number * 1_000_003] ^= 0xff);
        let found = scanned(&base, &target);
        assert!(found.ops.len() < 2500, "{} operations for {unit:?}", found.ops.len());
        assert!(found.stats.add_bytes < 70_000, "{:?} for {unit:?}", found.stats);
    }
}

/// Every stage reports, and each ends at its total.
#[test]
fn progress_reaches_the_total_of_every_stage() {
    let base = Numbers(4).code(3 << 20);
    let target = Numbers(5).edit(&base, 500);
    let seen: Mutex<BTreeMap<Stage, (u64, u64)>> = Mutex::default();
    let progress = |stage, done: u64, total| {
        let mut seen = seen.lock().expect("no panic before");
        let so_far = seen.get(&stage).map_or(0, |&(done, _)| done);
        seen.insert(stage, (so_far.max(done), total));
    };
    let never = AtomicBool::new(false);
    found(&base, &target, Options::default(), Control::new(&progress, &never)).expect("nobody cancels");
    let seen = seen.into_inner().expect("no panic before");
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [Stage::Chunk, Stage::Match, Stage::Search, Stage::Check]);
    assert!(seen.values().all(|(done, total)| done == total && *total > 0), "{seen:?}");
}

/// A flag set before the scan, or in any of its stages, ends it.
#[test]
fn a_cancelled_scan_gives_nothing() {
    let base = Numbers(6).code(3 << 20);
    let target = Numbers(7).edit(&base, 500);
    for stop_in in [Stage::Chunk, Stage::Match, Stage::Search, Stage::Check] {
        let cancel = AtomicBool::new(false);
        let progress = |stage, _, _| {
            cancel.fetch_or(stage == stop_in, Ordering::Relaxed);
        };
        let found = found(&base, &target, Options::default(), Control::new(&progress, &cancel));
        assert_eq!(found, Err(Cancelled), "{stop_in}");
    }
}

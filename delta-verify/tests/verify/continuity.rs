//! The checkpoint of a capsule against the head that a device keeps: same, newer, older, forked, unprovable.

use crate::common::*;
use delta_format::capsule::{Capsule, LogHead};
use delta_verify::{Continuity, Known, Refusal, TileError, TileReader, Verified, verify_bundle};

/// A log of 700 entries, the bundle is entry 300; its capsule has the head of `size` entries.
fn long_log(size: u64) -> (Draft, TestLog, Capsule) {
    let draft = bundle_draft(&header());
    let log = TestLog::with(300, draft.leaf(&[ALICE]), 399);
    let capsule = draft.capsule(&[ALICE], &log, 300, size);
    (draft, log, capsule)
}

fn verify(file: &[u8], kept: LogHead, tiles: Option<&mut dyn TileReader>) -> Result<(Continuity, LogHead), Refusal> {
    let known = Known { heads: &[kept], time_floor: 0 };
    let verified: Verified<_> = verify_bundle(file, &trust(), &known, tiles)?;
    let log = verified.evidence().log.as_ref().unwrap();
    Ok((log.continuity, log.head))
}

#[test]
fn the_same_head_needs_no_proof() {
    let (draft, log, capsule) = long_log(600);
    let result = verify(&draft.seal(&capsule), log.head(600), None);
    assert_eq!(result, Ok((Continuity::Same, log.head(600))));
}

#[test]
fn a_head_of_another_log_says_nothing_of_this_one() {
    let (draft, log, capsule) = long_log(600);
    let mut kept = log.head(650);
    kept.log = unknown_id();
    let result = verify(&draft.seal(&capsule), kept, None);
    assert_eq!(result, Ok((Continuity::First, log.head(600))));
}

/// A kept head of no entries is what a device has that saw an empty log: every log continues it.
#[test]
fn every_log_continues_the_empty_one() {
    let (draft, log, capsule) = long_log(600);
    let kept = LogHead { tree_size: 0, ..log.head(600) };
    assert_eq!(verify(&draft.seal(&capsule), kept, None).unwrap().0, Continuity::First);
}

#[test]
fn a_newer_head_is_proven_by_the_capsule() {
    let (draft, log, mut capsule) = long_log(600);
    let proof = capsule.log.as_mut().unwrap();
    for old in [1, 256, 512, 599] {
        proof.consistency.push(log.consistency(old, 600)).unwrap();
    }
    let file = draft.seal(&capsule);
    for old in [1, 256, 512, 599] {
        let result = verify(&file, log.head(old), None);
        assert_eq!(result, Ok((Continuity::NewerByCapsule, log.head(600))), "from {old}");
    }
    assert_eq!(verify(&file, log.head(300), None), Err(Refusal::LogConsistencyUnproven));
}

#[test]
fn a_newer_head_is_proven_by_tiles() {
    let (draft, log, capsule) = long_log(600);
    let file = draft.seal(&capsule);
    for old in [1, 2, 255, 256, 257, 512, 599] {
        let mut tiles = log.tiles(600);
        let result = verify(&file, log.head(old), Some(&mut tiles));
        assert_eq!(result, Ok((Continuity::NewerByTiles, log.head(600))), "from {old}");
        assert!(tiles.reads <= 8, "{} reads from {old}", tiles.reads);
    }
}

/// The device has seen more of the log than the capsule: the head that it keeps stays.
#[test]
fn an_older_head_is_proven_by_tiles_and_the_kept_head_stays() {
    let (draft, log, capsule) = long_log(600);
    let file = draft.seal(&capsule);
    let mut tiles = log.tiles(700);
    let result = verify(&file, log.head(700), Some(&mut tiles));
    assert_eq!(result, Ok((Continuity::OlderByTiles, log.head(700))));
    assert_eq!(verify(&file, log.head(700), None), Err(Refusal::LogConsistencyUnproven));
}

/// A partial tile may have been removed once the full one is there (tlog-tiles).
#[test]
fn full_tiles_stand_in_for_partial_ones() {
    let (draft, log, capsule) = long_log(600);
    let mut tiles = log.tiles(700);
    tiles.files = [log.tiles(700).files, longer(&log, 800).tiles(800).files].into_iter().flatten().collect();
    tiles.files.retain(|path, _| !path.contains("tile/0/") || !path.contains(".p/"));
    let full = tiles.files.keys().filter(|path| !path.contains(".p/")).count();
    assert_eq!(full, 3, "three full tiles at level 0");
    let result = verify(&draft.seal(&capsule), log.head(700), Some(&mut tiles));
    assert_eq!(result, Ok((Continuity::OlderByTiles, log.head(700))));
}

fn longer(log: &TestLog, size: u64) -> TestLog {
    let mut log = log.clone();
    while (log.leaves.len() as u64) < size {
        log.leaves.push([log.leaves.len() as u8; 32].into());
    }
    log
}

/// The log rewrote an entry that the device had seen: same size, newer, older, by capsule and by tiles.
#[test]
fn another_history_is_a_fork() {
    let (draft, log, mut capsule) = long_log(600);
    let mut forked = log.clone();
    forked.leaves[7] = [7; 32].into();
    let file = draft.seal(&capsule);
    assert_eq!(verify(&file, forked.head(600), None), Err(Refusal::LogForked));
    for old in [8, 256, 512, 599] {
        let result = verify(&file, forked.head(old), Some(&mut log.tiles(600)));
        assert_eq!(result, Err(Refusal::LogForked), "newer, by tiles, from {old}");
    }
    let result = verify(&file, forked.head(700), Some(&mut forked.tiles(700)));
    assert_eq!(result, Err(Refusal::LogForked), "older, by tiles");
    let proof = capsule.log.as_mut().unwrap();
    proof.consistency.push(log.consistency(599, 600)).unwrap();
    let file = draft.seal(&capsule);
    assert_eq!(verify(&file, forked.head(599), None), Err(Refusal::LogForked), "by capsule");
}

/// Tiles are not signed, so wrong tiles are no evidence against the log.
#[test]
fn wrong_tiles_prove_nothing() {
    let (draft, log, capsule) = long_log(600);
    let file = draft.seal(&capsule);
    let unproven = Err(Refusal::LogConsistencyUnproven);
    let verify = |tiles: &mut dyn TileReader| verify(&file, log.head(400), Some(tiles));
    assert_eq!(verify(&mut MapTiles::default()), unproven, "no tiles");
    let mut wrong = log.tiles(600);
    wrong.files.values_mut().for_each(|tile| tile[0] ^= 1);
    assert_eq!(verify(&mut wrong), unproven, "wrong bytes");
    let mut short = log.tiles(600);
    short.files.values_mut().for_each(|tile| tile.truncate(tile.len() - 1));
    assert_eq!(verify(&mut short), unproven, "short tiles");
    struct Broken;
    impl TileReader for Broken {
        fn read_tile(&mut self, _: &str, _: &mut [u8]) -> Result<usize, TileError> {
            Err(TileError::Unreadable)
        }
    }
    assert_eq!(verify(&mut Broken), unproven, "a source that fails");
    struct Boastful;
    impl TileReader for Boastful {
        fn read_tile(&mut self, _: &str, _: &mut [u8]) -> Result<usize, TileError> {
            Ok(usize::MAX)
        }
    }
    assert_eq!(verify(&mut Boastful), unproven, "a source that claims more than it was asked for");
}

/// A broken proof in the capsule does not hide good tiles.
#[test]
fn tiles_help_when_the_capsule_proof_is_broken() {
    let (draft, log, mut capsule) = long_log(600);
    let proof = capsule.log.as_mut().unwrap();
    proof.consistency.push(log.consistency(400, 600)).unwrap();
    proof.consistency[0].hashes[2] = [0; 32].into();
    let file = draft.seal(&capsule);
    assert_eq!(verify(&file, log.head(400), None), Err(Refusal::LogConsistencyUnproven));
    let result = verify(&file, log.head(400), Some(&mut log.tiles(600)));
    assert_eq!(result, Ok((Continuity::NewerByTiles, log.head(600))));
}

//! The log as files: exactly those of tlog-tiles, whatever the batches; the old log after a cut; one writer at a time.

use crate::common::*;
use delta_attest::fs::Lock;
use delta_attest::*;
use delta_verify::tile::{entries_path, tile_path, tile_width};

/// Every tile and bundle that the specification asks for at this size, by the definition: hash rows of 256.
fn check_files(log: &Log, all: &[Vec<u8>]) {
    let size = all.len() as u64;
    let mut row = leaves(all);
    let mut level = 0;
    while !row.is_empty() {
        for (number, tile) in row.chunks(256).enumerate() {
            let path = tile_path(level, number as u64, tile.len() as u64);
            let expected: Vec<u8> = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
            assert_eq!(std::fs::read(log.folder().join(path.as_str())).unwrap(), expected, "{path} of {size}");
        }
        row = row.chunks_exact(256).map(naive_root).collect();
        level += 1;
    }
    for (number, bundle) in all.chunks(256).enumerate() {
        let path = entries_path(number as u64, bundle.len() as u64);
        let expected: Vec<u8> =
            bundle.iter().flat_map(|entry| [&(entry.len() as u16).to_be_bytes(), entry.as_slice()].concat()).collect();
        assert_eq!(std::fs::read(log.folder().join(path.as_str())).unwrap(), expected, "{path} of {size}");
    }
    assert_eq!(log.checkpoint().unwrap().root(), naive_root(&leaves(all)));
}

#[test]
fn the_files_are_those_of_the_specification_after_any_batches() {
    let host = Host::new();
    let mut size = 0;
    for batch in [1, 1, 2, 251, 1, 1, 254, 1, 1, 300, 512, 3] {
        let appended = host.log.append(&log_signer(), &entries(size, size + batch)).unwrap();
        assert_eq!(appended.indices, (size..size + batch).collect::<Vec<_>>());
        size += batch;
        check_files(&host.log, &entries(0, size));
    }
    assert_eq!(size, 1328);
    // Partial files of tiles that are full by now are gone.
    let partial: Vec<_> = snapshot(host.log.folder())
        .into_keys()
        .filter(|path| path.to_string_lossy().contains(".p/"))
        .filter(|path| !path.starts_with("tile/0/005.p") && !path.starts_with("tile/entries/005.p"))
        .filter(|path| !path.starts_with("tile/1/000.p"))
        .collect();
    assert_eq!(partial, [] as [&std::path::Path; 0]);
}

/// Three levels of tiles: one more leaf than 65,536.
#[test]
fn the_third_level_appears() {
    let host = Host::new();
    let all = entries(0, 65_537);
    host.log.append(&log_signer(), &all[..65_000]).unwrap();
    host.log.append(&log_signer(), &all).unwrap();
    check_files(&host.log, &all);
    assert_eq!(tile_width(2, 0, 65_537), Some(1));
}

/// Appending what is there already, or twice in one batch, adds nothing: an interrupted publish can be repeated.
#[test]
fn appending_is_idempotent() {
    let host = Host::new();
    host.append(&entries(0, 5));
    let before = snapshot(host.log.folder());
    let again = host.log.append(&log_signer(), &entries(2, 5)).unwrap();
    assert_eq!((again.indices, again.added), (vec![2, 3, 4], 0));
    assert_eq!(again.checkpoint.cosignatures().count(), 3, "the checkpoint keeps its cosignatures");
    assert_eq!(snapshot(host.log.folder()), before);
    let mixed = [entries(9, 10), entries(3, 4), entries(9, 10), entries(8, 9)].concat();
    let mixed = host.log.append(&log_signer(), &mixed).unwrap();
    assert_eq!((mixed.indices, mixed.added), (vec![5, 3, 5, 6], 2));
    let nothing: [Vec<u8>; 0] = [];
    assert_eq!(host.log.append(&log_signer(), &nothing).unwrap().added, 0);
}

/// The power fails after every file of an append was written but the checkpoint: the log is the old one, and the next
/// append, of other entries, overwrites what was left behind.
#[test]
fn a_cut_before_the_checkpoint_leaves_the_old_log() {
    for (old, lost, next) in
        [(0, 3, 1), (5, 3, 3), (5, 300, 2), (255, 1, 1), (255, 2, 600), (256, 1, 1), (250, 900, 10)]
    {
        let host = Host::new();
        host.log.append(&log_signer(), &entries(0, old)).unwrap();
        let before = snapshot(host.log.folder());
        host.log.append(&log_signer(), &entries(5000, 5000 + lost)).unwrap();
        // Removing partial files comes after the checkpoint, so before the cut they are all there.
        restore(host.log.folder(), &before);
        let reopened = Log::open(host.log.folder(), log_signer().key().clone(), witness_keys()).unwrap();
        assert_eq!(reopened.checkpoint().unwrap().tree_size(), old);
        reopened.append(&log_signer(), &entries(old, old + next)).unwrap();
        check_files(&reopened, &entries(0, old + next));
        for index in [0, old, old + next - 1] {
            assert_eq!(reopened.entry(index).unwrap(), entries(index, index + 1)[0]);
        }
    }
}

#[test]
fn a_log_is_started_once_and_opened_with_its_key() {
    let host = Host::new();
    assert!(matches!(Log::init(host.log.folder(), &log_signer()), Err(Error::LogExists(_))));
    let other = NoteSigner::log(secret(77), "log.example/updates".parse().unwrap());
    let opened = Log::open(host.log.folder(), other.key().clone(), Vec::new());
    assert_eq!(problem(opened), Problem::NotSignedByLog);
    let other = NoteSigner::log(secret(10), "log.example/other".parse().unwrap());
    let opened = Log::open(host.log.folder(), other.key().clone(), Vec::new());
    assert_eq!(problem(opened), Problem::OtherLog);
    let appended = host.log.append(&other, &entries(0, 1));
    assert_eq!(problem(appended), Problem::OtherLog);
    assert!(matches!(
        Log::open(&host.folder.path().join("none"), other.key().clone(), Vec::new()),
        Err(Error::Io { .. })
    ));
}

#[test]
fn a_damaged_log_is_not_opened() {
    let host = Host::new();
    host.append(&entries(0, 300));
    let open = || Log::open(&host.log_folder(), log_signer().key().clone(), witness_keys());
    let good = snapshot(host.log.folder());
    for (path, change) in [("tile/0/000", 0), ("tile/0/001.p/44", 40), ("tile/1/000.p/1", 3)] {
        let mut bytes = good[std::path::Path::new(path)].clone();
        bytes[change] ^= 1;
        std::fs::write(host.log.folder().join(path), &bytes).unwrap();
        // Full tiles of level 0 are not read for the root, only for finding and proving.
        let found = problem(open().and_then(|log| log.prove(&leaves(&entries(0, 300))[1]).map(drop)));
        let expected = [Problem::LogDamaged, Problem::Proof(delta_verify::merkle::ProofError::Root)];
        assert!(expected.contains(&found), "{path}: {found:?}");
        std::fs::remove_file(host.log.folder().join(path)).unwrap();
        let found = problem(open().and_then(|log| log.prove(&leaves(&entries(0, 300))[1]).map(drop)));
        assert!(matches!(found, Problem::Tile(_)), "{path}: {found:?}");
        restore(host.log.folder(), &good);
    }
    std::fs::write(host.log.folder().join("checkpoint"), "nothing").unwrap();
    assert!(matches!(problem(open()), Problem::Note(_)));
}

#[test]
fn entries_are_found_read_and_bounded() {
    let host = Host::new();
    host.append(&entries(0, 270));
    assert_eq!(host.log.find(&leaves(&entries(269, 270))[0]).unwrap(), 269);
    assert_eq!(problem(host.log.find(&[1; 32].into())), Problem::NoSuchEntry);
    assert_eq!(problem(host.log.entry(270)), Problem::NoSuchEntry);
    let bundle = host.log.folder().join("tile/entries/001.p/14");
    let mut bytes = std::fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, &bytes).unwrap();
    assert_eq!(problem(host.log.entry(269)), Problem::LogDamaged);
    bytes.truncate(20);
    std::fs::write(&bundle, &bytes).unwrap();
    assert_eq!(problem(host.log.entry(269)), Problem::LogDamaged);
    let long = vec![0; 65_536];
    assert_eq!(problem(host.log.append(&log_signer(), &[long])), Problem::EntryTooLong);
    let longest = vec![0; 65_535];
    let other = Host::new();
    other.log.append(&log_signer(), std::slice::from_ref(&longest)).unwrap();
    assert_eq!(other.log.entry(0).unwrap(), longest);
}

#[test]
fn one_process_writes_at_a_time() {
    let host = Host::new();
    let lock = Lock::take(&host.log.folder().join(".lock")).unwrap();
    assert!(matches!(host.log.append(&log_signer(), &entries(0, 1)), Err(Error::Busy(_))));
    drop(lock);
    assert!(host.log.append(&log_signer(), &entries(0, 1)).is_ok());
}

/// Cosignatures are added to the present head only, and the head is then kept for proofs.
#[test]
fn published_checkpoints_are_kept() {
    let host = Host::new();
    let first = host.append(&entries(0, 3));
    let second = host.append(&entries(3, 7));
    assert_eq!(host.log.published_sizes(8).unwrap(), [7, 3]);
    assert_eq!(host.log.published_sizes(7).unwrap(), [3]);
    assert_eq!(problem(host.log.publish(&first)), Problem::OtherLog, "the log has moved on");
    let kept = std::fs::read_to_string(host.log.folder().join("checkpoints/7")).unwrap();
    assert_eq!(kept, second.to_note());
    assert_eq!(std::fs::read_to_string(host.log.folder().join("checkpoint")).unwrap(), kept);
    let leaf = leaves(&entries(0, 1))[0];
    let sizes: Vec<u64> = host.log.prove(&leaf).unwrap().consistency.iter().map(|proof| proof.old_size).collect();
    assert_eq!(sizes, [3]);
    for size in 8..14 {
        host.append(&entries(size - 1, size));
    }
    let sizes: Vec<u64> = host.log.prove(&leaf).unwrap().consistency.iter().map(|proof| proof.old_size).collect();
    assert_eq!(sizes, [12, 11, 10, 9], "the newest four");
}

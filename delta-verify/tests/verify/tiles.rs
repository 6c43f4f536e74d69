//! Proofs built out of tiles are, hash by hash, those of the naive tree, for every size around the tile borders.

use crate::common::*;
use delta_format::Sha256;
use delta_verify::merkle::leaf_hash;
use delta_verify::tile::*;
use delta_verify::{TileError, TileReader};
use proptest::prelude::*;

fn log(size: u64) -> TestLog {
    TestLog { seed: LOG, leaves: (0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect() }
}

fn check(size: u64, index: u64, old: u64) {
    let log = log(size);
    let mut tiles = log.tiles(size);
    let root = tree_root(&mut TileNodes::new(&mut tiles, size), size);
    assert_eq!(root, Ok(log.root(size)), "root of {size}");
    let proof = inclusion_proof(&mut TileNodes::new(&mut tiles, size), index, size).unwrap();
    assert_eq!(proof[..], naive::inclusion(index as usize, &log.leaves), "inclusion of {index} in {size}");
    let proof = consistency_proof(&mut TileNodes::new(&mut tiles, size), old, size).unwrap();
    assert_eq!(proof[..], naive::consistency(old as usize, &log.leaves), "consistency of {old} with {size}");
}

#[test]
fn proofs_around_tile_borders_are_those_of_the_naive_tree() {
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 700] {
        for at in [0, 1, 2, 127, 128, 254, 255, 256, 257, 510, 511, 512, 699] {
            if at < size {
                check(size, at, at + 1);
            }
        }
    }
}

/// The second and third level of tiles: a little more than 65,536 leaves.
#[test]
fn proofs_reach_three_levels_of_tiles() {
    check(65_536 + 300, 65_600, 65_537);
    check(65_536, 0, 256);
}

/// The largest log: sizes that no test can hold, over tiles that are all zero. It ends within its budget.
#[test]
fn a_proof_of_the_largest_log_stays_within_its_reads() {
    struct Zeros(u32);
    impl TileReader for Zeros {
        fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, TileError> {
            self.0 += 1;
            let width = path.rsplit_once(".p/").map_or(256, |(_, width)| width.parse().unwrap());
            out[..width * 32].fill(0);
            Ok(width * 32)
        }
    }
    // One level below the largest log: its longest consistency proof has exactly as many hashes as a capsule holds.
    let max = 1 << 39;
    let mut most = 0;
    for size in [max, max - 1, max / 2 + 12_345_678_901] {
        for old in [1, 2, 255, size / 3, size / 2 + 1, size - 257, size - 1] {
            let mut tiles = Zeros(0);
            assert!(consistency_proof(&mut TileNodes::new(&mut tiles, size), old, size).is_ok());
            assert!(inclusion_proof(&mut TileNodes::new(&mut tiles, size), old, size).is_ok());
            most = most.max(tiles.0);
        }
    }
    println!("{most} tile reads for a consistency and an inclusion proof of the largest log");
    assert!(most <= TILE_READS_MAX / 2, "{most} reads for two proofs");
}

#[test]
fn what_has_no_proof_has_an_error() {
    let log = log(10);
    let mut tiles = log.tiles(10);
    let mut nodes = TileNodes::new(&mut tiles, 10);
    assert_eq!(inclusion_proof(&mut nodes, 10, 10), Err(TileError::NoSuchProof));
    assert_eq!(consistency_proof(&mut nodes, 0, 10), Err(TileError::NoSuchProof));
    assert_eq!(consistency_proof(&mut nodes, 11, 10), Err(TileError::NoSuchProof));
    assert_eq!(tree_root(&mut nodes, (1 << 40) + 1), Err(TileError::NoSuchProof));
    assert_eq!(inclusion_proof(&mut nodes, 0, (1 << 40) + 1), Err(TileError::NoSuchProof));
    // A tree larger than the log that the nodes come from.
    assert_eq!(tree_root(&mut nodes, 300), Err(TileError::NoSuchProof));
    assert_eq!(consistency_proof(&mut nodes, 10, 10).unwrap(), [] as [Sha256; 0]);
    let mut none = MapTiles::default();
    assert_eq!(tree_root(&mut TileNodes::new(&mut none, 0), 0), Ok(delta_verify::merkle::empty_root()));
    assert_eq!(tree_root(&mut TileNodes::new(&mut none, 5), 5), Err(TileError::Absent));
    assert_eq!(none.reads, 2, "the partial tile, and the full one instead of it");
}

/// A source that never has the asked hashes does not keep a device busy.
#[test]
fn reads_are_counted() {
    struct Forgetful;
    impl TileReader for Forgetful {
        fn read_tile(&mut self, _: &str, out: &mut [u8]) -> Result<usize, TileError> {
            Ok(out.len())
        }
    }
    let mut source = Forgetful;
    let mut nodes = TileNodes::new(&mut source, 1 << 40);
    let mut reads = 0;
    let error = loop {
        match nodes.node(0, reads * 256) {
            Ok(_) => reads += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((reads, error), (u64::from(TILE_READS_MAX), TileError::TooManyReads));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn proofs_of_any_size_are_those_of_the_naive_tree(
        size in 1_u64..2000, index: prop::sample::Index, old: prop::sample::Index
    ) {
        check(size, index.index(size as usize) as u64, 1 + old.index(size as usize) as u64);
    }

    #[test]
    fn wild_nodes_end(height in 0_u32..70, index: u64, size: u64) {
        let mut tiles = log(300).tiles(300);
        let _ = TileNodes::new(&mut tiles, size).node(height, index);
    }
}

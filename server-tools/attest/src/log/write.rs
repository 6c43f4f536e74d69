//! Writes the tiles and entry bundles of an append. Nothing here is visible before the checkpoint is replaced.

use super::{Log, entries};
use crate::error::Error;
use crate::fs::write_atomic;
use delta_format::Sha256;
use delta_verify::merkle::node_hash;
use delta_verify::tile::{TILE_BYTES, TILE_WIDTH, entries_path, tile_path, tile_width};

const WIDTH: usize = TILE_WIDTH as usize;

/// Writes everything that a log of `old_size` entries needs to have `added` after them.
pub(super) fn extend(log: &Log, old_size: u64, added: &[(Sha256, &[u8])]) -> Result<(), Error> {
    extend_entries(log, old_size, added)?;
    let mut hashes: Vec<Sha256> = added.iter().map(|(leaf, _)| *leaf).collect();
    let mut level = 0;
    while !hashes.is_empty() {
        hashes = extend_level(log, level, old_size, &hashes)?;
        level += 1;
    }
    Ok(())
}

fn extend_entries(log: &Log, old_size: u64, added: &[(Sha256, &[u8])]) -> Result<(), Error> {
    let mut number = old_size / TILE_WIDTH;
    let mut bundle = match old_size % TILE_WIDTH {
        0 => Vec::new(),
        _ => entries::read_bundle(log, number, old_size)?,
    };
    for (_, entry) in added {
        bundle.push(entry.to_vec());
        if bundle.len() == WIDTH {
            write_bundle(log, number, &bundle)?;
            bundle.clear();
            number += 1;
        }
    }
    if bundle.is_empty() { Ok(()) } else { write_bundle(log, number, &bundle) }
}

fn write_bundle(log: &Log, number: u64, bundle: &[Vec<u8>]) -> Result<(), Error> {
    let mut bytes = Vec::new();
    for entry in bundle {
        let length = u16::try_from(entry.len()).expect("the length of an entry was checked before");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    let path = entries_path(number, bundle.len() as u64);
    write_atomic(&log.folder().join(path.as_str()), &bytes)
}

/// Adds hashes to one level and gives the hashes of the tiles that became full: what the next level gets.
fn extend_level(log: &Log, level: u32, old_size: u64, added: &[Sha256]) -> Result<Vec<Sha256>, Error> {
    let old_hashes = old_size.checked_shr(8 * level).unwrap_or(0);
    let mut number = old_hashes / TILE_WIDTH;
    let mut tile = [0; TILE_BYTES];
    let mut bytes = match tile_width(level, number, old_size) {
        None => Vec::new(),
        Some(_) => entries::read_tile(log, level, number, old_size, &mut tile)?.to_vec(),
    };
    let mut full = Vec::new();
    for hash in added {
        bytes.extend_from_slice(hash.as_bytes());
        if bytes.len() == TILE_BYTES {
            full.push(tile_root(&bytes));
            write_atomic(&log.folder().join(tile_path(level, number, TILE_WIDTH).as_str()), &bytes)?;
            bytes.clear();
            number += 1;
        }
    }
    if !bytes.is_empty() {
        let path = tile_path(level, number, (bytes.len() / 32) as u64);
        write_atomic(&log.folder().join(path.as_str()), &bytes)?;
    }
    Ok(full)
}

/// The hash of a full tile: its 256 hashes folded pair by pair.
fn tile_root(bytes: &[u8]) -> Sha256 {
    let mut row: Vec<Sha256> =
        bytes.chunks_exact(32).map(|hash| Sha256::new(hash.try_into().expect("chunks of 32 bytes"))).collect();
    assert_eq!(row.len(), WIDTH, "only full tiles have a hash in the level above");
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row[0]
}

/// Removes partial tiles and bundles whose full ones the new checkpoint covers (tlog-tiles allows it then). What cannot
/// be removed stays: it is only waste.
pub(super) fn remove_partial(log: &Log, old_size: u64, new_size: u64) {
    let mut level = 0;
    while new_size >> (8 * level) > 0 {
        let number = (old_size >> (8 * level)) / TILE_WIDTH;
        if tile_width(level, number, new_size) == Some(TILE_WIDTH) {
            let mut paths = vec![tile_path(level, number, TILE_WIDTH)];
            paths.extend((level == 0).then(|| entries_path(number, TILE_WIDTH)));
            for path in paths {
                let _ = std::fs::remove_dir_all(log.folder().join(format!("{path}.p")));
            }
        }
        level += 1;
    }
}

//! Finds and reads entries of a log.

use super::Log;
use crate::error::{Error, Problem};
use crate::fs;
use delta_format::Sha256;
use delta_verify::TileError;
use delta_verify::merkle::leaf_hash;
use delta_verify::tile::{TILE_BYTES, TILE_WIDTH, TileReader, entries_path, tile_path, tile_width};
use std::collections::HashMap;

/// The places of leaf hashes in a log of `size` entries. Reads the tiles of the leaf level once: 32 bytes an entry, so a
/// log needs no index besides its public files.
pub(super) fn find(log: &Log, size: u64, leaves: &[Sha256]) -> Result<Vec<Option<u64>>, Error> {
    let mut places = vec![None; leaves.len()];
    let mut wanted: HashMap<Sha256, Vec<usize>> = HashMap::new();
    for (position, leaf) in leaves.iter().enumerate() {
        wanted.entry(*leaf).or_default().push(position);
    }
    let mut tile = [0; TILE_BYTES];
    for number in 0..size.div_ceil(TILE_WIDTH) {
        let bytes = read_tile(log, 0, number, size, &mut tile)?;
        for (offset, hash) in bytes.chunks_exact(32).enumerate() {
            let hash: [u8; 32] = hash.try_into().expect("chunks of 32 bytes");
            for &position in wanted.get(&Sha256::new(hash)).into_iter().flatten() {
                let place = number * TILE_WIDTH + offset as u64;
                places[position].get_or_insert(place);
            }
        }
    }
    Ok(places)
}

/// The hashes of a tile as a log of `size` entries published it: the partial one, or the full one that replaced it.
pub(super) fn read_tile<'a>(
    log: &Log,
    level: u32,
    number: u64,
    size: u64,
    out: &'a mut [u8; TILE_BYTES],
) -> Result<&'a [u8], Error> {
    let width = tile_width(level, number, size).unwrap_or(0);
    let mut tiles = log.tiles();
    let mut read = |width| tiles.read_tile(&tile_path(level, number, width), out);
    let bytes = match read(width) {
        Err(TileError::Absent) if width < TILE_WIDTH => read(TILE_WIDTH),
        other => other,
    };
    let needed = width as usize * 32;
    match bytes {
        Ok(bytes) if bytes >= needed => Ok(&out[..needed]),
        Ok(_) => Err(Problem::Tile(TileError::Unreadable).at(log.folder())),
        Err(error) => Err(Problem::Tile(error).at(log.folder())),
    }
}

/// The bytes of a bundle of entries, cut to the entries of a log of `size`.
pub(super) fn read_bundle(log: &Log, number: u64, size: u64) -> Result<Vec<Vec<u8>>, Error> {
    let width = tile_width(0, number, size).unwrap_or(0);
    let partial = log.folder().join(entries_path(number, width).as_str());
    let full = log.folder().join(entries_path(number, TILE_WIDTH).as_str());
    let path = if partial.exists() { &partial } else { &full };
    let bytes = std::fs::read(path).map_err(fs::io(path, "read"))?;
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    for _ in 0..width {
        let cut = rest
            .split_first_chunk()
            .and_then(|(length, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        let (entry, left) = cut.ok_or_else(|| Problem::LogDamaged.at(path))?;
        entries.push(entry.to_vec());
        rest = left;
    }
    Ok(entries)
}

/// Reads one entry and compares it with its leaf hash.
pub(super) fn read(log: &Log, size: u64, index: u64) -> Result<Vec<u8>, Error> {
    if index >= size {
        return Err(Problem::NoSuchEntry.at(log.folder()));
    }
    let (number, offset) = (index / TILE_WIDTH, (index % TILE_WIDTH) as usize);
    let entry = read_bundle(log, number, size)?.swap_remove(offset);
    let mut tile = [0; TILE_BYTES];
    let hashes = read_tile(log, 0, number, size, &mut tile)?;
    if leaf_hash(&entry).as_bytes()[..] != hashes[offset * 32..][..32] {
        return Err(Problem::LogDamaged.at(log.folder()));
    }
    Ok(entry)
}

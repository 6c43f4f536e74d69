//! The file names of tiles and entry bundles (tlog-tiles, sections Merkle Tree and Log entries).

use super::TILE_WIDTH;
use core::fmt::Write;

/// A path below the log's folder. The longest, level 63 with index 2^63 and a partial width, has 46 characters.
pub type TilePath = heapless::String<64>;

/// The path of a tile of tree hashes; `width` 256 is the full tile.
pub fn tile_path(level: u32, index: u64, width: u64) -> TilePath {
    let mut path = TilePath::new();
    write!(path, "tile/{level}/").expect("the buffer holds the longest path");
    push_index(&mut path, index, width);
    path
}

/// The path of a bundle of log entries; `width` 256 is the full bundle.
pub fn entries_path(index: u64, width: u64) -> TilePath {
    let mut path = TilePath::new();
    path.push_str("tile/entries/").expect("the buffer holds the longest path");
    push_index(&mut path, index, width);
    path
}

fn push_index(path: &mut TilePath, index: u64, width: u64) {
    let mut divisor = 1;
    while index / divisor >= 1000 {
        divisor *= 1000;
    }
    while divisor > 1 {
        write!(path, "x{:03}/", index / divisor % 1000).expect("the buffer holds the longest path");
        divisor /= 1000;
    }
    write!(path, "{:03}", index % 1000).expect("the buffer holds the longest path");
    if width < TILE_WIDTH {
        write!(path, ".p/{width}").expect("the buffer holds the longest path");
    }
}

/// How many hashes tile `index` of `level` has in a tree of `tree_size` entries: 256, fewer, or `None` when the tree
/// has no such tile.
pub fn tile_width(level: u32, index: u64, tree_size: u64) -> Option<u64> {
    let hashes = tree_size.checked_shr(8 * level).unwrap_or(0);
    let width = hashes.checked_sub(index.checked_mul(TILE_WIDTH)?)?.min(TILE_WIDTH);
    (width > 0).then_some(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification: index 1234067, and the tiles of a tree of 70,000 entries.
    #[test]
    fn paths_and_widths_are_those_of_the_specification() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(1, 0, 17), "tile/1/000.p/17");
        assert_eq!(entries_path(999, 256), "tile/entries/999");
        assert_eq!(entries_path(1000, 5), "tile/entries/x001/000.p/5");
        tile_path(63, u64::MAX, 255);
        let width = |level, index| tile_width(level, index, 70_000);
        assert_eq!((width(0, 272), width(0, 273), width(0, 274)), (Some(256), Some(112), None));
        assert_eq!((width(1, 0), width(1, 1), width(1, 2)), (Some(256), Some(17), None));
        assert_eq!((width(2, 0), width(2, 1), width(3, 0)), (Some(1), None, None));
        assert_eq!((tile_width(0, 1, 256), tile_width(1, 0, 256)), (None, Some(1)));
        assert_eq!((tile_width(8, 0, u64::MAX), tile_width(0, u64::MAX, u64::MAX)), (None, None));
    }
}

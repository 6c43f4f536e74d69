//! BLAKE3 subtrees (BLAKE3 paper, section 2.1): the chaining value of an aligned block, and the root over a list of
//! them. The root is the plain BLAKE3 hash of all the bytes, so any BLAKE3 tool can check it.

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use delta_format::Blake3;

/// Levels of a tree over 2^63 blocks.
const LEVELS_MAX: usize = 64;

/// The chaining value of `bytes`, the block that starts at `offset` of something longer. `offset` is a multiple of the
/// block size, which is a power of two of at least 1 KiB; only the last block may be shorter.
pub fn subtree_value(offset: u64, bytes: &[u8]) -> Blake3 {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset).update(bytes);
    hasher.finalize_non_root().into()
}

/// Hashes one block of an image piece by piece: its chaining value, or the root when the block is the whole image.
#[derive(Debug)]
pub struct ImageHasher {
    hasher: Hasher,
    whole: bool,
}

impl ImageHasher {
    /// Starts the block at `offset`; `whole` when there is no other block.
    pub fn new(offset: u64, whole: bool) -> Self {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(offset);
        Self { hasher, whole }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The value of the block.
    pub fn finish(&self) -> Blake3 {
        match self.whole {
            true => Blake3::new(*self.hasher.finalize().as_bytes()),
            false => self.hasher.finalize_non_root().into(),
        }
    }
}

/// Folds the chaining values of at least two equal blocks, in order, into the root, in memory for one value a level.
#[derive(Debug)]
pub struct TreeRoot {
    /// Complete subtrees from left to right, each larger than the next; one bit of `count` each.
    stack: [[u8; 32]; LEVELS_MAX],
    depth: usize,
    count: u64,
}

impl Default for TreeRoot {
    fn default() -> Self {
        Self { stack: [[0; 32]; LEVELS_MAX], depth: 0, count: 0 }
    }
}

impl TreeRoot {
    /// Adds the next block's chaining value.
    pub fn push(&mut self, value: &[u8; 32]) {
        // Merging waits until one more block is known to follow: BLAKE3's root merge is another function than its
        // inner merges, and only `finish` knows which merge is the last.
        self.merge_complete();
        self.stack[self.depth] = *value;
        self.depth += 1;
        self.count += 1;
    }

    /// Merges until there is one value for each bit of `count`.
    fn merge_complete(&mut self) {
        while self.depth > self.count.count_ones() as usize {
            let merged = merge_subtrees_non_root(&self.stack[self.depth - 2], &self.stack[self.depth - 1], Mode::Hash);
            self.depth -= 1;
            self.stack[self.depth - 1] = merged;
        }
    }

    /// The root over everything that was pushed.
    ///
    /// # Panics
    /// When fewer than two values were pushed: the root of one block is not a function of its chaining value.
    pub fn finish(mut self) -> Blake3 {
        assert!(self.depth >= 2, "a root needs two blocks");
        while self.depth > 2 {
            let merged = merge_subtrees_non_root(&self.stack[self.depth - 2], &self.stack[self.depth - 1], Mode::Hash);
            self.depth -= 1;
            self.stack[self.depth - 1] = merged;
        }
        Blake3::new(*merge_subtrees_root(&self.stack[0], &self.stack[1], Mode::Hash).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root over block values is the plain hash of all bytes, for every number of blocks and any short tail.
    #[test]
    fn root_is_the_plain_hash() {
        const BLOCK: usize = 1024;
        let bytes: Vec<u8> = (0..40 * BLOCK).map(|i| (i * 31 % 251) as u8).collect();
        for blocks in 2..40 {
            for tail in [1, BLOCK / 2, BLOCK] {
                let image = &bytes[..(blocks - 1) * BLOCK + tail];
                let mut root = TreeRoot::default();
                for (block, bytes) in image.chunks(BLOCK).enumerate() {
                    root.push(subtree_value((block * BLOCK) as u64, bytes).as_bytes());
                }
                assert_eq!(root.finish().as_bytes(), blake3::hash(image).as_bytes(), "{blocks} blocks, tail {tail}");
            }
        }
    }

    /// A block hashed in pieces has the value of the block hashed at once; a block that is everything has the root.
    #[test]
    fn pieces_add_up() {
        let bytes: Vec<u8> = (0..200_000).map(|i| (i % 253) as u8).collect();
        let mut part = ImageHasher::new(1 << 20, false);
        let mut whole = ImageHasher::new(0, true);
        for piece in bytes.chunks(777) {
            part.update(piece);
            whole.update(piece);
        }
        assert_eq!(part.finish(), subtree_value(1 << 20, &bytes));
        assert_eq!(whole.finish().as_bytes(), blake3::hash(&bytes).as_bytes());
    }
}

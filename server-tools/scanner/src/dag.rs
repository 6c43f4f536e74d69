//! Merkle DAG over the chunks of one image, and what two of them tell about a change.
//!
//! In: chunk lists. Out: the root that names an image by its chunks, and for a pair the target chunks that the base does
//! not hold. The shape is the Merkle tree of RFC 6962 section 2.1: leaf = SHA-256(0x00 || chunk id || length as u32
//! little endian), node = SHA-256(0x01 || left || right), the left subtree holding the largest power of two of leaves,
//! the empty tree SHA-256 of nothing. So an inclusion proof of a chunk is checked by the same code as one of the log.
//! Equal subtrees have equal hashes, in one image or between two, which makes the two trees one DAG.
//! It does not look at image bytes and decides nothing about operations.

use crate::chunk::Chunk;
use sha2::{Digest, Sha256};

/// Prefix of a hashed leaf (RFC 6962 section 2.1).
const LEAF_PREFIX: u8 = 0;
/// Prefix of a hashed inner node.
const NODE_PREFIX: u8 = 1;

/// The hash tree over the chunks of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleDag {
    /// `levels[0]` are the leaves, each next level the nodes above; the last has one node, except in an empty tree.
    levels: Vec<Vec<[u8; 32]>>,
}

/// A chunk of the target that the base does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedChunk {
    /// First byte in the target.
    pub offset: u64,
    /// Length in bytes.
    pub length: u32,
    /// SHA-256 of its bytes.
    pub id: [u8; 32],
}

/// What the comparison of two images by their chunks found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Target chunks whose id is nowhere in the base, in target order.
    pub changed: Vec<ChangedChunk>,
    /// Number of target chunks that the base holds, wherever.
    pub shared_chunks: u64,
    /// Bytes in those chunks.
    pub shared_bytes: u64,
}

impl MerkleDag {
    /// Builds the tree over `chunks`, which stand in image order.
    pub fn new(chunks: &[Chunk]) -> Self {
        let mut levels = vec![chunks.iter().map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last()
            && below.len() > 1
        {
            // An odd last node moves up unchanged: the same tree as the recursive definition of the RFC.
            let above = below.chunks(2).map(|pair| if let [l, r] = pair { node(l, r) } else { pair[0] }).collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The root hash.
    pub fn root(&self) -> [u8; 32] {
        match self.levels.last().and_then(|top| top.first()) {
            Some(root) => *root,
            None => Sha256::digest([]).into(),
        }
    }

    /// Number of chunks under the root.
    pub fn leaf_count(&self) -> usize {
        self.levels[0].len()
    }

    /// The hashes that prove chunk `index` under the root, from the leaf upwards (RFC 6962 section 2.1.1). None when
    /// there is no such chunk.
    pub fn inclusion_proof(&self, index: usize) -> Option<Vec<[u8; 32]>> {
        (index < self.leaf_count()).then(|| {
            let sibling = |(level, nodes): (usize, &Vec<[u8; 32]>)| nodes.get((index >> level) ^ 1).copied();
            self.levels.iter().enumerate().filter_map(sibling).collect()
        })
    }

    /// Leaf indices of `self` outside every subtree that stands at the same place in `other` with the same hash.
    fn leaves_not_in_place(&self, other: &Self) -> Vec<usize> {
        let mut open = if self.leaf_count() == 0 { vec![] } else { vec![(self.levels.len() - 1, 0)] };
        let mut found = Vec::new();
        while let Some((level, index)) = open.pop() {
            let hash = &self.levels[level][index];
            if other.levels.get(level).and_then(|nodes| nodes.get(index)) == Some(hash) {
                continue;
            }
            if level == 0 {
                found.push(index);
                continue;
            }
            if 2 * index + 1 < self.levels[level - 1].len() {
                open.push((level - 1, 2 * index + 1));
            }
            open.push((level - 1, 2 * index));
        }
        found
    }
}

/// Finds the target chunks that are new. Equal subtrees are skipped whole; the rest is looked up by chunk id, so that
/// content which only moved is not reported.
pub fn compare(base: (&[Chunk], &MerkleDag), target: (&[Chunk], &MerkleDag)) -> Comparison {
    let mut base_ids: Vec<&[u8; 32]> = base.0.iter().map(|chunk| &chunk.id).collect();
    base_ids.sort_unstable();
    let changed: Vec<ChangedChunk> = target
        .1
        .leaves_not_in_place(base.1)
        .into_iter()
        .map(|index| &target.0[index])
        .filter(|chunk| base_ids.binary_search(&&chunk.id).is_err())
        .map(|&Chunk { offset, length, id }| ChangedChunk { offset, length, id })
        .collect();
    let target_bytes: u64 = target.0.iter().map(|chunk| u64::from(chunk.length)).sum();
    let changed_bytes: u64 = changed.iter().map(|chunk| u64::from(chunk.length)).sum();
    Comparison {
        shared_chunks: (target.0.len() - changed.len()) as u64,
        shared_bytes: target_bytes - changed_bytes,
        changed,
    }
}

fn leaf(chunk: &Chunk) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([LEAF_PREFIX]);
    hash.update(chunk.id);
    hash.update(chunk.length.to_le_bytes());
    hash.finalize().into()
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([NODE_PREFIX]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(count: u8) -> Vec<Chunk> {
        (0..count).map(|number| Chunk { offset: u64::from(number) * 5, length: 5, id: [number; 32] }).collect()
    }

    /// The recursive definition of RFC 6962 section 2.1.
    fn naive_root(chunks: &[Chunk]) -> [u8; 32] {
        match chunks {
            [] => Sha256::digest([]).into(),
            [one] => leaf(one),
            _ => {
                let (left, right) = chunks.split_at(chunks.len().next_power_of_two() / 2);
                node(&naive_root(left), &naive_root(right))
            }
        }
    }

    /// Checks a proof as RFC 9162 section 2.1.3.2 does.
    fn root_from(proof: &[[u8; 32]], mut index: usize, count: usize, leaf_hash: [u8; 32]) -> [u8; 32] {
        let mut last = count - 1;
        proof.iter().fold(leaf_hash, |hash, sibling| {
            let right_edge = index == last;
            while right_edge && index & 1 == 0 && index != 0 {
                (index, last) = (index >> 1, last >> 1);
            }
            let hash = if index & 1 == 1 || right_edge { node(sibling, &hash) } else { node(&hash, sibling) };
            (index, last) = (index >> 1, last >> 1);
            hash
        })
    }

    #[test]
    fn root_and_proofs_equal_the_recursive_definition() {
        for count in 0..70 {
            let chunks = chunks(count);
            let dag = MerkleDag::new(&chunks);
            assert_eq!(dag.root(), naive_root(&chunks), "{count}");
            for index in 0..chunks.len() {
                let proof = dag.inclusion_proof(index).expect("the chunk is there");
                assert_eq!(
                    root_from(&proof, index, chunks.len(), leaf(&chunks[index])),
                    dag.root(),
                    "{index} of {count}"
                );
            }
            assert_eq!(dag.inclusion_proof(chunks.len()), None);
        }
    }

    /// A tree cannot pass for its own leaves: prefixes keep leaves and nodes apart, and the length is bound.
    #[test]
    fn roots_bind_ids_lengths_and_order() {
        let chunks = chunks(5);
        let root = MerkleDag::new(&chunks).root();
        for index in 0..5 {
            let mut other = chunks.clone();
            other[index].length += 1;
            assert_ne!(MerkleDag::new(&other).root(), root);
            other = chunks.clone();
            other[index].id[31] ^= 1;
            assert_ne!(MerkleDag::new(&other).root(), root);
            other = chunks.clone();
            other.swap(index, (index + 1) % 5);
            assert_ne!(MerkleDag::new(&other).root(), root);
        }
    }

    /// Skipping equal subtrees finds the same changes as looking every chunk up.
    #[test]
    fn comparison_equals_the_look_up_of_every_chunk() {
        for (base_count, target_count) in [(0, 0), (0, 9), (9, 0), (1, 1), (13, 29), (29, 13), (32, 33)] {
            for changed in 0..target_count {
                let base = chunks(base_count);
                let mut target = chunks(target_count);
                target[changed as usize].id = [200 + changed % 3; 32];
                let (base_dag, target_dag) = (MerkleDag::new(&base), MerkleDag::new(&target));
                let found = compare((&base, &base_dag), (&target, &target_dag));
                let new = |chunk: &&Chunk| base.iter().all(|other| other.id != chunk.id);
                let naive: Vec<_> = target.iter().filter(new).map(|chunk| chunk.offset).collect();
                assert_eq!(found.changed.iter().map(|chunk| chunk.offset).collect::<Vec<_>>(), naive);
                assert_eq!(found.shared_bytes, 5 * found.shared_chunks);
                assert_eq!(found.shared_chunks as usize + naive.len(), target.len());
            }
        }
    }
}

//! Compares two images and says how to make one from the other.
//!
//! In: the bytes of a base and of a target. Out: a [`Scan`], the chunks of both with the roots of their Merkle DAGs, the
//! target chunks that are new, and long equal ranges; [`matches()`], the ranges that resemble each other, and [`sketch()`], most of them quickly; [`operations`],
//! the ordered [`Op`]s that make the target. The same bytes give the same results, on any machine and with any number of
//! threads; the caller chooses the threads by calling inside a rayon pool.
//! It does not read files, write bundles or compress, and has no clock, environment, network or randomness.

mod bytes;
mod chunk;
mod control;
mod dag;
mod matching;
mod ops;
mod rope;

pub use bytes::common_prefix;
pub use chunk::{CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Chunk};
pub use control::{Cancelled, Control, Progress, Stage};
pub use dag::{ChangedChunk, Comparison, MerkleDag, compare};
pub use matching::{Costs, Match, MatchOptions, matches, sketch};
pub use ops::{Op, OpsError, operations, verify_ops};
pub use rope::{Part, Rope};

use control::Meter;

/// What the chunks of two images tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Chunks of the base, in order.
    pub base_chunks: Vec<Chunk>,
    /// Chunks of the target, in order.
    pub target_chunks: Vec<Chunk>,
    /// Target chunks that the base does not hold, in order.
    pub changed_chunks: Vec<ChangedChunk>,
    /// Root of the Merkle DAG over the base's chunks.
    pub base_dag_root: [u8; 32],
    /// Root of the Merkle DAG over the target's chunks.
    pub target_dag_root: [u8; 32],
    /// Number of target chunks that the base holds, wherever.
    pub shared_chunks: u64,
    /// Bytes in those chunks.
    pub shared_chunk_bytes: u64,
    /// Long ranges without changed bytes around chunks of the base, in target order, for [`matches()`] to start from.
    pub equal: Vec<Match>,
}

/// What operations amount to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of copies.
    pub copies: u64,
    /// Bytes of the target made by copies.
    pub copy_bytes: u64,
    /// Those of them that stand at the same offset in the base.
    pub in_place_bytes: u64,
    /// Number of additions.
    pub adds: u64,
    /// Bytes of the target made by additions.
    pub add_bytes: u64,
}

/// What the receiver of the operations asks of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    segment_log2: u8,
    segment_ops_max: u32,
}

impl Options {
    /// Segments of `1 << segment_log2` bytes of the target (16 to 26), each with at most `segment_ops_max` operations,
    /// additions included, when operations that reach over a boundary are cut there. None when the segment size is out
    /// of range, or the number below one operation in 1024 bytes of a segment, which copies of whole chunks may need.
    pub fn new(segment_log2: u8, segment_ops_max: u32) -> Option<Self> {
        let in_range = (16..=26).contains(&segment_log2);
        (in_range && segment_ops_max >= (1 << segment_log2 >> 10) + 8).then_some(Self { segment_log2, segment_ops_max })
    }

    /// Binary logarithm of the bytes of a segment.
    pub fn segment_log2(&self) -> u8 {
        self.segment_log2
    }
}

impl Default for Options {
    /// Segments of 4 MiB with 2^17 operations: 3 MiB of memory on a device that holds 24 bytes for each. With 2^18 a
    /// root file system update is 4 % smaller, and the densest 4 MiB met, a rebuilt C library, 17 %.
    fn default() -> Self {
        Self { segment_log2: 22, segment_ops_max: 1 << 17 }
    }
}

/// Cuts both images into chunks and compares those.
///
/// # Errors
/// [`Cancelled`].
pub fn scan(base: &[u8], target: &[u8], control: Control<'_>) -> Result<Scan, Cancelled> {
    control.check()?;
    let meter = Meter::new(control, Stage::Chunk, (base.len() + target.len()) as u64);
    let (base_chunks, target_chunks) = rayon::join(|| chunk::chunks(base, &meter), || chunk::chunks(target, &meter));
    let (base_chunks, target_chunks) = (base_chunks?, target_chunks?);
    let (base_dag, target_dag) = rayon::join(|| MerkleDag::new(&base_chunks), || MerkleDag::new(&target_chunks));
    let comparison = compare((&base_chunks, &base_dag), (&target_chunks, &target_dag));
    let equal = matching::by_chunk(base, target, &base_chunks, &target_chunks, control)?;
    Ok(Scan {
        base_dag_root: base_dag.root(),
        target_dag_root: target_dag.root(),
        changed_chunks: comparison.changed,
        shared_chunks: comparison.shared_chunks,
        shared_chunk_bytes: comparison.shared_bytes,
        base_chunks,
        target_chunks,
        equal,
    })
}

impl Stats {
    /// Counts.
    pub fn of(ops: &[Op]) -> Self {
        let mut stats = Self::default();
        let mut made = 0;
        for op in ops {
            match *op {
                Op::Copy { base_offset, length } => {
                    stats.copies += 1;
                    stats.copy_bytes += length;
                    stats.in_place_bytes += if base_offset == made { length } else { 0 };
                }
                Op::Add { length } => {
                    stats.adds += 1;
                    stats.add_bytes += length;
                }
            }
            made += op.length();
        }
        stats
    }
}

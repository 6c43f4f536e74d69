//! Content-defined chunks of one image, each with the SHA-256 of its bytes.
//!
//! In: the bytes of an image. Out: its chunks in order; they cover the image without gaps. Boundaries are found by one
//! thread from the first byte on, so they cannot depend on the number of threads; only the hashing is spread, and its
//! results are collected in order.
//! It does not compare images, and reads nothing but the given bytes.
//!
//! Source: FastCDC, Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage
//! Systems", IEEE TPDS 2020, normalisation level 1, default gear table. The parameters are part of what a signed
//! manifest says about an image (chunk ids, DAG root): changing one changes every root, so they are constants.

use crate::control::{Cancelled, Meter};
use fastcdc::v2020::FastCDC;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// Smallest chunk, except the last of an image.
pub const CHUNK_BYTES_MIN: usize = 4 * 1024;
/// Chunk size the cut points aim at.
pub const CHUNK_BYTES_AVERAGE: usize = 8 * 1024;
/// Largest chunk.
pub const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Bytes cut before their chunks are hashed: large enough to spread over threads, small enough that the bytes are still
/// in memory when an image larger than memory is hashed.
const BATCH_BYTES: usize = 32 << 20;

/// A content-defined piece of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// First byte of the chunk in its image.
    pub offset: u64,
    /// Bytes of the chunk, at most [`CHUNK_BYTES_MAX`].
    pub length: u32,
    /// SHA-256 of the chunk's bytes.
    pub id: [u8; 32],
}

impl Chunk {
    /// First byte behind the chunk.
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.length)
    }
}

/// Cuts `image` into chunks and hashes them.
pub(crate) fn chunks(image: &[u8], meter: &Meter<'_>) -> Result<Vec<Chunk>, Cancelled> {
    let mut found = Vec::with_capacity(image.len() / CHUNK_BYTES_AVERAGE + 1);
    let mut cuts = FastCDC::new(image, CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX).peekable();
    while cuts.peek().is_some() {
        let mut batch = Vec::with_capacity(BATCH_BYTES / CHUNK_BYTES_AVERAGE);
        let mut batch_bytes = 0;
        while batch_bytes < BATCH_BYTES
            && let Some(cut) = cuts.next()
        {
            batch_bytes += cut.length;
            batch.push((cut.offset, cut.length));
        }
        found.par_extend(batch.par_iter().with_min_len(16).map(|&(offset, length)| Chunk {
            offset: offset as u64,
            length: length as u32,
            id: chunk_id(&image[offset..offset + length]),
        }));
        meter.add(batch_bytes as u64)?;
    }
    Ok(found)
}

/// SHA-256 of a chunk. Chunks of zeros at full length are most of a sparse image, so their id is computed once.
fn chunk_id(bytes: &[u8]) -> [u8; 32] {
    static ZEROS: [u8; CHUNK_BYTES_MAX] = [0; CHUNK_BYTES_MAX];
    static ZEROS_ID: OnceLock<[u8; 32]> = OnceLock::new();
    if bytes == ZEROS {
        return *ZEROS_ID.get_or_init(|| Sha256::digest(ZEROS).into());
    }
    Sha256::digest(bytes).into()
}

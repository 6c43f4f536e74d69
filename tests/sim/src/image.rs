//! Bytes in blocks that copies share until one of them writes: a world with two slots can be copied thousands of times a
//! second.

use std::sync::Arc;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 4096;

/// Bytes with a length; reads past what was written give zeros.
#[derive(Clone, Debug, Default)]
pub struct Image {
    blocks: Vec<Arc<[u8; BLOCK_BYTES]>>,
    length: usize,
}

impl Image {
    /// An image of the given bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut image = Self::default();
        image.write(0, bytes);
        image
    }

    /// Bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Fills `out` from `offset`; gives how many bytes there were.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> usize {
        let bytes = out.len().min(self.length.saturating_sub(offset));
        let mut done = 0;
        while done < bytes {
            let (block, within) = ((offset + done) / BLOCK_BYTES, (offset + done) % BLOCK_BYTES);
            let now = (bytes - done).min(BLOCK_BYTES - within);
            out[done..done + now].copy_from_slice(&self.blocks[block][within..within + now]);
            done += now;
        }
        bytes
    }

    /// Writes, growing as needed.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.grow(offset + bytes.len());
        let mut done = 0;
        while done < bytes.len() {
            let (block, within) = ((offset + done) / BLOCK_BYTES, (offset + done) % BLOCK_BYTES);
            let now = (bytes.len() - done).min(BLOCK_BYTES - within);
            Arc::make_mut(&mut self.blocks[block])[within..within + now].copy_from_slice(&bytes[done..done + now]);
            done += now;
        }
    }

    /// Makes the image at least this long.
    pub fn grow(&mut self, length: usize) {
        while self.blocks.len() * BLOCK_BYTES < length {
            self.blocks.push(Arc::new([0; BLOCK_BYTES]));
        }
        self.length = self.length.max(length);
    }

    /// Whether the image starts with these bytes.
    pub fn starts_with(&self, bytes: &[u8]) -> bool {
        self.length >= bytes.len()
            && bytes.chunks(BLOCK_BYTES).zip(&self.blocks).all(|(expected, block)| block[..expected.len()] == *expected)
    }
}

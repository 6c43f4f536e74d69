//! A disk with a volatile cache: written bytes are durable after a sync only. At a power cut any subset of the writes
//! since then may be on the medium, and writes may be torn at sectors.

use crate::image::Image;
use crate::rng::Rng;

/// Bytes that a disk writes as one.
pub const SECTOR_BYTES: usize = 512;

/// One write that is not durable yet.
#[derive(Clone, Debug)]
pub struct Write {
    /// Where.
    pub offset: usize,
    /// What. A hole is zeros.
    pub bytes: Vec<u8>,
}

/// A disk, or the bytes of one file.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// What reads see.
    pub view: Image,
    /// What a power cut leaves at least.
    pub medium: Image,
    /// Written since the last sync, oldest first.
    pub pending: Vec<Write>,
}

/// How a write is torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// The first sectors arrive.
    Prefix,
    /// The last sectors arrive.
    Suffix,
    /// All arrive, one as garbage.
    Garbage,
}

impl Device {
    /// A disk that holds these bytes durably.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let image = Image::from_bytes(bytes);
        Self { view: image.clone(), medium: image, pending: Vec::new() }
    }

    /// Writes to the cache.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.view.write(offset, bytes);
        self.pending.push(Write { offset, bytes: bytes.to_vec() });
    }

    /// Makes everything durable.
    pub fn sync(&mut self) {
        for write in self.pending.drain(..) {
            self.medium.write(write.offset, &write.bytes);
        }
    }

    /// A sync that fails: the kernel gives up on the pages and believes them clean. Some reached the medium.
    pub fn fail_sync(&mut self, rng: &mut Rng) {
        for write in std::mem::take(&mut self.pending) {
            if rng.chance(2) {
                self.medium.write(write.offset, &write.bytes);
            }
        }
    }

    /// Drops clean pages; those of pending writes stay.
    pub fn drop_cache(&mut self) {
        self.view = self.medium.clone();
        for write in &self.pending {
            self.view.write(write.offset, &write.bytes);
        }
    }

    /// One pending write reaches the medium.
    pub fn settle(&mut self, write: &Write) {
        self.medium.write(write.offset, &write.bytes);
    }

    /// One pending write reaches the medium in part.
    pub fn settle_torn(&mut self, write: &Write, tear: Tear, rng: &mut Rng) {
        let sectors = write.bytes.len().div_ceil(SECTOR_BYTES);
        let at = |sector: usize| (sector * SECTOR_BYTES).min(write.bytes.len());
        match tear {
            Tear::Prefix => {
                let end = at(rng.below(sectors.max(1)));
                self.medium.write(write.offset, &write.bytes[..end]);
            }
            Tear::Suffix => {
                let start = at(rng.below(sectors.max(1)) + 1);
                self.medium.write(write.offset + start, &write.bytes[start..]);
            }
            Tear::Garbage => {
                let mut bytes = write.bytes.clone();
                let sector = rng.below(sectors.max(1));
                bytes[at(sector)..at(sector + 1)].iter_mut().for_each(|byte| *byte = rng.next() as u8);
                self.medium.write(write.offset, &bytes);
            }
        }
    }

    /// The power comes back: what is not on the medium is gone.
    pub fn restart(&mut self) {
        self.pending.clear();
        self.view = self.medium.clone();
    }
}

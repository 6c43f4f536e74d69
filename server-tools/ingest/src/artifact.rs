//! One artifact: its bytes and its identity.

use crate::detect::artifact_type;
use crate::mapping::{map, release};
use delta_format::header::{ArtifactType, ImageId};
use delta_format::{Blake3, Sha256};
use memmap2::Mmap;
use sha2::Digest;
use std::fs::File;
use std::io;
use std::path::Path;

/// Bytes that are hashed between two calls of a progress callback.
const STEP_BYTES: usize = 16 << 20;

/// A file to compare, mapped.
#[derive(Debug)]
pub struct Artifact {
    map: Option<Mmap>,
}

impl Artifact {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// What the system says; a directory is refused with a sentence that says so.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file; give an image file"));
        }
        Ok(Self { map: map(&file)? })
    }

    /// Maps a file that is open.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self { map: map(file)? })
    }

    /// The artifact with no bytes, the base of a full image.
    pub const fn empty() -> Self {
        Self { map: None }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// Lets the system take back the memory of its pages, as far as they are not in use: an image of gigabytes is read
    /// more than once, but never all of it at a time. Costs reading them again, mostly from the system's cache.
    pub fn release(&self) {
        if let Some(map) = &self.map {
            release(map);
        }
    }

    /// What it is, by content.
    pub fn artifact_type(&self) -> ArtifactType {
        artifact_type(self.bytes())
    }

    /// Its identity; `progress` hears of bytes that are done.
    pub fn digest(&self, progress: impl Fn(u64) + Sync) -> ImageId {
        digest(self.bytes(), progress)
    }
}

/// Length, BLAKE3 and SHA-256 of `bytes`; the two hashes run side by side. `progress` hears of bytes that are done.
pub fn digest(bytes: &[u8], progress: impl Fn(u64) + Sync) -> ImageId {
    let (blake3, sha256) = rayon::join(
        || {
            let mut hasher = blake3::Hasher::new();
            for step in bytes.chunks(STEP_BYTES) {
                hasher.update_rayon(step);
            }
            Blake3::new(*hasher.finalize().as_bytes())
        },
        || {
            let mut hasher = sha2::Sha256::new();
            for step in bytes.chunks(STEP_BYTES) {
                hasher.update(step);
                progress(step.len() as u64);
            }
            Sha256::new(hasher.finalize().into())
        },
    );
    ImageId { length: bytes.len() as u64, blake3, sha256 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants of the empty image are what the hash functions give.
    #[test]
    fn empty_image() {
        assert_eq!(digest(&[], |_| ()), ImageId::EMPTY);
        assert_eq!(Artifact::empty().digest(|_| ()), ImageId::EMPTY);
    }

    /// A file that is opened has the identity of its bytes, over more than one step.
    #[test]
    fn opened_file_is_digested() {
        let bytes: Vec<u8> = (0..STEP_BYTES + 17).map(|i| (i * 7 % 253) as u8).collect();
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        std::fs::write(file.path(), &bytes).expect("written");
        let id = Artifact::open(file.path()).expect("opened").digest(|_| ());
        assert_eq!(id.length, bytes.len() as u64);
        assert_eq!(id.blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
        assert_eq!(id.sha256.as_bytes()[..], sha2::Sha256::digest(&bytes)[..]);
    }

    /// A directory is refused in words.
    #[test]
    fn directory_is_refused() {
        let error = Artifact::open(Path::new("/")).expect_err("a directory");
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}

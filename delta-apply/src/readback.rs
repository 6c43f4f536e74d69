//! The last question before a slot may boot: does the medium give back what was meant to be written?

use crate::base::{BaseError, hash_range};
use crate::io::{IoError, Observer, ReadAt};
use core::fmt;
use delta_format::Blake3;
use delta_format::header::ImageId;

/// Proof that a slot was read back and holds this image. Only [`read_back`] makes one, and arming a boot target takes
/// one: a slot that was not read back cannot be armed. It is not stored; after a restart it is earned again.
#[derive(Debug)]
pub struct ReadBack {
    image: ImageId,
}

impl ReadBack {
    /// The image that the slot holds.
    pub fn image(&self) -> &ImageId {
        &self.image
    }
}

/// Why a slot is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBackError {
    /// It reads well but holds something else.
    Mismatch {
        /// What it hashes to.
        found: Blake3,
    },
    /// It cannot be read.
    Io(IoError),
    /// The observer stopped the work.
    Cancelled,
}

impl fmt::Display for ReadBackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { found } => write!(f, "the slot reads back as another image (its BLAKE3 is {found})"),
            Self::Io(error) => write!(f, "the slot cannot be read back: {error}"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl core::error::Error for ReadBackError {}

/// Reads the first `image.length` bytes of a slot and compares the root. `slot` must read from the medium, not from a
/// cache: katl#132 had a read-back served from the page cache and passed a slot that was never written.
///
/// # Errors
/// [`ReadBackError`].
pub fn read_back(
    slot: &mut impl ReadAt,
    image: &ImageId,
    observer: &mut impl Observer,
) -> Result<ReadBack, ReadBackError> {
    match hash_range(slot, 0, image.length, true, observer) {
        Ok(found) if found == image.blake3 => Ok(ReadBack { image: *image }),
        Ok(found) => Err(ReadBackError::Mismatch { found }),
        Err(BaseError::Io(error)) => Err(ReadBackError::Io(error)),
        Err(BaseError::Cancelled) => Err(ReadBackError::Cancelled),
        Err(BaseError::Mismatch { found }) => Err(ReadBackError::Mismatch { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delta_format::Sha256;

    /// Only a slot that starts with the image gives the proof; what follows the image does not count.
    #[test]
    fn proof_needs_the_image() {
        let mut slot: alloc::vec::Vec<u8> = (0..300_000).map(|i| (i % 241) as u8).collect();
        let blake3 = Blake3::new(*blake3::hash(&slot[..250_000]).as_bytes());
        let image = ImageId { length: 250_000, blake3, sha256: Sha256::new([0; 32]) };
        slot[250_000] ^= 1;
        let proof = read_back(&mut &slot[..], &image, &mut ()).expect("the image is there");
        assert_eq!(*proof.image(), image);
        slot[249_999] ^= 1;
        let refused = read_back(&mut &slot[..], &image, &mut ());
        assert!(matches!(refused, Err(ReadBackError::Mismatch { found }) if found != blake3));
        assert!(matches!(read_back(&mut &slot[..9], &image, &mut ()), Err(ReadBackError::Io(IoError::EIO))));
        let mut stop = |_| Err(crate::Cancelled);
        assert!(matches!(read_back(&mut &slot[..], &image, &mut stop), Err(ReadBackError::Cancelled)));
    }
}

//! The permission to go back: who allowed which step, and why. `docs/formats/rollback.md`.

use crate::header::ImageId;
use crate::limits::{HEADER_BYTES_MAX, IMAGE_BYTES_MAX};
use crate::{FormatError, Name, Text, Version, wire};
use serde::{Deserialize, Serialize};

/// The format that this program writes and reads.
pub const ROLLBACK_FORMAT: u16 = 1;

/// A signed and logged permission for one step back, from one image to one other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackAttestation {
    /// [`ROLLBACK_FORMAT`].
    pub format: u16,
    /// The product line.
    pub product: Name,
    /// What the device must be running.
    pub from: Release,
    /// What it may go back to; the read-back of the other slot must give this digest.
    pub to: Release,
    /// The version floor after the step; at most the version of `to`.
    pub floor: Version,
    /// Why, for people.
    pub reason: Text,
    /// Who decided, for people.
    pub who: Text,
    /// Unix seconds after which the permission is void, judged against proven time only.
    pub expires: Option<u64>,
}

/// A version and the image that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// The image.
    pub image: ImageId,
}

impl RollbackAttestation {
    /// Decodes and checks an attestation.
    ///
    /// # Errors
    /// Names the field that is beyond its limit or not allowed.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.first() != Some(&(ROLLBACK_FORMAT as u8)) {
            return Err(FormatError::UnknownVersion);
        }
        let attestation: Self = wire::decode(bytes, "rollback attestation")?;
        attestation.check()?;
        Ok(attestation)
    }

    /// Encodes the attestation to the front of `out`.
    ///
    /// # Errors
    /// The same as [`Self::decode`].
    pub fn encode<'a>(&self, out: &'a mut [u8; HEADER_BYTES_MAX]) -> Result<&'a [u8], FormatError> {
        self.check()?;
        wire::encode(self, out, "rollback attestation")
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.format != ROLLBACK_FORMAT {
            return Err(FormatError::UnknownVersion);
        }
        for image in [&self.from.image, &self.to.image] {
            if image.is_empty() || image.length > IMAGE_BYTES_MAX {
                return Err(FormatError::BadField("image length"));
            }
        }
        if self.floor > self.to.version {
            return Err(FormatError::BadField("floor"));
        }
        if self.expires.unwrap_or(0) > IMAGE_BYTES_MAX {
            return Err(FormatError::LimitExceeded("expires"));
        }
        Ok(())
    }
}

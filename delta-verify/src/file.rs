//! Opens a signed file: prefix, checksum, body, capsule. The hash functions that delta-format leaves to its callers
//! stand here.

use crate::Refusal;
use delta_format::capsule::Capsule;
use delta_format::container::{Kind, Prefix};
use delta_format::{Blake3, Sha256};
use sha2::Digest;

/// The BLAKE3 of parts, one after the other; what `delta_format::container` and `journal` ask for.
pub fn blake3_of_parts(parts: &[&[u8]]) -> Blake3 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    Blake3::new(*hasher.finalize().as_bytes())
}

/// The SHA-256 of parts, one after the other.
pub fn sha256_of_parts(parts: &[&[u8]]) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Sha256::new(hasher.finalize().into())
}

/// Cuts the head of a file into its body and its decoded capsule, and gives the bytes after the head.
pub(crate) fn open(file: &[u8], kind: Kind) -> Result<(&[u8], Capsule, &[u8]), Refusal> {
    let prefix = Prefix::decode(file, kind).map_err(Refusal::of_format)?;
    let (body, capsule) = prefix.split(file, blake3_of_parts).map_err(Refusal::of_format)?;
    let capsule = Capsule::decode(capsule).map_err(Refusal::of_format)?;
    Ok((body, capsule, &file[prefix.head_bytes()..]))
}

//! Puts body and capsule together: the head of a bundle, and whole rollback and channel files.

use crate::error::Problem;
use crate::sign::SignedStatement;
use delta_format::capsule::Capsule;
use delta_format::container::{Kind, encode_prefix};
use delta_format::header::BundleHeader;
use delta_format::limits::{CAPSULE_BYTES_MAX, HEADER_BYTES_MAX};
use delta_format::rollback::RollbackAttestation;
use delta_verify::blake3_of_parts;

/// The head of a bundle: prefix, header, capsule. Group index, payload, base map and manifest follow it in the file.
///
/// # Errors
/// [`Problem::Format`].
pub fn bundle_head(header: &BundleHeader, capsule: &Capsule) -> Result<Vec<u8>, Problem> {
    join(Kind::Bundle, header.encode(&mut [0; HEADER_BYTES_MAX])?, capsule)
}

/// A whole `NAME.stella-rollback` file.
///
/// # Errors
/// [`Problem::Format`].
pub fn rollback_file(attestation: &RollbackAttestation, capsule: &Capsule) -> Result<Vec<u8>, Problem> {
    join(Kind::Rollback, attestation.encode(&mut [0; HEADER_BYTES_MAX])?, capsule)
}

/// A whole `index.stella-channel` file; `signed` is the statement of the same body.
///
/// # Errors
/// [`Problem::Format`].
pub fn channel_file(body: &[u8], signed: &SignedStatement) -> Result<Vec<u8>, Problem> {
    join(Kind::Channel, body, &signed.capsule(None))
}

fn join(kind: Kind, body: &[u8], capsule: &Capsule) -> Result<Vec<u8>, Problem> {
    let mut buffer = [0; CAPSULE_BYTES_MAX];
    let capsule = capsule.encode(&mut buffer)?;
    let prefix = encode_prefix(kind, body, capsule, blake3_of_parts)?;
    Ok([&prefix, body, capsule].concat())
}

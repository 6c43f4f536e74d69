//! Verifies a rollback attestation: the same proofs as for a bundle, by keys with the rollback role.

use crate::bundle::verify_logged;
use crate::evidence::Verified;
use crate::file;
use crate::log::Known;
use crate::refusal::Refusal;
use crate::tile::TileReader;
use crate::trust::{Role, TrustRoot};
use delta_format::container::Kind;
use delta_format::rollback::RollbackAttestation;
use delta_format::{FormatError, statement};

/// Verifies a whole `NAME.stella-rollback` file. Whether it allows the step at hand is decided by
/// [`crate::permit_rollback`] and [`crate::admit`](crate::admit()).
///
/// # Errors
/// As [`crate::verify_bundle`].
pub fn verify_rollback(
    file: &[u8],
    trust: &TrustRoot,
    known: &Known<'_>,
    tiles: Option<&mut dyn TileReader>,
) -> Result<Verified<RollbackAttestation>, Refusal> {
    let (body, capsule, rest) = file::open(file, Kind::Rollback)?;
    if !rest.is_empty() {
        return Err(Refusal::Malformed(FormatError::TrailingBytes));
    }
    let attestation = RollbackAttestation::decode(body).map_err(Refusal::of_format)?;
    let statement = statement::of_rollback(&attestation).map_err(Refusal::Malformed)?;
    let evidence = verify_logged(&statement, &capsule, trust, Role::Rollback, known, tiles)?;
    Ok(Verified::new(attestation, evidence))
}

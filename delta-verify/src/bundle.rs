//! Verifies the head of a bundle: everything that stands before its payload.

use crate::envelope::{self, UnknownKeys};
use crate::evidence::{Evidence, Verified};
use crate::log::{self, Known};
use crate::refusal::Refusal;
use crate::tile::TileReader;
use crate::trust::{Role, TrustRoot};
use crate::{file, sha256_of_parts};
use delta_format::capsule::Capsule;
use delta_format::container::Kind;
use delta_format::header::BundleHeader;
use delta_format::statement;

/// Verifies prefix, body and capsule of a bundle; bytes after them are not looked at. `tiles` is the log of the source,
/// if it serves one: needed when the capsule does not connect its checkpoint with the kept head.
///
/// # Errors
/// The first check that failed; a class of [`crate::Class::Verification`] always.
pub fn verify_bundle(
    head: &[u8],
    trust: &TrustRoot,
    known: &Known<'_>,
    tiles: Option<&mut dyn TileReader>,
) -> Result<Verified<BundleHeader>, Refusal> {
    let (body, capsule, _) = file::open(head, Kind::Bundle)?;
    let header = BundleHeader::decode(body).map_err(Refusal::of_format)?;
    let statement = statement::of_bundle(&header).map_err(Refusal::Malformed)?;
    let evidence = verify_logged(&statement, &capsule, trust, Role::Signer, known, tiles)?;
    Ok(Verified::new(header, evidence))
}

/// Verifies the capsule of a statement that must be in a log: envelope, then log.
pub(crate) fn verify_logged(
    statement: &[u8],
    capsule: &Capsule,
    trust: &TrustRoot,
    role: Role,
    known: &Known<'_>,
    tiles: Option<&mut dyn TileReader>,
) -> Result<Evidence, Refusal> {
    let signers = envelope::verify(statement, &capsule.signatures, trust, role, UnknownKeys::Refuse)?;
    let proof = capsule.log.as_ref().ok_or(Refusal::NotLogged)?;
    let leaf = envelope::leaf_of_known(statement, &capsule.signatures, trust).ok_or(Refusal::WrongKey)?;
    Ok(Evidence {
        statement: sha256_of_parts(&[statement]),
        signers,
        log: Some(log::verify(&leaf, proof, trust, known, tiles)?),
    })
}

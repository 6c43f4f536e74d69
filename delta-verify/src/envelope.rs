//! DSSE with a threshold: which keys of the trust root signed a statement.
//!
//! In: the rendered statement and the signatures of the capsule. Out: the key ids of the signers. At most
//! [`SIGNATURES_MAX`] signatures are verified, each of another key.

use crate::merkle::LeafHasher;
use crate::refusal::Refusal;
use crate::trust::{Role, SignerKey, TrustRoot};
use delta_format::capsule::EnvelopeSignature;
use delta_format::limits::{SIGNATURES_MAX, STATEMENT_BYTES_MAX};
use delta_format::{FormatError, KeyHint, Sha256, Signature, statement};

/// Bytes of the longest pre-authentication encoding: the statement behind a head of at most 64 bytes.
pub const PAE_BYTES_MAX: usize = STATEMENT_BYTES_MAX + 64;

/// What the signature of an envelope covers.
pub type Pae = heapless::Vec<u8, PAE_BYTES_MAX>;

/// Writes the pre-authentication encoding of a statement.
///
/// # Errors
/// [`FormatError::LimitExceeded`] for a statement beyond its limit.
pub fn pae(statement: &[u8]) -> Result<Pae, FormatError> {
    let mut out = Pae::new();
    let mut fits = true;
    statement::pre_authentication_encoding(statement, |part| fits &= out.extend_from_slice(part).is_ok());
    if fits { Ok(out) } else { Err(FormatError::LimitExceeded("statement")) }
}

/// The first 8 bytes of a key id.
pub fn key_hint(id: &Sha256) -> KeyHint {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    KeyHint::new([a, b, c, d, e, f, g, h])
}

/// The leaf hash of the log entry that holds a statement and its signatures, in the order of the capsule.
pub fn leaf_hash<'a>(statement: &[u8], signatures: impl Iterator<Item = (&'a Sha256, &'a Signature)>) -> Sha256 {
    let mut hasher = LeafHasher::new();
    statement::log_entry(statement, signatures, |part| hasher.update(part));
    hasher.finish()
}

/// What to do with a signature of a key that the trust root does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKeys {
    /// The log entry repeats the full key ids, so the entry cannot be written again without knowing every key.
    Refuse,
    /// They do not count.
    Skip,
}

/// Verifies every signature of a known key, and that as many keys with `role` signed as the trust root asks for. Gives
/// their ids.
///
/// # Errors
/// [`Refusal`]: signatures that repeat a key or are too many, one that does not hold, none of a known key, or too few.
pub fn verify(
    statement: &[u8],
    signatures: &[EnvelopeSignature],
    trust: &TrustRoot,
    role: Role,
    unknown: UnknownKeys,
) -> Result<heapless::Vec<Sha256, SIGNATURES_MAX>, Refusal> {
    let pae = pae(statement).map_err(Refusal::Malformed)?;
    let twice = |(index, one): (usize, &EnvelopeSignature)| signatures[..index].iter().any(|two| two.key == one.key);
    if signatures.len() > SIGNATURES_MAX || signatures.iter().enumerate().any(twice) {
        return Err(Refusal::Malformed(FormatError::BadField("signatures")));
    }
    let mut signers = heapless::Vec::new();
    let mut known = 0;
    for one in signatures {
        let Some(signer) = trust.signer(one.key) else {
            match unknown {
                UnknownKeys::Refuse => return Err(Refusal::WrongKey),
                UnknownKeys::Skip => continue,
            }
        };
        known += 1;
        if !signer.key().verifies(&pae, &one.signature) {
            return Err(Refusal::SignatureInvalid);
        }
        if signer.has(role) {
            signers.push(signer.id()).expect("as many as signatures at most");
        }
    }
    if known == 0 && !signatures.is_empty() {
        return Err(Refusal::WrongKey);
    }
    let (valid, needed) = (signers.len() as u8, trust.threshold(role));
    if valid < needed {
        return Err(Refusal::ThresholdNotMet { valid, needed });
    }
    Ok(signers)
}

/// The leaf hash of an envelope whose keys are all known, which [`verify`] has made sure of.
pub(crate) fn leaf_of_known(statement: &[u8], signatures: &[EnvelopeSignature], trust: &TrustRoot) -> Option<Sha256> {
    let mut ids = heapless::Vec::<Sha256, SIGNATURES_MAX>::new();
    for one in signatures {
        ids.push(trust.signer(one.key).map(SignerKey::id)?).ok()?;
    }
    Some(leaf_hash(statement, ids.iter().zip(signatures.iter().map(|one| &one.signature))))
}

//! Ed25519 public keys and the one function that verifies a signature (RFC 8032, strict).
//!
//! Strict means: canonical encodings only, no points of low order, the equation without the cofactor. Two verifiers
//! that differ there would let one signed file be good on the host and bad on the device.

use core::fmt;
use delta_format::{Sha256, Signature};
use ed25519_dalek::VerifyingKey;

/// The DER SubjectPublicKeyInfo of an Ed25519 key is these 12 bytes and the key (RFC 8410 section 4).
pub const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Bytes of the DER SubjectPublicKeyInfo.
pub const SPKI_BYTES: usize = SPKI_PREFIX.len() + 32;

/// A public key that can be verified with: a canonical point that is not of low order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032 section 5.1.5. `None` for bytes that are no key, or one that would verify
    /// signatures that nobody made.
    pub fn new(bytes: [u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        (is_canonical(&bytes) && !key.is_weak()).then_some(Self(bytes))
    }

    /// Takes a DER SubjectPublicKeyInfo.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let key = der.strip_prefix(&SPKI_PREFIX)?;
        Self::new(key.try_into().ok()?)
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn to_spki(&self) -> [u8; SPKI_BYTES] {
        let mut der = [0; SPKI_BYTES];
        der[..SPKI_PREFIX.len()].copy_from_slice(&SPKI_PREFIX);
        der[SPKI_PREFIX.len()..].copy_from_slice(&self.0);
        der
    }

    /// The key id of envelopes: SHA-256 of the DER SubjectPublicKeyInfo.
    pub fn id(&self) -> Sha256 {
        crate::sha256_of_parts(&[&self.to_spki()])
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's signature over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// Whether the encoded y is below 2^255 - 19; the decoder would take the rest modulo that.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let at_least_p = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|&b| b == 0xff) && bytes[0] >= 0xed;
    !at_least_p
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", delta_format::bytes::Bytes(self.0))
    }
}

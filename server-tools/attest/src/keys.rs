//! Ed25519 keys and their files: PKCS#8 and SubjectPublicKeyInfo PEM as OpenSSL reads and writes them (RFC 8410), and the
//! `vkey` text of C2SP signed-note.

use crate::error::{Error, Problem};
use crate::fs;
use delta_format::{Sha256, Signature, statement};
use delta_verify::base64;
use delta_verify::ed25519::{PublicKey, SPKI_BYTES};
use delta_verify::note::{KeyName, NoteKey, NoteKeyKind};
use ed25519_dalek::{Signer, SigningKey};
use std::fmt;
use std::path::Path;

/// PKCS#8 version 0 around an Ed25519 seed: these 16 bytes and the seed (RFC 8410 section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

const PRIVATE_LABEL: &str = "PRIVATE KEY";
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// A private key. It is wiped from memory when dropped, and shows itself only in [`Self::to_pem`].
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`Problem::NoRandomness`].
    pub fn generate() -> Result<Self, Problem> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| Problem::NoRandomness)?;
        Ok(Self::from_seed(seed))
    }

    /// The key of a seed (RFC 8032 section 5.1.5).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads PKCS#8 PEM.
    ///
    /// # Errors
    /// [`Problem::NotSecretKey`], also for other algorithms and encrypted keys.
    pub fn from_pem(pem: &str) -> Result<Self, Problem> {
        let der = from_pem::<48>(pem, PRIVATE_LABEL).ok_or(Problem::NotSecretKey)?;
        let seed = der.strip_prefix(&PKCS8_PREFIX).and_then(|seed| seed.try_into().ok());
        seed.map(Self::from_seed).ok_or(Problem::NotSecretKey)
    }

    /// Writes PKCS#8 PEM.
    pub fn to_pem(&self) -> String {
        let mut der = [0; 48];
        der[..16].copy_from_slice(&PKCS8_PREFIX);
        der[16..].copy_from_slice(self.0.as_bytes());
        to_pem(&der, PRIVATE_LABEL)
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key().to_bytes()).expect("the public key of a seed is a safe point")
    }

    /// The key id of envelopes.
    pub fn id(&self) -> Sha256 {
        self.public().id()
    }

    /// Signs a message. The same key and message give the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature::new(self.0.sign(message).to_bytes())
    }

    /// Writes a new key file that only its owner can read.
    ///
    /// # Errors
    /// [`Error::KeyExists`], [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        fs::write_secret(path, self.to_pem().as_bytes())
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::In`] with [`Problem::NotSecretKey`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::from_pem(&fs::read_text(path)?).map_err(|problem| problem.at(path))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.id())
    }
}

/// Writes a public key as SubjectPublicKeyInfo PEM.
pub fn public_to_pem(key: &PublicKey) -> String {
    to_pem(&key.to_spki(), PUBLIC_LABEL)
}

/// Reads a public key from SubjectPublicKeyInfo PEM.
///
/// # Errors
/// [`Problem::NotPublicKey`].
pub fn public_from_pem(pem: &str) -> Result<PublicKey, Problem> {
    from_pem::<SPKI_BYTES>(pem, PUBLIC_LABEL).and_then(|der| PublicKey::from_spki(&der)).ok_or(Problem::NotPublicKey)
}

/// Reads a public key file.
///
/// # Errors
/// [`Error::Io`], [`Error::In`] with [`Problem::NotPublicKey`].
pub fn load_public(path: &Path) -> Result<PublicKey, Error> {
    public_from_pem(&fs::read_text(path)?).map_err(|problem| problem.at(path))
}

/// Reads a file with one `vkey` line.
///
/// # Errors
/// [`Error::Io`], [`Error::In`] with [`Problem::Note`].
pub fn load_note_key(path: &Path) -> Result<NoteKey, Error> {
    let text = fs::read_text(path)?;
    text.trim_end().parse().map_err(|problem| Problem::Note(problem).at(path))
}

/// A private key with the name and kind under which it signs notes.
#[derive(Debug)]
pub struct NoteSigner {
    secret: SecretKey,
    key: NoteKey,
}

impl NoteSigner {
    /// A key that signs checkpoints of the log `origin`.
    pub fn log(secret: SecretKey, origin: KeyName) -> Self {
        Self::new(secret, origin, NoteKeyKind::Log)
    }

    /// A key that cosigns checkpoints as the witness `name`.
    pub fn witness(secret: SecretKey, name: KeyName) -> Self {
        Self::new(secret, name, NoteKeyKind::Witness)
    }

    fn new(secret: SecretKey, name: KeyName, kind: NoteKeyKind) -> Self {
        let key = NoteKey::new(name, kind, secret.public());
        Self { secret, key }
    }

    /// The verifier key; its text is the `vkey`.
    pub fn key(&self) -> &NoteKey {
        &self.key
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.secret.sign(message)
    }
}

/// Base64 text of bytes.
pub(crate) fn base64_text(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    statement::base64(bytes, |quad| text.extend_from_slice(quad));
    String::from_utf8(text).expect("base64 is ASCII")
}

/// All keys here are short enough for one line of base64 (RFC 7468 allows 64 characters).
fn to_pem(der: &[u8], label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64_text(der))
}

/// Text before the first line and after the last one is allowed, as RFC 7468 section 2 does.
fn from_pem<const N: usize>(pem: &str, label: &str) -> Option<[u8; N]> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (text, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::decode(text.as_bytes())
}

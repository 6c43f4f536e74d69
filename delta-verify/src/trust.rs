//! The trust root: whose signatures, logs and witnesses a device believes. `docs/formats/trust-root.md`.
//!
//! In: the text `stella-trust v1`. Out: a [`TrustRoot`] in which every key is usable, every id is unique and every
//! threshold can be met, or the line that is wrong. It does not say which file is pinned; that is the device's setup.

mod error;
mod parse;

use crate::ed25519::PublicKey;
use crate::note::NoteKey;
use delta_format::{KeyHint, Name, NoteKeyId, Sha256};
pub use error::{TrustError, TrustProblem};

/// The first line of a trust root.
pub const TRUST_FORMAT: &str = "stella-trust v1";

/// Bytes of a trust root: all keys with their longest names need about 10 KiB.
pub const TRUST_BYTES_MAX: usize = 16 * 1024;

/// Signer keys, counted over both roles. Twice the signatures of one envelope, so that a rotation fits.
pub const SIGNER_KEYS_MAX: usize = 16;

/// Log keys: the log in use, its predecessor, and as many for a second site.
pub const LOG_KEYS_MAX: usize = 4;

/// Witness keys; as many as cosignatures fit under one checkpoint.
pub const WITNESS_KEYS_MAX: usize = 16;

/// What a signer's key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Bundles and channel indexes.
    Signer,
    /// Rollback attestations.
    Rollback,
}

impl Role {
    /// Both, in the order of the format page.
    pub const ALL: [Self; 2] = [Self::Signer, Self::Rollback];

    /// The keyword of the role.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Rollback => "rollback",
        }
    }
}

/// A key that may sign envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerKey {
    label: Name,
    id: Sha256,
    key: PublicKey,
    roles: [bool; 2],
}

impl SignerKey {
    /// The name for people.
    pub fn label(&self) -> &Name {
        &self.label
    }

    /// SHA-256 of the DER SubjectPublicKeyInfo: the `keyid` of DSSE.
    pub fn id(&self) -> Sha256 {
        self.id
    }

    /// The public key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the key has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles[role as usize]
    }
}

/// Whom a device believes, and how many of them must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    name: Name,
    version: u64,
    signers: heapless::Vec<SignerKey, SIGNER_KEYS_MAX>,
    thresholds: [u8; 2],
    logs: heapless::Vec<NoteKey, LOG_KEYS_MAX>,
    witnesses: heapless::Vec<NoteKey, WITNESS_KEYS_MAX>,
    quorum: u8,
}

impl TrustRoot {
    /// Reads the text of a trust root.
    ///
    /// # Errors
    /// [`TrustError`] names the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        parse::parse(text)
    }

    /// The name for people.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Counts up with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every signer key, in file order.
    pub fn signers(&self) -> &[SignerKey] {
        &self.signers
    }

    /// How many keys with `role` must sign. A role that nobody has asks for one and is never met.
    pub fn threshold(&self, role: Role) -> u8 {
        self.thresholds[role as usize].max(1)
    }

    /// Every log key, in file order.
    pub fn logs(&self) -> &[NoteKey] {
        &self.logs
    }

    /// Every witness key, in file order.
    pub fn witnesses(&self) -> &[NoteKey] {
        &self.witnesses
    }

    /// How many witnesses must have seen a checkpoint; at least 1.
    pub fn quorum(&self) -> u8 {
        self.quorum
    }

    /// The signer key that a capsule names.
    pub fn signer(&self, hint: KeyHint) -> Option<&SignerKey> {
        self.signers.iter().find(|signer| crate::envelope::key_hint(&signer.id) == hint)
    }

    /// The log key that a capsule names.
    pub fn log(&self, id: NoteKeyId) -> Option<&NoteKey> {
        self.logs.iter().find(|log| log.id() == id)
    }

    /// The witness key that a capsule names.
    pub fn witness(&self, id: NoteKeyId) -> Option<&NoteKey> {
        self.witnesses.iter().find(|witness| witness.id() == id)
    }
}

//! Signs statements: DSSE envelopes over in-toto statements.
//!
//! In: a body and secret keys. Out: a [`SignedStatement`], whose canonical JSON is the log entry and what other tools
//! read. The order of keys does not matter: signatures are sorted by key id, so the same keys give the same bytes.

use crate::error::Problem;
use crate::keys::SecretKey;
use delta_format::capsule::{CAPSULE_FORMAT, Capsule, EnvelopeSignature, LogProof};
use delta_format::header::BundleHeader;
use delta_format::limits::SIGNATURES_MAX;
use delta_format::rollback::RollbackAttestation;
use delta_format::statement::{self, StatementBytes};
use delta_format::{FormatError, Sha256, Signature};
use delta_verify::{envelope, sha256_of_parts};

/// A statement and the signatures over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    statement: StatementBytes,
    /// Sorted by key id.
    signatures: Vec<(Sha256, Signature)>,
}

impl SignedStatement {
    /// Signs the statement of a bundle.
    ///
    /// # Errors
    /// [`Problem::Format`], [`Problem::Signatures`].
    pub fn of_bundle(header: &BundleHeader, keys: &[&SecretKey]) -> Result<Self, Problem> {
        Self::new(statement::of_bundle(header)?, keys)
    }

    /// Signs the statement of a rollback attestation.
    ///
    /// # Errors
    /// As [`Self::of_bundle`].
    pub fn of_rollback(attestation: &RollbackAttestation, keys: &[&SecretKey]) -> Result<Self, Problem> {
        Self::new(statement::of_rollback(attestation)?, keys)
    }

    /// Signs the statement of a channel index, given as its encoded body.
    ///
    /// # Errors
    /// As [`Self::of_bundle`]; also when the body is not one that a device reads.
    pub fn of_channel(body: &[u8], keys: &[&SecretKey]) -> Result<Self, Problem> {
        let (head, mut entries) = delta_format::channel::decode(body)?;
        entries.try_for_each(|entry| entry.map(drop))?;
        let digest = sha256_of_parts(&[body]);
        Self::new(statement::of_channel(&head.channel, head.number, digest)?, keys)
    }

    /// Signs a statement that tells about software and gives no device an order: a graph, a bundle of edges, a verdict.
    ///
    /// # Errors
    /// [`Problem::DeviceStatement`] for text that names a predicate type which devices act upon, so that nobody gets such
    /// a signature this way; [`Problem::Format`] beyond the limit; [`Problem::Signatures`].
    pub fn of_evidence(statement: &[u8], keys: &[&SecretKey]) -> Result<Self, Problem> {
        let of_device = [statement::DELTA_PREDICATE, statement::ROLLBACK_PREDICATE, statement::CHANNEL_PREDICATE];
        let names = |predicate: &str| statement.windows(predicate.len()).any(|part| part == predicate.as_bytes());
        if of_device.into_iter().any(names) {
            return Err(Problem::DeviceStatement);
        }
        let bytes = StatementBytes::from_slice(statement);
        Self::new(bytes.map_err(|_| FormatError::LimitExceeded("statement"))?, keys)
    }

    fn new(statement: StatementBytes, keys: &[&SecretKey]) -> Result<Self, Problem> {
        let mut signed = Self { statement, signatures: Vec::new() };
        for key in keys {
            signed.add(key)?;
        }
        Ok(signed)
    }

    /// Adds the signature of one more key.
    ///
    /// # Errors
    /// [`Problem::Signatures`] when the key has signed already or there is no room.
    pub fn add(&mut self, key: &SecretKey) -> Result<(), Problem> {
        let id = key.id();
        let hint = envelope::key_hint(&id);
        let taken = self.signatures.iter().any(|(other, _)| envelope::key_hint(other) == hint);
        if taken || self.signatures.len() == SIGNATURES_MAX {
            return Err(Problem::Signatures);
        }
        let signature = key.sign(&envelope::pae(&self.statement)?);
        self.signatures.push((id, signature));
        self.signatures.sort_by_key(|(id, _)| *id);
        Ok(())
    }

    /// The statement: in-toto JSON.
    pub fn statement(&self) -> &[u8] {
        &self.statement
    }

    /// The DSSE envelope as canonical JSON: for other tools, and the entry of the log.
    pub fn envelope_json(&self) -> Vec<u8> {
        let mut entry = Vec::new();
        let signatures = self.signatures.iter().map(|(id, signature)| (id, signature));
        statement::log_entry(&self.statement, signatures, |part| entry.extend_from_slice(part));
        entry
    }

    /// The capsule that carries the signatures and, unless it is a channel index, the place in the log.
    pub fn capsule(&self, log: Option<LogProof>) -> Capsule {
        let signatures = self
            .signatures
            .iter()
            .map(|(id, signature)| EnvelopeSignature { key: envelope::key_hint(id), signature: *signature });
        Capsule { format: CAPSULE_FORMAT, signatures: signatures.collect(), log }
    }
}

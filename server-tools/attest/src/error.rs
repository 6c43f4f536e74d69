//! What can go wrong, each with what to do next. A [`Problem`] is about content; an [`Error`] adds the file.

use delta_format::FormatError;
use delta_verify::merkle::ProofError;
use delta_verify::note::NoteError;
use delta_verify::{TileError, TrustError};
use std::path::{Path, PathBuf};

/// Something went wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as a verb.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A secret key must not be overwritten.
    #[error("{} exists already; keys are never overwritten: choose another name, or move the old key away", .0.display())]
    KeyExists(PathBuf),
    /// A log must not be started twice.
    #[error("{} holds a log already; append to it, or choose another folder", .0.display())]
    LogExists(PathBuf),
    /// Another process is writing.
    #[error("{} is in use by another process; wait until it has finished and try again", .0.display())]
    Busy(PathBuf),
    /// The content of a file is wrong.
    #[error("{}: {problem}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
    /// The input is wrong, apart from any file.
    #[error(transparent)]
    Input(#[from] Problem),
}

/// What is wrong with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not a private key in PEM.
    #[error(
        "this is not an Ed25519 private key (PKCS#8 PEM); make one with 'stella key generate' or 'openssl genpkey -algorithm ed25519'"
    )]
    NotSecretKey,
    /// Not a public key in PEM.
    #[error("this is not an Ed25519 public key (PEM); export one with 'openssl pkey -pubout'")]
    NotPublicKey,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes for a new key; try again on a machine with /dev/urandom")]
    NoRandomness,
    /// A verifier key, note or checkpoint is not one.
    #[error("{0}; check that the whole text was copied")]
    Note(#[from] NoteError),
    /// A body cannot be written.
    #[error("{0}; devices would refuse this file")]
    Format(#[from] FormatError),
    /// The trust root would not be accepted by a device.
    #[error("{0}; devices would refuse this trust root")]
    Trust(#[from] TrustError),
    /// Too many signatures.
    #[error("an envelope holds at most 8 signatures, each of another key; leave one out")]
    Signatures,
    /// Evidence must not read like an order to a device.
    #[error("this statement names a predicate type that devices act upon; sign it with 'stella delta'")]
    DeviceStatement,
    /// Too many cosignatures.
    #[error("a checkpoint carries at most 16 cosignatures; leave a witness out")]
    Cosignatures,
    /// An entry does not fit a bundle of entries.
    #[error("a log entry has at most 65,535 bytes; log the digest of something larger")]
    EntryTooLong,
    /// The log is full.
    #[error("the log is full; start a new one with a new key")]
    LogFull,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of another log than the key; give the vkey that belongs to this log")]
    OtherLog,
    /// The log did not sign the checkpoint.
    #[error("the checkpoint has no valid signature of the log; fetch it again, or check the vkey")]
    NotSignedByLog,
    /// A known witness's cosignature does not match the checkpoint.
    #[error("a cosignature does not match the checkpoint; ask the witness to cosign the present checkpoint")]
    BadCosignature,
    /// A time of zero or beyond all clocks.
    #[error("the time of a cosignature is in Unix seconds, 1 or later; set the clock of this machine")]
    BadTime,
    /// The files of the log do not give the root of its checkpoint.
    #[error("the tiles of the log do not match its checkpoint; restore the folder from a backup or a mirror")]
    LogDamaged,
    /// A hash or a tile cannot be had.
    #[error("{0}; restore the folder from a backup or a mirror")]
    Tile(#[from] TileError),
    /// There is no such entry.
    #[error("the log has no such entry under its checkpoint; append it first")]
    NoSuchEntry,
    /// The log shows a shorter tree than before.
    #[error(
        "the log shrank from {seen} to {size} entries since this witness saw it; do not cosign, and ask the log's operator"
    )]
    LogShrank {
        /// Entries that the witness saw.
        seen: u64,
        /// Entries now.
        size: u64,
    },
    /// The log shows another history than before.
    #[error("the log contradicts what this witness saw before; do not cosign, and keep both checkpoints as evidence")]
    LogForked,
    /// A proof is no proof.
    #[error("{0}; make the proof again from the log")]
    Proof(#[from] ProofError),
    /// The text is not a tlog-proof.
    #[error("this is not a tlog-proof; make one with 'stella log prove'")]
    NotTlogProof,
    /// A state file of a witness is not one.
    #[error("this is not the state of a witness; restore it from a backup: starting anew would forget what was seen")]
    NotWitnessState,
}

impl Problem {
    /// Names the file that the problem is in.
    pub fn at(self, path: &Path) -> Error {
        Error::In { path: path.to_owned(), problem: self }
    }
}

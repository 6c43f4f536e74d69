//! The only verifier: envelopes, inclusion, checkpoints, witnesses, floors. Device, host tools and CI call it alike.
//!
//! In: the bytes of a signed file, the pinned [`TrustRoot`], what this device [`Known`]s of logs and time.
//! Out: a [`Verified`] body with its [`Evidence`], or the one [`Refusal`] that stopped it; then [`admit()`] decides
//! whether this device may install it.
//!
//! It reads no file, asks no clock, allocates nothing and has no way to skip a check. Every loop that input can
//! feed is bounded by a type or by a named limit.
//!
//! What is proven, in this order, each step with its own refusal:
//!
//! | step | module | refusals |
//! |---|---|---|
//! | the file is whole and well formed | [`bundle`], [`rollback`], [`channel`] | `damaged`, `malformed` |
//! | a threshold of known keys signed the statement | [`envelope`] | `wrong-key`, `signature-invalid`, `threshold-not-met` |
//! | the envelope is in the log | [`merkle`] | `not-logged`, `unknown-log`, `not-in-log` |
//! | the log signed the head | [`checkpoint`] | `checkpoint-invalid` |
//! | a quorum of witnesses saw the head | [`cosignature`] | `cosignature-invalid`, `witness-quorum` |
//! | the head continues the one that this device keeps | [`log`], [`tile`] | `log-forked`, `log-consistency-unproven` |
//! | this device may install it | [`admit`](mod@admit) | `other-product`, `version-below-floor`, `expired` and others |
#![no_std]
#![forbid(unsafe_code)]

pub mod admit;
pub mod base64;
pub mod bundle;
pub mod channel;
pub mod checkpoint;
pub mod cosignature;
pub mod ed25519;
pub mod envelope;
mod evidence;
mod file;
pub mod log;
pub mod merkle;
pub mod note;
mod refusal;
pub mod rollback;
pub mod tile;
pub mod trust;

pub use admit::{Admission, Admitted, Device, RollbackPermit, admit, admit_channel, permit_rollback};
pub use bundle::verify_bundle;
pub use channel::{Channel, verify_channel};
pub use evidence::{Continuity, Evidence, LogEvidence, Verified, Witnessed};
pub use file::{blake3_of_parts, sha256_of_parts};
pub use log::Known;
pub use refusal::{Class, Refusal};
pub use rollback::verify_rollback;
pub use tile::{TileError, TileReader};
pub use trust::{Role, TrustError, TrustRoot};

//! Keys, envelopes, transparency log, witnesses: everything that is signed on the host, and where it is logged.
//!
//! In: a header, attestation or index, secret keys, a log folder. Out: signed files that `delta-verify` accepts, static
//! log files that any web server serves, and texts for other people's tools (DSSE, PEM, vkey, tlog-proof).
//!
//! It verifies nothing by itself: every signature and proof goes through `delta-verify`. Time and randomness are
//! arguments, except in [`SecretKey::generate`]. Files are touched in [`fs`], [`log`] and [`witness`] only.
//!
//! The steps, in the order of the flow:
//!
//! | step | module |
//! |---|---|
//! | make keys | [`keys`] |
//! | write the trust root that devices pin | [`trust`] |
//! | sign a statement | [`sign`] |
//! | append the envelope to the log | [`log`] |
//! | have witnesses cosign the checkpoint | [`witness`] |
//! | collect the proof | [`proof`] |
//! | put body and proofs into one file | [`mod@file`] |
#![forbid(unsafe_code)]

pub mod checkpoint;
mod error;
pub mod file;
pub mod fs;
pub mod keys;
pub mod log;
pub mod proof;
pub mod sign;
pub mod trust;
pub mod witness;

pub use checkpoint::SignedCheckpoint;
pub use error::{Error, Problem};
pub use keys::{NoteSigner, SecretKey};
pub use log::Log;
pub use sign::SignedStatement;
pub use trust::TrustDraft;
pub use witness::{Witness, WitnessState};

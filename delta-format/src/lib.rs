//! The only definition of bytes on the wire and on the device.
//!
//! In: byte slices. Out: types that cannot be wrong, and the same bytes again. Host and device share this crate, so
//! no format is written twice. It hashes nothing, allocates nothing, reads no file and asks no clock.
//!
//! | module | format page |
//! |---|---|
//! | [`container`], [`header`] | `docs/formats/bundle.md` |
//! | [`capsule`] | `docs/formats/capsule.md` |
//! | [`statement`] | `docs/formats/statement.md` |
//! | [`ops`] | `docs/formats/payload.md` |
//! | [`journal`] | `docs/formats/journal.md` |
//! | [`channel`] | `docs/formats/channel.md` |
//! | [`rollback`] | `docs/formats/rollback.md` |
//! | [`limits`] | every page, section "Limits" |
#![no_std]
#![forbid(unsafe_code)]

pub mod bytes;
pub mod capsule;
pub mod channel;
pub mod container;
mod error;
pub mod header;
pub mod journal;
pub mod limits;
pub mod ops;
pub mod rollback;
pub mod statement;
pub mod text;
pub mod version;
pub mod wire;

pub use bytes::{Blake3, KeyHint, NoteKeyId, Sha256, Signature};
pub use error::FormatError;
pub use text::{Name, Text};
pub use version::Version;

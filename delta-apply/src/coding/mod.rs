//! The adaptive coding of sections. `docs/formats/payload.md`.

pub mod bits;
mod bytes;
pub mod coder;
mod flags;
mod learned;
mod map;
mod mix;
mod models;
mod ops;
mod predict;
mod section;
mod tables;

pub use models::Models;
pub use ops::SectionOp;
pub use map::{AddressMap, Trust};
pub use predict::Pair;
pub use section::{PIECE_BYTES_MAX, Section, SectionError, SectionLimits};

//! The adaptive coding of sections. `docs/formats/payload.md`.

pub mod bits;
mod bytes;
pub mod coder;
mod copies;
pub(crate) mod flags;
mod instructions;
mod learned;
mod map;
mod mix;
mod models;
mod predict;
mod section;
mod stream;
mod tables;

pub use copies::SectionCopy;
pub use map::{AddressMap, Trust};
pub use predict::Pair;
pub use section::{SectionError, SectionLimits};
pub use stream::{Engine, GROUPS_MAX, PARTS_MAX, Plan, StreamError, Unpack, UnpackGroup, VirtualBase, Workspace};

//! The adaptive coding of sections. `docs/formats/payload.md`.

pub mod bits;
mod bytes;
pub mod coder;
mod copies;
pub(crate) mod flags;
mod instructions;
mod items;
mod learned;
mod map;
mod mix;
mod models;
mod predict;
mod section;
mod stream;
mod tables;
mod types;
mod virtual_base;

pub use copies::SectionCopy;
pub use items::{GROUPS_MAX, PARTS_MAX, Unpack, UnpackGroup};
pub use map::{AddressMap, Trust};
pub use predict::Pair;
pub use section::{SectionError, SectionLimits};
pub use stream::{Engine, Plan, StreamError};
pub use types::table_regions;
#[cfg(any(feature = "encode", test))]
pub use types::{is_sound, operations};
pub use virtual_base::{VirtualBase, Workspace};

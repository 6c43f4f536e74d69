//! The adaptive coding of sections. `docs/formats/payload.md`.

pub mod bits;
pub mod coder;

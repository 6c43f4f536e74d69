//! The apply engine: verified payload groups in, target segments out.
//!
//! In: a header that `delta-verify` accepted, the payload as untrusted groups, an opened base and an opened target. Out:
//! the target, and a [`ReadBack`] that proves it. Every group is checked against the signed root before a byte of it is
//! decoded; the base is checked before anything is written; each target segment is checked as it is made; memory is
//! bounded by the header's declared limits whatever the size of the images.
//!
//! The engine opens nothing and knows no path, clock or network: it is handed [`ReadAt`], [`Target`] and [`Payload`].
//! Without the feature `os` it needs `core` and `alloc` only.
#![cfg_attr(not(any(feature = "os", test)), no_std)]

extern crate alloc;

mod apply;
mod base;
pub mod coding;
mod decode;
pub mod deflate;
mod groups;
mod io;
#[cfg(feature = "os")]
pub mod os;
pub mod parse;
mod readback;
pub mod reference;
mod tree;
mod window;

pub use apply::{Applied, Applier, ApplyError, Stats, memory_bytes};
pub use base::{BaseError, BlockRange, base_map_is_proven, check_base, locate_mismatch};
pub use groups::{GroupIndex, IndexError};
pub use io::{Cancelled, IoError, Observer, Payload, ReadAt, Target};
pub use readback::{ReadBack, ReadBackError, read_back};
pub use tree::{ImageHasher, TreeRoot, subtree_value};

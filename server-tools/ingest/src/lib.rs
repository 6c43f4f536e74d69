//! Opens artifacts, names their type by content, and digests them: the first step of the flow.
//!
//! In: paths. Out: [`Artifact`]s, which are mapped bytes with their identity. Nothing is changed, stripped or unpacked:
//! what is compared is what is installed, bit for bit.

mod artifact;
pub mod container;
mod detect;
pub mod executable;
mod mapping;
pub mod tree;

pub use artifact::{Artifact, digest};
pub use detect::artifact_type;

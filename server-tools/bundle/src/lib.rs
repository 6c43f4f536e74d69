//! Makes bundles and channels, and reads them: the last step of the host's flow.
//!
//! In: two artifacts, what is said about them, and later a capsule that proves it. Out: `NAME.stella`, one file, and
//! channel folders. Verifying is `delta-verify`'s, applying `delta-apply`'s: this crate decides neither.

mod channel;
mod create;
mod entropy;
mod file;
mod functions;
pub mod labels;
mod manifest;
mod pages;
mod payload;
mod plan;
mod profile;
mod spent;
mod unpacked;

pub use channel::{ChannelError, PublishedBundle, index_body, next_number};
pub use create::{CreateError, Draft, Facts, Progress, Stage, draft};
pub use delta_scanner::Stats as ScanStats;
pub use file::{BundleFile, BundleReadError};
pub use functions::{ClassCounts, ExecutableChanged, FunctionChanged, FunctionImpact, FunctionsChanged};
pub use manifest::{
    AttestationRef, ChangedChunk, Chunking, Computed, DeltaManifest, Digests, Entropy, MANIFEST_FORMAT, OpRecord,
    ScoreInputs, SpentRecord,
};
pub use payload::SEGMENT_LOG2_DEFAULT;
pub use profile::Profile;

/// BLAKE3 over parts, as `delta_format::container` and `delta_format::journal` ask for it.
pub fn blake3_parts(parts: &[&[u8]]) -> delta_format::Blake3 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    delta_format::Blake3::new(*hasher.finalize().as_bytes())
}

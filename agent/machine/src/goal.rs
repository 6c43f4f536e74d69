//! What an update wants to reach. Fixed when the update is accepted, carried through all its states.

use crate::{Line, ORIGIN_BYTES_MAX, Slot};
use delta_format::rollback::Release;
use delta_format::{Blake3, Version};
use serde::{Deserialize, Serialize};

/// A path or URL.
pub type Origin = Line<ORIGIN_BYTES_MAX>;

/// Brings one release to run in one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// By which way.
    pub kind: Kind,
    /// The slot that will run it; never the one running when the goal was set.
    pub slot: Slot,
    /// The release.
    pub release: Release,
    /// The version floor that a rollback attestation sets when the slot is committed; without one the floor rises to
    /// the version of the release.
    pub attested_floor: Option<Version>,
}

/// The way to a goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A bundle is written to the slot.
    Install {
        /// The bundle.
        bundle: BundleRef,
    },
    /// The slot holds the release already, and a signed attestation allows the step back.
    Rollback {
        /// What the device leaves.
        from: Release,
    },
}

/// Finds a bundle again after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRef {
    /// BLAKE3 of the head of the file (prefix, body, capsule).
    pub head: Blake3,
    /// Where it came from.
    pub origin: Origin,
}

impl Goal {
    /// The bundle, when there is one.
    pub fn bundle(&self) -> Option<&BundleRef> {
        match &self.kind {
            Kind::Install { bundle } => Some(bundle),
            Kind::Rollback { .. } => None,
        }
    }

    /// Whether work done for `self` counts for `other` too: the same bytes for the same slot.
    pub fn continues(&self, other: &Self) -> bool {
        let heads = (self.bundle().map(|b| b.head), other.bundle().map(|b| b.head));
        self.slot == other.slot && heads.0.is_some() && heads.0 == heads.1
    }
}

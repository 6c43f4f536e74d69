//! What a device knows for good: floors, log heads, what its slots hold, what failed here.
//!
//! Changed by the machine only, together with the state, in one record: so no cut can separate them. Floors only rise,
//! except that a committed rollback sets the version floor that its attestation names.

use crate::{Class, FAILED_HERE_MAX, Failure, Goal, HEADS_MAX, Kind, Slot, Stage};
use delta_format::capsule::LogHead;
use delta_format::header::ImageId;
use delta_format::rollback::Release;
use delta_format::{Blake3, Name, Version};
use serde::{Deserialize, Serialize};

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Releases below are refused.
    pub version_floor: Version,
    /// The largest time that witnesses proved, in unix seconds; what `expires` is judged against.
    pub time_floor: u64,
    /// The newest verified head of each log.
    pub heads: heapless::Vec<LogHead, HEADS_MAX>,
    /// What [`Slot::A`] and [`Slot::B`] hold.
    pub slots: [Content; 2],
    /// Releases that are not installed again by themselves, oldest first.
    pub failed_here: heapless::Vec<FailedHere, FAILED_HERE_MAX>,
    /// How the last update ended.
    pub last: Option<LastResult>,
    /// The newest channel index that was accepted.
    pub channel: Option<ChannelSeen>,
}

/// What a slot holds, as far as this device proved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nobody looked: the slot is as the factory wrote it.
    Unknown,
    /// Half of something: a write began and did not end in a matching read-back.
    Partial,
    /// This image was read from the slot. The version is known when this device installed it.
    Image {
        /// Its identity.
        image: ImageId,
        /// Its version.
        version: Option<Version>,
    },
}

impl Content {
    /// The image, if it is known.
    pub fn image(&self) -> Option<&ImageId> {
        match self {
            Self::Image { image, .. } => Some(image),
            _ => None,
        }
    }

    /// The version, if it is known.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Image { version, .. } => *version,
            _ => None,
        }
    }
}

impl From<Release> for Content {
    fn from(release: Release) -> Self {
        Self::Image { image: release.image, version: Some(release.version) }
    }
}

/// A release that failed on this device, or that was left by a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedHere {
    /// Root hash of its image.
    pub image: Blake3,
    /// Its version.
    pub version: Version,
    /// Where it failed.
    pub stage: Stage,
    /// Why.
    pub class: Class,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResult {
    /// What it wanted to reach.
    pub release: Release,
    /// Whether the way was a rollback to the other slot.
    pub rollback: bool,
    /// The end.
    pub ended: Ended,
}

/// The end of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "kept once in a record, never in a collection")]
pub enum Ended {
    /// The release runs and is the default.
    Committed,
    /// An operator stopped it.
    Cancelled,
    /// It failed; the device runs what it ran before.
    Failed(Failure),
}

/// A channel and its newest number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSeen {
    /// The name.
    pub channel: Name,
    /// The number.
    pub number: u64,
}

impl Default for Facts {
    /// A device fresh from the factory.
    fn default() -> Self {
        Self {
            version_floor: Version::ZERO,
            time_floor: 0,
            heads: heapless::Vec::new(),
            slots: [Content::Unknown; 2],
            failed_here: heapless::Vec::new(),
            last: None,
            channel: None,
        }
    }
}

impl Facts {
    /// What a slot holds.
    pub fn slot(&self, slot: Slot) -> &Content {
        &self.slots[slot.index()]
    }

    /// The entry of an image on the 'failed here' list.
    pub fn failed(&self, image: &Blake3) -> Option<&FailedHere> {
        self.failed_here.iter().find(|entry| entry.image == *image)
    }

    pub(crate) fn set_slot(&mut self, slot: Slot, content: Content) {
        self.slots[slot.index()] = content;
    }

    pub(crate) fn end(&mut self, goal: &Goal, ended: Ended) {
        self.last =
            Some(LastResult { release: goal.release, rollback: matches!(goal.kind, Kind::Rollback { .. }), ended });
    }

    pub(crate) fn list_failed(&mut self, release: &Release, stage: Stage, class: Class) {
        self.lift(&release.image.blake3);
        if self.failed_here.is_full() {
            self.failed_here.remove(0);
        }
        let entry = FailedHere { image: release.image.blake3, version: release.version, stage, class };
        self.failed_here.push(entry).expect("room was made");
    }

    pub(crate) fn lift(&mut self, image: &Blake3) {
        self.failed_here.retain(|entry| entry.image != *image);
    }

    /// A newer release lifts what failed before it.
    pub(crate) fn lift_up_to(&mut self, version: Version) {
        self.failed_here.retain(|entry| entry.version > version);
    }

    /// Takes over a head unless a larger one of the same log is kept. A log beyond [`HEADS_MAX`] replaces the first:
    /// which logs count is the trust root's business, and it names few.
    pub(crate) fn learn_head(&mut self, head: &LogHead) {
        match self.heads.iter_mut().find(|known| known.log == head.log) {
            Some(known) if known.tree_size < head.tree_size => *known = *head,
            Some(_) => {}
            None => {
                if self.heads.is_full() {
                    self.heads.remove(0);
                }
                self.heads.push(*head).expect("room was made");
            }
        }
    }
}

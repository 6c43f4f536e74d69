//! What the machine is told, and what it asks for.

use crate::{ChannelSeen, Failure, Goal, HEADS_MAX, Slot};
use core::fmt;
use delta_format::Blake3;
use delta_format::capsule::LogHead;
use delta_format::header::ImageId;
use delta_format::ops::Watermark;

/// One thing that the executor has to do. It reports the end of it by the event named with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing; a command may come.
    Rest,
    /// Store the record durably, then [`Event::Stored`]. Any error ends the run: what is stored is old or new.
    Store,
    /// Verify the bundle, the room, the base; for small payloads fetch all of it. Then [`Event::Prepared`].
    Prepare,
    /// Mark the slot as bad in the boot loader before it is written, then [`Event::Released`].
    Release {
        /// The inactive slot.
        slot: Slot,
    },
    /// Write a part of the target and sync it, then [`Event::Applied`] or [`Event::AppliedAll`].
    Apply {
        /// Where to go on.
        from: Watermark,
    },
    /// Read the slot from the medium and compare, then [`Event::ReadBack`].
    ReadBack {
        /// The slot.
        slot: Slot,
        /// What it must hold.
        image: ImageId,
    },
    /// Arm the trial, then [`Event::Armed`].
    Arm {
        /// The slot, read back in this run of the agent.
        slot: Slot,
    },
    /// The device has to start again. There is no event: the next boot decides.
    Reboot,
    /// Say [`Event::ChecksBegin`], run the health checks, then [`Event::Healthy`] or [`Event::Failed`].
    CheckHealth,
    /// Make the running slot the default, then [`Event::Committed`].
    Commit {
        /// The running slot, found healthy in this run of the agent.
        slot: Slot,
    },
    /// End the trial and mark the slot as bad, then [`Event::MarkedBad`].
    MarkBad {
        /// The slot.
        slot: Slot,
    },
    /// End the trial, then [`Event::Disarmed`].
    Disarm {
        /// The slot.
        slot: Slot,
    },
}

/// What happened: a command, or the end of the effect under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something was verified that raises floors. Possible in every state.
    Learn(Learned),
    /// A bundle was verified and admitted.
    Install {
        /// What it wants.
        goal: Goal,
        /// An operator wants it although it is on the 'failed here' list.
        lift: bool,
        /// What its verification proved. Stored together with the goal: a head that is newer than the bundle's own, known
        /// without the goal, would make the bundle look like one from the past.
        learned: Learned,
    },
    /// A rollback attestation was verified and admitted.
    RollBack {
        /// What it wants.
        goal: Goal,
    },
    /// An operator calls the update off.
    Cancel,
    /// An operator says that the release on trial is bad.
    Condemn(Failure),
    /// An operator takes a release off the 'failed here' list.
    Lift {
        /// The root hash of its image.
        image: Blake3,
    },

    /// [`Effect::Store`] is done.
    Stored,
    /// [`Effect::Prepare`] is done.
    Prepared {
        /// What the active slot was proven to hold; nothing for a full image.
        base: Option<ImageId>,
    },
    /// [`Effect::Release`] is done.
    Released,
    /// [`Effect::Apply`] came this far.
    Applied {
        /// Synced up to here.
        watermark: Watermark,
    },
    /// [`Effect::Apply`] is done.
    AppliedAll,
    /// [`Effect::ReadBack`] is done.
    ReadBack {
        /// Whether the slot holds what it must.
        matches: bool,
    },
    /// [`Effect::Arm`] is done.
    Armed,
    /// The checks of [`Effect::CheckHealth`] begin; counted, because an agent may die in them.
    ChecksBegin,
    /// The checks were stopped in good order and will begin again; not counted.
    ChecksStopped,
    /// [`Effect::CheckHealth`]: the running slot is good.
    Healthy,
    /// [`Effect::Commit`] is done.
    Committed,
    /// [`Effect::MarkBad`] is done.
    MarkedBad,
    /// [`Effect::Disarm`] is done.
    Disarmed,
    /// The effect under way failed.
    Failed {
        /// How.
        failure: Failure,
        /// Whether something was gained before (groups fetched, segments written).
        progressed: bool,
    },
}

/// What a verification proved about the world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Verified log heads.
    pub heads: heapless::Vec<LogHead, HEADS_MAX>,
    /// Verified time, unix seconds.
    pub time: u64,
    /// Accepted channel index.
    pub channel: Option<ChannelSeen>,
}

/// An event that the state does not wait for. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The release runs already.
    AlreadyInstalled,
    /// The release failed on this device; an operator or a newer release lifts it.
    FailedHere,
    /// The device runs from a slot that is not the boot loader's default; the other one must not be written.
    NotDefault,
    /// The goal names the slot that is running.
    SlotRunning,
    /// An install is under way: resume it or cancel it first.
    Installing,
    /// Another update waits for a reboot, or will in a moment.
    RebootFirst,
    /// A release is on trial: commit it or mark it bad first.
    TrialFirst,
    /// There is nothing that could be cancelled or condemned.
    NothingToDo,
    /// The device is on its way back to the old slot.
    FallingBack,
    /// The executor reported something that was not asked for: a bug in it.
    Unexpected {
        /// The state.
        state: &'static str,
        /// The event.
        event: &'static str,
    },
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInstalled => "this release runs already",
            Self::FailedHere => "this release failed on this device before",
            Self::NotDefault => "the running slot is not the boot loader's default",
            Self::SlotRunning => "the device runs from the slot that would be written",
            Self::Installing => "an install is under way",
            Self::RebootFirst => "an update is armed and waits for a reboot",
            Self::TrialFirst => "a release is on trial",
            Self::NothingToDo => "no update is under way",
            Self::FallingBack => "the device is falling back to the other slot",
            Self::Unexpected { state, event } => return write!(f, "bug: event '{event}' in state '{state}'"),
        })
    }
}

impl core::error::Error for Rejected {}

impl Event {
    /// The word in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Learn(_) => "learn",
            Self::Install { .. } => "install",
            Self::RollBack { .. } => "roll-back",
            Self::Cancel => "cancel",
            Self::Condemn(_) => "condemn",
            Self::Lift { .. } => "lift",
            Self::Stored => "stored",
            Self::Prepared { .. } => "prepared",
            Self::Released => "released",
            Self::Applied { .. } => "applied",
            Self::AppliedAll => "applied-all",
            Self::ReadBack { .. } => "read-back",
            Self::Armed => "armed",
            Self::ChecksBegin => "checks-begin",
            Self::ChecksStopped => "checks-stopped",
            Self::Healthy => "healthy",
            Self::Committed => "committed",
            Self::MarkedBad => "marked-bad",
            Self::Disarmed => "disarmed",
            Self::Failed { .. } => "failed",
        }
    }
}

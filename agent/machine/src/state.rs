//! The states, each named for what it waits for, with the effect that brings it.
//!
//! What a state does with an event stands in `step/`; how a stored state is taken up again after a restart stands in
//! `machine.rs`.

use crate::{BootId, Effect, Goal};
use delta_format::ops::Watermark;
use serde::{Deserialize, Serialize};

/// Waits for a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {}

/// Waits for the bundle to be verified, the device to have room, and the active slot to be the right base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparing {
    /// What is wanted.
    pub goal: Goal,
    /// How far the slot is written already.
    pub watermark: Watermark,
    /// Failures without progress in between.
    pub attempts: u8,
    /// How often the slot was written from the start again because it read back wrong.
    pub rewrites: u8,
}

/// Waits for the boot loader to give up the inactive slot, before a byte of it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releasing {
    /// As in [`Preparing`], with the next step.
    pub work: Preparing,
    /// Whether the work was prepared in this run of the agent.
    pub prepared: bool,
}

/// Waits for the next part of the target to be written and synced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applying {
    /// As in [`Preparing`].
    pub work: Preparing,
}

/// Waits for the written slot to be read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingBack {
    /// As in [`Preparing`].
    pub work: Preparing,
}

/// Waits for the other slot to be read: a rollback goes to what was there before, if it still is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckingPrevious {
    /// What is wanted.
    pub goal: Goal,
    /// Failures so far.
    pub attempts: u8,
}

/// Waits for the boot loader to take the slot for a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arming {
    /// What is wanted.
    pub goal: Goal,
    /// Failures so far.
    pub attempts: u8,
}

/// Waits for the device to start again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitingReboot {
    /// What is wanted.
    pub goal: Goal,
    /// The boot in which the slot was armed.
    pub armed_in: BootId,
}

/// Waits for the new slot, which runs, to prove itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What is wanted.
    pub goal: Goal,
    /// The boot of the trial.
    pub boot: BootId,
    /// How often the agent began the checks in this boot.
    pub checks: u8,
}

/// Waits for the boot loader to make the new slot the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committing {
    /// What is wanted.
    pub goal: Goal,
}

/// Waits for the boot loader to mark the failed slot as bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallingBack {
    /// What was wanted.
    pub goal: Goal,
    /// Failures so far.
    pub attempts: u8,
}

/// Waits for the device to start the old slot again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returning {
    /// What was wanted.
    pub goal: Goal,
    /// The boot in which the slot was marked.
    pub marked_in: BootId,
    /// How often the boot loader started the failed slot nevertheless.
    pub attempts: u8,
}

/// Waits for the boot loader to forget the trial: the update was called off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disarming {
    /// What was wanted.
    pub goal: Goal,
}

/// Where an update is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each state is documented where it is defined")]
pub enum State {
    Idle(Idle),
    Preparing(Preparing),
    Releasing(Releasing),
    Applying(Applying),
    ReadingBack(ReadingBack),
    CheckingPrevious(CheckingPrevious),
    Arming(Arming),
    AwaitingReboot(AwaitingReboot),
    Trial(Trial),
    Committing(Committing),
    FallingBack(FallingBack),
    Returning(Returning),
    Disarming(Disarming),
}

impl State {
    /// The word in messages and JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle(_) => "idle",
            Self::Preparing(_) => "preparing",
            Self::Releasing(_) => "releasing",
            Self::Applying(_) => "applying",
            Self::ReadingBack(_) => "reading-back",
            Self::CheckingPrevious(_) => "checking-previous",
            Self::Arming(_) => "arming",
            Self::AwaitingReboot(_) => "awaiting-reboot",
            Self::Trial(_) => "trial",
            Self::Committing(_) => "committing",
            Self::FallingBack(_) => "falling-back",
            Self::Returning(_) => "returning",
            Self::Disarming(_) => "disarming",
        }
    }

    /// What the update wants, when there is one.
    pub const fn goal(&self) -> Option<&Goal> {
        Some(match self {
            Self::Idle(_) => return None,
            Self::Preparing(work)
            | Self::Releasing(Releasing { work, .. })
            | Self::Applying(Applying { work })
            | Self::ReadingBack(ReadingBack { work }) => &work.goal,
            Self::CheckingPrevious(state) => &state.goal,
            Self::Arming(state) => &state.goal,
            Self::AwaitingReboot(state) => &state.goal,
            Self::Trial(state) => &state.goal,
            Self::Committing(state) => &state.goal,
            Self::FallingBack(state) => &state.goal,
            Self::Returning(state) => &state.goal,
            Self::Disarming(state) => &state.goal,
        })
    }

    /// How far the slot is written.
    pub const fn watermark(&self) -> Option<Watermark> {
        match self {
            Self::Preparing(work) | Self::Releasing(Releasing { work, .. }) | Self::Applying(Applying { work }) => {
                Some(work.watermark)
            }
            _ => None,
        }
    }

    /// The effect whose completion the state waits for.
    pub(crate) fn effect(&self) -> Effect {
        match self {
            Self::Idle(_) => Effect::Rest,
            Self::Preparing(_) => Effect::Prepare,
            Self::Releasing(state) => Effect::Release { slot: state.work.goal.slot },
            Self::Applying(state) => Effect::Apply { from: state.work.watermark },
            Self::ReadingBack(ReadingBack { work: Preparing { goal, .. } })
            | Self::CheckingPrevious(CheckingPrevious { goal, .. }) => {
                Effect::ReadBack { slot: goal.slot, image: goal.release.image }
            }
            Self::Arming(state) => Effect::Arm { slot: state.goal.slot },
            Self::AwaitingReboot(_) | Self::Returning(_) => Effect::Reboot,
            Self::Trial(_) => Effect::CheckHealth,
            Self::Committing(state) => Effect::Commit { slot: state.goal.slot },
            Self::FallingBack(state) => Effect::MarkBad { slot: state.goal.slot },
            Self::Disarming(state) => Effect::Disarm { slot: state.goal.slot },
        }
    }
}

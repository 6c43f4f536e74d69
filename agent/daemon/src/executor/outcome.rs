//! How a command of the executor can end well.

use agent_machine::Rejected;

/// What is true now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No update is under way. What happened last stands in the record.
    Settled,
    /// The release runs already.
    NothingToDo,
    /// The device has to start again.
    RebootRequired(Reboot),
    /// The running slot was found good and is the default now.
    Committed,
    /// An update was called off.
    Cancelled,
    /// An install waits for its bundle; `resume` with a source goes on.
    Resumable {
        /// Where the bundle came from.
        origin: String,
    },
    /// The slot runs on trial and has not been checked; [`super::Executor::settle`] checks it.
    OnTrial,
}

/// Why a reboot is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reboot {
    /// A slot is armed; the device will try it.
    Trial,
    /// The running slot failed; the device goes back to the other one.
    FallBack,
}

impl Outcome {
    /// The exit code of a command that ends like this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NothingToDo => 3,
            Self::RebootRequired(_) => 4,
            _ => 0,
        }
    }
}

/// The exit code of a command that the machine refused.
pub(super) fn rejected_exit_code(rejected: Rejected) -> u8 {
    match rejected {
        Rejected::AlreadyInstalled | Rejected::NothingToDo => 3,
        Rejected::RebootFirst | Rejected::FallingBack => 4,
        Rejected::FailedHere | Rejected::NotDefault | Rejected::TrialFirst => 6,
        Rejected::Installing => 10,
        Rejected::SlotRunning | Rejected::Unexpected { .. } => 1,
    }
}

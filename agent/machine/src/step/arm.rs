//! From a slot that holds the release to a device that waits for its reboot, and the ways back.

use super::give_up;
use crate::policy::{Verdict, after_failure};
use crate::{
    Arming, AwaitingReboot, BootId, CheckingPrevious, Class, Disarming, Ended, Facts, Failure, Goal, Idle, Stage, State,
};

impl Idle {
    /// A rollback was permitted.
    pub(crate) fn roll_back(self, goal: Goal) -> State {
        State::CheckingPrevious(CheckingPrevious { goal, attempts: 0 })
    }
}

impl CheckingPrevious {
    pub(crate) fn read(self, matches: bool, facts: &mut Facts) -> State {
        if matches {
            facts.set_slot(self.goal.slot, self.goal.release.into());
            return State::Arming(Arming { goal: self.goal, attempts: 0 });
        }
        let message = "the other slot does not hold the image that the rollback attestation names";
        let failure = Failure::new(Stage::ReadBack, Class::Verification, message);
        self.goal.disarm(Ended::Failed(failure), facts)
    }

    pub(crate) fn failed(mut self, failure: Failure, facts: &mut Facts) -> State {
        match after_failure(failure.class, self.attempts) {
            Verdict::Retry => {
                self.attempts += 1;
                State::CheckingPrevious(self)
            }
            Verdict::GiveUp | Verdict::GiveUpAndList => self.goal.disarm(Ended::Failed(failure), facts),
        }
    }
}

impl Goal {
    /// Takes a possible trial back and ends the update; before a restart the slot may have been armed.
    pub(crate) fn disarm(self, ended: Ended, facts: &mut Facts) -> State {
        facts.end(&self, ended);
        State::Disarming(Disarming { goal: self })
    }
}

impl Arming {
    pub(crate) fn armed(self, boot: BootId) -> State {
        State::AwaitingReboot(AwaitingReboot { goal: self.goal, armed_in: boot })
    }

    pub(crate) fn failed(mut self, failure: Failure, facts: &mut Facts) -> State {
        match after_failure(failure.class, self.attempts) {
            Verdict::Retry => {
                self.attempts += 1;
                State::Arming(self)
            }
            Verdict::GiveUp | Verdict::GiveUpAndList => self.goal.disarm(Ended::Failed(failure), facts),
        }
    }
}

impl AwaitingReboot {
    pub(crate) fn condemn(self, failure: Failure, facts: &mut Facts) -> State {
        self.goal.fall_back(failure, facts)
    }
}

impl Disarming {
    /// The end was recorded when disarming began.
    pub(crate) fn disarmed(self) -> State {
        State::Idle(Idle {})
    }

    /// The device came up in the slot all the same.
    pub(crate) fn overtaken(self, facts: &mut Facts) -> State {
        let message = "the update was called off, but the device had already started it";
        let failure = Failure::new(Stage::Arm, Class::Operator, message);
        self.goal.fall_back(failure, facts)
    }
}

/// The device changed under an unfinished update: the slot is running, or it is what the device falls back to.
pub(crate) fn slot_taken(goal: &Goal, facts: &mut Facts) -> State {
    let message = "the slot that was to be written is in use: the device was started from another slot in between";
    give_up(goal, Failure::new(Stage::Preflight, Class::Policy, message), facts)
}

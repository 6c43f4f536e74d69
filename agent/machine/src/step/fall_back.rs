//! The way back to the slot that ran before, after a trial or an armed slot failed.

use crate::policy::RETURNS_MAX;
use crate::{BootFacts, Class, Ended, Facts, Failure, FallingBack, Goal, Idle, Returning, Stage, State};

/// Failed writes of the boot loader's record after which a reboot is tried all the same: the trial's tries run out by
/// themselves.
const MARK_ATTEMPTS_MAX: u8 = 3;

impl Goal {
    /// Records why, puts the release on the 'failed here' list, and begins the way back. The release is listed whatever
    /// the class, because it came as far as being bootable.
    pub(crate) fn fall_back(self, failure: Failure, facts: &mut Facts) -> State {
        facts.list_failed(&self.release, failure.stage, failure.class);
        facts.end(&self, Ended::Failed(failure));
        State::FallingBack(FallingBack { goal: self, attempts: 0 })
    }

    /// The device is back in the old slot although nobody in the new one said so.
    pub(crate) fn came_back(self, boot: &BootFacts, facts: &mut Facts) -> State {
        let failure = match boot.on_trial(self.slot) {
            Some(0) => Failure::new(
                Stage::Trial,
                Class::Crashed,
                "the new slot used up its tries without passing its health checks",
            ),
            Some(_) | None => Failure::new(
                Stage::Reboot,
                Class::NotTried,
                "the boot loader started the old slot although the new one had tries left",
            ),
        };
        self.fall_back(failure, facts)
    }
}

impl FallingBack {
    pub(crate) fn marked(self, boot: &BootFacts) -> State {
        if boot.running != self.goal.slot {
            return State::Idle(Idle {});
        }
        State::Returning(Returning { goal: self.goal, marked_in: boot.boot, attempts: self.attempts })
    }

    pub(crate) fn failed(mut self, boot: &BootFacts) -> State {
        self.attempts = self.attempts.saturating_add(1);
        if boot.running == self.goal.slot && self.attempts >= MARK_ATTEMPTS_MAX {
            return State::Returning(Returning { goal: self.goal, marked_in: boot.boot, attempts: 0 });
        }
        State::FallingBack(self)
    }
}

impl Returning {
    /// The device started again.
    pub(crate) fn restarted(self, boot: &BootFacts, facts: &mut Facts) -> State {
        if boot.boot == self.marked_in {
            return State::Returning(self);
        }
        if boot.running != self.goal.slot {
            // A mark that could not be written leaves a trial behind.
            return match boot.on_trial(self.goal.slot) {
                Some(_) => State::FallingBack(FallingBack { goal: self.goal, attempts: 0 }),
                None => State::Idle(Idle {}),
            };
        }
        if self.attempts >= RETURNS_MAX {
            let message = "the boot loader keeps starting the failed slot";
            facts.end(&self.goal, Ended::Failed(Failure::new(Stage::FallBack, Class::Device, message)));
            return State::Idle(Idle {});
        }
        State::FallingBack(FallingBack { goal: self.goal, attempts: self.attempts + 1 })
    }
}

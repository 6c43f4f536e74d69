//! From an accepted bundle to a slot that is written and read back.

use super::{cancelled, give_up};
use crate::policy::{REWRITES_MAX, Verdict, after_failure, proven_content};
use crate::{
    Applying, Arming, Class, Content, Facts, Failure, Goal, Idle, Preparing, ReadingBack, Releasing, Slot, Stage, State,
};
use delta_format::header::ImageId;
use delta_format::ops::Watermark;

impl Idle {
    /// A bundle was accepted.
    pub(crate) fn install(self, goal: Goal) -> State {
        State::Preparing(Preparing { goal, watermark: Watermark::default(), attempts: 0, rewrites: 0 })
    }
}

impl Preparing {
    /// A bundle was accepted while another, or the same, is under way before its trial. The same bundle goes on where it
    /// was; another one takes the slot over.
    pub(crate) fn replaced(self, goal: Goal) -> State {
        if self.goal.continues(&goal) {
            // The origin may be another one; attempts start again, because somebody asked again.
            return State::Preparing(Self { goal, attempts: 0, ..self });
        }
        Idle {}.install(goal)
    }

    pub(crate) fn prepared(self, running: Slot, base: Option<ImageId>, facts: &mut Facts) -> State {
        if let Some(base) = base {
            let content = proven_content(facts.slot(running), base);
            facts.set_slot(running, content);
        }
        if self.watermark == Watermark::default() {
            facts.set_slot(self.goal.slot, Content::Partial);
        }
        State::Releasing(Releasing { work: self, prepared: true })
    }

    /// Something failed; `stay` is the state to try again from.
    fn failed(mut self, failure: Failure, progressed: bool, facts: &mut Facts, stay: fn(Self) -> State) -> State {
        self.attempts = if progressed { 0 } else { self.attempts };
        match after_failure(failure.class, self.attempts) {
            Verdict::Retry => {
                self.attempts += 1;
                return stay(self);
            }
            Verdict::GiveUp => {}
            Verdict::GiveUpAndList => facts.list_failed(&self.goal.release, failure.stage, failure.class),
        }
        give_up(&self.goal, failure, facts)
    }

    pub(crate) fn prepare_failed(self, failure: Failure, progressed: bool, facts: &mut Facts) -> State {
        self.failed(failure, progressed, facts, State::Preparing)
    }

    pub(crate) fn cancel(self, facts: &mut Facts) -> State {
        cancelled(&self.goal, facts)
    }

    /// The slot turned out wrong: write it again from the start, or give up. Either way the boot loader gives the slot
    /// up first, because it may still be armed from before a restart.
    fn read_back_differs(mut self, facts: &mut Facts) -> State {
        if self.rewrites >= REWRITES_MAX {
            let message = "the slot reads back as something else than was written, twice";
            let failure = Failure::new(Stage::ReadBack, Class::ReadBack, message);
            facts.set_slot(self.goal.slot, Content::Partial);
            return self.goal.fall_back(failure, facts);
        }
        self.rewrites += 1;
        self.watermark = Watermark::default();
        facts.set_slot(self.goal.slot, Content::Partial);
        State::Releasing(Releasing { work: self, prepared: false })
    }
}

impl Releasing {
    pub(crate) fn released(self) -> State {
        match self.prepared {
            true => State::Applying(Applying { work: self.work }),
            false => State::Preparing(self.work),
        }
    }

    pub(crate) fn failed(self, failure: Failure, facts: &mut Facts) -> State {
        self.work.failed(failure, false, facts, |work| State::Releasing(Self { work, prepared: false }))
    }
}

impl Applying {
    pub(crate) fn applied(mut self, watermark: Watermark) -> State {
        self.work.watermark = watermark;
        self.work.attempts = 0;
        State::Applying(self)
    }

    pub(crate) fn applied_all(mut self) -> State {
        self.work.attempts = 0;
        State::ReadingBack(ReadingBack { work: self.work })
    }

    pub(crate) fn failed(self, failure: Failure, progressed: bool, facts: &mut Facts) -> State {
        self.work.failed(failure, progressed, facts, |work| State::Applying(Self { work }))
    }
}

impl ReadingBack {
    pub(crate) fn read(self, matches: bool, facts: &mut Facts) -> State {
        if !matches {
            return self.work.read_back_differs(facts);
        }
        let goal = self.work.goal;
        facts.set_slot(goal.slot, goal.release.into());
        State::Arming(Arming { goal, attempts: 0 })
    }

    pub(crate) fn failed(mut self, failure: Failure, facts: &mut Facts) -> State {
        match after_failure(failure.class, self.work.attempts) {
            Verdict::Retry => {
                self.work.attempts += 1;
                State::ReadingBack(self)
            }
            // Not simply given up: before a restart the slot may have been armed.
            Verdict::GiveUp | Verdict::GiveUpAndList => self.work.goal.fall_back(failure, facts),
        }
    }
}

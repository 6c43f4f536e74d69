//! The new slot runs: it proves itself and becomes the default, or it goes.

use crate::policy::CHECKS_MAX;
use crate::{Class, Committing, Ended, Facts, Failure, Idle, Kind, Stage, State, Trial};

impl Trial {
    pub(crate) fn checks_begin(mut self, facts: &mut Facts) -> State {
        if self.checks >= CHECKS_MAX {
            let message = "the agent ended again and again while it checked the new slot";
            return self.unhealthy(Failure::new(Stage::Trial, Class::Unhealthy, message), facts);
        }
        self.checks += 1;
        State::Trial(self)
    }

    pub(crate) fn checks_stopped(mut self) -> State {
        self.checks = self.checks.saturating_sub(1);
        State::Trial(self)
    }

    pub(crate) fn healthy(self) -> State {
        State::Committing(Committing { goal: self.goal })
    }

    pub(crate) fn unhealthy(self, failure: Failure, facts: &mut Facts) -> State {
        self.goal.fall_back(failure, facts)
    }
}

impl Committing {
    /// The one place where floors follow a release, and the only one where the version floor may sink: when a verified
    /// attestation said so.
    pub(crate) fn committed(self, facts: &mut Facts) -> State {
        let goal = self.goal;
        facts.version_floor = match goal.attested_floor {
            Some(floor) => floor,
            None => facts.version_floor.max(goal.release.version),
        };
        facts.lift(&goal.release.image.blake3);
        match &goal.kind {
            Kind::Install { .. } => facts.lift_up_to(goal.release.version),
            // Polling must not install again what an operator just left.
            Kind::Rollback { from } => facts.list_failed(from, Stage::Commit, Class::Operator),
        }
        facts.set_slot(goal.slot, goal.release.into());
        facts.end(&goal, Ended::Committed);
        State::Idle(Idle {})
    }
}

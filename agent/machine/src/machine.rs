//! The machine itself: the record, what is true of this boot, and whether the record is stored.
//!
//! [`Machine::start`] takes a stored state up again, [`Machine::step`] hands an event to the state that waits for it.

use crate::policy;
use crate::step::slot_taken;
use crate::*;

/// The update machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    record: Record,
    boot: BootFacts,
    /// The record differs from the one that is stored; nothing else happens before it is.
    unstored: bool,
}

impl Machine {
    /// Takes up the stored record in this boot; `None` on a device without a journal.
    pub fn start(stored: Option<Record>, boot: BootFacts) -> Self {
        let fresh = stored.is_none();
        let mut record = stored.unwrap_or_default();
        let (state, changed) = resume(record.state, &boot, &mut record.facts);
        record.state = state;
        Self { record, boot, unstored: fresh || changed }
    }

    /// What is remembered.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What is known for good.
    pub fn facts(&self) -> &Facts {
        &self.record.facts
    }

    /// Where the update is.
    pub fn state(&self) -> &State {
        &self.record.state
    }

    /// What is true of this boot.
    pub fn boot(&self) -> &BootFacts {
        &self.boot
    }

    /// What has to be done now.
    pub fn effect(&self) -> Effect {
        if self.unstored { Effect::Store } else { self.record.state.effect() }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`Rejected`] when the state does not wait for it; the machine that the caller kept stays good.
    pub fn step(self, event: Event) -> Result<(Self, Effect), Rejected> {
        let Self { record, boot, unstored } = self;
        let before = record.clone();
        let unexpected = Rejected::Unexpected { state: record.state.name(), event: event.name() };
        let machine = match (unstored, event) {
            (true, Event::Stored) => Self { record, boot, unstored: false },
            (true, _) | (false, Event::Stored) => return Err(unexpected),
            (false, event) => {
                let Record { format, mut facts, state } = record;
                let state = next(state, event, &boot, &mut facts, unexpected)?;
                let record = Record { format, facts, state };
                let unstored = record != before;
                Self { record, boot, unstored }
            }
        };
        let effect = machine.effect();
        Ok((machine, effect))
    }
}

/// One state, one event. Each arm names a pair that exists; all others are refused.
fn next(
    state: State,
    event: Event,
    boot: &BootFacts,
    facts: &mut Facts,
    unexpected: Rejected,
) -> Result<State, Rejected> {
    use Event as E;
    use State as S;
    Ok(match (state, event) {
        (state, E::Learn(learned)) => {
            learn(learned, facts);
            state
        }
        (state, E::Lift { image }) => {
            facts.lift(&image);
            state
        }

        (
            state @ (S::Idle(_) | S::Preparing(_) | S::Releasing(_) | S::Applying(_)),
            E::Install { goal, lift, learned },
        ) => {
            policy::may_begin(facts, boot, &goal, lift)?;
            learn(learned, facts);
            if lift {
                facts.lift(&goal.release.image.blake3);
            }
            match state {
                S::Preparing(work) | S::Releasing(Releasing { work, .. }) | S::Applying(Applying { work }) => {
                    work.replaced(goal)
                }
                _ => Idle {}.install(goal),
            }
        }
        (state, E::Install { .. }) => return Err(busy(&state)),
        (S::Idle(s), E::RollBack { goal }) => {
            policy::may_begin(facts, boot, &goal, false)?;
            s.roll_back(goal)
        }
        (state, E::RollBack { .. }) => return Err(busy(&state)),

        (S::Preparing(s), E::Cancel) => s.cancel(facts),
        (S::Releasing(Releasing { work, .. }) | S::Applying(Applying { work }), E::Cancel) => work.cancel(facts),
        // From here on the slot may have been armed before a restart.
        (S::ReadingBack(s), E::Cancel) => s.work.goal.disarm(Ended::Cancelled, facts),
        (S::CheckingPrevious(s), E::Cancel) => s.goal.disarm(Ended::Cancelled, facts),
        (S::Arming(s), E::Cancel) => s.goal.disarm(Ended::Cancelled, facts),
        (S::AwaitingReboot(s), E::Cancel) => s.goal.disarm(Ended::Cancelled, facts),
        (S::Idle(_), E::Cancel | E::Condemn(_)) => return Err(Rejected::NothingToDo),
        (S::AwaitingReboot(s), E::Condemn(failure)) => s.condemn(failure, facts),
        (S::Trial(s), E::Condemn(failure)) => s.unhealthy(failure, facts),
        (state, E::Cancel | E::Condemn(_)) => return Err(busy(&state)),

        (S::Preparing(s), E::Prepared { base }) => s.prepared(boot.running, base, facts),
        (S::Preparing(s), E::Failed { failure, progressed }) => s.prepare_failed(failure, progressed, facts),
        (S::Releasing(s), E::Released) => s.released(),
        (S::Releasing(s), E::Failed { failure, .. }) => s.failed(failure, facts),
        (S::Applying(s), E::Applied { watermark }) => s.applied(watermark),
        (S::Applying(s), E::AppliedAll) => s.applied_all(),
        (S::Applying(s), E::Failed { failure, progressed }) => s.failed(failure, progressed, facts),
        (S::ReadingBack(s), E::ReadBack { matches }) => s.read(matches, facts),
        (S::ReadingBack(s), E::Failed { failure, .. }) => s.failed(failure, facts),
        (S::CheckingPrevious(s), E::ReadBack { matches }) => s.read(matches, facts),
        (S::CheckingPrevious(s), E::Failed { failure, .. }) => s.failed(failure, facts),
        (S::Arming(s), E::Armed) => s.armed(boot.boot),
        (S::Arming(s), E::Failed { failure, .. }) => s.failed(failure, facts),
        (S::Trial(s), E::ChecksBegin) => s.checks_begin(facts),
        (S::Trial(s), E::ChecksStopped) => s.checks_stopped(),
        (S::Trial(s), E::Healthy) => s.healthy(),
        (S::Trial(s), E::Failed { failure, .. }) => s.unhealthy(failure, facts),
        (S::Committing(s), E::Committed) => s.committed(facts),
        (S::FallingBack(s), E::MarkedBad) => s.marked(boot),
        (S::FallingBack(s), E::Failed { .. }) => s.failed(boot),
        (S::Disarming(s), E::Disarmed) => s.disarmed(),
        // A boot loader that cannot be written now is asked again at the next run; tries run out at reboots meanwhile.
        (state @ (S::Committing(_) | S::Disarming(_)), E::Failed { .. }) => state,
        _ => return Err(unexpected),
    })
}

/// Why a command has to wait.
fn busy(state: &State) -> Rejected {
    match state {
        State::Idle(_) => Rejected::NothingToDo,
        State::Preparing(_) | State::Releasing(_) | State::Applying(_) => Rejected::Installing,
        State::ReadingBack(_) | State::CheckingPrevious(_) | State::Arming(_) | State::AwaitingReboot(_) => {
            Rejected::RebootFirst
        }
        State::Trial(_) | State::Committing(_) => Rejected::TrialFirst,
        State::FallingBack(_) | State::Returning(_) | State::Disarming(_) => Rejected::FallingBack,
    }
}

fn learn(learned: Learned, facts: &mut Facts) {
    learned.heads.iter().for_each(|head| facts.learn_head(head));
    facts.time_floor = facts.time_floor.max(learned.time);
    if let Some(seen) = learned.channel {
        let newer = |known: &ChannelSeen| known.channel != seen.channel || known.number < seen.number;
        if facts.channel.as_ref().is_none_or(newer) {
            facts.channel = Some(seen);
        }
    }
}

/// Takes a stored state up after a restart of the agent or of the device; the bool says whether the record changed in
/// a way that has to be stored. Proofs that the state rested on are gone, so it goes back to where they are earned.
fn resume(state: State, boot: &BootFacts, facts: &mut Facts) -> (State, bool) {
    use State as S;
    let as_stored = |state| (state, false);
    let changed = |state| (state, true);
    match state {
        S::Idle(_) => as_stored(state),

        S::Preparing(work) | S::Releasing(Releasing { work, .. }) | S::Applying(Applying { work })
            if !boot.is_spare(work.goal.slot) =>
        {
            changed(slot_taken(&work.goal, facts))
        }
        S::Preparing(work) => as_stored(S::Preparing(work)),
        // The mark was due before a rewrite: it may be the only thing that keeps a wrong slot from starting.
        S::Releasing(Releasing { work, .. }) => as_stored(S::Releasing(Releasing { work, prepared: false })),
        S::Applying(Applying { work }) => as_stored(S::Preparing(work)),

        // Running the goal's slot means that it was armed, so it had been read back.
        S::Arming(Arming { goal, .. })
        | S::ReadingBack(ReadingBack { work: Preparing { goal, .. } })
        | S::CheckingPrevious(CheckingPrevious { goal, .. })
            if boot.running == goal.slot =>
        {
            changed(begin_trial(goal, boot))
        }
        S::Arming(Arming { goal, .. }) if boot.on_trial(goal.slot) == Some(0) => changed(goal.came_back(boot, facts)),
        S::Arming(Arming { goal, attempts }) => as_stored(match goal.kind {
            Kind::Rollback { .. } => S::CheckingPrevious(CheckingPrevious { goal, attempts }),
            Kind::Install { .. } => S::ReadingBack(ReadingBack {
                work: Preparing { goal, watermark: Default::default(), attempts, rewrites: 0 },
            }),
        }),
        S::ReadingBack(_) | S::CheckingPrevious(_) => as_stored(state),

        S::AwaitingReboot(AwaitingReboot { goal, .. }) if boot.running == goal.slot => changed(begin_trial(goal, boot)),
        S::AwaitingReboot(AwaitingReboot { goal, armed_in }) if boot.boot == armed_in => {
            as_stored(S::AwaitingReboot(AwaitingReboot { goal, armed_in }))
        }
        S::AwaitingReboot(AwaitingReboot { goal, .. }) => changed(goal.came_back(boot, facts)),

        S::Trial(Trial { goal, .. }) if boot.running != goal.slot => changed(goal.came_back(boot, facts)),
        S::Trial(Trial { boot: trial, .. }) if trial == boot.boot => as_stored(state),
        S::Trial(Trial { goal, .. }) => changed(begin_trial(goal, boot)),

        // The boot loader took the commit, only the record of it is missing.
        S::Committing(s) if boot.loader.default == s.goal.slot => changed(s.committed(facts)),
        S::Committing(Committing { goal }) if boot.running == goal.slot => changed(begin_trial(goal, boot)),
        S::Committing(Committing { goal }) => changed(goal.came_back(boot, facts)),

        // Never mark the default slot, whatever the record says.
        S::FallingBack(FallingBack { goal, .. }) if boot.loader.default == goal.slot => {
            changed(slot_taken(&goal, facts))
        }
        S::FallingBack(_) => as_stored(state),
        S::Returning(s) if boot.boot == s.marked_in => as_stored(S::Returning(s)),
        S::Returning(s) => changed(s.restarted(boot, facts)),
        S::Disarming(s) if boot.running == s.goal.slot => changed(s.overtaken(facts)),
        S::Disarming(_) => as_stored(state),
    }
}

fn begin_trial(goal: Goal, boot: &BootFacts) -> State {
    State::Trial(Trial { goal, boot: boot.boot, checks: 0 })
}

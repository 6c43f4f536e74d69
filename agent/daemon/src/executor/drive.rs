//! The loop that performs one effect after the other until the machine rests or waits for something outside.

use super::watch::Watch;
use super::witness::{Healthy, Inactive, Proven};
use super::work::{Part, Work};
use super::{Error, Executor, Outcome, Reboot, Report};
use crate::partial::Partial;
use crate::platform::{BootLoader, Platform, Slot, Stage};
use agent_machine::{Class, Effect, Event, Failure, Kind, Rejected, State};
use delta_apply::ReadBackError;
use delta_format::header::ImageId;

/// What a drive may use, and what it earned on its way. The witnesses live no longer than it does.
pub(super) struct Drive<'b, P: Platform> {
    /// The bundle; without one the drive stops where it is needed.
    work: Option<Work<'b, P>>,
    /// Earned by health checks, or handed in by an operator's `commit`.
    healthy: Option<Healthy>,
    /// Whether a slot on trial is checked, or left to the one who does.
    check_health: bool,
    proven: Option<Proven>,
    checks_begun: bool,
    committed: bool,
}

impl<'b, P: Platform> Drive<'b, P> {
    /// Without a bundle.
    pub(super) fn plain() -> Self {
        Self { work: None, healthy: None, check_health: false, proven: None, checks_begun: false, committed: false }
    }

    /// With the checks of a slot on trial.
    pub(super) fn checking() -> Self {
        Self { check_health: true, ..Self::plain() }
    }

    /// With an operator's word that the running slot is good.
    pub(super) fn vouched(healthy: Healthy) -> Self {
        Self { healthy: Some(healthy), ..Self::plain() }
    }

    /// With a bundle.
    pub(super) fn with(work: Work<'b, P>) -> Self {
        Self { work: Some(work), ..Self::plain() }
    }
}

/// What an effect came to.
#[expect(clippy::large_enum_variant, reason = "lives for one turn of the loop")]
enum Done {
    /// The machine is told.
    Event(Event),
    /// The machine waits for something that this drive does not have.
    Stop(Outcome),
}

impl<P: Platform> Executor<P> {
    /// Performs effects until nothing is left that this drive can do.
    pub(super) fn drive(&mut self, mut drive: Drive<'_, P>, watch: &Watch<'_>) -> Result<Outcome, Error> {
        let result = self.drive_on(&mut drive, watch);
        if let Some(work) = &drive.work {
            let (stats, fetched_bytes) = work.stats();
            self.report = Report { stats, fetched_bytes };
        }
        result
    }

    fn drive_on(&mut self, drive: &mut Drive<'_, P>, watch: &Watch<'_>) -> Result<Outcome, Error> {
        // The first failure is what the caller hears; the way back to a safe state is still walked.
        let mut failed: Option<Error> = None;
        loop {
            let effect = self.machine.effect();
            if effect == Effect::Store {
                self.store().map_err(|error| failed.take().unwrap_or(error))?;
                continue;
            }
            if let Some(error) = failed.take() {
                if !matches!(effect, Effect::MarkBad { .. } | Effect::Disarm { .. }) {
                    return Err(error);
                }
                failed = Some(error);
            }
            let error = match self.perform(effect, drive, watch) {
                Ok(Done::Stop(outcome)) => return Ok(outcome),
                Ok(Done::Event(event)) => {
                    let read_back = matches!(event, Event::ReadBack { matches: false });
                    self.step(event)?;
                    if read_back && matches!(self.machine.state(), State::FallingBack(_) | State::Disarming(_)) {
                        failed = self.read_back_error();
                    }
                    continue;
                }
                Err(error) => error,
            };
            if error == Error::Rejected(Rejected::AlreadyInstalled) {
                // Found by reading the running slot, after the install had begun.
                self.step(Event::Cancel)?;
                self.store()?;
                return Ok(Outcome::NothingToDo);
            }
            if error == Error::Stopped {
                if drive.checks_begun && effect == Effect::CheckHealth {
                    self.step(Event::ChecksStopped)?;
                    self.store()?;
                }
                return Err(failed.unwrap_or(error));
            }
            let progressed = drive.work.as_mut().is_some_and(|work| std::mem::take(&mut work.progressed));
            let failure = error.failure(stage_of(effect));
            self.step(Event::Failed { failure, progressed })?;
            if failed.is_some() || !matches!(self.machine.state(), State::FallingBack(_) | State::Disarming(_)) {
                let error = failed.unwrap_or(error);
                return match self.store() {
                    Ok(()) => Err(error),
                    // Both failed; the first is the cause.
                    Err(_) => Err(error),
                };
            }
            failed = Some(error);
        }
    }

    fn read_back_error(&self) -> Option<Error> {
        let goal = self.machine.state().goal()?;
        Some(Error::ReadBack { slot: goal.slot, rollback: matches!(goal.kind, Kind::Rollback { .. }) })
    }

    fn perform(&mut self, effect: Effect, drive: &mut Drive<'_, P>, watch: &Watch<'_>) -> Result<Done, Error> {
        let event = match effect {
            Effect::Store => unreachable!("stored by the loop"),
            Effect::Rest => {
                return Ok(Done::Stop(match drive.committed {
                    true => Outcome::Committed,
                    false => Outcome::Settled,
                }));
            }
            Effect::Prepare => {
                let Some(work) = &mut drive.work else {
                    return Ok(Done::Stop(self.resumable()));
                };
                let running = self.machine.boot().running;
                let from = self.machine.state().watermark().unwrap_or_default();
                let base = work.prepare(&mut self.platform, &self.settings, running, from, watch)?;
                Event::Prepared { base }
            }
            Effect::Release { slot } => {
                self.spare(slot, Stage::Preflight)?;
                self.platform.boot().mark_bad(slot).map_err(Error::device(Stage::Preflight, BOOT_RECORD))?;
                Event::Released
            }
            Effect::Apply { from } => {
                let inactive = self.inactive(slot_of(self.machine.state())?, Stage::Apply)?;
                match &mut drive.work {
                    Some(work) if work.is_prepared() => {
                        match work.apply(&mut self.platform, &self.settings, &inactive, from, watch)? {
                            Part::Until(watermark) => Event::Applied { watermark },
                            Part::Complete => Event::AppliedAll,
                        }
                    }
                    _ => return Err(Error::Bug("applying without a prepared bundle")),
                }
            }
            Effect::ReadBack { slot, image } => {
                drive.proven = self.read_back(slot, &image, watch)?;
                Event::ReadBack { matches: drive.proven.is_some() }
            }
            Effect::Arm { slot } => {
                let proven = drive.proven.take().filter(|proven| proven.slot() == slot);
                let proven = proven.ok_or(Error::Bug("arming without a read-back"))?;
                self.platform
                    .boot()
                    .arm(&proven, self.settings.tries)
                    .map_err(Error::device(Stage::Arm, BOOT_RECORD))?;
                Event::Armed
            }
            Effect::Reboot => {
                let falling_back = matches!(self.machine.state(), State::Returning(_));
                // The slot holds the release now; the fetched groups are of no use any more. Not worth an error.
                let _ = Partial::discard(self.platform.state());
                return Ok(Done::Stop(Outcome::RebootRequired(match falling_back {
                    true => Reboot::FallBack,
                    false => Reboot::Trial,
                })));
            }
            Effect::CheckHealth if drive.healthy.is_some() => Event::Healthy,
            Effect::CheckHealth if !drive.check_health => return Ok(Done::Stop(Outcome::OnTrial)),
            Effect::CheckHealth if !drive.checks_begun => {
                drive.checks_begun = true;
                Event::ChecksBegin
            }
            Effect::CheckHealth => {
                watch.begin(Stage::Trial, 0)?;
                let running = self.machine.boot().running;
                let health = self.platform.health();
                match watch.lend(|watcher| Healthy::check(running, health, watcher))? {
                    Ok(healthy) => {
                        drive.healthy = Some(healthy);
                        Event::Healthy
                    }
                    Err(output) => {
                        let message = "the new release failed its health checks";
                        Event::Failed {
                            failure: Failure::new(Stage::Trial, Class::Unhealthy, message).detail(&output),
                            progressed: false,
                        }
                    }
                }
            }
            Effect::Commit { slot } => {
                let healthy = drive.healthy.take().filter(|healthy| healthy.slot() == slot);
                let healthy = healthy.ok_or(Error::Bug("committing without a health check"))?;
                self.platform.boot().commit(&healthy).map_err(Error::device(Stage::Commit, BOOT_RECORD))?;
                drive.committed = true;
                Event::Committed
            }
            Effect::MarkBad { slot } => {
                let loader = self.platform.boot().read().map_err(Error::device(Stage::FallBack, BOOT_RECORD))?;
                if loader.default == slot {
                    return Err(Error::Bug("marking the default slot as bad"));
                }
                self.platform.boot().mark_bad(slot).map_err(Error::device(Stage::FallBack, BOOT_RECORD))?;
                Event::MarkedBad
            }
            Effect::Disarm { slot } => {
                self.platform.boot().disarm(slot).map_err(Error::device(Stage::Arm, BOOT_RECORD))?;
                Event::Disarmed
            }
        };
        Ok(Done::Event(event))
    }

    /// Makes sure that the slot may be written: not running, and not what the boot loader falls back to.
    fn spare(&mut self, slot: Slot, stage: Stage) -> Result<(), Error> {
        let loader =
            self.platform.boot().read().map_err(Error::device(stage, "The boot loader's record cannot be read"))?;
        self.inactive(slot, stage)?;
        match loader.default == slot {
            true => Err(Rejected::NotDefault.into()),
            false => Ok(()),
        }
    }

    fn inactive(&mut self, slot: Slot, stage: Stage) -> Result<Inactive, Error> {
        Inactive::claim(self.platform.slots(), slot)
            .map_err(Error::device(stage, "The running slot cannot be told"))?
            .ok_or(Error::Rejected(Rejected::SlotRunning))
    }

    /// Reads a slot back; `None` when it holds something else.
    fn read_back(&mut self, slot: Slot, image: &ImageId, watch: &Watch<'_>) -> Result<Option<Proven>, Error> {
        let stage = Stage::ReadBack;
        let inactive = self.inactive(slot, stage)?;
        let mut observer = watch.begin(stage, image.length)?;
        match Proven::read_back(self.platform.slots(), inactive, image, &mut observer) {
            Ok(proven) => Ok(Some(proven)),
            Err(ReadBackError::Mismatch { .. }) => Ok(None),
            Err(ReadBackError::Io(error)) => Err(Error::device(stage, "The slot cannot be read back")(error)),
            Err(ReadBackError::Cancelled) => Err(Error::Stopped),
        }
    }

    fn resumable(&self) -> Outcome {
        let goal = self.machine.state().goal();
        let origin = goal.and_then(|goal| goal.bundle()).map(|bundle| bundle.origin.to_string());
        Outcome::Resumable { origin: origin.unwrap_or_default() }
    }
}

const BOOT_RECORD: &str = "The boot loader's record cannot be written";

fn slot_of(state: &State) -> Result<Slot, Error> {
    state.goal().map(|goal| goal.slot).ok_or(Error::Bug("an effect without a goal"))
}

/// Which step a failed effect belongs to.
fn stage_of(effect: Effect) -> Stage {
    match effect {
        Effect::Rest | Effect::Store => Stage::State,
        Effect::Prepare | Effect::Release { .. } => Stage::Preflight,
        Effect::Apply { .. } => Stage::Apply,
        Effect::ReadBack { .. } => Stage::ReadBack,
        Effect::Arm { .. } | Effect::Disarm { .. } => Stage::Arm,
        Effect::Reboot => Stage::Reboot,
        Effect::CheckHealth => Stage::Trial,
        Effect::Commit { .. } => Stage::Commit,
        Effect::MarkBad { .. } => Stage::FallBack,
    }
}

//! What an operator, a timer or a boot can ask for.

use super::drive::Drive;
use super::head::{self, Continuity, Head, Tiles, device};
use super::watch::Watch;
use super::witness::Healthy;
use super::work::{Work, check_all};
use super::{Error, Executor, Outcome, Reboot};
use crate::partial::{Partial, keep_attestation, kept_attestation};
use crate::platform::{Locality, Platform, Slots, Source, Stage, Watcher};
use agent_machine::{
    BundleRef, ChannelSeen, Class, Effect, Event, Failure, Goal, Kind, Learned, Origin, Rejected, State,
};
use delta_apply::check_base;
use delta_format::header::{BundleHeader, ImageId};
use delta_format::rollback::{Release, RollbackAttestation};
use delta_format::{Blake3, Name};
use delta_verify::{Admission, Admitted, Refusal, Verified, admit, permit_rollback, verify_rollback};

/// What `verify` found.
#[derive(Debug)]
pub struct Checked {
    /// The proven header, with its evidence.
    pub header: Verified<BundleHeader>,
    /// Whether this device would install it.
    pub admission: Result<Admission, Refusal>,
}

impl<P: Platform> Executor<P> {
    /// Goes on with whatever needs no bundle: after a start of the device, this checks a new slot and commits it, or falls
    /// back, or finishes what a cut left behind.
    ///
    /// # Errors
    /// [`Error`].
    pub fn settle(&mut self, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        self.begin()?;
        self.drive(Drive::checking(), &Watch::new(watcher))
    }

    /// Installs a bundle. `rollback` is the attestation when the bundle leads back to an older version. `force` takes a
    /// release that failed here before off the list.
    ///
    /// # Errors
    /// [`Error`].
    pub fn install(
        &mut self,
        source: &mut dyn Source,
        rollback: Option<&[u8]>,
        force: bool,
        watcher: &mut dyn Watcher,
    ) -> Result<Outcome, Error> {
        self.begin()?;
        let watch = Watch::new(watcher);
        self.finish_without_bundle(&watch)?;
        watch.begin(Stage::Verify, 0)?;
        let head = Head::read(source)?;
        let verified = self.verify_head(&head, Continuity::Required, source)?;
        let required = Continuity::Required;
        let attestation = match rollback {
            Some(file) => match self.verify_attestation(file, required, Some(source)) {
                Ok(attestation) => Some(attestation),
                Err(error) => {
                    self.learn(head::learned(&verified))?;
                    return Err(error);
                }
            },
            None => None,
        };
        let mut learned = head::learned(&verified);
        if let Some(attestation) = &attestation {
            head::learn_also(&mut learned, attestation);
        }
        let image = verified.target;
        if let State::AwaitingReboot(state) = self.machine.state()
            && state.goal.release.image == image
        {
            return Ok(Outcome::RebootRequired(Reboot::Trial));
        }
        let admitted = match self.admit(&verified, attestation.as_ref(), &watch) {
            Ok(Some(admitted)) => admitted,
            // Heads and proven time are kept, whatever comes of the update.
            Ok(None) => {
                self.learn(learned)?;
                return Ok(Outcome::NothingToDo);
            }
            Err(error) => {
                self.learn(learned)?;
                return Err(error);
            }
        };
        let goal = Goal {
            kind: Kind::Install { bundle: BundleRef { head: head.digest(), origin: Origin::cut(source.origin()) } },
            slot: self.machine.boot().running.other(),
            release: Release { version: verified.version, image },
            attested_floor: admitted.is_rollback().then(|| admitted.version_floor()),
        };
        if let Some(file) = rollback {
            keep_attestation(self.platform.state(), file).map_err(super::groups::state)?;
        }
        match self.machine.clone().step(Event::Install { goal, lift: force, learned: learned.clone() }) {
            Ok((machine, _)) => self.machine = machine,
            Err(rejected) => {
                self.learn(learned)?;
                return match rejected {
                    Rejected::AlreadyInstalled => Ok(Outcome::NothingToDo),
                    rejected => Err(rejected.into()),
                };
            }
        }
        self.drive(Drive::with(Work::new(&verified, &admitted, &head, source)), &watch)
    }

    /// Goes on with an install that was cut off. The bundle is verified again; what was fetched and written counts.
    ///
    /// # Errors
    /// [`Error::NothingToResume`], [`Error::OtherBundle`]; else as [`Self::install`].
    pub fn resume(&mut self, source: &mut dyn Source, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        self.begin()?;
        let watch = Watch::new(watcher);
        let Some(goal) = self.unfinished().cloned() else {
            return match self.machine.effect() {
                Effect::Rest => Err(Error::NothingToResume),
                _ => self.drive(Drive::plain(), &watch),
            };
        };
        let (head, verified, admitted) = match self.take_up(&goal, source, &watch) {
            Ok(found) => found,
            Err(error @ (Error::Stopped | Error::OtherBundle | Error::Journal(_))) => return Err(error),
            Err(error) => {
                let failure = error.failure(Stage::Verify);
                let progressed = false;
                self.step(Event::Failed { failure, progressed })?;
                self.store()?;
                return Err(error);
            }
        };
        self.drive(Drive::with(Work::new(&verified, &admitted, &head, source)), &watch)
    }

    /// Earns again what an install rests on: the head, verified and admitted.
    fn take_up(
        &mut self,
        goal: &Goal,
        source: &mut dyn Source,
        watch: &Watch<'_>,
    ) -> Result<(Head, Verified<BundleHeader>, Admitted), Error> {
        watch.begin(Stage::Verify, 0)?;
        let wanted = goal.bundle().map(|bundle| bundle.head);
        let kept = match source.locality() {
            Locality::Local => None,
            Locality::Remote => Partial::open(self.platform.state())
                .map_err(super::groups::state)?
                .map(|(_, bytes)| Head { bytes })
                .filter(|head| Some(head.digest()) == wanted),
        };
        // A wrong file that an operator names by mistake must not end an install that could go on with the right one.
        let another_copy = goal.bundle().is_some_and(|bundle| bundle.origin.as_str() != source.origin());
        let head = match kept {
            Some(head) => head,
            None => Head::read(source).map_err(|error| match error {
                Error::Refused(_) | Error::Damaged(_) if another_copy => Error::OtherBundle,
                error => error,
            })?,
        };
        if Some(head.digest()) != wanted {
            return Err(Error::OtherBundle);
        }
        let shown = Continuity::ShownBefore;
        let verified = self.verify_head(&head, shown, source)?;
        let attestation = match goal.attested_floor {
            None => None,
            Some(_) => {
                let file = kept_attestation(self.platform.state()).map_err(super::groups::state)?;
                Some(self.verify_attestation(&file, shown, Some(source))?)
            }
        };
        let admitted = self.admit(&verified, attestation.as_ref(), watch)?;
        let admitted = admitted.ok_or(Error::Rejected(Rejected::AlreadyInstalled))?;
        Ok((head, verified, admitted))
    }

    /// Goes back to what the other slot holds, as a signed attestation allows.
    ///
    /// # Errors
    /// [`Refusal::RollbackNotAttested`] without a file; else [`Error`].
    pub fn rollback(
        &mut self,
        attestation: Option<&[u8]>,
        tiles: Option<&mut dyn Source>,
        watcher: &mut dyn Watcher,
    ) -> Result<Outcome, Error> {
        self.begin()?;
        let watch = Watch::new(watcher);
        self.finish_without_bundle(&watch)?;
        watch.begin(Stage::Verify, 0)?;
        let verified =
            attestation.map(|file| self.verify_attestation(file, Continuity::Required, tiles)).transpose()?;
        if let Some(verified) = &verified {
            self.learn(head::learned(verified))?;
        }
        let running = self.machine.boot().running;
        let proven = self.proven_running(verified.as_ref(), &watch)?;
        let facts = self.machine.facts();
        let permit = permit_rollback(verified.as_ref(), &device(&self.settings, facts, running, proven.as_ref()))?;
        let from = verified.ok_or(Refusal::RollbackNotAttested)?.from;
        let goal = Goal {
            kind: Kind::Rollback { from },
            slot: running.other(),
            release: *permit.to(),
            attested_floor: Some(permit.version_floor()),
        };
        if let State::AwaitingReboot(state) = self.machine.state()
            && state.goal == goal
        {
            return Ok(Outcome::RebootRequired(Reboot::Trial));
        }
        self.step(Event::RollBack { goal })?;
        self.drive(Drive::plain(), &watch)
    }

    /// Verifies a bundle and keeps nothing. A local file is read to its last byte.
    ///
    /// # Errors
    /// [`Error::Refused`] or [`Error::Damaged`] when it is not good; what policy says of a good one is in the result.
    pub fn verify(&mut self, source: &mut dyn Source, watcher: &mut dyn Watcher) -> Result<Checked, Error> {
        self.begin()?;
        self.fresh = true;
        let watch = Watch::new(watcher);
        let head = Head::read(source)?;
        let facts = self.machine.facts();
        let header = head.verify(&self.trust, facts, Continuity::Required, source)?;
        let running = self.machine.boot().running;
        let admission = admit(&header, &device(&self.settings, facts, running, None), None);
        if source.locality() == Locality::Local {
            check_all::<P>(&header, &head.layout(&header), source, &watch)?;
        }
        Ok(Checked { header, admission })
    }

    /// Calls an update off.
    ///
    /// # Errors
    /// [`Rejected::NothingToDo`], [`Rejected::TrialFirst`]; [`Error`].
    pub fn cancel(&mut self, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        self.command(Event::Cancel, watcher)?;
        let _ = Partial::discard(self.platform.state());
        Ok(Outcome::Cancelled)
    }

    /// Makes the slot on trial the default because an operator says that it is good.
    ///
    /// # Errors
    /// [`Rejected::NothingToDo`] when no slot is on trial; [`Error`].
    pub fn commit(&mut self, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        self.begin()?;
        self.store()?;
        if !matches!(self.machine.state(), State::Trial(_)) {
            return Err(Rejected::NothingToDo.into());
        }
        let healthy = Healthy::vouched(self.machine.boot().running);
        self.drive(Drive::vouched(healthy), &Watch::new(watcher))
    }

    /// Says that the armed release, or the one on trial, is bad.
    ///
    /// # Errors
    /// [`Rejected::NothingToDo`]; [`Error`].
    pub fn mark_bad(&mut self, reason: &str, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        self.command(Event::Condemn(Failure::new(Stage::Trial, Class::Operator, reason)), watcher)
    }

    /// Takes a release off the 'failed here' list.
    ///
    /// # Errors
    /// [`Error::Journal`].
    pub fn lift(&mut self, image: Blake3, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        self.command(Event::Lift { image }, watcher)
    }

    /// Keeps the number of a channel index that was verified and admitted.
    ///
    /// # Errors
    /// [`Error::Journal`].
    pub fn saw_channel(&mut self, channel: Name, number: u64) -> Result<(), Error> {
        self.begin()?;
        self.learn(Learned { channel: Some(ChannelSeen { channel, number }), ..Learned::default() })
    }

    /// One command, and then what follows from it without a bundle and without health checks.
    fn command(&mut self, event: Event, watcher: &mut dyn Watcher) -> Result<Outcome, Error> {
        self.begin()?;
        self.store()?;
        self.step(event)?;
        self.drive(Drive::plain(), &Watch::new(watcher))
    }

    /// What an earlier run left that needs no bundle is finished first, a trial excepted.
    fn finish_without_bundle(&mut self, watch: &Watch<'_>) -> Result<(), Error> {
        self.store()?;
        if self.unfinished().is_none() {
            self.drive(Drive::plain(), watch)?;
        }
        Ok(())
    }

    /// The goal of an install that still needs its bundle.
    fn unfinished(&self) -> Option<&Goal> {
        match self.machine.state() {
            State::Preparing(_) | State::Releasing(_) | State::Applying(_) => self.machine.state().goal(),
            _ => None,
        }
    }

    fn verify_head(
        &self,
        head: &Head,
        continuity: Continuity,
        source: &mut dyn Source,
    ) -> Result<Verified<BundleHeader>, Error> {
        Ok(head.verify(&self.trust, self.machine.facts(), continuity, source)?)
    }

    fn verify_attestation(
        &self,
        file: &[u8],
        continuity: Continuity,
        tiles: Option<&mut dyn Source>,
    ) -> Result<Verified<RollbackAttestation>, Error> {
        let (trust, facts) = (&self.trust, self.machine.facts());
        Ok(match tiles {
            Some(source) => {
                continuity.judge(facts, |known| verify_rollback(file, trust, known, Some(&mut Tiles(source))))
            }
            None => continuity.judge(facts, |known| verify_rollback(file, trust, known, None)),
        }?)
    }

    /// Keeps heads and proven time.
    fn learn(&mut self, learned: Learned) -> Result<(), Error> {
        self.store()?;
        self.step(Event::Learn(learned))?;
        self.store()
    }

    fn admit(
        &mut self,
        verified: &Verified<BundleHeader>,
        attestation: Option<&Verified<RollbackAttestation>>,
        watch: &Watch<'_>,
    ) -> Result<Option<Admitted>, Error> {
        let proven = self.proven_running(attestation, watch)?;
        let running = self.machine.boot().running;
        let device = device(&self.settings, self.machine.facts(), running, proven.as_ref());
        Ok(match admit(verified, &device, attestation)? {
            Admission::Install(admitted) => Some(admitted),
            Admission::NothingToDo => None,
        })
    }

    /// On a device that does not know what it runs, an attestation's claim about it is put to the test.
    fn proven_running(
        &mut self,
        attestation: Option<&Verified<RollbackAttestation>>,
        watch: &Watch<'_>,
    ) -> Result<Option<ImageId>, Error> {
        let running = self.machine.boot().running;
        let Some(attestation) = attestation.filter(|_| self.machine.facts().slot(running).image().is_none()) else {
            return Ok(None);
        };
        let image = attestation.from.image;
        let unreadable = || Error::device(Stage::CheckBase, "The running slot cannot be read");
        let slots = self.platform.slots();
        if slots.capacity(running).map_err(unreadable())? < image.length {
            return Ok(None);
        }
        let mut base = slots.open_base(running).map_err(unreadable())?;
        let mut observer = watch.begin(Stage::CheckBase, image.length)?;
        match check_base(&mut base, &image, &mut observer) {
            Ok(()) => Ok(Some(image)),
            Err(delta_apply::BaseError::Mismatch { .. }) => Ok(None),
            Err(delta_apply::BaseError::Io(error)) => Err(unreadable()(error)),
            Err(delta_apply::BaseError::Cancelled) => Err(Error::Stopped),
        }
    }
}

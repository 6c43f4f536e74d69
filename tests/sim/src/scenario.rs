//! What an operator does with the simulated device, and what must be true at the end.
//!
//! A scenario is a list of steps. The driver plays the parts that are outside of the agent: it turns the power on, starts
//! the agent, asks for the step that is due, and turns the power off when the agent asks for a reboot. It gives up after
//! a fixed number of boots: a device that has not settled by then never will.

use crate::boot;
use crate::bundles::{attested_floor, name, releases, version};
use crate::crash::journal_in;
use crate::platform::{Shared, SimPlatform};
use crate::source::SimSource;
use crate::world::{Behaviour, Snapshot, World};
use agent_machine::{Class, Ended, Rejected, Slot, State};
use delta_verify::Refusal;
use std::fmt;
use std::str::FromStr;
use stella_agent::executor::{Error, Executor, Outcome, Settings};
use stella_agent::journal::JournalError;
use stella_agent::platform::Locality;

/// Starts of the device after which it must have settled. The longest script takes eight without a fault; each fault may
/// cost a few.
const BOOTS_MAX: u64 = 24;
/// Commands in one boot.
const COMMANDS_MAX: usize = 40;

/// The scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// A bundle over the network, spooled, to the commit.
    Install,
    /// A bundle on a stick.
    Local,
    /// A bundle over the network that is too large to spool.
    Stream,
    /// As [`Scenario::Install`], with a boot record in a file that is replaced by rename.
    BootFile,
    /// A release that fails its health checks; then a better one.
    Unhealthy,
    /// A release that never starts the agent; then a better one.
    Dead,
    /// An install, then a rollback: refused without attestation, done with it.
    Rollback,
    /// An install, then a bundle that leads back: refused without attestation, done with it.
    Downgrade,
    /// An install that is called off when it is armed, and made again.
    Cancel,
}

/// All scenarios.
pub const SCENARIOS: [Scenario; 9] = [
    Scenario::Install,
    Scenario::Local,
    Scenario::Stream,
    Scenario::BootFile,
    Scenario::Unhealthy,
    Scenario::Dead,
    Scenario::Rollback,
    Scenario::Downgrade,
    Scenario::Cancel,
];

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Install => "install",
            Self::Local => "local",
            Self::Stream => "stream",
            Self::BootFile => "boot-file",
            Self::Unhealthy => "unhealthy",
            Self::Dead => "dead",
            Self::Rollback => "rollback",
            Self::Downgrade => "downgrade",
            Self::Cancel => "cancel",
        })
    }
}

impl FromStr for Scenario {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = SCENARIOS.into_iter().find(|scenario| scenario.to_string() == text);
        found.ok_or_else(|| format!("no such scenario: '{text}'"))
    }
}

/// One thing that an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The image runs, committed.
    Install(usize),
    /// The image is tried and found bad.
    InstallFails(usize),
    /// The image is refused, because it failed here.
    RefusedHere(usize),
    /// Going back is refused without an attestation.
    RollbackRefused,
    /// Going back to image 0 with the attestation.
    Rollback,
    /// A bundle with image 0 is refused without an attestation.
    DowngradeRefused,
    /// Going back to image 0 by a bundle, with the attestation.
    Downgrade,
    /// The image is installed and called off when armed.
    CancelArmed(usize),
}

impl Scenario {
    fn steps(self) -> &'static [Step] {
        match self {
            Self::Install | Self::Local | Self::Stream | Self::BootFile => &[Step::Install(1)],
            Self::Unhealthy => &[Step::InstallFails(1), Step::RefusedHere(1), Step::Install(2)],
            Self::Dead => &[Step::InstallFails(1), Step::Install(2)],
            Self::Rollback => &[Step::Install(1), Step::RollbackRefused, Step::Rollback],
            Self::Downgrade => &[Step::Install(1), Step::DowngradeRefused, Step::Downgrade],
            Self::Cancel => &[Step::CancelArmed(1), Step::Install(1)],
        }
    }

    /// The world in which it begins.
    pub fn world(self) -> World {
        World::new(match self {
            Self::Unhealthy => Behaviour { unhealthy: Some(1), ..Behaviour::default() },
            Self::Dead => Behaviour { dead: Some(1), ..Behaviour::default() },
            Self::BootFile => Behaviour { boot_file: true, ..Behaviour::default() },
            _ => Behaviour::default(),
        })
    }

    fn locality(self) -> Locality {
        match self {
            Self::Local => Locality::Local,
            _ => Locality::Remote,
        }
    }

    fn settings(self) -> Settings {
        Settings {
            memory_bytes_max: 16 << 20,
            spool_bytes: if self == Self::Stream { 0 } else { 1 << 20 },
            budget_bytes: 64 << 10,
            tries: 3,
            ..Settings::new(name("sim"), name("board"))
        }
    }

    /// Whether an attestation sets the floor at its end.
    fn goes_back(self) -> bool {
        matches!(self, Self::Rollback | Self::Downgrade)
    }

    /// The image that runs when all is done.
    fn last_image(self) -> usize {
        match self {
            Self::Install | Self::Local | Self::Stream | Self::BootFile | Self::Cancel => 1,
            Self::Unhealthy | Self::Dead => 2,
            Self::Rollback | Self::Downgrade => 0,
        }
    }
}

/// How much a run has to promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Nothing but power was lost, and less often than a trial has tries: a good release is never given up.
    Strict,
    /// Calls failed: a good release may be given up once, but the device settles and can install it then.
    Settles,
}

/// Runs a scenario from a world to its end; with `record`, gives a snapshot before each operation.
pub fn run(mut world: World, scenario: Scenario, promise: Promise, record: bool) -> (World, Vec<Snapshot>) {
    (world.ops, world.calls) = (0, 0);
    let shared = Shared::new(world, record);
    let driver = Driver { shared: shared.clone(), scenario, promise };
    driver.run();
    drop(driver);
    shared.take()
}

struct Driver {
    shared: Shared,
    scenario: Scenario,
    promise: Promise,
}

/// What the driver does next.
enum Next {
    /// Asks the agent again.
    Again,
    /// Turns power off and on.
    PowerCycle,
    /// All steps are done.
    Done,
}

impl Driver {
    fn run(&self) {
        let begun = self.shared.with(|world| world.boots);
        loop {
            if !self.shared.with(|world| std::mem::take(&mut world.killed)) && !self.power_on() {
                return self.violate("no slot starts");
            }
            let mut done = false;
            let mut cycle = false;
            for _ in 0..COMMANDS_MAX {
                match self.command() {
                    Next::Again => {}
                    Next::PowerCycle => {
                        cycle = true;
                        break;
                    }
                    Next::Done => {
                        done = true;
                        break;
                    }
                }
                if self.shared.with(|world| world.violation.is_some()) {
                    return;
                }
            }
            if self.shared.with(|world| world.violation.is_some()) {
                return;
            }
            if done {
                return self.check_end();
            }
            if !cycle {
                return self.violate("the agent neither rests nor asks for a reboot");
            }
            if self.shared.with(|world| world.boots) - begun > BOOTS_MAX {
                return self.violate("the device does not settle");
            }
            // Whatever is not on the medium when the agent asks for a reboot is lost: it must not matter.
            self.shared.with(|world| {
                world.journal_may_be = vec![journal_in(world, false)];
                world.restart();
            });
        }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.shared.with(|world| world.trace) {
            println!("{}", what());
        }
    }

    fn violate(&self, what: impl Into<String>) {
        self.shared.with(|world| world.violate(what));
    }

    /// The boot loader decides and the slot starts, or does not; gives whether the agent runs in the end.
    fn power_on(&self) -> bool {
        for _ in 0..6 {
            let Some((old, (slot, state))) = self.shared.with(|world| {
                world.boots += 1;
                let (_, old) = boot::read(world, false)?;
                let mut state = old;
                let (slot, _) = boot::decide(&mut state);
                Some((old, (slot, state)))
            }) else {
                self.violate("the boot loader's record is lost");
                return false;
            };
            if self.shared.with(|world| world.image_in(old.default)).is_none() {
                self.violate("the default slot does not hold a whole image");
            }
            if state != old {
                self.shared.with(|world| world.quiet = true);
                let written = self.shared.write_boot(|record| *record = state);
                self.shared.with(|world| world.quiet = false);
                written.expect("a boot loader's own writes do not fail");
            }
            let starts = self.shared.with(|world| {
                let image = world.image_in(slot);
                if image.is_none() {
                    world.violate("a slot is started that does not hold a whole image");
                }
                image.is_some() && image != world.behaviour.dead
            });
            self.trace(|| format!("power on: slot {slot}, {}", if starts { "starts" } else { "dead" }));
            if starts {
                self.shared.with(|world| world.running = Some(slot));
                return true;
            }
            // The watchdog resets what does not come up.
            self.shared.with(World::restart);
        }
        false
    }

    /// One run of the agent.
    fn command(&self) -> Next {
        let scenario = self.scenario;
        let platform = SimPlatform::new(&self.shared);
        let trust = releases().trust.clone();
        let mut agent = match Executor::open(platform, trust, scenario.settings()) {
            Ok(agent) => agent,
            Err(Error::Journal(error @ (JournalError::Broken | JournalError::Newer))) => {
                self.violate(format!("the journal cannot be opened: {error}"));
                return Next::Again;
            }
            Err(_) => return Next::Again,
        };
        self.check_record(&agent);
        let mut source = SimSource::new(&self.shared, 1, scenario.locality());
        self.trace(|| format!("agent begins: {:?}", agent.record().state.name()));
        let outcome = agent.settle(&mut ());
        self.trace(|| format!("settle: {outcome:?}"));
        self.acknowledge(&agent);
        let step = scenario.steps().get(self.shared.with(|world| world.script)).copied();
        let outcome = match outcome {
            Ok(Outcome::Resumable { .. }) => {
                match step {
                    Some(Step::Install(image) | Step::InstallFails(image) | Step::CancelArmed(image)) => {
                        source = self.source(image);
                    }
                    Some(Step::Downgrade) => source = self.source(0),
                    _ => {}
                }
                let outcome = agent.resume(&mut source, &mut ());
                self.trace(|| format!("resume: {outcome:?}"));
                outcome
            }
            outcome => outcome,
        };
        self.acknowledge(&agent);
        match (outcome, step) {
            (Ok(Outcome::RebootRequired(_)), Some(Step::CancelArmed(_)))
                if matches!(agent.record().state, State::AwaitingReboot(_)) =>
            {
                let _ = agent.cancel(&mut ());
                self.acknowledge(&agent);
                Next::Again
            }
            (Ok(Outcome::RebootRequired(_)), _) => Next::PowerCycle,
            (Ok(Outcome::Settled | Outcome::Committed), Some(step)) => self.step(&mut agent, step),
            (Ok(Outcome::Settled | Outcome::Committed), None) => Next::Done,
            (Ok(Outcome::Resumable { .. } | Outcome::NothingToDo | Outcome::OnTrial | Outcome::Cancelled), _) => {
                Next::Again
            }
            (Err(error), _) => {
                self.check_error(&error);
                Next::Again
            }
        }
    }

    /// The device is idle: is the step done, or what is asked for?
    fn step(&self, agent: &mut Executor<SimPlatform>, step: Step) -> Next {
        let record = agent.record();
        let ids = &releases().ids;
        let last = record.facts.last.as_ref();
        let ended = |image: usize| last.filter(|last| last.release.image == ids[image]).map(|last| &last.ended);
        let failed_before = |image: usize| record.facts.failed(&ids[image].blake3).is_some();
        let advance = || {
            self.shared.with(|world| world.script += 1);
            Next::Again
        };
        let result = match step {
            Step::Install(image) => {
                match ended(image) {
                    Some(Ended::Committed) => return advance(),
                    // What was called off after the device had started it is a failure, by the operator's will.
                    Some(Ended::Failed(failure))
                        if self.promise == Promise::Strict && failure.class != Class::Operator =>
                    {
                        self.violate(format!("a good release is given up: {}", failure.message));
                        return Next::Again;
                    }
                    _ => {}
                }
                let force = failed_before(image);
                agent.install(&mut self.source(image), None, force, &mut ())
            }
            Step::InstallFails(image) => {
                match ended(image) {
                    Some(Ended::Failed(_)) if failed_before(image) => return advance(),
                    Some(Ended::Committed) => {
                        self.violate("a bad release is committed");
                        return Next::Again;
                    }
                    _ => {}
                }
                agent.install(&mut self.source(image), None, false, &mut ())
            }
            Step::RefusedHere(image) => match agent.install(&mut self.source(image), None, false, &mut ()) {
                Err(Error::Rejected(Rejected::FailedHere)) => return advance(),
                Ok(_) => {
                    self.violate("a release that failed here is installed again");
                    return Next::Again;
                }
                other => other,
            },
            Step::RollbackRefused => match agent.rollback(None, None, &mut ()) {
                Err(Error::Refused(Refusal::RollbackNotAttested)) => return advance(),
                Ok(_) => {
                    self.violate("a rollback without attestation is done");
                    return Next::Again;
                }
                other => other,
            },
            Step::Rollback => {
                if last.is_some_and(|last| last.rollback) && ended(0) == Some(&Ended::Committed) {
                    return advance();
                }
                if self.promise == Promise::Strict && last.is_some_and(|last| last.rollback) {
                    self.violate("a permitted rollback is given up");
                    return Next::Again;
                }
                agent.rollback(Some(&releases().attestation), None, &mut ())
            }
            Step::DowngradeRefused => match agent.install(&mut self.source(0), None, true, &mut ()) {
                Err(Error::Refused(Refusal::VersionBelowFloor { .. })) => return advance(),
                Ok(_) => {
                    self.violate("an older version is installed without attestation");
                    return Next::Again;
                }
                other => other,
            },
            Step::Downgrade => {
                match ended(0) {
                    Some(Ended::Committed) => return advance(),
                    Some(Ended::Failed(_)) if self.promise == Promise::Strict => {
                        self.violate("a permitted way back is given up");
                        return Next::Again;
                    }
                    _ => {}
                }
                let force = failed_before(0);
                agent.install(&mut self.source(0), Some(&releases().attestation), force, &mut ())
            }
            Step::CancelArmed(image) => {
                // Power may be lost between arming and calling off; then the release runs.
                if matches!(ended(image), Some(Ended::Cancelled | Ended::Committed)) {
                    return advance();
                }
                if matches!(ended(image), Some(Ended::Failed(_))) {
                    return advance();
                }
                agent.install(&mut self.source(image), None, false, &mut ())
            }
        };
        self.trace(|| format!("{step:?}: {result:?}"));
        self.acknowledge(agent);
        match (result, step) {
            (Ok(Outcome::RebootRequired(_)), Step::CancelArmed(_)) => Next::Again,
            (Ok(Outcome::RebootRequired(_)), _) => Next::PowerCycle,
            (Ok(_), _) => Next::Again,
            (Err(error), _) => {
                self.check_error(&error);
                Next::Again
            }
        }
    }

    fn source(&self, image: usize) -> SimSource {
        SimSource::new(&self.shared, image, self.scenario.locality())
    }

    /// A bug is a bug whatever was injected; and without injected errors there is none to report.
    fn check_error(&self, error: &Error) {
        let injected = self.shared.with(|world| world.error.is_some());
        if let Error::Bug(what) = error {
            self.violate(format!("bug: {what}"));
        }
        let broken_link = matches!(error, Error::Source(_));
        if !injected && !broken_link && self.promise == Promise::Strict {
            self.violate(format!("an error without a fault: {error}"));
        }
    }

    /// The record that a fresh agent finds: one of those that may be there, with floors that never fell.
    fn check_record(&self, agent: &Executor<SimPlatform>) {
        self.shared.with(|world| {
            let stored = journal_in(world, false);
            let may_be = std::mem::take(&mut world.journal_may_be);
            if !may_be.is_empty() && !may_be.contains(&stored) {
                world.violate("the journal is neither the old record nor the new one");
            }
        });
        self.acknowledge(agent);
    }

    /// What the agent told somebody must stay true.
    fn acknowledge(&self, agent: &Executor<SimPlatform>) {
        let facts = &agent.record().facts;
        let rolled_back = facts.version_floor == attested_floor();
        let stored = self.shared.with(|world| journal_in(world, true));
        self.shared.with(|world| {
            let (version_floor, time_floor) = world.floors;
            if facts.version_floor < version_floor && !(rolled_back && self.scenario.goes_back()) {
                world.violate("the version floor fell");
            }
            if facts.time_floor < time_floor {
                world.violate("the time floor fell");
            }
            // Only what is durable counts as told.
            if let Some(stored) = stored {
                world.floors = (stored.facts.version_floor, stored.facts.time_floor);
            }
        });
    }

    fn check_end(&self) {
        let image = self.scenario.last_image();
        self.shared.with(|world| {
            let running = world.running.unwrap_or(Slot::A);
            let Some((_, loader)) = boot::read(world, true) else {
                return world.violate("the boot loader's record is lost");
            };
            if loader.default != running || loader.trial.is_some() {
                world.violate("at the end the running slot is not simply the default");
            }
            if world.image_in(running) != Some(image) {
                world.violate("at the end the wrong image runs");
            }
            let floor = match self.scenario {
                scenario if scenario.goes_back() => attested_floor(),
                _ => version(image),
            };
            let Some(record) = journal_in(world, true) else {
                return world.violate("at the end there is no durable journal");
            };
            if record.facts.version_floor != floor {
                world.violate("at the end the version floor is wrong");
            }
            if !matches!(record.state, State::Idle(_)) {
                world.violate("at the end the machine is not idle");
            }
            if self.scenario == Scenario::Install && self.promise == Promise::Strict {
                let group = delta_format::limits::GROUP_BYTES;
                let allowed = releases().payload_bytes[1] + world.interruptions * group;
                if world.payload_served > allowed {
                    let served = world.payload_served;
                    world.violate(format!("more than a group is fetched again for a cut: {served} of {allowed}"));
                }
            }
        });
    }
}

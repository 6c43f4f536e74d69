//! Performs the machine's effects over a [`Platform`].
//!
//! In: commands (install, resume, rollback, ...) with a source and a watcher. Out: an [`Outcome`] or an [`Error`]. Each
//! command reads the journal and the boot loader afresh, so it never acts on what an earlier one believed. The order of
//! steps is the machine's; here is only how each is done, and the witnesses that pass from one to the next.

mod commands;
mod drive;
mod error;
mod groups;
mod head;
mod outcome;
mod settings;
mod watch;
pub mod witness;
mod work;

pub use commands::Checked;
pub use error::Error;
pub use outcome::{Outcome, Reboot};
pub use settings::Settings;

use crate::journal::Journal;
use crate::platform::{BootLoader, Platform, Slots, Stage, StateDir};
use agent_machine::{BootFacts, Effect, Event, Machine, Record};
use delta_apply::Stats;
use delta_verify::TrustRoot;
use std::fmt;

/// Runs the update machine on one device.
pub struct Executor<P: Platform> {
    platform: P,
    trust: TrustRoot,
    settings: Settings,
    journal: JournalOf<P>,
    machine: Machine,
    /// The journal and the boot were read for the command that comes next.
    fresh: bool,
    report: Report,
}

impl<P: Platform> fmt::Debug for Executor<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("settings", &self.settings)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// What the last command cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the engine wrote, kept, copied and added.
    pub stats: Stats,
    /// Bytes of the bundle that came over a network, head excluded.
    pub fetched_bytes: u64,
}

impl<P: Platform> Executor<P> {
    /// Opens the journal and looks at the boot. Nothing is written yet.
    ///
    /// # Errors
    /// [`Error::Journal`], [`Error::Device`].
    pub fn open(mut platform: P, trust: TrustRoot, settings: Settings) -> Result<Self, Error> {
        let (journal, machine) = take_up(&mut platform)?;
        Ok(Self { platform, trust, settings, journal, machine, fresh: true, report: Report::default() })
    }

    /// What the device remembers, after the last command.
    pub fn record(&self) -> &Record {
        self.machine.record()
    }

    /// What is true of this boot.
    pub fn boot_facts(&self) -> &BootFacts {
        self.machine.boot()
    }

    /// What the last command cost.
    pub fn report(&self) -> Report {
        self.report
    }

    /// The device.
    pub fn platform(&mut self) -> &mut P {
        &mut self.platform
    }

    /// Replaces the trust root, after its file changed.
    pub fn set_trust(&mut self, trust: TrustRoot) {
        self.trust = trust;
    }

    /// Begins a command: reads journal and boot again, unless that just happened.
    fn begin(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.fresh) {
            (self.journal, self.machine) = take_up(&mut self.platform)?;
        }
        self.report = Report::default();
        Ok(())
    }

    /// Hands an event to the machine.
    fn step(&mut self, event: Event) -> Result<(), Error> {
        self.machine = self.machine.clone().step(event)?.0;
        Ok(())
    }

    /// Stores the record if it changed.
    fn store(&mut self) -> Result<(), Error> {
        while self.machine.effect() == Effect::Store {
            self.journal.store(self.platform.state(), self.machine.record())?;
            self.step(Event::Stored)?;
        }
        Ok(())
    }
}

/// The journal in a platform's state directory.
type JournalOf<P> = Journal<<<P as Platform>::State as StateDir>::File>;

fn take_up<P: Platform>(platform: &mut P) -> Result<(JournalOf<P>, Machine), Error> {
    let (journal, record) = Journal::open(platform.state())?;
    let stage = Stage::State;
    let running = platform.slots().running().map_err(Error::device(stage, "The running slot cannot be told"))?;
    let loader = platform.boot().read().map_err(Error::device(stage, "The boot loader's record cannot be read"))?;
    let boot = platform.boot_id();
    let machine = Machine::start(record, BootFacts { boot, running, loader });
    Ok((journal, machine))
}

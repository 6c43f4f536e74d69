//! The simulated device: two slots, a boot loader's disk, a state directory, and the faults that are due.
//!
//! The world is data and can be copied; the agent lives only in one run of one process. Every operation that changes a
//! disk is counted by its device, every call at all by [`World::call`]: the first are the points where power can be cut,
//! the second the points where a call can fail.

use crate::bundles::releases;
use crate::device::Device;
use crate::fs::Fs;
use crate::rng::Rng;
use agent_machine::{Record, Slot};
use delta_apply::IoError;
use delta_format::Version;

/// A disk or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A slot.
    Slot(Slot),
    /// The boot loader's disk.
    Boot,
    /// A file of the state directory, by number.
    File(usize),
}

/// An operation that changes a disk.
#[derive(Clone, Debug)]
pub enum Op {
    /// Bytes into the cache.
    Write {
        /// Where.
        place: Place,
        /// At which offset.
        offset: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// A sync, a name, anything that is not torn; in words.
    Other(&'static str),
}

/// A world just before an operation.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The number of the operation in its run.
    pub number: u64,
    /// The operation.
    pub op: Op,
    /// The world.
    pub world: World,
}

/// What is planted to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The call, counted from the start of the run.
    pub call: u64,
    /// How it fails.
    pub error: IoError,
}

/// All mutants.
pub const MUTANTS: [Mutant; 14] = [
    Mutant::SlotSyncMissing,
    Mutant::FileSyncMissing,
    Mutant::ArmedBeforeReadBack,
    Mutant::ArmedBeforeSync,
    Mutant::JournalInOneCopy,
    Mutant::DirSyncMissing,
    Mutant::BootRecordInOneCopy,
    Mutant::BootRecordFromCache,
    Mutant::BootFileNotSynced,
    Mutant::BootRenameNotSynced,
    Mutant::HealthAlwaysGood,
    Mutant::StaleJournalCache,
    Mutant::StaleSlotCache,
    Mutant::WritesRunningSlot,
];

/// A wrong device, to see that the oracles notice. Planted by the sensitivity tests only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Slot syncs do nothing, and the read-back is served from the cache (katl#132).
    SlotSyncMissing,
    /// Syncs of state files do nothing.
    FileSyncMissing,
    /// The boot loader is told before the slot is read back.
    ArmedBeforeReadBack,
    /// The slot is armed before it is even synced (the order of Bottlerocket's updog).
    ArmedBeforeSync,
    /// Both copies of the journal are one file.
    JournalInOneCopy,
    /// Names of new state files are never synced.
    DirSyncMissing,
    /// The boot loader's record has one copy.
    BootRecordInOneCopy,
    /// The boot loader's record is believed although it was never synced.
    BootRecordFromCache,
    /// The boot loader's file is renamed before it is synced.
    BootFileNotSynced,
    /// The rename of the boot loader's file is not synced.
    BootRenameNotSynced,
    /// Health checks always pass.
    HealthAlwaysGood,
    /// The journal is read from the cache after a failed sync.
    StaleJournalCache,
    /// The slot is compared with what is in the cache after a failed sync.
    StaleSlotCache,
    /// Writes go to the running slot.
    WritesRunningSlot,
}

/// How the images behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// An image that boots and fails its health checks.
    pub unhealthy: Option<usize>,
    /// An image that never gets as far as starting the agent.
    pub dead: Option<usize>,
    /// The boot loader's record is a file beside the journal, replaced by rename, instead of two copies on its own disk.
    pub boot_file: bool,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub struct World {
    /// [`Slot::A`], [`Slot::B`], the boot loader's disk.
    pub devices: [Device; 3],
    /// The state directory.
    pub fs: Fs,
    /// The slot that runs; none while the power is off.
    pub running: Option<Slot>,
    /// Starts so far.
    pub boots: u64,
    /// The agent was killed: the same boot goes on.
    pub killed: bool,
    /// Images and their behaviour.
    pub behaviour: Behaviour,
    /// Bytes of payload that the network served.
    pub payload_served: u64,
    /// Connections that were cut, processes killed, power cuts.
    pub interruptions: u64,
    /// The highest floors that a stored record showed.
    pub floors: (Version, u64),
    /// Records that may be in the journal: the last that was known durable, and all that were begun to be stored since.
    pub journal_may_be: Vec<Option<Record>>,
    /// Which rule was broken first.
    pub violation: Option<String>,
    /// The planted mutant.
    pub mutant: Option<Mutant>,
    /// The error that is due.
    pub error: Option<CallError>,
    /// The error has happened.
    pub error_hit: bool,
    /// Calls are not counted and do not fail: the boot loader works.
    pub quiet: bool,
    /// Calls since the run began.
    pub calls: u64,
    /// Operations since the run began.
    pub ops: u64,
    /// Step of the scenario's script.
    pub script: usize,
    /// Operations and outcomes are printed: for replays.
    pub trace: bool,
    /// The network breaks once after this many more bytes.
    pub network_cut_after: Option<u64>,
}

impl World {
    /// A device fresh from the factory: image 0 in slot A, nothing useful in slot B.
    pub fn new(behaviour: Behaviour) -> Self {
        let releases = releases();
        let garbage = Rng::new(11).bytes(releases.images[0].len() + 16 * 1024);
        let mut first = garbage.clone();
        first[..releases.images[0].len()].copy_from_slice(&releases.images[0]);
        let mut world = Self {
            devices: [Device::from_bytes(&first), Device::from_bytes(&garbage), Device::from_bytes(&[0; 1024])],
            fs: Fs::default(),
            running: None,
            boots: 0,
            killed: false,
            behaviour,
            payload_served: 0,
            interruptions: 0,
            floors: (Version::ZERO, 0),
            journal_may_be: vec![None],
            violation: None,
            mutant: None,
            error: None,
            error_hit: false,
            quiet: false,
            calls: 0,
            ops: 0,
            script: 0,
            trace: false,
            network_cut_after: None,
        };
        crate::boot::format(&mut world);
        world
    }

    /// The disk or file at a place.
    pub fn device(&mut self, place: Place) -> &mut Device {
        match place {
            Place::Slot(slot) => &mut self.devices[slot.index()],
            Place::Boot => &mut self.devices[2],
            Place::File(file) => &mut self.fs.files[file],
        }
    }

    /// Which image a slot holds on its medium, whole.
    pub fn image_in(&self, slot: Slot) -> Option<usize> {
        let medium = &self.devices[slot.index()].medium;
        releases().images.iter().rposition(|image| medium.starts_with(image))
    }

    /// Power is back: memory is empty.
    pub fn restart(&mut self) {
        self.devices.iter_mut().for_each(Device::restart);
        self.fs.restart();
        self.running = None;
        self.killed = false;
    }

    /// Notes a broken rule.
    pub fn violate(&mut self, what: impl Into<String>) {
        if self.violation.is_none() {
            self.violation = Some(what.into());
        }
    }

    /// A call begins; fails if it is its turn.
    ///
    /// # Errors
    /// The planted error.
    pub fn call(&mut self) -> Result<(), IoError> {
        if self.quiet {
            return Ok(());
        }
        let number = self.calls;
        self.calls += 1;
        match self.error {
            Some(planted) if planted.call == number => {
                self.error_hit = true;
                Err(planted.error)
            }
            _ => Ok(()),
        }
    }
}

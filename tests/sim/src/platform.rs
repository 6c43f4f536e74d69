//! The device as the executor sees it: every trait of `stella_agent::platform` over one [`World`], and the oracles that
//! can be asked at a single call.

use crate::boot;
use crate::bundles::releases;
use crate::rng::Rng;
use crate::world::{Mutant, Op, Place, Snapshot, World};
use agent_machine::{BootId, BootState, Slot, TrialBoot};
use delta_apply::{IoError, ReadAt, Target};
use delta_format::bytes::Bytes;
use std::cell::RefCell;
use std::rc::Rc;
use stella_agent::executor::witness::{Healthy, Inactive, Proven};
use stella_agent::platform::{
    BootLoader, Cancelled, Health, HealthCheck, Platform, Slots, StateDir, StateFile, Watcher,
};

/// A world in use by one run of the agent, and the snapshots taken on the way.
#[derive(Clone, Debug)]
pub struct Shared(Rc<RefCell<Run>>);

/// A run.
#[derive(Debug)]
struct Run {
    world: World,
    snapshots: Option<Vec<Snapshot>>,
}

impl Shared {
    /// Takes a world into use; with `record`, a snapshot is kept before each operation.
    pub fn new(world: World, record: bool) -> Self {
        let snapshots = record.then(Vec::new);
        Self(Rc::new(RefCell::new(Run { world, snapshots })))
    }

    /// Looks at or changes the world.
    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.0.borrow_mut().world)
    }

    /// Gives the world and its snapshots back.
    pub fn take(self) -> (World, Vec<Snapshot>) {
        let run = Rc::into_inner(self.0).expect("the run is over").into_inner();
        (run.world, run.snapshots.unwrap_or_default())
    }

    /// An operation is about to happen: the point before it is kept.
    pub fn op(&self, op: impl Fn() -> Op) {
        let run = &mut *self.0.borrow_mut();
        let number = run.world.ops;
        if run.world.trace {
            match op() {
                Op::Write { place, offset, bytes } => {
                    println!("  {number}: write {} bytes at {offset} of {place:?}", bytes.len());
                }
                Op::Other(what) => println!("  {number}: {what}"),
            }
        }
        run.world.ops += 1;
        if let Some(snapshots) = &mut run.snapshots {
            snapshots.push(Snapshot { number, op: op(), world: run.world.clone() });
        }
    }

    fn write(&self, place: Place, offset: usize, bytes: &[u8]) -> Result<(), IoError> {
        self.op(|| Op::Write { place, offset, bytes: bytes.to_vec() });
        self.with(|world| {
            if let Err(error) = world.call() {
                // A failed write may have got halfway.
                world.device(place).write(offset, &bytes[..bytes.len() / 2]);
                return Err(error);
            }
            world.device(place).write(offset, bytes);
            Ok(())
        })
    }

    fn sync(&self, place: Place) -> Result<(), IoError> {
        self.op(|| Op::Other("sync"));
        self.with(|world| {
            if let Err(error) = world.call() {
                let mut rng = Rng::new(world.calls);
                world.device(place).fail_sync(&mut rng);
                return Err(error);
            }
            world.device(place).sync();
            Ok(())
        })
    }

    /// Changes the boot loader's record, durably.
    pub fn write_boot(&self, change: impl FnOnce(&mut BootState)) -> Result<(), IoError> {
        let (same, (offset, bytes), file) = self.with(|world| {
            world.call()?;
            let (_, old) = boot::read(world, false).ok_or(IoError::EIO)?;
            let mut state = old;
            change(&mut state);
            Ok::<_, IoError>((old == state, boot::next_write(world, &state), world.behaviour.boot_file))
        })?;
        if same {
            return Ok(());
        }
        if file {
            return self.replace_boot_file(&bytes);
        }
        self.write(Place::Boot, offset, &bytes)?;
        self.sync(Place::Boot)
    }

    /// As the file back end does it: a new file, synced, renamed over the old one, the folder synced.
    fn replace_boot_file(&self, bytes: &[u8]) -> Result<(), IoError> {
        let mutant = self.with(|world| world.mutant);
        self.op(|| Op::Other("create the boot file"));
        let file = self.with(|world| {
            world.call()?;
            Ok::<_, IoError>(world.fs.create(boot::NEW_FILE))
        })?;
        self.write(Place::File(file), 0, bytes)?;
        if mutant != Some(Mutant::BootFileNotSynced) {
            self.sync(Place::File(file))?;
        }
        self.op(|| Op::Other("rename the boot file"));
        self.with(|world| {
            world.call()?;
            world.fs.rename(boot::NEW_FILE, boot::FILE);
            Ok::<_, IoError>(())
        })?;
        match mutant {
            Some(Mutant::BootRenameNotSynced) => Ok(()),
            _ => self.sync_names(),
        }
    }

    fn sync_names(&self) -> Result<(), IoError> {
        self.op(|| Op::Other("sync names"));
        self.with(|world| {
            world.call()?;
            if world.mutant != Some(Mutant::DirSyncMissing) {
                world.fs.sync();
            }
            Ok(())
        })
    }

    /// The boot loader's record as it is on the medium: what a killed process or a failed sync left in the cache is
    /// settled first.
    fn settle_boot(&self) -> Result<(), IoError> {
        let (mutant, file) = self.with(|world| (world.mutant, world.behaviour.boot_file));
        match (mutant, file) {
            (Some(Mutant::BootRecordFromCache | Mutant::BootRenameNotSynced), _) => Ok(()),
            (_, true) => self.sync_names(),
            (_, false) => {
                self.sync(Place::Boot)?;
                self.with(|world| world.device(Place::Boot).drop_cache());
                Ok(())
            }
        }
    }
}

/// The platform.
#[derive(Debug)]
pub struct SimPlatform {
    shared: Shared,
    state: SimState,
    slots: SimSlots,
    boot: SimBoot,
    health: SimHealth,
}

impl SimPlatform {
    /// The platform of a world.
    pub fn new(shared: &Shared) -> Self {
        let shared = shared.clone();
        Self {
            state: SimState(shared.clone()),
            slots: SimSlots(shared.clone()),
            boot: SimBoot(shared.clone()),
            health: SimHealth(shared.clone()),
            shared,
        }
    }
}

impl Platform for SimPlatform {
    type State = SimState;
    type Slots = SimSlots;
    type Boot = SimBoot;
    type Health = SimHealth;

    fn boot_id(&self) -> BootId {
        let boots = self.shared.with(|world| world.boots);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&boots.to_le_bytes());
        BootId(Bytes(id))
    }
    fn state(&mut self) -> &mut SimState {
        &mut self.state
    }
    fn slots(&mut self) -> &mut SimSlots {
        &mut self.slots
    }
    fn boot(&mut self) -> &mut SimBoot {
        &mut self.boot
    }
    fn health(&mut self) -> &mut SimHealth {
        &mut self.health
    }
}

/// The state directory.
#[derive(Debug)]
pub struct SimState(Shared);

/// A file in it.
#[derive(Debug)]
pub struct SimFile {
    shared: Shared,
    file: usize,
}

impl SimState {
    fn real_name<'a>(&self, name: &'a str) -> &'a str {
        match self.0.with(|world| world.mutant) {
            Some(Mutant::JournalInOneCopy) if name == "journal.1" => "journal.0",
            _ => name,
        }
    }
}

impl StateDir for SimState {
    type File = SimFile;

    fn open(&mut self, name: &str) -> Result<Option<SimFile>, IoError> {
        let name = self.real_name(name);
        let file = self.0.with(|world| {
            world.call()?;
            Ok::<_, IoError>(world.fs.open(name))
        })?;
        Ok(file.map(|file| SimFile { shared: self.0.clone(), file }))
    }

    fn create(&mut self, name: &str) -> Result<SimFile, IoError> {
        let name = self.real_name(name);
        self.0.op(|| Op::Other("create a file"));
        let file = self.0.with(|world| {
            world.call()?;
            Ok::<_, IoError>(world.fs.create(name))
        })?;
        Ok(SimFile { shared: self.0.clone(), file })
    }

    fn remove(&mut self, name: &str) -> Result<(), IoError> {
        self.0.op(|| Op::Other("remove a file"));
        self.0.with(|world| {
            world.call()?;
            world.fs.remove(name);
            Ok(())
        })
    }

    fn sync(&mut self) -> Result<(), IoError> {
        self.0.sync_names()
    }

    fn free_bytes(&mut self) -> Result<u64, IoError> {
        self.0.with(World::call)?;
        Ok(1 << 30)
    }
}

impl StateFile for SimFile {
    fn length(&mut self) -> Result<u64, IoError> {
        self.shared.with(|world| {
            world.call()?;
            Ok(world.fs.files[self.file].view.length() as u64)
        })
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, IoError> {
        self.shared.with(|world| {
            world.call()?;
            Ok(world.fs.files[self.file].view.read(offset as usize, out))
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.shared.write(Place::File(self.file), offset as usize, bytes)
    }

    fn sync(&mut self) -> Result<(), IoError> {
        if self.shared.with(|world| world.mutant) == Some(Mutant::FileSyncMissing) {
            return Ok(());
        }
        self.shared.sync(Place::File(self.file))
    }

    fn drop_cache(&mut self) -> Result<(), IoError> {
        self.shared.with(|world| {
            world.call()?;
            if world.mutant != Some(Mutant::StaleJournalCache) {
                world.fs.files[self.file].drop_cache();
            }
            Ok(())
        })
    }

    fn punch(&mut self, offset: u64, bytes: u64) -> Result<(), IoError> {
        let zeros = vec![0; bytes as usize];
        self.shared.write(Place::File(self.file), offset as usize, &zeros)
    }
}

/// The slots.
#[derive(Debug)]
pub struct SimSlots(Shared);

/// A slot, open.
#[derive(Debug)]
pub struct SimSlot {
    shared: Shared,
    slot: Slot,
    medium: bool,
}

impl SimSlots {
    fn open(&self, slot: Slot, medium: bool) -> Result<SimSlot, IoError> {
        self.0.with(World::call)?;
        let shared = self.0.clone();
        Ok(SimSlot { shared, slot, medium })
    }
}

impl Slots for SimSlots {
    type Base = SimSlot;
    type Target = SimSlot;
    type Medium = SimSlot;

    fn running(&mut self) -> Result<Slot, IoError> {
        self.0.with(|world| {
            world.call()?;
            Ok(world.running.expect("the device runs"))
        })
    }

    fn capacity(&mut self, slot: Slot) -> Result<u64, IoError> {
        self.0.with(|world| {
            world.call()?;
            Ok(world.devices[slot.index()].view.length() as u64)
        })
    }

    fn open_base(&mut self, running: Slot) -> Result<SimSlot, IoError> {
        self.open(running, false)
    }

    fn open_target(&mut self, inactive: &Inactive, _bytes: u64) -> Result<SimSlot, IoError> {
        let slot = match self.0.with(|world| world.mutant) {
            Some(Mutant::WritesRunningSlot) => inactive.slot().other(),
            _ => inactive.slot(),
        };
        self.0.sync(Place::Slot(slot))?;
        self.0.with(|world| {
            if world.mutant != Some(Mutant::StaleSlotCache) {
                world.device(Place::Slot(slot)).drop_cache();
            }
        });
        self.open(slot, false)
    }

    fn open_medium(&mut self, slot: Slot) -> Result<SimSlot, IoError> {
        let cached = self.0.with(|world| world.mutant) == Some(Mutant::SlotSyncMissing);
        self.open(slot, !cached)
    }
}

impl ReadAt for SimSlot {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.shared.with(|world| {
            world.call()?;
            let disk = &world.devices[self.slot.index()];
            let image = if self.medium { &disk.medium } else { &disk.view };
            match image.read(offset as usize, out) == out.len() {
                true => Ok(()),
                false => Err(IoError::EIO),
            }
        })
    }
}

impl Target for SimSlot {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.shared.with(|world| {
            if world.running == Some(self.slot) {
                world.violate("the running slot is written");
            }
            let loader = boot::read(world, true).map(|(_, state)| state);
            if loader.is_some_and(|state| state.default == self.slot) {
                world.violate("the default slot is written");
            }
            if loader.is_some_and(|state| bootable_trial(&state) == Some(self.slot)) {
                world.violate("an armed slot is written");
            }
        });
        self.shared.write(Place::Slot(self.slot), offset as usize, bytes)
    }

    fn sync(&mut self) -> Result<(), IoError> {
        let mutant = self.shared.with(|world| world.mutant);
        let arm = |state: &mut BootState| arm(state, self.slot, 3);
        match mutant {
            Some(Mutant::SlotSyncMissing) => Ok(()),
            Some(Mutant::ArmedBeforeSync) => {
                self.shared.write_boot(arm)?;
                self.shared.sync(Place::Slot(self.slot))
            }
            Some(Mutant::ArmedBeforeReadBack) => {
                self.shared.sync(Place::Slot(self.slot))?;
                self.shared.write_boot(arm)
            }
            _ => self.shared.sync(Place::Slot(self.slot)),
        }
    }
}

/// The slot that the next start would try.
pub fn bootable_trial(state: &BootState) -> Option<Slot> {
    state.trial.filter(|trial| trial.tries_left > 0 && !state.bad[trial.slot.index()]).map(|trial| trial.slot)
}

fn arm(state: &mut BootState, slot: Slot, tries: u8) {
    state.bad[slot.index()] = false;
    state.trial = Some(TrialBoot { slot, tries_left: tries });
}

/// The boot loader.
#[derive(Debug)]
pub struct SimBoot(Shared);

impl BootLoader for SimBoot {
    fn read(&mut self) -> Result<BootState, IoError> {
        self.0.settle_boot()?;
        self.0.with(|world| boot::read(world, false).map(|(_, state)| state).ok_or(IoError::EIO))
    }

    fn arm(&mut self, proven: &Proven, tries: u8) -> Result<(), IoError> {
        let slot = proven.slot();
        self.0.with(|world| {
            let held = world.image_in(slot).map(|image| releases().ids[image]);
            if held != Some(*proven.image()) {
                world.violate("a slot is armed whose medium does not hold the image that was read back");
            }
        });
        self.0.write_boot(|state| arm(state, slot, tries))
    }

    fn disarm(&mut self, slot: Slot) -> Result<(), IoError> {
        self.0.write_boot(|state| {
            if state.trial.is_some_and(|trial| trial.slot == slot) {
                state.trial = None;
            }
        })
    }

    fn commit(&mut self, healthy: &Healthy) -> Result<(), IoError> {
        let slot = healthy.slot();
        self.0.with(|world| {
            if world.running != Some(slot) {
                world.violate("a slot is committed that does not run");
            }
            let image = world.image_in(slot);
            if image.is_none() || image == world.behaviour.unhealthy {
                world.violate("an unhealthy slot is committed");
            }
        });
        self.0.write_boot(|state| {
            state.default = slot;
            state.trial = None;
            state.bad[slot.index()] = false;
        })
    }

    fn mark_bad(&mut self, slot: Slot) -> Result<(), IoError> {
        self.0.with(|world| {
            if boot::read(world, false).is_some_and(|(_, state)| state.default == slot) {
                world.violate("the default slot is marked as bad");
            }
        });
        self.0.write_boot(|state| {
            state.bad[slot.index()] = true;
            if state.trial.is_some_and(|trial| trial.slot == slot) {
                state.trial = None;
            }
        })
    }
}

/// The health checks.
#[derive(Debug)]
pub struct SimHealth(Shared);

impl HealthCheck for SimHealth {
    fn check(&mut self, _watcher: &mut dyn Watcher) -> Result<Health, Cancelled> {
        // The longest moment of an update, and one without any operation: power is cut here too.
        self.0.op(|| Op::Other("health check"));
        Ok(self.0.with(|world| {
            let image = world.running.and_then(|slot| world.image_in(slot));
            let healthy = image.is_some() && image != world.behaviour.unhealthy;
            match healthy || world.mutant == Some(Mutant::HealthAlwaysGood) {
                true => Health::Good,
                false => Health::Bad { detail: "the simulated service does not answer".into() },
            }
        }))
    }
}

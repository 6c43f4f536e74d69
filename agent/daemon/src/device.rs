//! A real device: state folder, slots, boot back end and health commands, put together from the settings.

use crate::boot::file::FileBoot;
use crate::config::Settings;
use crate::health::Commands;
use crate::platform::{BootId, IoError, Platform};
use crate::slots::FileSlots;
use crate::slots::running::boot_id;
use crate::state_dir::Folder;

/// See the module's text.
#[derive(Debug)]
pub struct Device {
    boot_id: BootId,
    state: Folder,
    slots: FileSlots,
    boot: FileBoot,
    health: Commands,
}

impl Device {
    /// The device that the settings describe. Only the state directory is touched.
    ///
    /// # Errors
    /// When the state directory cannot be made or the boot has no name.
    pub fn open(settings: &Settings) -> Result<Self, IoError> {
        Ok(Self {
            boot_id: boot_id(&settings.running_by)?,
            state: Folder::open(&settings.state_dir)?,
            slots: FileSlots::new(settings.slots.clone(), settings.running_by.clone()),
            boot: FileBoot::new(&settings.boot_path),
            health: Commands::new(settings.health_commands.clone(), settings.health_timeout),
        })
    }
}

impl Platform for Device {
    type State = Folder;
    type Slots = FileSlots;
    type Boot = FileBoot;
    type Health = Commands;

    fn boot_id(&self) -> BootId {
        self.boot_id
    }

    fn state(&mut self) -> &mut Folder {
        &mut self.state
    }

    fn slots(&mut self) -> &mut FileSlots {
        &mut self.slots
    }

    fn boot(&mut self) -> &mut FileBoot {
        &mut self.boot
    }

    fn health(&mut self) -> &mut Commands {
        &mut self.health
    }
}

//! The two slots of a real device: block devices or image files, opened by the paths of the configuration.
//!
//! In: paths and how to tell the running slot. Out: [`crate::platform::Slots`]. The running slot is only ever opened
//! for reading.

pub mod running;

use crate::config::RunningBy;
use crate::executor::witness::Inactive;
use crate::platform::{IoError, Slot, Slots};
use delta_apply::os::{MappedFile, MediumReader, SlotFile, capacity};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// Slots by their paths.
#[derive(Debug)]
pub struct FileSlots {
    paths: [PathBuf; 2],
    running_by: RunningBy,
}

impl FileSlots {
    /// The slots at `paths`, nothing opened yet.
    pub fn new(paths: [PathBuf; 2], running_by: RunningBy) -> Self {
        Self { paths, running_by }
    }

    /// The path of a slot.
    pub fn path(&self, slot: Slot) -> &Path {
        &self.paths[slot.index()]
    }
}

impl Slots for FileSlots {
    type Base = MappedFile;
    type Target = SlotFile;
    type Medium = MediumReader;

    fn running(&mut self) -> Result<Slot, IoError> {
        running::running(&self.running_by, &self.paths)
    }

    fn capacity(&mut self, slot: Slot) -> Result<u64, IoError> {
        Ok(capacity(&File::open(self.path(slot))?)?)
    }

    fn open_base(&mut self, running: Slot) -> Result<MappedFile, IoError> {
        Ok(MappedFile::new(File::open(self.path(running))?)?)
    }

    fn open_target(&mut self, inactive: &Inactive, bytes: u64) -> Result<SlotFile, IoError> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(inactive.slot()))?;
        // The engine does not write what reads as right, and after a failed sync the cache holds pages that look right
        // and that the disk never got.
        file.sync_data()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|errno| IoError(errno as i32))?;
        Ok(SlotFile::new(file, bytes)?)
    }

    fn open_medium(&mut self, slot: Slot) -> Result<MediumReader, IoError> {
        Ok(MediumReader::new(File::open(self.path(slot))?)?)
    }
}

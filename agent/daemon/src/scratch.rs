//! Where the engine keeps what it unpacks of the base, for the time of one record: a file of the state directory.
//! Nothing in it is needed after a restart, so it is never synced, and emptied when it is opened.

use crate::platform::{StateDir, StateFile};
use delta_apply::{IoError, ReadAt, Target};

/// The file's name.
const FILE: &str = "unpacked";

/// See the module.
#[derive(Debug)]
pub(crate) struct Scratch<F>(F);

impl<F: StateFile> Scratch<F> {
    /// Opens an empty one; `None` when no bytes are needed.
    pub(crate) fn open<D: StateDir<File = F>>(dir: &mut D, bytes: u64) -> Result<Option<Self>, IoError> {
        if bytes == 0 { Ok(None) } else { dir.create(FILE).map(|file| Some(Self(file))) }
    }

    /// Removes what a run left behind.
    pub(crate) fn remove<D: StateDir>(dir: &mut D) -> Result<(), IoError> {
        dir.remove(FILE)
    }
}

impl<F: StateFile> ReadAt for Scratch<F> {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        match self.0.read_at(offset, out)? == out.len() {
            true => Ok(()),
            false => Err(IoError::EIO),
        }
    }
}

impl<F: StateFile> Target for Scratch<F> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.0.write_at(offset, bytes)
    }

    fn sync(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

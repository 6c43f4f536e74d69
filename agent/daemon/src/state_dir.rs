//! The state directory on a real file system, `/var/lib/stella-agent`.
//!
//! In: names of a flat folder. Out: [`StateDir`] and [`StateFile`]. It knows nothing of what the files hold.

use crate::platform::{IoError, StateDir, StateFile};
use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};
use nix::libc::off_t;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    read_only: bool,
}

impl Folder {
    /// Opens the folder, creating it with mode 0700 when it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self { path: path.to_owned(), read_only: false })
    }

    /// The folder for looking only: nothing is created, and it may be on a read-only file system.
    pub fn look(path: &Path) -> Self {
        Self { path: path.to_owned(), read_only: true }
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        assert!(!name.contains('/') && !name.starts_with('.'), "the state directory is flat");
        self.path.join(name)
    }
}

impl StateDir for Folder {
    type File = RealFile;

    fn open(&mut self, name: &str) -> Result<Option<RealFile>, IoError> {
        match OpenOptions::new().read(true).write(!self.read_only).open(self.path(name)) {
            Ok(file) => Ok(Some(RealFile(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn create(&mut self, name: &str) -> Result<RealFile, IoError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(self.path(name))?;
        Ok(RealFile(file))
    }

    fn remove(&mut self, name: &str) -> Result<(), IoError> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn sync(&mut self) -> Result<(), IoError> {
        Ok(File::open(&self.path)?.sync_all()?)
    }

    fn free_bytes(&mut self) -> Result<u64, IoError> {
        free_bytes(&self.path)
    }
}

/// Bytes that this user can still write below `path`.
///
/// # Errors
/// [`IoError`].
pub fn free_bytes(path: &Path) -> Result<u64, IoError> {
    let stat = nix::sys::statvfs::statvfs(path).map_err(|errno| IoError(errno as i32))?;
    // Both are u32 on some 32-bit systems.
    #[allow(clippy::useless_conversion)]
    Ok(u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size())))
}

/// An open file.
#[derive(Debug)]
pub struct RealFile(File);

impl StateFile for RealFile {
    fn length(&mut self) -> Result<u64, IoError> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, IoError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.0.read_at(&mut out[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        Ok(self.0.write_all_at(bytes, offset)?)
    }

    fn sync(&mut self) -> Result<(), IoError> {
        Ok(self.0.sync_data()?)
    }

    fn drop_cache(&mut self) -> Result<(), IoError> {
        posix_fadvise(&self.0, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|errno| IoError(errno as i32))
    }

    fn punch(&mut self, offset: u64, bytes: u64) -> Result<(), IoError> {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        // Where the C library counts in 32 bits, room above 2 GiB is given back with the file, not before.
        let (Ok(start), Ok(count)) = (off_t::try_from(offset), off_t::try_from(bytes)) else {
            return Ok(());
        };
        match fallocate(&self.0, flags, start, count) {
            Ok(()) | Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::ENOSYS) => Ok(()),
            Err(errno) => Err(IoError(errno as i32)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files behave as the trait says: short reads at the end, holes read as zeros, removing twice is no error.
    #[test]
    fn files_keep_the_contract() {
        let scratch = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(&scratch.path().join("new/state")).unwrap();
        assert!(folder.open("x").unwrap().is_none());
        let mut file = folder.create("x").unwrap();
        file.write_at(100_000, b"tail").unwrap();
        let mut out = [9; 8];
        assert_eq!(file.read_at(99_998, &mut out), Ok(6));
        assert_eq!(&out[..6], b"\0\0tail");
        file.sync().unwrap();
        file.drop_cache().unwrap();
        file.punch(96 * 1024, 4096).unwrap();
        assert_eq!(file.length(), Ok(100_004));
        folder.sync().unwrap();
        assert_eq!(folder.create("x").unwrap().length(), Ok(0));
        folder.remove("x").unwrap();
        folder.remove("x").unwrap();
        assert!(folder.free_bytes().unwrap() > 0);
    }
}

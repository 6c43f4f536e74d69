//! The few file operations of this crate, each safe against a cut at any moment.

use crate::error::Error;
use delta_verify::{TileError, TileReader};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of any text file that is read here: keys, checkpoints, states.
pub const TEXT_BYTES_MAX: u64 = 1 << 20;

pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, doing, source }
}

/// Reads a text file of at most [`TEXT_BYTES_MAX`].
///
/// # Errors
/// [`Error::Io`], also for text that is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(TEXT_BYTES_MAX).read_to_string(&mut text)).map_err(io(path, "read"))?;
    Ok(text)
}

/// Replaces a file in one step: afterwards it has the old content or the new one, and the new one is on the disk when
/// this returns.
///
/// # Errors
/// [`Error::Io`]; the old content is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = folder_of(path);
    create_folder(folder)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(io(&temporary, "write"))?;
    std::fs::rename(&temporary, path).map_err(io(path, "replace"))?;
    sync_folder(folder)
}

/// Writes a new file that only its owner can read; never replaces one.
///
/// # Errors
/// [`Error::KeyExists`], [`Error::Io`].
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = folder_of(path);
    create_folder(folder)?;
    let mut options = OpenOptions::new();
    let mut file = match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(Error::KeyExists(path.to_owned())),
        opened => opened.map_err(io(path, "create"))?,
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(io(path, "write"))?;
    sync_folder(folder)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a folder and those above it, each on the disk before the next: a file that is synced in a folder that is not
/// would be gone after a power cut.
fn create_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    create_folder(above)?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io(folder, "create")(error)),
        _ => sync_folder(above),
    }
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder, "sync"))
}

/// Keeps other processes out of a folder or state file until it is dropped; the system lets go of it when the process
/// dies, so no stale lock can stay behind.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its drop")] Flock<File>);

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process has it, [`Error::Io`].
    pub fn take(path: &Path) -> Result<Self, Error> {
        let folder = folder_of(path);
        create_folder(folder)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path);
        let file = file.map_err(io(path, "open"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Error::Busy(path.to_owned())),
            Err((_, errno)) => Err(io(path, "lock")(errno.into())),
        }
    }
}

/// The static files of a log in a folder.
#[derive(Clone, Debug)]
pub struct FolderTiles {
    folder: PathBuf,
}

impl FolderTiles {
    /// Reads below `folder`, which holds `checkpoint` and `tile/`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

impl TileReader for FolderTiles {
    fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, TileError> {
        let mut file = File::open(self.folder.join(path)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => TileError::Absent,
            _ => TileError::Unreadable,
        })?;
        let mut filled = 0;
        loop {
            match file.read(&mut out[filled..]) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(TileError::Unreadable),
            }
        }
        // A full buffer with bytes left in the file is no tile.
        let longer = filled == out.len() && !matches!(file.read(&mut [0]), Ok(0));
        if longer { Err(TileError::Unreadable) } else { Ok(filled) }
    }
}

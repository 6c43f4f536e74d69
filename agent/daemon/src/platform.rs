//! What the executor needs of a device, as traits. The daemon implements them over real files, slots and boot loaders
//! (`slots/`, `boot/`, `source/`, `state_dir.rs`); `tests/sim` implements them over a simulated disk and cuts the power
//! at every call. The executor itself opens no path and asks no clock.
//!
//! Every call blocks until it is done. Errors of disks are errno numbers ([`IoError`]); errors of sources say whether
//! trying again makes sense.

use crate::executor::witness::{Healthy, Inactive, Proven};
pub use agent_machine::{BootId, BootState, Slot, Stage, TrialBoot};
pub use delta_apply::{Cancelled, IoError, ReadAt, Target};
use std::fmt;

/// A device, taken apart.
pub trait Platform {
    /// The state directory.
    type State: StateDir;
    /// The two slots.
    type Slots: Slots;
    /// The boot loader.
    type Boot: BootLoader;
    /// The health checks of a new slot.
    type Health: HealthCheck;

    /// Names this boot of the kernel; the same for every process of it.
    fn boot_id(&self) -> BootId;
    /// The state directory, shared by both slots.
    fn state(&mut self) -> &mut Self::State;
    /// The slots.
    fn slots(&mut self) -> &mut Self::Slots;
    /// The boot loader.
    fn boot(&mut self) -> &mut Self::Boot;
    /// The health checks.
    fn health(&mut self) -> &mut Self::Health;
}

/// The state directory: a few files in one flat directory. A new or removed name is durable after [`StateDir::sync`]
/// only, the bytes of a file after [`StateFile::sync`] only.
pub trait StateDir {
    /// An open file.
    type File: StateFile;

    /// Opens a file for reading and writing; `None` when there is none of that name.
    ///
    /// # Errors
    /// [`IoError`].
    fn open(&mut self, name: &str) -> Result<Option<Self::File>, IoError>;

    /// Creates an empty file, mode 0600, or empties the one of that name, and opens it.
    ///
    /// # Errors
    /// [`IoError`]: EROFS, ENOSPC, EACCES among others.
    fn create(&mut self, name: &str) -> Result<Self::File, IoError>;

    /// Removes a file; no error when there is none.
    ///
    /// # Errors
    /// [`IoError`].
    fn remove(&mut self, name: &str) -> Result<(), IoError>;

    /// Makes created and removed names durable (fsync of the directory).
    ///
    /// # Errors
    /// [`IoError`].
    fn sync(&mut self) -> Result<(), IoError>;

    /// Bytes that can still be written here.
    ///
    /// # Errors
    /// [`IoError`].
    fn free_bytes(&mut self) -> Result<u64, IoError>;
}

/// An open file of the state directory. It may be sparse: what was never written reads as zeros.
pub trait StateFile {
    /// Bytes of the file.
    ///
    /// # Errors
    /// [`IoError`].
    fn length(&mut self) -> Result<u64, IoError>;

    /// Reads up to `out.len()` bytes at `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// [`IoError`].
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, IoError>;

    /// Writes all of `bytes` at `offset`, growing the file.
    ///
    /// # Errors
    /// [`IoError`]; some of the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError>;

    /// Makes everything written durable (fdatasync).
    ///
    /// # Errors
    /// [`IoError`]; nothing written since the last success may be relied on, even if it can still be read.
    fn sync(&mut self) -> Result<(), IoError>;

    /// Drops clean pages from the cache, so that the next read tells what the medium holds (POSIX_FADV_DONTNEED).
    /// Called after [`Self::sync`]. After a failed sync the kernel keeps pages that it believes clean and the medium
    /// never got; the journal must not count on one of those.
    ///
    /// # Errors
    /// [`IoError`].
    fn drop_cache(&mut self) -> Result<(), IoError>;

    /// Gives the room of a range back to the file system (FALLOC_FL_PUNCH_HOLE); it reads as zeros afterwards, or as
    /// before where the file system cannot do it.
    ///
    /// # Errors
    /// [`IoError`].
    fn punch(&mut self, offset: u64, bytes: u64) -> Result<(), IoError>;
}

/// The two slots, image files or block devices.
pub trait Slots {
    /// The running slot, open for reading.
    type Base: ReadAt;
    /// The inactive slot, open for writing.
    type Target: Target;
    /// A slot, open for reading past every cache.
    type Medium: ReadAt;

    /// The slot that this system was started from, by what the kernel says, never by what the boot loader plans.
    ///
    /// # Errors
    /// [`IoError`].
    fn running(&mut self) -> Result<Slot, IoError>;

    /// Bytes that the slot can hold. An image file that may grow counts the room of its file system.
    ///
    /// # Errors
    /// [`IoError`].
    fn capacity(&mut self, slot: Slot) -> Result<u64, IoError>;

    /// Opens the running slot as the base.
    ///
    /// # Errors
    /// [`IoError`].
    fn open_base(&mut self, running: Slot) -> Result<Self::Base, IoError>;

    /// Opens the inactive slot for writing an image of `bytes`. The witness names the slot; there is no other way to say
    /// which one to write.
    ///
    /// What an earlier process left in the cache is settled first: synced, then dropped. The engine does not write blocks
    /// that it reads as right, and after a failed sync the cache holds pages that look right and that the medium never
    /// got; they would never be written again.
    ///
    /// # Errors
    /// [`IoError`]; ENOSPC when `bytes` do not fit.
    fn open_target(&mut self, inactive: &Inactive, bytes: u64) -> Result<Self::Target, IoError>;

    /// Opens a slot so that reads come from the medium. Called after [`Target::sync`]; pages that are in the cache are
    /// dropped or passed by first.
    ///
    /// # Errors
    /// [`IoError`].
    fn open_medium(&mut self, slot: Slot) -> Result<Self::Medium, IoError>;
}

/// The boot loader's record. Each change is durable when the call returns, and atomic over a power cut: afterwards the
/// record is the old or the new one. The loader's own copies and checksums are the implementation's business; it never
/// creates a record out of nothing.
pub trait BootLoader {
    /// What the next start would do, by what is durable. A process that was killed between writing and syncing, and a
    /// sync that failed, leave a record in the cache that a power cut takes away; so it is synced and read past the cache
    /// before it is believed.
    ///
    /// # Errors
    /// [`IoError`].
    fn read(&mut self) -> Result<BootState, IoError>;

    /// Gives the slot `tries` starts and clears its bad mark; the default stays. The witness shows that the slot is not
    /// the running one and was read back.
    ///
    /// # Errors
    /// [`IoError`].
    fn arm(&mut self, proven: &Proven, tries: u8) -> Result<(), IoError>;

    /// Ends the trial of the slot, if there is one. The slot is not marked: what it holds is complete.
    ///
    /// # Errors
    /// [`IoError`].
    fn disarm(&mut self, slot: Slot) -> Result<(), IoError>;

    /// Makes the running slot the default and ends its trial. The witness shows that it runs and is healthy.
    ///
    /// # Errors
    /// [`IoError`].
    fn commit(&mut self, healthy: &Healthy) -> Result<(), IoError>;

    /// Ends the slot's trial, if there is one, and marks the slot as never to be started. Never called for the default
    /// slot.
    ///
    /// # Errors
    /// [`IoError`].
    fn mark_bad(&mut self, slot: Slot) -> Result<(), IoError>;
}

/// What a health check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The running system does its work.
    Good,
    /// It does not.
    Bad {
        /// Which check failed and what it printed; cut to [`agent_machine::DETAIL_BYTES_MAX`] when it is kept.
        detail: String,
    },
}

/// The checks that a new slot has to pass (commands, `boot-complete.target`), with their own time limits.
pub trait HealthCheck {
    /// Runs all checks once. Waiting for a system to settle is part of it.
    ///
    /// # Errors
    /// [`Cancelled`] when the watcher stopped it; a check that cannot be run at all is [`Health::Bad`].
    fn check(&mut self, watcher: &mut dyn Watcher) -> Result<Health, Cancelled>;
}

/// Whether bytes of a source cost a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// A file or stick: read completely and verified before the first write, never copied to the state directory.
    Local,
    /// A network: verified groups are kept in the state directory.
    Remote,
}

/// Where a bundle comes from. The executor asks for each byte at most once per session, and within an announced range in
/// rising order without gaps, so that a transfer can go on.
pub trait Source {
    /// Local or remote.
    fn locality(&self) -> Locality;

    /// The path or URL, so that `resume` finds the bundle again; cut at 256 bytes it would not, so longer ones are
    /// refused when the source is made.
    fn origin(&self) -> &str;

    /// Bytes of the bundle file, if the source knows them: always for files, after the first answer for HTTP.
    ///
    /// # Errors
    /// [`SourceError`].
    fn length(&mut self) -> Result<Option<u64>, SourceError>;

    /// The next reads will walk from `start` to `end`; HTTP asks for exactly this range. A source may ignore it.
    fn announce(&mut self, start: u64, end: u64) {
        let _ = (start, end);
    }

    /// Fills `out` from `offset` of the bundle file. Retries with back-off are the source's own; an error is final for
    /// this run.
    ///
    /// # Errors
    /// [`SourceError`]; [`SourceErrorKind::End`] when the file ends before `out` is full.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), SourceError>;

    /// Reads a file of the log beside the bundle (`tile/0/x001/067`), for proofs that the capsule lacks; gives its
    /// length. The default has no log.
    ///
    /// # Errors
    /// [`SourceError`]; [`SourceErrorKind::Missing`] when there is none.
    fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, SourceError> {
        let _ = out;
        Err(SourceError::new(SourceErrorKind::Missing, format!("this source has no log file {path}")))
    }
}

/// Why bytes could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// The connection failed or ended; another try later makes sense. Exit code 9.
    Network,
    /// The server says no (4xx) or its certificate is wrong; trying again makes no sense. Exit code 9.
    Denied,
    /// There is no such file.
    Missing,
    /// The file is shorter than the read: a truncated bundle. Exit code 5.
    End,
    /// A local medium failed or was unplugged; the errno.
    Io(IoError),
    /// The watcher stopped the transfer.
    Cancelled,
}

/// A failed read of a source, with a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// What kind of failure.
    pub kind: SourceErrorKind,
    /// What happened, naming the path or URL.
    pub text: String,
}

impl SourceError {
    /// A failure with its sentence.
    pub fn new(kind: SourceErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for SourceError {}

/// What the executor tells while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A step begins; `bytes` is its work, 0 when it has none that can be counted.
    Started {
        /// Which step.
        stage: Stage,
        /// Bytes to be worked on.
        bytes: u64,
    },
    /// More of the step is done.
    Advanced {
        /// Which step.
        stage: Stage,
        /// Bytes done since the last report.
        bytes: u64,
    },
    /// Bytes came from a remote source.
    Fetched {
        /// How many.
        bytes: u64,
    },
    /// A sentence for the log.
    Note(&'a str),
}

/// Sees progress; may stop the work. Stopping loses nothing: the journal stands where it is and `resume` goes on.
pub trait Watcher {
    /// Called often (at least once a MiB of work).
    ///
    /// # Errors
    /// [`Cancelled`] stops the work at the next safe place.
    fn progress(&mut self, progress: Progress<'_>) -> Result<(), Cancelled>;
}

/// A watcher that does not look.
impl Watcher for () {
    fn progress(&mut self, _progress: Progress<'_>) -> Result<(), Cancelled> {
        Ok(())
    }
}

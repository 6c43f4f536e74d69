//! The partial bundle: what was fetched so far, as a sparse file in which every byte stands where it stands in the
//! bundle. `docs/develop/machine.md`, section "Resuming".
//!
//! Nothing in it is trusted and nothing says which parts are there: a head proves itself by its checksum, the group
//! index by the payload's root, a group by its hash. So it needs no bookkeeping that a cut could separate from the
//! bytes, and writes may be lost in any order.

use crate::platform::{IoError, StateDir, StateFile};
use crate::scratch::Scratch;
use delta_format::container::{Kind, PREFIX_BYTES, Prefix};
use delta_format::limits::{CAPSULE_BYTES_MAX, GROUP_BYTES, HEADER_BYTES_MAX};
use delta_verify::blake3_of_parts;

/// The file in the state directory.
pub const FILE: &str = "partial.stella";

/// The rollback attestation of the install under way, when it has one: resuming proves it again.
pub const ATTESTATION_FILE: &str = "attestation.stella-rollback";

/// Keeps the attestation of an install.
///
/// # Errors
/// [`IoError`].
pub fn keep_attestation<D: StateDir>(dir: &mut D, bytes: &[u8]) -> Result<(), IoError> {
    let mut file = dir.create(ATTESTATION_FILE)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    dir.sync()
}

/// The kept attestation; empty when there is none.
///
/// # Errors
/// [`IoError`].
pub fn kept_attestation<D: StateDir>(dir: &mut D) -> Result<Vec<u8>, IoError> {
    let Some(mut file) = dir.open(ATTESTATION_FILE)? else {
        return Ok(Vec::new());
    };
    let mut bytes = vec![0; PREFIX_BYTES + HEADER_BYTES_MAX + CAPSULE_BYTES_MAX];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// An open partial bundle.
#[derive(Debug)]
pub struct Partial<F> {
    file: F,
}

impl<F: StateFile> Partial<F> {
    /// Opens the partial bundle that an earlier run left, if its head is whole; gives the head too.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn open<D: StateDir<File = F>>(dir: &mut D) -> Result<Option<(Self, Vec<u8>)>, IoError> {
        let Some(mut file) = dir.open(FILE)? else {
            return Ok(None);
        };
        let mut head = vec![0; PREFIX_BYTES + HEADER_BYTES_MAX + CAPSULE_BYTES_MAX];
        let read = file.read_at(0, &mut head)?;
        head.truncate(read);
        let Ok(prefix) = Prefix::decode(&head, Kind::Bundle) else {
            return Ok(None);
        };
        if prefix.split(&head, blake3_of_parts).is_err() {
            return Ok(None);
        }
        head.truncate(prefix.head_bytes());
        // A killed process may have left a name that is not durable yet, and with it everything fetched from now on.
        dir.sync()?;
        Ok(Some((Self { file }, head)))
    }

    /// Begins a new partial bundle with a head, in place of any other.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn begin<D: StateDir<File = F>>(dir: &mut D, head: &[u8]) -> Result<Self, IoError> {
        let mut file = dir.create(FILE)?;
        file.write_at(0, head)?;
        file.sync()?;
        dir.sync()?;
        Ok(Self { file })
    }

    /// Removes the partial bundle and what belongs to it.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn discard<D: StateDir<File = F>>(dir: &mut D) -> Result<(), IoError> {
        dir.remove(FILE)?;
        Scratch::<F>::remove(dir)?;
        dir.remove(ATTESTATION_FILE)
    }

    /// Bytes of the file; nothing was stored beyond.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn length(&mut self) -> Result<u64, IoError> {
        self.file.length()
    }

    /// Reads all of `out`, or says that the file is too short.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<bool, IoError> {
        Ok(self.file.read_at(offset, out)? == out.len())
    }

    /// Stores fetched bytes, durably if `sync`.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn write(&mut self, offset: u64, bytes: &[u8], sync: bool) -> Result<(), IoError> {
        self.file.write_at(offset, bytes)?;
        if sync { self.file.sync() } else { Ok(()) }
    }

    /// Makes stored bytes durable.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn sync(&mut self) -> Result<(), IoError> {
        self.file.sync()
    }

    /// Gives back the room of the groups that end at or before `end` of the payload that starts at `payload_at`.
    ///
    /// # Errors
    /// [`IoError`].
    pub fn punch_until(&mut self, payload_at: u64, end: u64) -> Result<(), IoError> {
        match end - end % GROUP_BYTES {
            0 => Ok(()),
            bytes => self.file.punch(payload_at, bytes),
        }
    }
}

//! The journal: the machine's record in two files that are written in turn. `docs/formats/journal.md`.
//!
//! In: a state directory and records. Out: the newest record that is whole. A write touches one file only, and only the
//! one that does not hold the newest record, so after any cut the record is the old or the new one. It decides nothing
//! about what is in a record.

use crate::platform::{IoError, StateDir, StateFile};
use agent_machine::Record;
use delta_format::FormatError;
use delta_format::journal::{BODY_BYTES_MAX, open, seal};
use delta_format::limits::JOURNAL_RECORD_BYTES;
use delta_verify::blake3_of_parts;
use std::fmt;

/// The two files in the state directory.
pub const FILES: [&str; 2] = ["journal.0", "journal.1"];

/// Why the journal cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// The state directory failed.
    Io(IoError),
    /// Both files were written once, and neither is whole: no power cut does that, the storage lost them.
    Broken,
    /// A newer agent wrote the record.
    Newer,
    /// The record does not fit; a bug.
    TooLarge,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the journal cannot be read or written: {error}"),
            Self::Broken => f.write_str("both copies of the journal are damaged"),
            Self::Newer => f.write_str("the journal was written by a newer agent"),
            Self::TooLarge => f.write_str("the record does not fit into the journal"),
        }
    }
}

impl std::error::Error for JournalError {}

impl From<IoError> for JournalError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal<F> {
    copies: [Option<F>; 2],
    /// Which copy is newest, and its sequence number; none on a new device.
    newest: Option<(usize, u64)>,
}

/// What one file holds.
enum Copy {
    /// Never written.
    Empty,
    /// Torn or damaged.
    Broken,
    Whole(u64, Box<Record>),
}

impl<F: StateFile> Journal<F> {
    /// Opens both files and gives the newest record; none on a device that has no journal yet.
    ///
    /// What an earlier process wrote but did not sync, or failed to sync, is settled first: synced, then read from the
    /// medium. Otherwise a record that is only in the cache could count as the newest, the next store would overwrite
    /// the older copy, and a cut could take both.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open<D: StateDir<File = F>>(dir: &mut D) -> Result<(Self, Option<Record>), JournalError> {
        let mut copies = [dir.open(FILES[0])?, dir.open(FILES[1])?];
        for file in copies.iter_mut().flatten() {
            file.sync()?;
            file.drop_cache()?;
        }
        // The names too: a process that was killed may have created a file whose name a cut would take away.
        dir.sync()?;
        let (newest, record) = newest(&mut copies)?;
        Ok((Self { copies, newest }, record))
    }

    /// Reads the newest record and changes nothing, not even the cache: for `status`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn peek<D: StateDir<File = F>>(dir: &mut D) -> Result<Option<Record>, JournalError> {
        let mut copies = [dir.open(FILES[0])?, dir.open(FILES[1])?];
        Ok(newest(&mut copies)?.1)
    }

    /// Stores a record; it is durable when this returns.
    ///
    /// # Errors
    /// [`JournalError`]. The journal then holds the old or the new record, and must be opened again before it is used:
    /// after a failed sync nobody knows which.
    pub fn store<D: StateDir<File = F>>(&mut self, dir: &mut D, record: &Record) -> Result<(), JournalError> {
        let mut body = [0; BODY_BYTES_MAX];
        let body = record.encode(&mut body).map_err(|_| JournalError::TooLarge)?;
        match self.newest {
            Some((newest, sequence)) => self.write(dir, 1 - newest, sequence + 1, body),
            // Both at once: from then on "both are broken" can only mean that the storage failed.
            None => {
                self.write(dir, 0, 1, body)?;
                self.write(dir, 1, 2, body)
            }
        }
    }

    fn write<D: StateDir<File = F>>(
        &mut self,
        dir: &mut D,
        copy: usize,
        sequence: u64,
        body: &[u8],
    ) -> Result<(), JournalError> {
        let framed = seal(sequence, body, blake3_of_parts).map_err(|_| JournalError::TooLarge)?;
        let created = self.copies[copy].is_none();
        if created {
            self.copies[copy] = Some(dir.create(FILES[copy])?);
        }
        let file = self.copies[copy].as_mut().expect("opened or created");
        file.write_at(0, &framed)?;
        file.sync()?;
        if created {
            dir.sync()?;
        }
        self.newest = Some((copy, sequence));
        Ok(())
    }
}

/// The newest whole copy.
type Newest = (Option<(usize, u64)>, Option<Record>);

fn newest<F: StateFile>(copies: &mut [Option<F>; 2]) -> Result<Newest, JournalError> {
    let [first, second] = copies;
    Ok(match (read(first)?, read(second)?) {
        (Copy::Whole(a, record), Copy::Whole(b, _)) if a > b => (Some((0, a)), Some(*record)),
        (_, Copy::Whole(b, record)) => (Some((1, b)), Some(*record)),
        (Copy::Whole(a, record), _) => (Some((0, a)), Some(*record)),
        // The very first store was cut.
        (Copy::Empty, _) | (_, Copy::Empty) => (None, None),
        (Copy::Broken, Copy::Broken) => return Err(JournalError::Broken),
    })
}

fn read<F: StateFile>(file: &mut Option<F>) -> Result<Copy, JournalError> {
    let Some(file) = file else {
        return Ok(Copy::Empty);
    };
    let mut framed = [0; JOURNAL_RECORD_BYTES];
    match file.read_at(0, &mut framed)? {
        0 => return Ok(Copy::Empty),
        JOURNAL_RECORD_BYTES => {}
        _ => return Ok(Copy::Broken),
    }
    let Ok((sequence, body)) = open(&framed, blake3_of_parts) else {
        return Ok(Copy::Broken);
    };
    match Record::decode(body) {
        Ok(record) => Ok(Copy::Whole(sequence, Box::new(record))),
        Err(FormatError::UnknownVersion) => Err(JournalError::Newer),
        Err(_) => Ok(Copy::Broken),
    }
}

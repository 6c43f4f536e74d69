//! A transparency log as static files: C2SP tlog-tiles in one folder, served by anything that serves files.
//!
//! ```text
//! checkpoint                the newest signed head, with its cosignatures
//! checkpoints/SIZE          every head that a quorum cosigned (ours; for proofs from older heads)
//! tile/LEVEL/...            tree hashes
//! tile/entries/...          the entries
//! ```
//! Order of writing: entries, tiles, and only then the checkpoint; so a cut leaves the old log, and files beyond its
//! checkpoint are written again by the next append. One process writes at a time.

mod entries;
mod write;

use crate::checkpoint::SignedCheckpoint;
use crate::error::{Error, Problem};
use crate::fs::{self, FolderTiles, Lock};
use crate::keys::NoteSigner;
use crate::proof;
use delta_format::Sha256;
use delta_format::capsule::LogProof;
use delta_format::limits::LOG_ENTRIES_MAX;
use delta_verify::merkle::{empty_root, leaf_hash};
use delta_verify::note::NoteKey;
use delta_verify::tile::{TileNodes, tree_root};
use std::path::{Path, PathBuf};

/// File name of the newest checkpoint.
pub const CHECKPOINT_FILE: &str = "checkpoint";
/// Folder of the cosigned checkpoints.
pub const CHECKPOINTS_FOLDER: &str = "checkpoints";
/// File name of the lock.
const LOCK_FILE: &str = ".lock";

/// A log in a folder, with the keys that its checkpoint is verified by.
#[derive(Clone, Debug)]
pub struct Log {
    folder: PathBuf,
    key: NoteKey,
    witnesses: Vec<NoteKey>,
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The place of each given entry, in the given order.
    pub indices: Vec<u64>,
    /// How many of them were new.
    pub added: u64,
    /// The checkpoint that covers them all. Without cosignatures when something was added.
    pub checkpoint: SignedCheckpoint,
}

impl Log {
    /// Starts an empty log: a signed checkpoint of no entries.
    ///
    /// # Errors
    /// [`Error::LogExists`], [`Error::Busy`], [`Error::Io`].
    pub fn init(folder: &Path, signer: &NoteSigner) -> Result<Self, Error> {
        let _lock = Lock::take(&folder.join(LOCK_FILE))?;
        let checkpoint = folder.join(CHECKPOINT_FILE);
        if checkpoint.exists() {
            return Err(Error::LogExists(folder.to_owned()));
        }
        let empty = SignedCheckpoint::sign(signer, 0, empty_root());
        fs::write_atomic(&checkpoint, empty.to_note().as_bytes())?;
        Self::open(folder, signer.key().clone(), Vec::new())
    }

    /// Opens a log: its checkpoint must be signed by `key`, and its tiles must give the root of the checkpoint.
    /// Cosignatures of `witnesses` are verified; those of others are not seen.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no log, [`Error::In`] when it is damaged or of another key.
    pub fn open(folder: &Path, key: NoteKey, witnesses: Vec<NoteKey>) -> Result<Self, Error> {
        let folder = folder.to_owned();
        let log = Self { folder, key, witnesses };
        let checkpoint = log.checkpoint()?;
        let mut tiles = log.tiles();
        let root = tree_root(&mut TileNodes::new(&mut tiles, checkpoint.tree_size()), checkpoint.tree_size());
        let root = root.map_err(|error| Problem::Tile(error).at(&log.folder))?;
        if root != checkpoint.root() {
            return Err(Problem::LogDamaged.at(&log.folder));
        }
        Ok(log)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The verifier key of the log.
    pub fn key(&self) -> &NoteKey {
        &self.key
    }

    /// Reads tiles of this log.
    pub fn tiles(&self) -> FolderTiles {
        FolderTiles::new(&self.folder)
    }

    /// The newest checkpoint, verified.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::In`].
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, Error> {
        let path = self.folder.join(CHECKPOINT_FILE);
        let text = fs::read_text(&path)?;
        SignedCheckpoint::read(&text, &self.key, &self.witnesses).map_err(|problem| problem.at(&path))
    }

    /// Appends entries that are not in the log yet, and signs a new checkpoint when there were any. Repeating an append
    /// after a cut is safe.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Io`], [`Error::In`]; [`Error::Input`] for an entry that is too long.
    pub fn append(&self, signer: &NoteSigner, entries: &[impl AsRef<[u8]>]) -> Result<Appended, Error> {
        let _lock = Lock::take(&self.folder.join(LOCK_FILE))?;
        let checkpoint = self.checkpoint()?;
        if *signer.key() != self.key {
            return Err(Problem::OtherLog.at(&self.folder));
        }
        if entries.iter().any(|entry| entry.as_ref().len() > usize::from(u16::MAX)) {
            return Err(Problem::EntryTooLong.into());
        }
        let old_size = checkpoint.tree_size();
        let leaves: Vec<Sha256> = entries.iter().map(|entry| leaf_hash(entry.as_ref())).collect();
        let mut places = entries::find(self, old_size, &leaves)?;
        let mut added: Vec<(Sha256, &[u8])> = Vec::new();
        for (index, leaf) in leaves.iter().enumerate() {
            if places[index].is_none() {
                let earlier = added.iter().position(|(other, _)| other == leaf);
                let place = earlier.unwrap_or_else(|| {
                    added.push((*leaf, entries[index].as_ref()));
                    added.len() - 1
                });
                places[index] = Some(old_size + place as u64);
            }
        }
        let new_size = old_size + added.len() as u64;
        if new_size > LOG_ENTRIES_MAX {
            return Err(Problem::LogFull.at(&self.folder));
        }
        let checkpoint = if added.is_empty() {
            checkpoint
        } else {
            write::extend(self, old_size, &added)?;
            let mut tiles = self.tiles();
            let root = tree_root(&mut TileNodes::new(&mut tiles, new_size), new_size);
            let root = root.map_err(|error| Problem::Tile(error).at(&self.folder))?;
            let checkpoint = SignedCheckpoint::sign(signer, new_size, root);
            fs::write_atomic(&self.folder.join(CHECKPOINT_FILE), checkpoint.to_note().as_bytes())?;
            write::remove_partial(self, old_size, new_size);
            checkpoint
        };
        Ok(Appended { indices: places.into_iter().flatten().collect(), added: added.len() as u64, checkpoint })
    }

    /// Publishes a checkpoint of the present size with more cosignatures, and keeps it for proofs to come.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Io`]; [`Problem::OtherLog`] when the log has moved on meanwhile.
    pub fn publish(&self, cosigned: &SignedCheckpoint) -> Result<SignedCheckpoint, Error> {
        let _lock = Lock::take(&self.folder.join(LOCK_FILE))?;
        let mut checkpoint = self.checkpoint()?;
        if cosigned.head() != checkpoint.head() {
            return Err(Problem::OtherLog.at(&self.folder));
        }
        for (witness, cosignature) in cosigned.cosignatures() {
            checkpoint.add(witness, *cosignature)?;
        }
        let note = checkpoint.to_note();
        let kept = self.folder.join(CHECKPOINTS_FOLDER).join(checkpoint.tree_size().to_string());
        fs::write_atomic(&kept, note.as_bytes())?;
        fs::write_atomic(&self.folder.join(CHECKPOINT_FILE), note.as_bytes())?;
        Ok(checkpoint)
    }

    /// Sizes of the cosigned checkpoints below `size`, newest first: the heads that devices may have kept.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn published_sizes(&self, size: u64) -> Result<Vec<u64>, Error> {
        let folder = self.folder.join(CHECKPOINTS_FOLDER);
        let files = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(fs::io(&folder, "list"))?,
        };
        let mut sizes = Vec::new();
        for file in files {
            let name = file.map_err(fs::io(&folder, "list"))?.file_name();
            let old: Option<u64> = name.to_str().and_then(|name| name.parse().ok());
            sizes.extend(old.filter(|old| (1..size).contains(old)));
        }
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        Ok(sizes)
    }

    /// The place of an entry, by its leaf hash.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], [`Error::Io`].
    pub fn find(&self, leaf: &Sha256) -> Result<u64, Error> {
        let size = self.checkpoint()?.tree_size();
        let places = entries::find(self, size, &[*leaf])?;
        let place = places.first().copied().flatten();
        place.ok_or_else(|| Problem::NoSuchEntry.at(&self.folder))
    }

    /// The entry at a place.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], [`Error::Io`], [`Problem::LogDamaged`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, Error> {
        entries::read(self, self.checkpoint()?.tree_size(), index)
    }

    /// The proof for a capsule: the entry with the hash `leaf` is in the log under its newest checkpoint, which
    /// continues the newest published ones.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], [`Error::Io`], [`Error::In`].
    pub fn prove(&self, leaf: &Sha256) -> Result<LogProof, Error> {
        let checkpoint = self.checkpoint()?;
        let index = self.find(leaf)?;
        let older = self.published_sizes(checkpoint.tree_size())?;
        proof::build(&mut self.tiles(), &checkpoint, leaf, index, &older).map_err(|problem| problem.at(&self.folder))
    }
}

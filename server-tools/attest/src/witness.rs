//! A witness: it keeps the newest head of each log that it follows, and cosigns a head only when it continues that one.
//!
//! In: a checkpoint and the log's tiles. Out: a C2SP `cosignature/v1`. The decision is [`WitnessState::witness`], pure; the
//! file of [`Witness`] is written before a cosignature leaves it, so a cut can lose a cosignature but never what was
//! seen.

use crate::checkpoint::SignedCheckpoint;
use crate::error::{Error, Problem};
use crate::fs::{self, Lock};
use crate::keys::{NoteSigner, base64_text};
use delta_format::Sha256;
use delta_format::capsule::Cosignature;
use delta_verify::base64;
use delta_verify::merkle::empty_root;
use delta_verify::note::KeyName;
use delta_verify::tile::{Discontinuity, TileReader, verify_continuity};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The first line of a state file.
pub const STATE_FORMAT: &str = "stella-witness v1";

/// The newest head of each log, by origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessState {
    heads: BTreeMap<String, (u64, Sha256)>,
}

impl WitnessState {
    /// Reads a state file: a line `ORIGIN SIZE ROOT` for each log.
    ///
    /// # Errors
    /// [`Problem::NotWitnessState`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let parse = || {
            let lines = text.strip_prefix(STATE_FORMAT)?.strip_prefix('\n')?;
            let mut heads = BTreeMap::new();
            for line in lines.split_inclusive('\n') {
                let mut words = line.strip_suffix('\n')?.split(' ');
                let origin: KeyName = words.next()?.parse().ok()?;
                let size = words.next()?.parse().ok()?;
                let root = Sha256::new(base64::decode(words.next()?.as_bytes())?);
                let twice = heads.insert(origin.to_string(), (size, root)).is_some();
                if twice || words.next().is_some() {
                    return None;
                }
            }
            Some(Self { heads })
        };
        parse().ok_or(Problem::NotWitnessState)
    }

    /// Writes the state file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{STATE_FORMAT}\n");
        for (origin, (size, root)) in &self.heads {
            writeln!(text, "{origin} {size} {}", base64_text(root.as_bytes())).expect("a String takes any text");
        }
        text
    }

    /// The newest head of a log: its size and root.
    pub fn head(&self, origin: &KeyName) -> Option<(u64, Sha256)> {
        self.heads.get(origin.as_str()).copied()
    }

    /// Checks that `checkpoint` continues the newest head of its log, and takes it as the newest.
    ///
    /// # Errors
    /// [`Problem::LogShrank`], [`Problem::LogForked`]; [`Problem::Tile`] and [`Problem::LogDamaged`] when the tiles do not
    /// let it decide. The state is then unchanged.
    pub fn witness(&mut self, checkpoint: &SignedCheckpoint, tiles: &mut dyn TileReader) -> Result<(), Problem> {
        let origin = checkpoint.log().name();
        let (size, root) = (checkpoint.tree_size(), checkpoint.root());
        if size == 0 && root != empty_root() {
            return Err(Problem::LogForked);
        }
        match self.head(origin) {
            Some((seen, _)) if size < seen => return Err(Problem::LogShrank { seen, size }),
            Some((seen, seen_root)) if size == seen => {
                if root != seen_root {
                    return Err(Problem::LogForked);
                }
            }
            Some((seen, seen_root)) if seen > 0 => match verify_continuity((seen, &seen_root), (size, &root), tiles) {
                Ok(()) => {}
                Err(Discontinuity::Forked) => return Err(Problem::LogForked),
                Err(Discontinuity::WrongTiles) => return Err(Problem::LogDamaged),
                Err(Discontinuity::NoTiles(error)) => return Err(Problem::Tile(error)),
            },
            // Every tree continues the empty one.
            None | Some(_) => {}
        }
        self.heads.insert(origin.to_string(), (size, root));
        Ok(())
    }
}

/// A witness with its key and its state file.
#[derive(Debug)]
pub struct Witness {
    signer: NoteSigner,
    path: PathBuf,
}

impl Witness {
    /// A witness that keeps its state in the file `path`, which is made by the first cosignature.
    pub fn new(signer: NoteSigner, path: &Path) -> Self {
        let path = path.to_owned();
        Self { signer, path }
    }

    /// Verifies that the checkpoint continues what was seen before, remembers it, and cosigns it at `timestamp` (Unix
    /// seconds).
    ///
    /// # Errors
    /// Those of [`WitnessState::witness`]; [`Problem::BadTime`]; [`Error::Busy`], [`Error::Io`].
    pub fn cosign(
        &self,
        checkpoint: &SignedCheckpoint,
        tiles: &mut dyn TileReader,
        timestamp: u64,
    ) -> Result<Cosignature, Error> {
        let mut lock = self.path.as_os_str().to_owned();
        lock.push(".lock");
        let _lock = Lock::take(Path::new(&lock))?;
        let mut state = self.state()?;
        state.witness(checkpoint, tiles)?;
        let cosignature = checkpoint.cosign(&self.signer, timestamp)?;
        fs::write_atomic(&self.path, state.to_text().as_bytes())?;
        Ok(cosignature)
    }

    /// What this witness has seen.
    ///
    /// # Errors
    /// [`Error::Io`], [`Problem::NotWitnessState`].
    pub fn state(&self) -> Result<WitnessState, Error> {
        match fs::read_text(&self.path) {
            Ok(text) => WitnessState::parse(&text).map_err(|problem| problem.at(&self.path)),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(WitnessState::default())
            }
            Err(error) => Err(error),
        }
    }

    /// The key.
    pub fn signer(&self) -> &NoteSigner {
        &self.signer
    }
}

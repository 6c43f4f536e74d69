//! The folder that graphs and bundles are kept in: each file by the digest of its content.
//!
//! ```text
//! reachability/graphs/GRAPH            canonical JSON; GRAPH is its BLAKE3
//! reachability/graphs/GRAPH.statement  what there is to sign of it
//! reachability/graphs/GRAPH.dsse       its envelope
//! reachability/graphs/GRAPH.tlog-proof its place in the log
//! reachability/edges/GRAPH/BUNDLE      canonical JSON; and .dsse and .tlog-proof beside it
//! ```
//!
//! A reader believes no name: what it reads is digested again by its caller.

use crate::error::Error;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A folder of graphs.
#[derive(Debug, Clone)]
pub struct Cas {
    folder: PathBuf,
}

/// What stands beside a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The body itself.
    Body,
    /// What there is to sign.
    Statement,
    /// The envelope.
    Envelope,
    /// The place in the log.
    TlogProof,
}

impl Part {
    const fn extension(self) -> &'static str {
        match self {
            Self::Body => "",
            Self::Statement => ".statement",
            Self::Envelope => ".dsse",
            Self::TlogProof => ".tlog-proof",
        }
    }
}

impl Cas {
    /// The folder; it need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where a part of a graph is.
    pub fn graph(&self, graph: &str, part: Part) -> PathBuf {
        self.folder.join("reachability/graphs").join(format!("{graph}{}", part.extension()))
    }

    /// Where a part of a bundle is.
    pub fn bundle(&self, graph: &str, bundle: &str, part: Part) -> PathBuf {
        self.folder.join("reachability/edges").join(graph).join(format!("{bundle}{}", part.extension()))
    }

    /// Writes a file in one step; one that is there already with the same bytes stays.
    ///
    /// # Errors
    /// [`Error::Attest`].
    pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
        if std::fs::File::open(path).is_ok_and(|file| holds(file, bytes)) {
            return Ok(());
        }
        Ok(delta_attest::fs::write_atomic(path, bytes)?)
    }

    /// Reads a file of at most `bytes_max`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Limit`].
    pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(Error::io(path, "read"))?;
        let length = file.metadata().map_or(0, |metadata| metadata.len()).min(bytes_max);
        bytes.reserve_exact(usize::try_from(length).unwrap_or(0) + 1);
        file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(Error::io(path, "read"))?;
        if bytes.len() as u64 > bytes_max {
            return Err(Error::Limit { what: "bytes of one file", limit: bytes_max });
        }
        Ok(bytes)
    }

    /// Reads a file if it is there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_if_there(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
        match Self::read(path, bytes_max) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Names of the bundles of a graph, sorted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn bundles(&self, graph: &str) -> Result<Vec<String>, Error> {
        let folder = self.folder.join("reachability/edges").join(graph);
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io(&folder, "read"))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io(&folder, "read"))?.file_name().to_string_lossy().into_owned();
            // An envelope without its bundle is a bundle that somebody took away.
            names.extend(name.split('.').next().filter(|name| !name.is_empty()).map(str::to_owned));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// Whether a file has these bytes, compared in pieces: a graph is not held twice.
fn holds(mut file: std::fs::File, bytes: &[u8]) -> bool {
    let mut piece = [0; 1 << 14];
    let mut rest = bytes;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return rest.is_empty(),
            Ok(length) => match piece.get(..length).and_then(|piece| rest.strip_prefix(piece)) {
                Some(left) => rest = left,
                None => return false,
            },
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

//! Bundles and logs on a file system: a folder, a stick, a network mount.
//!
//! A medium that is pulled out in the middle gives an error of the kind [`SourceErrorKind::Io`] with its path; the
//! journal keeps where the install stood, and `resume` goes on when the medium is back.

use super::{io_error, too_large};
use crate::platform::{SourceError, SourceErrorKind};
use delta_format::channel::LOG_FOLDER;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A bundle file.
#[derive(Debug)]
pub struct LocalBundle {
    path: PathBuf,
    origin: String,
    file: File,
    length: u64,
}

impl LocalBundle {
    /// Opens a bundle file.
    ///
    /// # Errors
    /// [`SourceError`] names the path.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        // The journal keeps the path; it must mean the same from any folder.
        let path = path.canonicalize().map_err(|error| io_error(path, error))?;
        let file = File::open(&path).map_err(|error| io_error(&path, error))?;
        let metadata = file.metadata().map_err(|error| io_error(&path, error))?;
        if !metadata.is_file() {
            let text = format!("{} is not a file; to take the best bundle of a folder use --from", path.display());
            return Err(SourceError::new(SourceErrorKind::Missing, text));
        }
        Ok(Self { origin: path.display().to_string(), length: metadata.len(), path, file })
    }

    /// Only the log beside `path`: no byte can be read of the file itself.
    pub(super) fn log_only(path: &Path) -> Option<Self> {
        let file = File::open("/dev/null").ok()?;
        Some(Self { origin: path.display().to_string(), length: 0, path: path.to_owned(), file })
    }

    /// The full path.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.length) {
            let text = format!("the file {} ends too early", self.path.display());
            return Err(SourceError::new(SourceErrorKind::End, text));
        }
        self.file.read_exact_at(out, offset).map_err(|error| io_error(&self.path, error))
    }

    pub(super) fn read_tile(&mut self, path: &str, out: &mut [u8]) -> Result<usize, SourceError> {
        let folder = self.path.parent().unwrap_or(Path::new("/")).join(LOG_FOLDER);
        let tile = read_small(&folder.join(path), out.len())?;
        out[..tile.len()].copy_from_slice(&tile);
        Ok(tile.len())
    }
}

/// Reads a whole file of at most `bytes_max` bytes.
pub(super) fn read_small(path: &Path, bytes_max: usize) -> Result<Vec<u8>, SourceError> {
    let file = File::open(path).map_err(|error| io_error(path, error))?;
    let mut bytes = Vec::new();
    let read = file.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| io_error(path, error))?;
    if bytes.len() > bytes_max { Err(too_large(path.display(), bytes_max)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads inside the file give its bytes; reads past its end say that it is truncated; a missing file is missing.
    #[test]
    fn reads_and_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.stella");
        std::fs::write(&path, b"0123456789").unwrap();
        std::fs::create_dir_all(folder.path().join("log/tile/0")).unwrap();
        std::fs::write(folder.path().join("log/tile/0/000"), [7; 64]).unwrap();
        let mut bundle = LocalBundle::open(&path).unwrap();
        let mut out = [0; 4];
        bundle.read_at(6, &mut out).unwrap();
        assert_eq!(&out, b"6789");
        assert_eq!(bundle.read_at(7, &mut out).unwrap_err().kind, SourceErrorKind::End);
        assert_eq!(bundle.read_at(u64::MAX, &mut out).unwrap_err().kind, SourceErrorKind::End);
        let mut tile = [0; 8192];
        assert_eq!(bundle.read_tile("tile/0/000", &mut tile), Ok(64));
        assert_eq!(bundle.read_tile("tile/0/001", &mut tile).unwrap_err().kind, SourceErrorKind::Missing);
        assert_eq!(bundle.read_tile("tile/0/000", &mut [0; 63]).unwrap_err().kind, SourceErrorKind::Denied);
        assert_eq!(LocalBundle::open(&folder.path().join("y")).unwrap_err().kind, SourceErrorKind::Missing);
        assert_eq!(LocalBundle::open(folder.path()).unwrap_err().kind, SourceErrorKind::Missing);
    }
}

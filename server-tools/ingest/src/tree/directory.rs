//! The regular files below a folder. Links are not followed, not even to files beside them, and other file systems that
//! are mounted there are walked like folders.

use super::{DEPTH_MAX, FILES_MAX, Place, TreeError, spelled};
use crate::Artifact;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files by their paths below `root`; of a file with several names, the one that is first in the order of bytes.
pub(super) fn files(root: &Path) -> Result<BTreeMap<String, Place>, TreeError> {
    let (mut files, mut folders, mut seen) = (BTreeMap::new(), vec![(root.to_owned(), 0)], 0usize);
    while let Some((folder, depth)) = folders.pop() {
        let at = |error| TreeError::new(folder.display(), error);
        for entry in fs::read_dir(&folder).map_err(at)? {
            let path = entry.map_err(at)?.path();
            let metadata = path.symlink_metadata().map_err(|error| TreeError::new(path.display(), error))?;
            seen += 1;
            if seen > FILES_MAX {
                return Err(TreeError::format(
                    root.display(),
                    format!("more than {FILES_MAX} files; name a part of it"),
                ));
            }
            if metadata.is_dir() {
                if depth == DEPTH_MAX {
                    return Err(TreeError::format(path.display(), format!("more than {DEPTH_MAX} folders deep")));
                }
                folders.push((path, depth + 1));
            } else if metadata.is_file() && metadata.len() > 0 {
                let below = path.strip_prefix(root).unwrap_or(&path);
                if let Some(name) = spelled(below.as_os_str().as_bytes()) {
                    files.insert(name, (path, (metadata.dev(), metadata.ino())));
                }
            }
        }
    }
    let mut known = BTreeSet::new();
    let first = files.into_iter().filter(|(_, (_, identity)): &(String, (PathBuf, _))| known.insert(*identity));
    Ok(first.map(|(name, (path, identity))| (name, Place::OnDisk(path, identity))).collect())
}

/// Maps the file that was seen at `path`, and no other that stands there now.
pub(super) fn open(path: &Path, identity: (u64, u64)) -> io::Result<Artifact> {
    let changed = || io::Error::other("it was replaced while the folder was read; run the command again");
    let is_seen = |metadata: &fs::Metadata| metadata.is_file() && (metadata.dev(), metadata.ino()) == identity;
    // Looked at before it is opened, since opening a pipe waits for a writer.
    if !is_seen(&path.symlink_metadata()?) {
        return Err(changed());
    }
    let file = File::open(path)?;
    if !is_seen(&file.metadata()?) {
        return Err(changed());
    }
    Artifact::of_file(&file)
}

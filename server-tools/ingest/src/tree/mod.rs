//! Files in a tree: a directory, a package, an archive, a container image, the image of a file system.
//!
//! In: a path. Out: a [`Tree`] of regular files with their paths, each of which can be read. Links are never followed:
//! what a link in a tree names is in the tree under its own path, or is none of it. Nothing is written but files without
//! a name that hold what was unpacked, so that memory stays small. What a hostile tree may cost is limited below.

mod ar;
mod directory;
mod image;
mod oci;
mod tar;
mod unpacked;

use crate::Artifact;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Files of one tree; a complete desktop has half a million.
pub const FILES_MAX: usize = 1 << 20;
/// Folders in folders.
pub const DEPTH_MAX: usize = 128;
/// Bytes of a path: what Linux allows.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Layers of a container image; engines allow 127.
pub const LAYERS_MAX: usize = 128;
/// Bytes of a manifest or index of a container image: what registries take.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// Bytes that are unpacked of one tree, to a file without a name.
pub const UNPACKED_BYTES_MAX: u64 = 8 << 30;

/// What a tree was opened from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A tar archive, packed or not.
    Archive,
    /// A Debian package.
    Package,
    /// A container image: its layers, one over the other.
    ContainerImage,
    /// Any other file with executables inside, whose paths are not known.
    Image,
}

impl Kind {
    /// A fixed word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Archive => "tar",
            Self::Package => "deb",
            Self::ContainerImage => "oci-image",
            Self::Image => "image",
        }
    }

    /// Whether names are the paths of files; those of [`Kind::Image`] are places.
    pub fn has_paths(self) -> bool {
        self != Self::Image
    }
}

/// Why a tree cannot be read; names the file.
#[derive(Debug)]
pub struct TreeError {
    /// The file; of what is inside of one, its path behind a colon.
    pub file: String,
    /// What the system or the format says.
    pub source: io::Error,
}

impl TreeError {
    fn new(file: impl fmt::Display, source: io::Error) -> Self {
        Self { file: file.to_string(), source }
    }

    fn format(file: impl fmt::Display, words: impl Into<String>) -> Self {
        Self::new(file, io::Error::new(io::ErrorKind::InvalidData, words.into()))
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.source)
    }
}

impl std::error::Error for TreeError {}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
enum Place {
    /// A file of a directory, and its device and inode: what was looked at is what is opened.
    OnDisk(PathBuf, (u64, u64)),
    /// In a store, by its index.
    Stored(usize, Range<usize>),
}

/// Regular files by their paths.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    kind: Kind,
    files: BTreeMap<String, Place>,
    stores: Vec<Artifact>,
}

/// The bytes of a file.
#[derive(Debug)]
pub enum Content<'t> {
    /// Of a file of its own.
    Mapped(Artifact),
    /// Of a part of a larger file.
    Part(&'t [u8]),
}

impl std::ops::Deref for Content<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(artifact) => artifact.bytes(),
            Self::Part(bytes) => bytes,
        }
    }
}

impl Tree {
    /// Opens what is at `path`, by content: a directory; a container image in a directory or a tar (OCI image layout); a
    /// Debian package; a tar; any of the last two packed by gzip, xz or Zstandard; else a file in which executables are
    /// looked for.
    ///
    /// # Errors
    /// Names the file that cannot be read or is damaged, or which limit of this module it is over.
    pub fn open(path: &Path) -> Result<Self, TreeError> {
        let metadata = path.metadata().map_err(|error| TreeError::new(path.display(), error))?;
        let tree = if metadata.is_dir() {
            let files = directory::files(path)?;
            Self { root: path.to_owned(), kind: Kind::Directory, files, stores: Vec::new() }
        } else {
            Self::of_file(path)?
        };
        if tree.files.contains_key(oci::LAYOUT) && tree.files.contains_key(oci::INDEX) {
            return oci::image(&tree);
        }
        Ok(tree)
    }

    fn of_file(path: &Path) -> Result<Self, TreeError> {
        let at = |error| TreeError::new(path.display(), error);
        let mut stores = vec![Artifact::open(path).map_err(at)?];
        let mut room = UNPACKED_BYTES_MAX;
        let (mut kind, mut member) = (Kind::Archive, 0..stores[0].bytes().len());
        if stores[0].bytes().starts_with(ar::MAGIC) {
            member = ar::data(stores[0].bytes()).map_err(|words| TreeError::format(path.display(), words))?;
            kind = Kind::Package;
        }
        if let Some(unpacked) = unpacked::unpacked(&stores[0].bytes()[member.clone()], &mut room).map_err(at)? {
            member = 0..unpacked.bytes().len();
            stores = vec![unpacked];
        }
        let bytes = &stores[0].bytes()[member.clone()];
        let files = if tar::is_tar(bytes) {
            let members = tar::members(bytes).map_err(|words| TreeError::format(path.display(), words))?;
            let place = |range: Range<usize>| Place::Stored(0, range.start + member.start..range.end + member.start);
            let files = members.into_iter().filter_map(|one| Some((one.path, place(one.content?))));
            files.collect()
        } else {
            kind = Kind::Image;
            let (files, more) = image::files(bytes, member.start, &mut room).map_err(at)?;
            stores.extend(more);
            files
        };
        Ok(Self { root: path.to_owned(), kind, files, stores })
    }

    /// What it was opened from.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What was opened.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The paths of its regular files, sorted. A file with several names in a directory has one.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// What the system says of a file of a directory; `NotFound` for a path that [`Tree::paths`] does not give.
    pub fn read(&self, path: &str) -> Result<Content<'_>, TreeError> {
        match self.files.get(path) {
            Some(Place::OnDisk(file, identity)) => {
                let opened = directory::open(file, *identity);
                opened.map(Content::Mapped).map_err(|error| TreeError::new(file.display(), error))
            }
            Some(Place::Stored(store, range)) => Ok(Content::Part(&self.stores[*store].bytes()[range.clone()])),
            None => Err(TreeError::new(self.inside(path), io::ErrorKind::NotFound.into())),
        }
    }

    /// How messages name a file of the tree.
    pub fn inside(&self, path: &str) -> String {
        match self.kind {
            Kind::Directory => self.root.join(path).display().to_string(),
            _ => format!("{}: {path}", self.root.display()),
        }
    }
}

/// A path as trees spell it: no slash in front, no `.`; nothing for one that leaves the tree or is too long.
fn spelled(path: &[u8]) -> Option<String> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let path = String::from_utf8_lossy(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let is_inside = !parts.is_empty() && parts.len() <= DEPTH_MAX && !parts.contains(&"..");
    is_inside.then(|| parts.join("/"))
}

/// The last part of a path.
fn name(path: &str) -> &str {
    Path::new(path).file_name().and_then(OsStr::to_str).unwrap_or(path)
}

#[cfg(test)]
mod tests;

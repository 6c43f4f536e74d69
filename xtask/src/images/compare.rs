//! How the two versions differ, in numbers for people.
//!
//! In: the two trees, then the two images. Out: [`Figures`], kept beside the images as `key=value` lines. They describe
//! the input of an update; the product computes its own.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const BLOCK_BYTES: usize = 4096;

/// What a pair is and how its versions differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// One sentence: what the images hold.
    pub(crate) story: String,
    /// Files, links and folders in v2.
    pub(crate) entries: u64,
    /// Entries that are new, gone or different.
    pub(crate) entries_changed: u64,
    /// Bytes of the new and different files in v2.
    pub(crate) changed_file_bytes: u64,
    /// Bytes of 4 KiB blocks that differ between the images at the same place.
    pub(crate) moved_block_bytes: u64,
    /// Bytes of 4 KiB blocks of v2 that v1 has nowhere.
    pub(crate) new_block_bytes: u64,
}

impl Figures {
    /// Compares the trees.
    pub(super) fn of_trees(story: String, v1: &Path, v2: &Path) -> Result<Self> {
        let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
        entries(v1, v1, &mut old)?;
        entries(v2, v2, &mut new)?;
        let gone = old.keys().filter(|path| !new.contains_key(*path)).count();
        let changed: Vec<_> = new.iter().filter(|(path, entry)| old.get(*path) != Some(*entry)).collect();
        Ok(Self {
            story,
            entries: new.len() as u64,
            entries_changed: (gone + changed.len()) as u64,
            changed_file_bytes: changed.iter().map(|(_, entry)| entry.bytes).sum(),
            ..Self::default()
        })
    }

    /// Compares the images.
    pub(super) fn add_images(&mut self, v1: &Path, v2: &Path) -> Result<()> {
        let (mut old, mut new) = (BufReader::new(File::open(v1)?), BufReader::new(File::open(v2)?));
        let (mut old_block, mut new_block) = ([0; BLOCK_BYTES], [0; BLOCK_BYTES]);
        let mut known = HashSet::new();
        let mut moved = Vec::new();
        for _ in 0..super::ext4::IMAGE_BYTES / BLOCK_BYTES as u64 {
            old.read_exact(&mut old_block)?;
            new.read_exact(&mut new_block)?;
            known.insert(digest(&old_block));
            if old_block != new_block {
                moved.push(digest(&new_block));
            }
        }
        let fresh = moved.iter().filter(|block| !known.contains(*block)).count();
        self.moved_block_bytes = (moved.len() * BLOCK_BYTES) as u64;
        self.new_block_bytes = (fresh * BLOCK_BYTES) as u64;
        Ok(())
    }

    pub(super) fn write(&self, to: &Path) -> Result<()> {
        let Self { story, entries, entries_changed, changed_file_bytes, moved_block_bytes, new_block_bytes } = self;
        let text = format!(
            "story={story}\nentries={entries}\nentries_changed={entries_changed}\n\
             changed_file_bytes={changed_file_bytes}\nmoved_block_bytes={moved_block_bytes}\n\
             new_block_bytes={new_block_bytes}\n"
        );
        fs::write(to, text).with_context(|| to.display().to_string())
    }

    pub(super) fn read(from: &Path) -> Result<Self> {
        let text = fs::read_to_string(from)?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.with_context(|| format!("{}: no {key}", from.display()))
        };
        let number = |key: &str| -> Result<u64> { Ok(value(key)?.parse()?) };
        Ok(Self {
            story: value("story")?.to_owned(),
            entries: number("entries")?,
            entries_changed: number("entries_changed")?,
            changed_file_bytes: number("changed_file_bytes")?,
            moved_block_bytes: number("moved_block_bytes")?,
            new_block_bytes: number("new_block_bytes")?,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        writeln!(out, "{}", self.story)?;
        writeln!(
            out,
            "{} of {} files, links and folders changed ({} of files); in the images {} of 4 KiB blocks differ in place, \
             {} of them exist nowhere in v1",
            self.entries_changed,
            self.entries,
            mb(self.changed_file_bytes),
            mb(self.moved_block_bytes),
            mb(self.new_block_bytes),
        )
    }
}

/// What makes an entry of a tree the same entry.
#[derive(PartialEq, Eq)]
struct Entry {
    kind: fs::FileType,
    bytes: u64,
    content: u64,
}

fn entries(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Entry>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = fs::symlink_metadata(&path)?.file_type();
        let (bytes, content) = match () {
            () if kind.is_symlink() => (0, digest(fs::read_link(&path)?.as_os_str().as_encoded_bytes())),
            () if kind.is_file() => {
                let content = fs::read(&path)?;
                (content.len() as u64, digest(&content))
            }
            () => (0, 0),
        };
        if kind.is_dir() {
            entries(root, &path, found)?;
        }
        let name = path.strip_prefix(root).expect("the path was found below the root").to_owned();
        found.insert(name, Entry { kind, bytes, content });
    }
    Ok(())
}

/// Good enough to count with; nothing is trusted on it.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

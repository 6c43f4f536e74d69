//! Two trees without a network: files of this machine, and the same with edits that look like an update.
//!
//! In: `/usr/bin`, `/usr/sbin`, `/usr/lib` and `/usr/share` of this machine (programs, never `/etc` or home folders).
//! Out: v1 with up to [`TREE_BYTES`] of them, v2 with the [`edit`]s. The edits are the same on every run. The programs
//! in v2 are damaged on purpose, so such an image is for moving bytes, not for booting.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::Trees;

const FOLDERS: &[&str] = &["usr/bin", "usr/sbin", "usr/lib", "usr/share"];

/// In whole blocks; fits the image with room for its own tables.
const TREE_BYTES: u64 = 200 << 20;
const BLOCK_BYTES: u64 = 4096;
/// One huge program must not be the whole tree.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// As many as a small system has; the inode table is not the point here.
const FILES_MAX: u64 = 8_000;
/// Programs, and as many texts.
const EDITED_MAX: usize = 60;
const FUNCTION_BYTES: usize = 512;
/// One function in so many is another one in version 2.
const REWRITTEN_EVERY: usize = 16;

/// Makes the two trees below `work`.
pub(super) fn trees(work: &Path, say: &dyn Fn(&str)) -> Result<Trees> {
    say("copying files of this machine");
    let (v1, v2) = (work.join("v1"), work.join("v2"));
    let mut budget = Budget { bytes: TREE_BYTES, files: FILES_MAX };
    for (index, folder) in FOLDERS.iter().enumerate() {
        // An equal share of what is left: the first folder must not eat everything.
        let folders_left = (FOLDERS.len() - index) as u64;
        let share = Budget { bytes: budget.bytes / folders_left, files: budget.files / folders_left };
        let mut left = Budget { ..share };
        copy(&Path::new("/").join(folder), &v1.join(folder), &mut left)?;
        budget.bytes -= share.bytes - left.bytes;
        budget.files -= share.files - left.files;
    }
    let used = TREE_BYTES - budget.bytes;
    ensure!(used > TREE_BYTES / 20, "this machine has too few readable files in /usr to make an image of");
    copy(&v1, &v2, &mut Budget { bytes: u64::MAX, files: u64::MAX })?;
    let edited = edit(&v2)?;
    let story = format!(
        "{} MB of this machine's own programs; v2 holds edits made by this tool to {edited} files",
        used / 1_000_000
    );
    Ok(Trees { v1, v2, story })
}

struct Budget {
    bytes: u64,
    files: u64,
}

/// Copies regular files and symbolic links, in the order of names, while the budget lasts.
fn copy(from: &Path, to: &Path, budget: &mut Budget) -> Result<()> {
    fs::create_dir_all(to)?;
    for path in sorted(from) {
        let copy_to = to.join(path.file_name().expect("a directory entry has a name"));
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        if budget.files == 0 || budget.bytes < BLOCK_BYTES {
            return Ok(());
        } else if about.is_dir() {
            // Names take blocks as well; one for a folder is near enough.
            budget.bytes -= BLOCK_BYTES;
            copy(&path, &copy_to, budget)?;
        } else if about.is_symlink() {
            symlink(fs::read_link(&path)?, &copy_to)?;
        } else if about.is_file() && on_disk(&about) <= FILE_BYTES_MAX.min(budget.bytes) {
            // Some files are for root's eyes only; the tree does without them.
            if fs::copy(&path, &copy_to).is_err() {
                continue;
            }
            fs::File::options().write(true).open(&copy_to).and_then(|file| file.set_modified(about.modified()?)).ok();
            budget.bytes -= on_disk(&about);
        } else {
            continue;
        }
        budget.files -= 1;
    }
    Ok(())
}

fn on_disk(about: &fs::Metadata) -> u64 {
    about.len().next_multiple_of(BLOCK_BYTES)
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Edits a tree the way an update would: programs rebuilt with fixes, texts with a line more, one file gone, one new.
/// Returns how many files it touched.
pub(super) fn edit(tree: &Path) -> Result<usize> {
    let mut files = Vec::new();
    list(tree, &mut files);
    ensure!(files.len() >= 100, "too few files to edit");
    let (mut programs, mut texts) = (Vec::new(), Vec::new());
    for path in &files {
        let mut magic = Vec::new();
        fs::File::open(path)?.take(4).read_to_end(&mut magic)?;
        if magic == *b"\x7fELF" { programs.push(path) } else { texts.push(path) }
    }
    // Not one of those that are edited.
    let gone = texts.pop().context("not one text among the files")?.clone();
    let mut edited = 0;
    for path in some(&programs) {
        fs::write(path, rebuilt(&fs::read(path)?)).with_context(|| path.display().to_string())?;
        edited += 1;
    }
    for path in some(&texts) {
        let text = [fs::read(path)?.as_slice(), b"\n# one line more in version 2\n"].concat();
        fs::write(path, text).with_context(|| path.display().to_string())?;
        edited += 1;
    }
    fs::remove_file(gone)?;
    let folder = tree.join("usr/share/version-2");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("NEWS"), "A file that only version 2 has.\n".repeat(64))?;
    Ok(edited + 2)
}

/// Up to [`EDITED_MAX`] of them, spread evenly.
fn some<'a>(paths: &[&'a PathBuf]) -> impl Iterator<Item = &'a PathBuf> {
    paths.iter().copied().step_by(paths.len().div_ceil(EDITED_MAX).max(1))
}

/// A program after fixes: some code inserted in the middle, the addresses that point past it changed, and a function
/// rewritten here and there.
fn rebuilt(old: &[u8]) -> Vec<u8> {
    let middle = old.len() / 2;
    let mut new = old[..middle].to_vec();
    new.extend((0..64u8).map(|byte| byte.wrapping_mul(37)));
    new.extend_from_slice(&old[middle..]);
    for offset in (4096..new.len()).step_by(1536) {
        new[offset] = new[offset].wrapping_add(64);
    }
    // Machine code is close to noise; any fixed generator does (this one: Knuth's MMIX constants).
    let mut state = old.len() as u64;
    for function in new.chunks_mut(FUNCTION_BYTES).skip(1).step_by(REWRITTEN_EVERY) {
        for byte in function {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    }
    new
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in sorted(folder) {
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => list(&path, files),
            Ok(about) if about.is_file() && about.len() > 0 => files.push(path),
            _ => {}
        }
    }
}

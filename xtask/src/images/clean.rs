//! Removes what a device image would not carry, and everything that differs between two runs of the same recipe.
//!
//! In: a tree as the package tools left it. Out: the same tree without documentation, translations, caches, logs,
//! sources, host keys and machine identity. It leaves the package database: the scanner of vulnerable parts reads it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Folders that stay, empty.
const EMPTIED: &[&str] = &[
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr/share/doc",
    "usr/share/i18n",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/backups",
    "var/cache/apt",
    "var/cache/debconf",
    "var/cache/ldconfig",
    "var/lib/apt/lists",
    "var/log",
    "var/tmp",
];

/// Files that go: identity, the machine's sources, leftovers of the package tools.
const REMOVED: &[&str] = &[
    "etc/.pwd.lock",
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/resolv.conf",
    "usr/sbin/policy-rc.d",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/systemd/random-seed",
];

/// Cleans the tree.
pub(super) fn clean(tree: &Path) -> Result<()> {
    for folder in EMPTIED {
        empty(&tree.join(folder))?;
    }
    for file in REMOVED {
        remove(&tree.join(file))?;
    }
    // Character set converters: 8 MB that a device does not use.
    remove_where(&tree.join("usr/lib"), |path| path.join("gconv").is_dir(), |path| empty(&path.join("gconv")))?;
    let name_has = |part: &'static str| move |path: &Path| path.to_string_lossy().contains(part);
    remove_where(&tree.join("etc/apt/sources.list.d"), |_| true, remove)?;
    remove_where(&tree.join("etc/apt/apt.conf.d"), name_has("mmdebstrap"), remove)?;
    remove_where(&tree.join("etc/dpkg/dpkg.cfg.d"), name_has("mmdebstrap"), remove)?;
    remove_where(&tree.join("etc/ssh"), name_has("ssh_host_"), remove)?;
    remove_where(&tree.join("etc"), name_has(".dpkg-old"), remove)?;
    remove_where(&tree.join("var/lib/dpkg"), |path| path.to_string_lossy().ends_with("-old"), remove)?;
    // The package tools park the real program here while services must not start.
    let parked = tree.join("usr/sbin/start-stop-daemon.REAL");
    if parked.exists() {
        fs::rename(&parked, tree.join("usr/sbin/start-stop-daemon"))?;
    }
    // systemd writes a fresh identity at the first boot when it finds this file empty.
    fs::write(tree.join("etc/machine-id"), "").context("etc/machine-id")
}

fn remove_where(folder: &Path, wanted: impl Fn(&Path) -> bool, act: impl Fn(&Path) -> Result<()>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if wanted(&path) {
            act(&path)?;
        }
    }
    Ok(())
}

fn empty(folder: &Path) -> Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        paths.push(entry?.path());
    }
    super::remove_trees(&paths)
}

fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => super::remove_trees(&[path.to_owned()]),
        Ok(_) => fs::remove_file(path).with_context(|| path.display().to_string()),
        Err(_) => Ok(()),
    }
}

//! Small and read-only file systems for a folder, when the test runs as root; each is taken away with its guard.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted folder.
#[derive(Debug)]
pub struct Mount(PathBuf);

impl Mount {
    /// A file system in memory of so many KiB.
    pub fn small(folder: &Path, kib: u64) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        mount(&["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"], folder);
        Self(folder.to_owned())
    }

    /// The folder as it is, for reading only.
    pub fn read_only(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        mount(&["--bind", &folder.display().to_string()], folder);
        mount(&["-o", "remount,ro,bind"], folder);
        Self(folder.to_owned())
    }

    /// Gives a [`Self::small`] one another size.
    pub fn resize(&self, kib: u64) {
        mount(&["-o", &format!("remount,size={kib}k")], &self.0);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], folder: &Path) {
    let mounted = Command::new("mount").args(arguments).arg(folder).status().expect("mount runs");
    assert!(mounted.success(), "mount {arguments:?} {}", folder.display());
}

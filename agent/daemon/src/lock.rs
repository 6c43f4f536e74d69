//! One agent at a time: an advisory lock on a file in the run directory, held by the daemon for its life and by a verb
//! for its work. The kernel drops it when the process ends, however it ends.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The held lock.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not used")] Flock<File>);

impl Lock {
    /// Takes the lock in the run directory, which is created when it is missing; `None` when another agent holds it.
    ///
    /// # Errors
    /// When the directory or the file cannot be created.
    pub fn take(run_dir: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(run_dir)?;
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(false).mode(0o600).open(run_dir.join("lock"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_agent_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        assert!(held.is_some() && Lock::take(folder.path()).unwrap().is_none());
        drop(held);
        assert!(Lock::take(folder.path()).unwrap().is_some());
    }
}

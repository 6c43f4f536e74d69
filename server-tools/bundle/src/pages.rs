//! Keeps mapped images from filling the memory.
//!
//! In: artifacts and work on them. Out: what the work gives. Pages of a mapped file count as resident from the first read
//! on; a thread looks from time to time how many there are, and gives them back. No result depends on when it does.
//! It bounds nothing but those pages.

use delta_ingest::Artifact;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Pages of files that may be resident before they are given back.
const RESIDENT_BYTES_MAX: u64 = 256 << 20;
/// Time between two looks: memory is read at some gigabytes a second.
const PERIOD: Duration = Duration::from_millis(20);
/// What `/proc/self/statm` counts in, at least.
const PAGE_BYTES: u64 = 4096;

/// Does `work`.
pub(crate) fn bounded<T>(artifacts: [&Artifact; 2], work: impl FnOnce() -> T) -> T {
    let all: u64 = artifacts.iter().map(|artifact| artifact.bytes().len() as u64).sum();
    if all <= RESIDENT_BYTES_MAX {
        return work();
    }
    std::thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        scope.spawn(move || {
            while is_done.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                if resident_bytes().is_none_or(|bytes| bytes > RESIDENT_BYTES_MAX) {
                    artifacts.iter().for_each(|artifact| artifact.release());
                }
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Bytes of files that are resident; none when the system does not tell.
fn resident_bytes() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(counts.split(' ').nth(2)?.parse::<u64>().ok()? * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The system tells, and the work is done whether there is something to give back or not.
    #[test]
    fn work_is_done() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 0));
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        file.as_file().set_len(RESIDENT_BYTES_MAX + 1).expect("sparse");
        let large = Artifact::open(file.path()).expect("opened");
        let empty = Artifact::empty();
        for artifacts in [[&empty, &empty], [&empty, &large]] {
            let sum = || artifacts.iter().flat_map(|one| one.bytes()).map(|&byte| u64::from(byte)).sum::<u64>();
            assert_eq!(bounded(artifacts, sum), 0_u64);
        }
    }
}

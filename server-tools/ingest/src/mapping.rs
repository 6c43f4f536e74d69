//! Maps a file for reading.
//!
//! Why safe code cannot do it: a mapped file that another program changes or truncates changes or vanishes under a Rust
//! slice. Artifacts are inputs that a build has finished; a file that shrinks while it is read ends the process with
//! SIGBUS, and nothing has been published then. A 5 GiB image would not fit in memory any other way.
#![allow(unsafe_code)]

use memmap2::{Mmap, UncheckedAdvice};
use std::fs::File;
use std::io;

/// Maps all of `file`. An empty file gives `None`: there is nothing to map.
pub(crate) fn map(file: &File) -> io::Result<Option<Mmap>> {
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    // SAFETY: (1) the mapping is read-only; (2) artifacts are finished files that nobody writes while they are
    // compared, which the module's text tells the caller; (3) every result is checked by digest before it is used.
    unsafe { Mmap::map(file) }.map(Some)
}

/// Gives the pages of `map` back to the system, which keeps them cached as long as it likes. They are read again when
/// they are touched.
pub(crate) fn release(map: &Mmap) {
    // SAFETY: (1) the mapping is read-only and of a file, so what is touched again is the file's bytes, as before;
    // (2) nobody writes to the file, see above.
    // The system may refuse: then pages stay, and nothing else is different.
    drop(unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) });
}

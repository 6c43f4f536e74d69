//! Images and slots of a real system: files and block devices of a Unix.
//!
//! Nothing here opens a path: callers hand over opened files. The only `unsafe` of the device is in [`mapped`] and its
//! guard against SIGBUS.

mod guard;
pub mod mapped;
pub mod slot;

pub use mapped::MappedFile;
pub use slot::{MediumReader, SlotFile, capacity};

use crate::io::IoError;

impl From<std::io::Error> for IoError {
    fn from(error: std::io::Error) -> Self {
        match (error.raw_os_error(), error.kind()) {
            (Some(errno), _) => Self(errno),
            // `read_exact_at` reports a short file without an errno.
            _ => Self::EIO,
        }
    }
}

//! The inactive slot as a file or block device: positioned writes, durable syncs, and reading past the page cache.

use crate::io::{IoError, ReadAt, Target};
use nix::fcntl::{OFlag, PosixFadviseAdvice, fcntl, posix_fadvise};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};

/// Alignment that direct reads need: the largest logical block of disks in use.
const ALIGN: usize = 4096;

/// Bytes of a file or of a block device.
///
/// # Errors
/// When the file cannot be examined.
pub fn capacity(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    if metadata.file_type().is_block_device() {
        return (&*file).seek(SeekFrom::End(0));
    }
    Ok(metadata.len())
}

/// A slot that is written.
#[derive(Debug)]
pub struct SlotFile {
    file: File,
}

impl SlotFile {
    /// Takes a file that is open for reading and writing, and makes sure that `bytes` fit. An image file that is
    /// shorter is extended; a device that is smaller is refused.
    ///
    /// # Errors
    /// ENOSPC for a device that is too small; otherwise what the system says.
    pub fn new(file: File, bytes: u64) -> io::Result<Self> {
        if capacity(&file)? < bytes {
            if file.metadata()?.file_type().is_block_device() {
                return Err(io::Error::from_raw_os_error(IoError::ENOSPC.0));
            }
            file.set_len(bytes)?;
        }
        Ok(Self { file })
    }

    /// A reader that asks the medium, not the page cache. Call it after [`Target::sync`].
    ///
    /// # Errors
    /// When the slot cannot be opened a second time.
    pub fn medium(&self) -> io::Result<MediumReader> {
        MediumReader::new(self.file.try_clone()?)
    }
}

impl ReadAt for SlotFile {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        Ok(self.file.read_exact_at(out, offset)?)
    }
}

impl Target for SlotFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        Ok(self.file.write_all_at(bytes, offset)?)
    }

    fn sync(&mut self) -> Result<(), IoError> {
        Ok(self.file.sync_data()?)
    }
}

/// Reads a slot from its medium: by direct I/O where the file system has it, else after dropping the cached pages.
#[derive(Debug)]
pub struct MediumReader {
    file: File,
    direct: bool,
    bounce: Vec<u8>,
}

impl MediumReader {
    /// Takes a slot that is open for reading. The file description's flags are changed: it must not be shared with a
    /// writer that still has work to do.
    ///
    /// # Errors
    /// When the cache cannot be dropped either.
    pub fn new(file: File) -> io::Result<Self> {
        // A new open file description, because O_DIRECT set by fcntl would be shared with the writer's handle.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let reopened = File::open(path).unwrap_or(file);
        let direct = fcntl(&reopened, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_DIRECT)).is_ok();
        posix_fadvise(&reopened, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        Ok(Self { file: reopened, direct, bounce: Vec::new() })
    }

    /// Fills the aligned part of the bounce buffer from `offset`; gives where it starts and how many bytes came.
    fn read_aligned(&mut self, offset: u64, bytes: usize) -> io::Result<(usize, usize)> {
        self.bounce.resize(bytes + ALIGN, 0);
        let skip = self.bounce.as_ptr().align_offset(ALIGN);
        let buffer = &mut self.bounce[skip..skip + bytes];
        let mut filled = 0;
        while filled < bytes {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // A short direct read ends at the end of the file; going on unaligned would be refused.
            if filled % ALIGN != 0 {
                break;
            }
        }
        Ok((skip, filled))
    }
}

impl ReadAt for MediumReader {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        if !self.direct {
            return Ok(self.file.read_exact_at(out, offset)?);
        }
        let start = offset - offset % ALIGN as u64;
        let lead = (offset - start) as usize;
        let (skip, filled) = self.read_aligned(start, (lead + out.len()).next_multiple_of(ALIGN))?;
        if filled < lead + out.len() {
            return Err(IoError::EIO);
        }
        out.copy_from_slice(&self.bounce[skip + lead..skip + lead + out.len()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written and synced reads back from the medium, at any offset and to an odd end.
    #[test]
    fn medium_gives_what_was_written() {
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        let mut slot = SlotFile::new(file.reopen().expect("a handle"), 300_001).expect("a slot");
        let bytes: Vec<u8> = (0..300_001u32).map(|i| (i % 251) as u8).collect();
        slot.write_at(0, &bytes).expect("write");
        slot.sync().expect("sync");
        let mut medium = slot.medium().expect("a reader");
        for (offset, length) in [(0, 300_001), (1, 5), (4095, 4098), (299_999, 2)] {
            let mut out = vec![0; length];
            medium.read_at(offset as u64, &mut out).expect("read");
            assert!(out == bytes[offset..offset + length], "at {offset}");
        }
        assert_eq!(medium.read_at(300_000, &mut [0; 2]), Err(IoError::EIO), "past the end");
    }
}

//! A base image, mapped: windows of the file, and a bound on the pages that stay resident.
//!
//! Why safe code cannot do it: a mapping's bytes can change or vanish under a Rust slice. So no slice of a mapping is
//! ever made: bytes are copied out through `super::guard`, and what they must be is checked by digest afterwards.
#![allow(unsafe_code)]

use super::guard;
use crate::io::{IoError, ReadAt};
use memmap2::{Mmap, MmapOptions, UncheckedAdvice};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of one window. A 32-bit device cannot map a 5 GiB image at once.
const WINDOW_BYTES: u64 = if usize::BITS >= 64 { 256 << 20 } else { 32 << 20 };

/// Windows that are mapped at the same time.
const WINDOWS_MAX: usize = 4;

/// Pages of a mapping count as resident until they are given back; this many bytes may be touched before that.
const RESIDENT_BYTES_MAX: u64 = 6 << 20;

/// One fault maps a whole folio of the page cache: up to 2 MiB where a file system reads ahead in large folios (seen with
/// ext4 on Linux 6.18: 43 MiB resident when 64 KiB a fault were counted, 11 MiB with this).
const FOLIO_BYTES: u64 = 2 << 20;

/// Reads of at least this many bytes go to the file directly: they would only pass through the mapping once.
const DIRECT_BYTES_MIN: usize = 64 << 10;

/// A file that is read through mapped windows.
#[derive(Debug)]
pub struct MappedFile {
    file: File,
    length: u64,
    windows: Vec<Window>,
    /// The window that is replaced next.
    next: usize,
    /// Bytes that were faulted in since pages were last given back.
    touched: u64,
    /// The last [`FOLIO_BYTES`] block that was touched; copies come in runs along one diagonal.
    block: u64,
}

#[derive(Debug)]
struct Window {
    offset: u64,
    map: Mmap,
}

impl MappedFile {
    /// Maps `file`, an image file or a block device, for reading.
    ///
    /// # Errors
    /// When its length cannot be found.
    pub fn new(file: File) -> io::Result<Self> {
        guard::install();
        let length = super::capacity(&file)?;
        Ok(Self { file, length, windows: Vec::new(), next: 0, touched: 0, block: u64::MAX })
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The window that holds `offset`.
    fn window(&mut self, offset: u64) -> io::Result<&Window> {
        let start = offset - offset % WINDOW_BYTES;
        if let Some(found) = self.windows.iter().position(|window| window.offset == start) {
            return Ok(&self.windows[found]);
        }
        let bytes = WINDOW_BYTES.min(self.length - start) as usize;
        // SAFETY: (1) the mapping is read-only and private to this type; (2) no reference to its bytes is ever made,
        // so that changes of the file cannot break Rust's aliasing rules; (3) truncation is handled by the guard.
        let map = unsafe { MmapOptions::new().offset(start).len(bytes).map(&self.file)? };
        let window = Window { offset: start, map };
        let place = self.next;
        self.next = (self.next + 1) % WINDOWS_MAX;
        match self.windows.get_mut(place) {
            Some(old) => *old = window,
            None => self.windows.push(window),
        }
        Ok(&self.windows[place])
    }

    /// Gives resident pages back when enough have been touched. They stay in the page cache.
    fn account(&mut self, offset: u64, bytes: usize) {
        let (first, last) = (offset / FOLIO_BYTES, (offset + bytes as u64 - 1) / FOLIO_BYTES);
        let known = u64::from(self.block == first);
        self.touched += (last - first + 1 - known) * FOLIO_BYTES;
        self.block = last;
        if self.touched < RESIDENT_BYTES_MAX {
            return;
        }
        (self.touched, self.block) = (0, u64::MAX);
        for window in &self.windows {
            // SAFETY: the mapping is shared with the file and never written, so its pages come back as they were; and
            // no reference to them exists. Advice that is not taken costs memory only.
            let _ = unsafe { window.map.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }
}

impl ReadAt for MappedFile {
    fn read_at(&mut self, mut offset: u64, mut out: &mut [u8]) -> Result<(), IoError> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.length) {
            return Err(IoError::EIO);
        }
        if out.len() >= DIRECT_BYTES_MIN {
            return Ok(self.file.read_exact_at(out, offset)?);
        }
        while !out.is_empty() {
            let window = self.window(offset)?;
            let skip = (offset - window.offset) as usize;
            let bytes = out.len().min(window.map.len() - skip);
            let (now, later) = out.split_at_mut(bytes);
            // SAFETY: (1) `skip + bytes` is at most the length of the live mapping; (2) no slice of it exists; (3) the
            // guard was installed when this value was made.
            if !unsafe { guard::copy(window.map.as_ptr().add(skip), now) } {
                // The pages of zeros must not be read again.
                self.windows.clear();
                self.next = 0;
                return Err(IoError::EIO);
            }
            self.account(offset, bytes);
            offset += bytes as u64;
            out = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that shrinks under the mapping gives an error, not a dead process.
    #[test]
    fn truncation_is_an_error() {
        let file = tempfile::tempfile().expect("a scratch file");
        file.set_len(1 << 20).expect("space");
        let mut mapped = MappedFile::new(file.try_clone().expect("a second handle")).expect("a mapping");
        let mut out = [1; 100];
        assert_eq!(mapped.read_at(500_000, &mut out), Ok(()));
        assert_eq!(out, [0; 100]);
        file.set_len(4096).expect("truncation");
        assert_eq!(mapped.read_at(500_000, &mut out), Err(IoError::EIO));
        assert_eq!(mapped.read_at(100, &mut out), Ok(()), "what is left still reads");
    }

    /// Reads across windows, by mapping and by file, give the file's bytes.
    #[test]
    fn mapped_and_direct_reads_agree() {
        let file = tempfile::tempfile().expect("a scratch file");
        file.set_len(2 * WINDOW_BYTES + 10).expect("sparse space");
        file.write_all_at(b"across", WINDOW_BYTES - 3).expect("write");
        file.write_all_at(b"end", 2 * WINDOW_BYTES + 7).expect("write");
        let mut mapped = MappedFile::new(file).expect("a mapping");
        let mut small = [0; 6];
        mapped.read_at(WINDOW_BYTES - 3, &mut small).expect("read");
        assert_eq!(&small, b"across");
        let mut large = vec![0; DIRECT_BYTES_MIN];
        mapped.read_at(WINDOW_BYTES - 3, &mut large).expect("read");
        assert_eq!(&large[..6], b"across");
        let mut end = [0; 3];
        mapped.read_at(2 * WINDOW_BYTES + 7, &mut end).expect("read");
        assert_eq!(&end, b"end");
        assert_eq!(mapped.read_at(2 * WINDOW_BYTES + 8, &mut end), Err(IoError::EIO), "past the end");
    }
}

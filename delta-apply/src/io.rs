//! What the engine is handed: opened handles behind small traits. All offsets are bytes.

use core::fmt;

/// An operation on a disk failed; the number is the system's errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoError(pub i32);

impl IoError {
    /// EIO: the device could not read or write.
    pub const EIO: Self = Self(5);
    /// ENOSPC: no space left.
    pub const ENOSPC: Self = Self(28);
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "os")]
        return fmt::Display::fmt(&std::io::Error::from_raw_os_error(self.0), f);
        #[cfg(not(feature = "os"))]
        write!(f, "I/O error {}", self.0)
    }
}

impl core::error::Error for IoError {}

/// Something to read at any place: a base image, a slot.
pub trait ReadAt {
    /// Fills `out` from `offset`.
    ///
    /// # Errors
    /// [`IoError`] when a byte cannot be read; reading past the end is an error too. `out` may be partly filled then.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError>;
}

/// The inactive slot: read to skip what is right already, written where it is not.
pub trait Target: ReadAt {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// [`IoError`]; some of the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError>;

    /// Returns when everything written before is durable.
    ///
    /// # Errors
    /// [`IoError`]; nothing written since the last success may be relied on.
    fn sync(&mut self) -> Result<(), IoError>;
}

/// No storage has no space.
impl<T: ReadAt> ReadAt for Option<T> {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.as_mut().ok_or(IoError::ENOSPC)?.read_at(offset, out)
    }
}

impl<T: Target> Target for Option<T> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.as_mut().ok_or(IoError::ENOSPC)?.write_at(offset, bytes)
    }

    fn sync(&mut self) -> Result<(), IoError> {
        self.as_mut().map_or(Ok(()), Target::sync)
    }
}

/// Where payload groups come from. The bytes are untrusted; the engine checks them.
pub trait Payload {
    /// Why a group could not be had.
    type Error;

    /// Fills `out`, which has the length of group number `group`.
    ///
    /// # Errors
    /// The source's own error; the engine passes it on.
    fn read_group(&mut self, group: u64, out: &mut [u8]) -> Result<(), Self::Error>;
}

/// The work was cancelled by its observer. Nothing is lost: the watermark stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// Sees progress and may stop the work between blocks.
pub trait Observer {
    /// `bytes` more of the current step are done.
    ///
    /// # Errors
    /// [`Cancelled`] stops the work here.
    fn advance(&mut self, bytes: u64) -> Result<(), Cancelled>;
}

/// An observer that does not look.
impl Observer for () {
    fn advance(&mut self, _bytes: u64) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl<F: FnMut(u64) -> Result<(), Cancelled>> Observer for F {
    fn advance(&mut self, bytes: u64) -> Result<(), Cancelled> {
        self(bytes)
    }
}

/// Bytes are their own base image: tests, and small artifacts on the host.
impl ReadAt for &[u8] {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let start = usize::try_from(offset).map_err(|_| IoError::EIO)?;
        let end = start.checked_add(out.len()).ok_or(IoError::EIO)?;
        out.copy_from_slice(self.get(start..end).ok_or(IoError::EIO)?);
        Ok(())
    }
}

//! The virtual base of a record: the base, and behind it what was unpacked of it, in scratch storage.

use super::items::{Unpack, UnpackGroup};
use super::section::SectionError;
use crate::deflate::{InflateError, Input, Sink, inflate};
use crate::io::{IoError, ReadAt, Target};
use crate::parse::track::{Recorder, Store};
use crate::parse::{self, UnpackError};
use core::cell::RefCell;
use delta_format::FormatError;

/// The base, and behind it what was unpacked of it.
#[derive(Debug)]
pub struct VirtualBase<'a, B, S> {
    /// The base.
    pub base: &'a mut B,
    /// Its bytes.
    pub base_bytes: u64,
    /// What was unpacked.
    pub scratch: &'a mut S,
    /// Its bytes.
    pub scratch_bytes: u64,
}

impl<B: ReadAt, S: ReadAt> ReadAt for VirtualBase<'_, B, S> {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let of_base = self.base_bytes.saturating_sub(offset).min(out.len() as u64) as usize;
        let (base, scratch) = out.split_at_mut(of_base);
        if !base.is_empty() {
            self.base.read_at(offset, base)?;
        }
        match scratch.is_empty() {
            true => Ok(()),
            false => self.scratch.read_at(offset + of_base as u64 - self.base_bytes, scratch),
        }
    }
}

impl<B: ReadAt, S: Target> VirtualBase<'_, B, S> {
    /// Unpacks an entry behind what was unpacked before.
    ///
    /// # Errors
    /// [`SectionError`]: the base or the scratch storage failed, or there is no such stream.
    pub fn unpack_one(&mut self, unpack: &Unpack) -> Result<(), SectionError> {
        let at = self.scratch_bytes;
        match &unpack.group {
            Some(group) => self.unpack_group(unpack, group)?,
            None => {
                let base = &RefCell::new(&mut *self);
                let made = inflate(Packed { base, at: unpack.offset }, &mut Unpacked { base, at }, unpack.plain_bytes);
                match made {
                    Ok((_, plain_bytes)) if plain_bytes == unpack.plain_bytes => {}
                    Err(InflateError::Input(error) | InflateError::Sink(error)) => {
                        return Err(SectionError::Base(error));
                    }
                    _ => return Err(FormatError::BadField("unpacked stream").into()),
                }
            }
        }
        self.scratch_bytes += unpack.bytes();
        Ok(())
    }

    fn unpack_group(&mut self, unpack: &Unpack, group: &UnpackGroup) -> Result<(), UnpackError> {
        let start = self.scratch_bytes;
        let base = &RefCell::new(&mut *self);
        let (store, envelopes) = (Unpacked { base, at: start }, parse::Part::envelope_bytes(&group.parts));
        if envelopes > unpack.plain_bytes {
            return Err(UnpackError::Invalid);
        }
        let mut out = Recorder::new(store, unpack.plain_bytes, envelopes, group.entries.into());
        parse::unpack(
            group.layout,
            &group.parts,
            |at| Packed { base, at: unpack.offset.saturating_add(at) },
            &mut out,
        )?;
        out.finish()
    }

    /// Unpacks a whole list, and nothing else.
    ///
    /// # Errors
    /// As [`Self::unpack_one`].
    pub fn unpack(&mut self, list: &[Unpack]) -> Result<(), SectionError> {
        self.scratch_bytes = 0;
        list.iter().try_for_each(|unpack| self.unpack_one(unpack))
    }
}

/// A stream in the virtual base. How long it is, it says itself.
struct Packed<'a, 'b, 'v, B, S> {
    base: &'a RefCell<&'b mut VirtualBase<'v, B, S>>,
    at: u64,
}

impl<B: ReadAt, S: Target> Input for Packed<'_, '_, '_, B, S> {
    type Error = IoError;

    fn read(&mut self, out: &mut [u8]) -> Result<usize, IoError> {
        let mut base = self.base.borrow_mut();
        let there = base.base_bytes + base.scratch_bytes;
        let bytes = there.saturating_sub(self.at).min(out.len() as u64) as usize;
        base.read_at(self.at, &mut out[..bytes])?;
        self.at += bytes as u64;
        Ok(bytes)
    }
}

/// Where its plaintext goes.
struct Unpacked<'a, 'b, 'v, B, S> {
    base: &'a RefCell<&'b mut VirtualBase<'v, B, S>>,
    at: u64,
}

impl<B: ReadAt, S: Target> Sink for Unpacked<'_, '_, '_, B, S> {
    type Error = IoError;

    fn push(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.base.borrow_mut().scratch.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl<B: ReadAt, S: Target> Store for Unpacked<'_, '_, '_, B, S> {
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.base.borrow_mut().scratch.write_at(self.at + at, bytes)
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.base.borrow_mut().scratch.read_at(self.at + at, out)
    }
}

/// A virtual base with room behind it, for the plaintext of a group of the target.
pub trait Workspace: ReadAt {
    /// Writes behind what was unpacked.
    ///
    /// # Errors
    /// [`IoError`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError>;
}

impl<B: ReadAt, S: Target> Workspace for VirtualBase<'_, B, S> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.scratch.write_at(offset - self.base_bytes, bytes)
    }
}

//! Payload groups of 64 KiB that are verified one by one, and the reader that gives their bytes in order.

use crate::io::Payload;
use crate::tree::{TreeRoot, subtree_value};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use delta_format::Blake3;
use delta_format::header::PayloadId;
use delta_format::limits::GROUP_BYTES;

/// The group index of a payload, proven against its signed root: what each group must hash to.
#[derive(Debug)]
pub struct GroupIndex {
    payload: PayloadId,
    /// 32 bytes a group; empty for a single group.
    values: Vec<u8>,
}

/// The index does not hash to the payload's signed root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexError;

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the group index does not match the signed payload root")
    }
}

impl core::error::Error for IndexError {}

impl GroupIndex {
    /// Checks the index bytes of a bundle against the payload's root. A payload of at most one group has no index:
    /// `bytes` is empty and the root itself stands for the group.
    ///
    /// # Errors
    /// [`IndexError`] when the length or the root is wrong.
    pub fn verify(payload: PayloadId, bytes: Vec<u8>) -> Result<Self, IndexError> {
        if bytes.len() as u64 != payload.index_bytes() {
            return Err(IndexError);
        }
        if !bytes.is_empty() {
            let mut root = TreeRoot::default();
            bytes.as_chunks().0.iter().for_each(|value| root.push(value));
            if root.finish() != payload.root {
                return Err(IndexError);
            }
        }
        Ok(Self { payload, values: bytes })
    }

    /// The payload that the index belongs to.
    pub fn payload(&self) -> PayloadId {
        self.payload
    }

    /// Bytes of group number `group`: 64 KiB, the last one possibly fewer.
    pub fn group_bytes(&self, group: u64) -> usize {
        (self.payload.length - group * GROUP_BYTES).min(GROUP_BYTES) as usize
    }

    /// Whether `bytes` are group number `group`.
    pub fn matches(&self, group: u64, bytes: &[u8]) -> bool {
        if bytes.len() != self.group_bytes(group) {
            return false;
        }
        match usize::try_from(group).ok().and_then(|group| self.values.as_chunks::<32>().0.get(group)) {
            Some(value) => subtree_value(group * GROUP_BYTES, bytes).as_bytes() == value,
            None => group == 0 && Blake3::new(*blake3::hash(bytes).as_bytes()) == self.payload.root,
        }
    }
}

/// Why payload bytes are not to be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GroupError<E> {
    /// The source failed.
    Source(E),
    /// The group's bytes do not match the index.
    Damaged { group: u64 },
    /// The payload has no more bytes.
    End,
}

/// Reads the payload in order, through one verified group at a time.
pub(crate) struct GroupReader<'a, P: Payload> {
    index: &'a GroupIndex,
    payload: &'a mut P,
    group: Box<[u8]>,
    /// Which group is in the buffer.
    loaded: Option<u64>,
    position: u64,
}

impl<'a, P: Payload> GroupReader<'a, P> {
    pub(crate) fn new(index: &'a GroupIndex, payload: &'a mut P, position: u64) -> Self {
        let bytes = index.payload.length.min(GROUP_BYTES) as usize;
        Self { index, payload, group: vec![0; bytes].into_boxed_slice(), loaded: None, position }
    }

    /// Bytes of the payload before the next one to be read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The verified bytes from the position to the end of its group; never empty.
    pub(crate) fn available(&mut self) -> Result<&[u8], GroupError<P::Error>> {
        if self.position >= self.index.payload.length {
            return Err(GroupError::End);
        }
        let group = self.position / GROUP_BYTES;
        let bytes = self.index.group_bytes(group);
        if self.loaded != Some(group) {
            self.loaded = None;
            self.payload.read_group(group, &mut self.group[..bytes]).map_err(GroupError::Source)?;
            if !self.index.matches(group, &self.group[..bytes]) {
                return Err(GroupError::Damaged { group });
            }
            self.loaded = Some(group);
        }
        Ok(&self.group[(self.position % GROUP_BYTES) as usize..bytes])
    }

    /// Steps over bytes that [`Self::available`] gave.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.position += bytes as u64;
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8, GroupError<P::Error>> {
        let byte = self.available()?[0];
        self.consume(1);
        Ok(byte)
    }

    /// Fills `out` with the next bytes.
    pub(crate) fn exact(&mut self, mut out: &mut [u8]) -> Result<(), GroupError<P::Error>> {
        while !out.is_empty() {
            let available = self.available()?;
            let taken = available.len().min(out.len());
            let (now, later) = out.split_at_mut(taken);
            now.copy_from_slice(&available[..taken]);
            out = later;
            self.consume(taken);
        }
        Ok(())
    }
}

//! Payload groups, from the partial bundle when they are there, else from the source.
//!
//! In: a source, the partial bundle of a remote one, the verified group index. Out: groups for the engine, which checks
//! each of them again. A group of a remote source is stored as soon as it is fetched, so a cut costs at most the one on
//! its way.

use super::Error;
use super::watch::Watch;
use crate::partial::Partial;
use crate::platform::{Progress, Source, Stage, StateFile};
use delta_apply::{GroupIndex, Payload};
use delta_format::container::BundleLayout;
use delta_format::header::PayloadId;
use delta_format::limits::GROUP_BYTES;

/// Groups of a streamed payload between two syncs of the partial bundle. A spooled payload is synced at each group: it
/// is short, and a bad link is worth more than the sync. A streamed one would pay 16 syncs for each MiB.
const STREAMED_GROUPS_PER_SYNC: u64 = 16;

/// Where the groups of one payload are.
#[derive(Debug)]
pub(super) struct Groups {
    payload: PayloadId,
    payload_at: u64,
    payload_end: u64,
    /// One bit a group: it is in the partial bundle.
    present: Vec<u8>,
    /// The source is in the middle of a transfer: where it is, and where it will end.
    transfer: Option<(u64, u64)>,
    groups_per_sync: u64,
    unsynced: u64,
    /// Bytes that came from a remote source.
    pub(super) fetched_bytes: u64,
}

impl Groups {
    pub(super) fn new(payload: PayloadId, layout: &BundleLayout, spooled: bool) -> Self {
        Self {
            payload,
            payload_at: layout.payload_at,
            payload_end: layout.base_map_at,
            present: vec![0; payload.groups().div_ceil(8) as usize],
            transfer: None,
            groups_per_sync: if spooled { 1 } else { STREAMED_GROUPS_PER_SYNC },
            unsynced: 0,
            fetched_bytes: 0,
        }
    }

    fn is_present(&self, group: u64) -> bool {
        self.present[(group / 8) as usize] >> (group % 8) & 1 == 1
    }

    fn set_present(&mut self, group: u64) {
        self.present[(group / 8) as usize] |= 1 << (group % 8);
    }

    fn at(&self, group: u64) -> u64 {
        self.payload_at + group * GROUP_BYTES
    }

    /// Finds out which groups from `first` on an earlier run left behind.
    pub(super) fn scan<F: StateFile>(
        &mut self,
        first: u64,
        partial: &mut Partial<F>,
        index: &GroupIndex,
    ) -> Result<(), Error> {
        let length = partial.length().map_err(state)?;
        let mut buffer = vec![0; self.payload.length.min(GROUP_BYTES) as usize];
        for group in first..self.payload.groups() {
            let bytes = index.group_bytes(group);
            if self.at(group) + bytes as u64 > length {
                break;
            }
            let read = partial.read(self.at(group), &mut buffer[..bytes]).map_err(state)?;
            if read && index.matches(group, &buffer[..bytes]) {
                self.set_present(group);
            }
        }
        Ok(())
    }

    /// Reads bytes of the bundle from the source, as a part of one long transfer when it can be.
    pub(super) fn transfer(
        &mut self,
        offset: u64,
        out: &mut [u8],
        source: &mut dyn Source,
        watch: &Watch<'_>,
        remote: bool,
    ) -> Result<(), Error> {
        let end = offset + out.len() as u64;
        match self.transfer {
            Some((at, until)) if at == offset && end <= until => {}
            _ => {
                self.transfer = Some((offset, self.payload_end.max(end)));
                source.announce(offset, self.payload_end.max(end));
            }
        }
        if let Err(error) = source.read_at(offset, out) {
            self.transfer = None;
            return Err(error.into());
        }
        self.transfer = self.transfer.map(|(_, until)| (end, until));
        if remote {
            let bytes = out.len() as u64;
            self.fetched_bytes += bytes;
            watch.progress(Progress::Fetched { bytes })?;
        }
        Ok(())
    }

    fn store<F: StateFile>(&mut self, group: u64, bytes: &[u8], partial: &mut Partial<F>) -> Result<(), Error> {
        self.unsynced += 1;
        let sync = self.unsynced >= self.groups_per_sync;
        partial.write(self.at(group), bytes, sync).map_err(state)?;
        if sync {
            self.unsynced = 0;
        }
        self.set_present(group);
        Ok(())
    }

    /// Has every group verified before the first write to a slot: fetches and stores what is missing (remote), or reads
    /// all of it (local).
    pub(super) fn complete<F: StateFile>(
        &mut self,
        mut partial: Option<&mut Partial<F>>,
        index: &GroupIndex,
        source: &mut dyn Source,
        watch: &Watch<'_>,
    ) -> Result<(), Error> {
        watch.begin(Stage::Fetch, self.payload.length)?;
        let mut buffer = vec![0; self.payload.length.min(GROUP_BYTES) as usize];
        for group in 0..self.payload.groups() {
            let bytes = index.group_bytes(group);
            if !self.is_present(group) {
                let group_bytes = &mut buffer[..bytes];
                self.transfer(self.at(group), group_bytes, source, watch, partial.is_some())?;
                if !index.matches(group, group_bytes) {
                    return Err(Error::Damaged("its payload does not match the signed hash tree"));
                }
                if let Some(partial) = partial.as_deref_mut() {
                    self.store(group, group_bytes, partial)?;
                }
            }
            watch.progress(Progress::Advanced { stage: Stage::Fetch, bytes: bytes as u64 })?;
        }
        if let Some(partial) = partial {
            partial.sync().map_err(state)?;
        }
        Ok(())
    }
}

/// The groups as the engine asks for them.
pub(super) struct GroupFeed<'a, 'w, F> {
    pub(super) groups: &'a mut Groups,
    pub(super) partial: Option<&'a mut Partial<F>>,
    pub(super) source: &'a mut dyn Source,
    pub(super) watch: &'a Watch<'w>,
}

impl<F: StateFile> Payload for GroupFeed<'_, '_, F> {
    type Error = Error;

    fn read_group(&mut self, group: u64, out: &mut [u8]) -> Result<(), Error> {
        let at = self.groups.at(group);
        if let Some(partial) = self.partial.as_deref_mut()
            && self.groups.is_present(group)
            && partial.read(at, out).map_err(state)?
        {
            return Ok(());
        }
        let remote = self.partial.is_some();
        self.groups.transfer(at, out, self.source, self.watch, remote)?;
        match self.partial.as_deref_mut() {
            // Stored before the engine checked it: the next run checks it again before it counts.
            Some(partial) => self.groups.store(group, out, partial),
            None => Ok(()),
        }
    }
}

pub(super) fn state(error: crate::platform::IoError) -> Error {
    Error::Device { stage: Stage::State, what: "The partial bundle in the state directory cannot be used", error }
}

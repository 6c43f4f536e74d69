//! The work on one bundle: prepare, then write the target part by part.
//!
//! In: a verified and admitted head, a source. Out: synced parts of the target. Everything that can be known before the
//! first write is checked before it: room, memory, the base, the group index, and for all but large remote payloads
//! every byte of the payload.

use super::groups::{GroupFeed, Groups, state};
use super::head::Head;
use super::watch::Watch;
use super::witness::Inactive;
use super::{Error, Settings};
use crate::partial::Partial;
use crate::platform::{Locality, Platform, Progress, Slot, Slots, Source, Stage, StateDir};
use crate::scratch::Scratch;
use delta_apply::{
    Applied, Applier, ApplyError, BaseError, GroupIndex, Stats, Target, base_map_is_proven, check_base, locate_mismatch,
};
use delta_format::Sha256;
use delta_format::container::BundleLayout;
use delta_format::header::{BundleHeader, ImageId};
use delta_format::limits::GROUP_BYTES;
use delta_format::ops::Watermark;
use delta_verify::{Admitted, Verified};
use sha2::Digest;

type FileOf<P> = <<P as Platform>::State as StateDir>::File;
type BaseOf<P> = <<P as Platform>::Slots as Slots>::Base;
type TargetOf<P> = <<P as Platform>::Slots as Slots>::Target;

/// How many bytes of the bundle file one read asks for when it is not a group.
const PIECE_BYTES: usize = GROUP_BYTES as usize;

/// One bundle under way. It exists only for a head that was verified and admitted in this run.
pub(super) struct Work<'b, P: Platform> {
    header: &'b BundleHeader,
    head: &'b Head,
    layout: BundleLayout,
    source: &'b mut dyn Source,
    ready: Option<Ready<'b, P>>,
    /// Something was fetched or written, so that a failure now is not one without progress.
    pub(super) progressed: bool,
}

/// What writing needs; made by [`Work::prepare`].
struct Ready<'b, P: Platform> {
    applier: Applier<'b>,
    groups: Groups,
    partial: Option<Partial<FileOf<P>>>,
    /// None where the base is the empty image.
    base: Option<BaseOf<P>>,
    target: Option<TargetOf<P>>,
    scratch: Option<Scratch<FileOf<P>>>,
    spooled: bool,
}

/// How far a part of the work came.
pub(super) enum Part {
    Until(Watermark),
    Complete,
}

impl<'b, P: Platform> Work<'b, P> {
    /// Takes up the work. `_admitted` shows that policy allows it.
    pub(super) fn new(
        verified: &'b Verified<BundleHeader>,
        _admitted: &Admitted,
        head: &'b Head,
        source: &'b mut dyn Source,
    ) -> Self {
        Self { layout: head.layout(verified), header: verified, head, source, ready: None, progressed: false }
    }

    /// What was done so far.
    pub(super) fn stats(&self) -> (Stats, u64) {
        let ready = self.ready.as_ref();
        (ready.map(|r| r.applier.stats()).unwrap_or_default(), ready.map_or(0, |r| r.groups.fetched_bytes))
    }

    /// Everything before the first write. Gives what the running slot was proven to hold.
    pub(super) fn prepare(
        &mut self,
        platform: &mut P,
        settings: &Settings,
        running: Slot,
        from: Watermark,
        watch: &Watch<'_>,
    ) -> Result<Option<ImageId>, Error> {
        self.ready = None;
        let remote = self.source.locality() == Locality::Remote;
        let spooled = self.header.payload.length <= settings.spool_bytes;
        self.preflight(platform, settings, running, remote, spooled, watch)?;
        let base = self.check_base(platform, running, watch)?;
        let mut partial = remote.then(|| self.partial(platform)).transpose()?;
        let mut groups = Groups::new(self.header.payload, &self.layout, spooled);
        let index = self.index(partial.as_mut(), &mut groups, watch)?;
        if let Some(partial) = &mut partial {
            let first = if spooled { 0 } else { from.payload_offset / GROUP_BYTES };
            groups.scan(first, partial, &index)?;
        }
        if !remote {
            check_tail(self.header, &self.layout, self.source)?;
        }
        if !remote || spooled {
            let done = groups.complete(partial.as_mut(), &index, self.source, watch);
            self.progressed |= groups.fetched_bytes > 0;
            done?;
        }
        let applier =
            Applier::new(self.header, index).map_err(|error: ApplyError<Error>| apply_error(error, running))?;
        self.ready = Some(Ready { applier, groups, partial, base, target: None, scratch: None, spooled });
        Ok((!self.header.base.is_empty()).then_some(self.header.base))
    }

    fn preflight(
        &mut self,
        platform: &mut P,
        settings: &Settings,
        running: Slot,
        remote: bool,
        spooled: bool,
        watch: &Watch<'_>,
    ) -> Result<(), Error> {
        watch.begin(Stage::Preflight, 0)?;
        let device = |what| Error::device(Stage::Preflight, what);
        let length = self.source.length()?;
        if length.is_some_and(|length| length < self.layout.file_bytes) {
            return Err(Error::Damaged("it ends too early"));
        }
        if length.is_some_and(|length| length > self.layout.file_bytes) {
            return Err(Error::Damaged("there are bytes after its end"));
        }
        let capacity =
            platform.slots().capacity(running.other()).map_err(device("The inactive slot cannot be examined"))?;
        if capacity < self.header.target.length {
            return Err(Error::NoRoom {
                place: "the inactive slot",
                needed: self.header.target.length,
                available: capacity,
            });
        }
        let unpacked = self.header.limits.scratch_bytes;
        if remote {
            let needed = self.spool_bytes(settings, spooled);
            let kept = match platform.state().open(crate::partial::FILE).map_err(state)? {
                Some(mut file) => crate::platform::StateFile::length(&mut file).map_err(state)?,
                None => 0,
            };
            let free = platform.state().free_bytes().map_err(state)?;
            // What an earlier run left is reused or replaced. A sparse file may hold less than its length says.
            let available = if spooled { free.saturating_add(kept) } else { free };
            let needed = needed.saturating_add(unpacked);
            if available < needed {
                return Err(Error::NoRoom { place: "the state directory", needed, available });
            }
        } else if unpacked > 0 {
            let available = platform.state().free_bytes().map_err(state)?;
            if available < unpacked {
                return Err(Error::NoRoom { place: "the state directory", needed: unpacked, available });
            }
        }
        Ok(())
    }

    /// Bytes that the partial bundle takes at most.
    fn spool_bytes(&self, settings: &Settings, spooled: bool) -> u64 {
        if spooled {
            return self.layout.base_map_at;
        }
        // Between two watermarks: what makes `budget_bytes` of target, when nothing of it compresses, and the segments
        // at both ends.
        let streamed = settings.budget_bytes + 3 * self.header.limits.segment_bytes();
        self.layout.payload_at + streamed.min(self.header.payload.length)
    }

    fn check_base(&mut self, platform: &mut P, running: Slot, watch: &Watch<'_>) -> Result<Option<BaseOf<P>>, Error> {
        let header = self.header;
        if header.base.is_empty() {
            return Ok(None);
        }
        let device = |what| Error::device(Stage::CheckBase, what);
        let slots = platform.slots();
        let capacity = slots.capacity(running).map_err(device("The running slot cannot be examined"))?;
        let unknown = Error::BaseMismatch { slot: running, ranges: Vec::new() };
        if capacity < header.base.length {
            return Err(unknown);
        }
        let mut base = slots.open_base(running).map_err(device("The running slot cannot be opened"))?;
        let mut observer = watch.begin(Stage::CheckBase, header.base.length)?;
        match check_base(&mut base, &header.base, &mut observer) {
            Ok(()) => return Ok(Some(base)),
            Err(BaseError::Cancelled) => return Err(Error::Stopped),
            Err(BaseError::Io(error)) => return Err(device("The running slot cannot be read")(error)),
            Err(BaseError::Mismatch { found })
                if header.base.length == header.target.length && found == header.target.blake3 =>
            {
                return Err(Error::Rejected(agent_machine::Rejected::AlreadyInstalled));
            }
            Err(BaseError::Mismatch { .. }) => {}
        }
        let mut map = vec![0; header.base_map_bytes() as usize];
        let at = self.layout.base_map_at;
        self.source.announce(at, at + map.len() as u64);
        if !map.is_empty() && self.source.read_at(at, &mut map).is_err() {
            // Naming the blocks is a service; the refusal stands without it.
            return Err(unknown);
        }
        match locate_mismatch(&mut base, header, &map, &mut observer) {
            Ok(ranges) => Err(Error::BaseMismatch { slot: running, ranges }),
            Err(BaseError::Cancelled) => Err(Error::Stopped),
            Err(_) => Err(unknown),
        }
    }

    /// The partial bundle: the one that is there if it is of this bundle, else a new one.
    fn partial(&mut self, platform: &mut P) -> Result<Partial<FileOf<P>>, Error> {
        match Partial::open(platform.state()).map_err(state)? {
            Some((partial, head)) if head == self.head.bytes => Ok(partial),
            _ => Partial::begin(platform.state(), &self.head.bytes).map_err(state),
        }
    }

    /// The group index, proven. Its pieces are stored as they come and proven as a whole; when what an earlier run left
    /// does not prove itself, all of it is fetched again.
    fn index(
        &mut self,
        mut partial: Option<&mut Partial<FileOf<P>>>,
        groups: &mut Groups,
        watch: &Watch<'_>,
    ) -> Result<GroupIndex, Error> {
        let payload = self.header.payload;
        let bytes = payload.index_bytes() as usize;
        let at = self.layout.index_at;
        let kept = match partial.as_deref_mut() {
            Some(partial) => (partial.length().map_err(state)?.saturating_sub(at) as usize).min(bytes),
            None => 0,
        };
        if kept > 0 {
            let mut index = vec![0; bytes];
            let read = match partial.as_deref_mut() {
                Some(partial) => partial.read(at, &mut index[..kept]).map_err(state)?,
                None => false,
            };
            if read {
                self.fetch_index(&mut index, kept, partial.as_deref_mut(), groups, watch)?;
                if let Ok(index) = GroupIndex::verify(payload, index) {
                    return Ok(index);
                }
            }
        }
        let mut index = vec![0; bytes];
        self.fetch_index(&mut index, 0, partial, groups, watch)?;
        GroupIndex::verify(payload, index).map_err(|_| Error::Damaged("its group index does not match the signed root"))
    }

    fn fetch_index(
        &mut self,
        index: &mut [u8],
        from: usize,
        mut partial: Option<&mut Partial<FileOf<P>>>,
        groups: &mut Groups,
        watch: &Watch<'_>,
    ) -> Result<(), Error> {
        let mut at = self.layout.index_at + from as u64;
        for piece in index[from..].chunks_mut(PIECE_BYTES) {
            groups.transfer(at, piece, self.source, watch, partial.is_some())?;
            if let Some(partial) = partial.as_deref_mut() {
                partial.write(at, piece, true).map_err(state)?;
                self.progressed = true;
            }
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Whether [`Self::prepare`] succeeded.
    pub(super) fn is_prepared(&self) -> bool {
        self.ready.is_some()
    }

    /// Writes one part of the target and syncs it.
    pub(super) fn apply(
        &mut self,
        platform: &mut P,
        settings: &Settings,
        inactive: &Inactive,
        from: Watermark,
        watch: &Watch<'_>,
    ) -> Result<Part, Error> {
        let device = |what| Error::device(Stage::Apply, what);
        let header = self.header;
        let ready = self.ready.as_mut().ok_or(Error::Bug("applying before preparing"))?;
        let first = ready.target.is_none();
        if first {
            let target = platform
                .slots()
                .open_target(inactive, header.target.length)
                .map_err(device("The inactive slot cannot be opened"))?;
            ready.target = Some(target);
            ready.scratch = Scratch::open(platform.state(), header.limits.scratch_bytes).map_err(state)?;
            let done = from.segment * header.limits.segment_bytes();
            watch.begin(Stage::Apply, header.target.length)?;
            watch.progress(Progress::Advanced { stage: Stage::Apply, bytes: done })?;
        }
        let target = ready.target.as_mut().expect("opened above");
        // `from` is in the journal, so nothing before it is asked for again.
        if let Some(partial) = ready.partial.as_mut().filter(|_| !ready.spooled) {
            partial.punch_until(self.layout.payload_at, from.payload_offset).map_err(state)?;
        }
        let mut feed =
            GroupFeed { groups: &mut ready.groups, partial: ready.partial.as_mut(), source: self.source, watch };
        let mut observer = watch.go_on(Stage::Apply);
        let fetched = feed.groups.fetched_bytes;
        let budget = settings.budget_bytes;
        let (base, scratch) = (&mut ready.base, &mut ready.scratch);
        let applied = ready.applier.apply(from, &mut feed, base, target, scratch, budget, &mut observer);
        self.progressed |= ready.groups.fetched_bytes > fetched;
        let applied = applied.map_err(|error| apply_error(error, inactive.slot().other()))?;
        target.sync().map_err(device("The inactive slot cannot be synced"))?;
        self.progressed = true;
        Ok(match applied {
            Applied::Until(watermark) => Part::Until(watermark),
            Applied::Complete => Part::Complete,
        })
    }
}

/// What no device needs, but a file that is handed over as a whole must have right: base map and manifest.
pub(super) fn check_tail(header: &BundleHeader, layout: &BundleLayout, source: &mut dyn Source) -> Result<(), Error> {
    source.announce(layout.base_map_at, layout.file_bytes);
    let mut map = vec![0; header.base_map_bytes() as usize];
    if !map.is_empty() {
        source.read_at(layout.base_map_at, &mut map)?;
        if !base_map_is_proven(header, &map) {
            return Err(Error::Damaged("its base map does not match the signed base"));
        }
    }
    let mut hasher = sha2::Sha256::new();
    let mut at = layout.manifest_at;
    let mut piece = vec![0; PIECE_BYTES];
    while at < layout.file_bytes {
        let bytes = (layout.file_bytes - at).min(PIECE_BYTES as u64) as usize;
        source.read_at(at, &mut piece[..bytes])?;
        hasher.update(&piece[..bytes]);
        at += bytes as u64;
    }
    if Sha256::new(hasher.finalize().into()) != header.manifest.stored_sha256 {
        return Err(Error::Damaged("its manifest does not match the signed digest"));
    }
    Ok(())
}

/// All of a bundle behind its head, for `verify`: every byte is read and nothing is kept.
pub(super) fn check_all<P: Platform>(
    header: &BundleHeader,
    layout: &BundleLayout,
    source: &mut dyn Source,
    watch: &Watch<'_>,
) -> Result<(), Error> {
    if source.length()?.is_some_and(|length| length != layout.file_bytes) {
        return Err(Error::Damaged("it is shorter or longer than its header says"));
    }
    let mut groups = Groups::new(header.payload, layout, true);
    let mut index = vec![0; header.payload.index_bytes() as usize];
    groups.transfer(layout.index_at, &mut index, source, watch, false)?;
    let index = GroupIndex::verify(header.payload, index)
        .map_err(|_| Error::Damaged("its group index does not match the signed root"))?;
    groups.complete::<FileOf<P>>(None, &index, source, watch)?;
    check_tail(header, layout, source)
}

fn apply_error(error: ApplyError<Error>, running: Slot) -> Error {
    let stage = Stage::Apply;
    match error {
        ApplyError::Source(error) => error,
        ApplyError::GroupDamaged { .. } => Error::Damaged("its payload does not match the signed hash tree"),
        ApplyError::Base(error) => Error::device(stage, "The running slot cannot be read")(error),
        ApplyError::Target(error) => Error::device(stage, "The inactive slot cannot be written")(error),
        ApplyError::SegmentMismatch { .. } => Error::BaseMismatch { slot: running, ranges: Vec::new() },
        ApplyError::Cancelled => Error::Stopped,
        error @ (ApplyError::Format(_) | ApplyError::Frame | ApplyError::LimitsUnderstated) => {
            Error::Bundle(error.to_string())
        }
    }
}

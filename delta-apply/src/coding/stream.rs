//! An adaptive stream: what to unpack of the base, then the items that make up a record.
//!
//! An item is a section, or a container: a deflate stream of the target whose plaintext is sections again. The stream
//! says all that is needed, so a record can be made again from its start with nothing kept.

use super::bits::{Bit, Number};
use super::coder::{BitCoder, Purpose};
use super::copies::SectionCopy;
use super::map::AddressMap;
use super::models::Models;
use super::predict::Pair;
use super::section::{Section, SectionError, SectionLimits};
use crate::deflate::{self, InflateError, Input, PackError, Packer, Plain, Sink, inflate};
use crate::io::{IoError, ReadAt, Target};
use crate::parse::track::{ENTRY_BYTES, Recorder, Store, Track};
use crate::parse::{self, Format, Layout, Part, UnpackError};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use delta_format::FormatError;

/// Packed bytes of the base that are unpacked behind the base, in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpack {
    /// Where they start in the virtual base: in the base, or in what was unpacked before.
    pub offset: u64,
    /// Bytes of their plaintext.
    pub plain_bytes: u64,
    /// What they are; a deflate stream if nothing.
    pub group: Option<UnpackGroup>,
}

/// Streams that are unpacked one behind the other, and the track behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackGroup {
    /// How they are packed.
    pub layout: Layout,
    /// Entries of the track.
    pub entries: u32,
    /// What it consists of.
    pub parts: Vec<Part>,
}

impl Unpack {
    /// Bytes that it takes behind the base.
    pub fn bytes(&self) -> u64 {
        let entries = self.group.as_ref().map_or(0, |group| group.entries);
        self.plain_bytes + u64::from(entries) * ENTRY_BYTES
    }
}

/// What comes next in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// A section, of the target or of a container's plaintext.
    Section,
    /// A deflate stream, or streams of a layout.
    Packed {
        /// Bytes of its plaintext.
        plain_bytes: u64,
        layout: Option<Layout>,
    },
}

/// Streams of the base that one record may unpack.
const UNPACK_MAX: u64 = 1 << 16;
/// Groups among them.
pub const GROUPS_MAX: usize = 1 << 12;
/// Parts of a group.
pub const PARTS_MAX: usize = 1 << 12;
/// Streams end at multiples of at most this power of two.
const ALIGN_LOG2_MAX: u64 = 16;

/// The models of the frame around sections.
#[derive(Debug, Default)]
struct StreamModels {
    count: Number,
    step: Number,
    plain: Number,
    packed: Bit,
    item_plain: Number,
    /// Is it a group? Of which layout?
    grouped: [Bit; 2],
    format: Number,
    align: Number,
    filtered: Bit,
    entries: Number,
    parts: Number,
    part_raw: [Bit; 2],
    part_same: Bit,
    part_bytes: [Number; 2],
}

impl StreamModels {
    /// Codes the list of what is unpacked, and hands on each entry before the next one is read: nobody keeps it.
    /// The decoder's comes in empty.
    ///
    /// # Errors
    /// [`SectionError`] when it is too long, needs more than `scratch_max`, or reads what is not there yet; and that of
    /// `each`.
    fn unpack<C: BitCoder>(
        &mut self,
        coder: &mut C,
        list: &[Unpack],
        base_bytes: u64,
        scratch_max: u64,
        mut each: impl FnMut(Unpack) -> Result<(), SectionError>,
    ) -> Result<(), SectionError> {
        coder.account(Purpose::Containers);
        let count = self.count.code(coder, list.len() as u64);
        if count > UNPACK_MAX {
            return Err(FormatError::LimitExceeded("unpacked streams").into());
        }
        let (mut last, mut there) = (0u64, base_bytes);
        for index in 0..count as usize {
            let given = list.get(index).filter(|_| C::ENCODES);
            let at = given.map_or(0, |given| given.offset);
            let offset = last.wrapping_add(self.step.code_signed(coder, at.wrapping_sub(last) as i64) as u64);
            let plain_bytes = self.plain.code(coder, given.map_or(0, |given| given.plain_bytes));
            let group = self.unpack_group(coder, given.and_then(|given| given.group.as_ref()))?;
            let unpack = Unpack { offset, plain_bytes, group };
            let fits = plain_bytes <= scratch_max && unpack.bytes() <= scratch_max.saturating_sub(there - base_bytes);
            let tracked = unpack.group.is_none() || plain_bytes <= u32::MAX.into();
            if offset >= there || !fits || !tracked || coder.failed() {
                return Err(FormatError::BadField("unpacked stream").into());
            }
            (last, there) = (offset, there + unpack.bytes());
            each(unpack)?;
        }
        Ok(())
    }

    /// Codes whether something is a group, and of which layout.
    fn layout<C: BitCoder>(
        &mut self,
        coder: &mut C,
        place: usize,
        given: Option<Layout>,
    ) -> Result<Option<Layout>, SectionError> {
        if !self.grouped[place].code(coder, given.is_some()) {
            return Ok(None);
        }
        let format = self.format.code(coder, given.map_or(0, |given| given.format as u64));
        let align_log2 = self.align.code(coder, given.map_or(0, |given| given.align_log2.into()));
        let is_filtered = self.filtered.code(coder, given.is_some_and(|given| given.is_filtered));
        let is_known = align_log2 <= ALIGN_LOG2_MAX && (!is_filtered || format == Format::Lzma as u64);
        match Format::from_number(format).filter(|_| is_known) {
            Some(format) => Ok(Some(Layout { format, align_log2: align_log2 as u8, is_filtered })),
            None => Err(FormatError::BadField("format of a group").into()),
        }
    }

    /// Codes what a group of the base consists of.
    fn unpack_group<C: BitCoder>(
        &mut self,
        coder: &mut C,
        given: Option<&UnpackGroup>,
    ) -> Result<Option<UnpackGroup>, SectionError> {
        let Some(layout) = self.layout(coder, 0, given.map(|given| given.layout))? else { return Ok(None) };
        let entries = self.entries.code(coder, given.map_or(0, |given| given.entries.into()));
        let count = self.parts.code(coder, given.map_or(0, |given| given.parts.len() as u64));
        let too_many = FormatError::LimitExceeded("parts of a group");
        let entries = u32::try_from(entries).map_err(|_| too_many)?;
        if count > PARTS_MAX as u64 {
            return Err(too_many.into());
        }
        let (mut parts, mut last, mut was_raw) = (Vec::new(), 0, false);
        parts.reserve_exact(count as usize);
        for index in 0..count as usize {
            let part = given.and_then(|given| given.parts.get(index)).copied().unwrap_or(Part::Raw { bytes: 0 });
            let (is_raw, bytes) = match part {
                Part::Raw { bytes } => (true, bytes),
                Part::Stream { packed_bytes } => (false, packed_bytes),
            };
            was_raw = self.part_raw[usize::from(was_raw)].code(coder, is_raw);
            let bytes = match self.part_same.code(coder, bytes == last) {
                true => last,
                false => self.part_bytes[usize::from(was_raw)].code(coder, bytes),
            };
            last = bytes;
            if coder.failed() {
                return Err(FormatError::Truncated.into());
            }
            parts.push(if was_raw { Part::Raw { bytes } } else { Part::Stream { packed_bytes: bytes } });
        }
        Ok(Some(UnpackGroup { layout, entries, parts }))
    }

    /// Codes what comes next.
    fn item<C: BitCoder>(&mut self, coder: &mut C, item: Item) -> Result<Item, SectionError> {
        coder.account(Purpose::Containers);
        if !self.packed.code(coder, item != Item::Section) {
            return Ok(Item::Section);
        }
        let (plain_bytes, layout) = match item {
            Item::Packed { plain_bytes, layout } => (plain_bytes, layout),
            Item::Section => (0, None),
        };
        let plain_bytes = self.item_plain.code(coder, plain_bytes);
        Ok(Item::Packed { plain_bytes, layout: self.layout(coder, 1, layout)? })
    }
}

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
        let mut out = Recorder::new(Unpacked { base, at: start }, unpack.plain_bytes, group.entries.into());
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

/// What the encoder knows of an item.
#[derive(Debug)]
pub enum Plan<'t> {
    /// A section.
    Section {
        /// What it comes to.
        truth: &'t [u8],
        /// The executable that it is.
        pair: Option<Pair>,
        /// What it copies.
        copies: Vec<SectionCopy>,
    },
    /// A deflate stream.
    #[cfg(any(feature = "encode", test))]
    Deflate {
        /// The stream.
        stream: &'t [u8],
        /// Bytes of its plaintext.
        plain_bytes: u64,
        /// How it was made.
        survey: deflate::Survey,
        /// The sections of its plaintext.
        sections: Vec<Plan<'t>>,
    },
    /// Streams with their parse.
    #[cfg(any(feature = "encode", test))]
    Group {
        /// How they are packed.
        layout: Layout,
        /// Bytes of their plaintext.
        plain_bytes: u64,
        /// What they consist of.
        survey: parse::Survey,
        /// The sections of the plaintext.
        sections: Vec<Plan<'t>>,
    },
}

impl Plan<'_> {
    fn item(&self) -> Item {
        match self {
            Self::Section { .. } => Item::Section,
            #[cfg(any(feature = "encode", test))]
            Self::Deflate { plain_bytes, .. } => Item::Packed { plain_bytes: *plain_bytes, layout: None },
            #[cfg(any(feature = "encode", test))]
            Self::Group { plain_bytes, layout, .. } => {
                Item::Packed { plain_bytes: *plain_bytes, layout: Some(*layout) }
            }
        }
    }
}

/// Why a record cannot be made. `E` is the error of the sink.
#[derive(Debug)]
pub enum StreamError<E> {
    /// A section cannot be made.
    Section(SectionError),
    /// What was made is not taken.
    Sink(E),
}

impl<E> From<SectionError> for StreamError<E> {
    fn from(error: SectionError) -> Self {
        Self::Section(error)
    }
}

impl<E> From<FormatError> for StreamError<E> {
    fn from(error: FormatError) -> Self {
        Self::Section(error.into())
    }
}

impl<E> From<UnpackError> for StreamError<E> {
    fn from(error: UnpackError) -> Self {
        Self::Section(error.into())
    }
}

/// All that one stream learns; the memory of its decoder.
pub struct Engine {
    models: Models,
    stream: StreamModels,
    /// There is memory for one packer at a time; models stay.
    packer: Option<Box<Packer>>,
    packer_models: Option<Box<deflate::Models>>,
    grouper: Option<Box<parse::Packer>>,
    grouper_models: Option<Box<parse::Models>>,
    tracks: Vec<Track>,
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Knows nothing.
    pub fn new(table_log2: u8) -> Self {
        Self {
            models: Models::new(table_log2),
            stream: StreamModels::default(),
            packer: None,
            packer_models: None,
            grouper: None,
            grouper_models: None,
            tracks: Vec::new(),
        }
    }

    /// Bytes of memory that making records takes at most: models, the copies of a section, and a packer.
    pub fn memory_bytes(table_log2: u8, ops_max: u64, containers: bool) -> u64 {
        let copies = ops_max * (size_of::<SectionCopy>() as u64 + AddressMap::OP_BYTES);
        let models = size_of::<deflate::Models>() as u64 + parse::Models::BYTES;
        let tracks = (GROUPS_MAX * size_of::<Track>()) as u64;
        let packers = Packer::memory_bytes().max(parse::Packer::BYTES) + models + tracks + UNPACK_BYTES;
        Models::memory_bytes(table_log2) + Section::MEMORY_BYTES + copies + if containers { packers } else { 0 }
    }

    /// Codes the list of what is unpacked, and gives it as a whole. The decoder's comes in empty.
    ///
    /// # Errors
    /// [`SectionError::Format`].
    pub fn unpack<C: BitCoder>(
        &mut self,
        coder: &mut C,
        list: Vec<Unpack>,
        base_bytes: u64,
        scratch_max: u64,
    ) -> Result<Vec<Unpack>, SectionError> {
        let mut all = Vec::new();
        let each = |unpack| {
            all.push(unpack);
            Ok(())
        };
        self.unpack_each(coder, &list, base_bytes, scratch_max, each)?;
        Ok(all)
    }

    /// As [`Self::unpack`], but `each` gets every entry before the next one is read: no memory depends on their number.
    ///
    /// # Errors
    /// [`SectionError`].
    pub fn unpack_each<C: BitCoder>(
        &mut self,
        coder: &mut C,
        list: &[Unpack],
        base_bytes: u64,
        scratch_max: u64,
        mut each: impl FnMut(Unpack) -> Result<(), SectionError>,
    ) -> Result<(), SectionError> {
        let (tracks, mut start) = (&mut self.tracks, base_bytes);
        tracks.clear();
        self.stream.unpack(coder, list, base_bytes, scratch_max, |unpack| {
            if let Some(group) = &unpack.group {
                if tracks.len() == GROUPS_MAX {
                    return Err(FormatError::LimitExceeded("unpacked streams").into());
                }
                tracks.push(Track { start, plain_bytes: unpack.plain_bytes as u32, entries: group.entries });
            }
            start += unpack.bytes();
            each(unpack)
        })
    }

    /// Makes `bytes` of the target, item by item. `start` is where they are; `plan` is empty for the decoder.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn make<'t, C: BitCoder, B: Workspace, S: Sink>(
        &mut self,
        coder: &mut C,
        base: &mut B,
        limits: SectionLimits,
        (start, bytes): (u64, u64),
        mut plan: impl Iterator<Item = Plan<'t>>,
        sink: &mut S,
    ) -> Result<(), StreamError<S::Error>> {
        let mut sink = Counted { sink, left: bytes };
        let mut diagonal = start as i64;
        while sink.left > 0 {
            let given = plan.next();
            let item = self.stream.item(coder, given.as_ref().map_or(Item::Section, Plan::item))?;
            if item != Item::Section && !limits.containers {
                return Err(FormatError::LimitExceeded("containers").into());
            }
            let mut plain = Sections {
                models: &mut self.models,
                base: &mut *base,
                limits,
                diagonal,
                left: 0,
                plan: Vec::new(),
                at: None,
            };
            match (item, given) {
                (Item::Section, given) => {
                    plain.left = sink.left;
                    plain.plan.extend(given);
                    let left = sink.left;
                    plain.open(coder)?;
                    loop {
                        let made = plain.next(coder)?;
                        if made.is_empty() {
                            break;
                        }
                        sink.push(made)?;
                    }
                    if sink.left == left {
                        return Err(FormatError::BadField("section").into());
                    }
                }
                #[cfg(any(feature = "encode", test))]
                (Item::Packed { plain_bytes, layout: None }, Some(Plan::Deflate { stream, survey, sections, .. })) => {
                    (plain.left, plain.plan) = (plain_bytes, sections);
                    plain.plan.reverse();
                    let packer = only(&mut self.packer, &mut self.grouper, Packer::new);
                    let models = self.packer_models.get_or_insert_default();
                    packer.code(coder, models, &mut plain, &mut sink, stream, &survey)?;
                }
                (Item::Packed { plain_bytes, layout: None }, _) => {
                    plain.left = plain_bytes;
                    let packer = only(&mut self.packer, &mut self.grouper, Packer::new);
                    let models = self.packer_models.get_or_insert_default();
                    packer.pack(coder, models, &mut plain, &mut sink)?;
                }
                (Item::Packed { plain_bytes, layout: Some(layout) }, given) => {
                    let survey = match given {
                        #[cfg(any(feature = "encode", test))]
                        Some(Plan::Group { survey, sections, .. }) => {
                            plain.plan = sections;
                            plain.plan.reverse();
                            survey
                        }
                        _ => parse::Survey::default(),
                    };
                    plain.left = plain_bytes;
                    let packer = only(&mut self.grouper, &mut self.packer, parse::Packer::new);
                    let models = self.grouper_models.get_or_insert_default();
                    packer.begin(layout, limits.base_bytes, plain_bytes);
                    plain.group(coder, packer, models, &self.tracks, &survey, &mut sink)?;
                }
            }
            diagonal = plain.diagonal;
            if coder.failed() {
                return Err(FormatError::Truncated.into());
            }
        }
        Ok(())
    }
}

/// What unpacking takes while it runs: two windows and tables, or a window and the parts of a group.
const UNPACK_BYTES: u64 = 160 << 10;

/// The packer that is wanted, and not the other one.
fn only<'p, T, U>(wanted: &'p mut Option<Box<T>>, other: &mut Option<Box<U>>, new: fn() -> T) -> &'p mut T {
    *other = None;
    wanted.get_or_insert_with(|| Box::new(new()))
}

/// Passes on what a record makes, up to its end.
struct Counted<'a, S> {
    sink: &'a mut S,
    left: u64,
}

impl<S: Sink> Sink for Counted<'_, S> {
    type Error = StreamError<S::Error>;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or(FormatError::BadField("record"))?;
        self.sink.push(bytes).map_err(StreamError::Sink)
    }
}

/// Sections, one after the other: `left` bytes of plaintext.
struct Sections<'a, 't, B> {
    models: &'a mut Models,
    base: &'a mut B,
    limits: SectionLimits,
    /// Base minus target of the last copy, for a target that counts from the end of the last section.
    diagonal: i64,
    left: u64,
    /// What the encoder knows, the next section last.
    plan: Vec<Plan<'t>>,
    /// The section at work, what it should come to, what of it is made, and what of that a reader has got.
    at: Option<Open<'t>>,
}

struct Open<'t> {
    section: Section,
    truth: &'t [u8],
    piece: Vec<u8>,
    taken: usize,
}

impl<'t, B: Workspace> Sections<'_, 't, B> {
    fn open<C: BitCoder>(&mut self, coder: &mut C) -> Result<(), SectionError> {
        let (truth, pair, copies) = match self.plan.pop() {
            Some(Plan::Section { truth, pair, copies }) => (truth, pair, copies),
            _ => (&[][..], None, Vec::new()),
        };
        let given = (truth.len() as u64, pair, copies);
        let section = Section::open(coder, self.models, self.limits, self.diagonal, given)?;
        let bytes = section.target_bytes();
        self.left = match self.left.checked_sub(bytes) {
            Some(left) if bytes > 0 => left,
            _ => return Err(FormatError::BadField("section").into()),
        };
        self.diagonal = section.last_diagonal().unwrap_or(self.diagonal).wrapping_add(bytes as i64);
        self.at = Some(Open { section, truth, piece: Vec::new(), taken: 0 });
        Ok(())
    }

    /// Makes a group: its sections, and behind each of them the streams that it is the plaintext of.
    fn group<C: BitCoder, S: Sink<Error: From<SectionError> + From<UnpackError>>>(
        &mut self,
        coder: &mut C,
        packer: &mut parse::Packer,
        models: &mut parse::Models,
        tracks: &[Track],
        survey: &parse::Survey,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let outside = SectionError::Format(FormatError::BadField("group"));
        if self.left == 0 || self.left > self.limits.group_bytes {
            return Err(outside.into());
        }
        let start = self.limits.base_bytes;
        let mut made = 0;
        while self.left > 0 {
            self.open(coder)?;
            let (base, models_of_sections, Some(open)) = (&mut *self.base, &mut *self.models, &mut self.at) else {
                return Err(outside.into());
            };
            let section_start = made;
            loop {
                let piece = open.section.next(coder, models_of_sections, base, open.truth)?;
                if piece.is_empty() {
                    break;
                }
                open.truth = open.truth.get(piece.len()..).unwrap_or(&[]);
                base.write_at(start + made, piece).map_err(SectionError::Base)?;
                made += piece.len() as u64;
            }
            open.section.map_all();
            let (copies, map) = open.section.copies();
            let origins = parse::Origins { copies, map, start: section_start };
            packer.section(coder, models, (&mut *base, tracks), origins, made, survey, sink)?;
            self.at = None;
        }
        if packer.is_done() { Ok(()) } else { Err(outside.into()) }
    }

    /// The next piece of the open section; an empty one behind its end.
    fn next<C: BitCoder>(&mut self, coder: &mut C) -> Result<&[u8], SectionError> {
        let Some(open) = &mut self.at else { return Ok(&[]) };
        let made = open.section.next(coder, self.models, self.base, open.truth)?;
        open.truth = open.truth.get(made.len()..).unwrap_or(&[]);
        Ok(made)
    }
}

impl<C: BitCoder, B: Workspace> Plain<C> for Sections<'_, '_, B> {
    type Error = SectionError;

    fn read(&mut self, coder: &mut C, out: &mut [u8]) -> Result<usize, SectionError> {
        loop {
            if let Some(open) = &mut self.at {
                if open.taken == open.piece.len() {
                    let made = open.section.next(coder, self.models, self.base, open.truth)?;
                    open.truth = open.truth.get(made.len()..).unwrap_or(&[]);
                    open.piece.clear();
                    open.piece.extend_from_slice(made);
                    open.taken = 0;
                }
                let there = &open.piece[open.taken..];
                if !there.is_empty() {
                    let bytes = there.len().min(out.len());
                    out[..bytes].copy_from_slice(&there[..bytes]);
                    open.taken += bytes;
                    return Ok(bytes);
                }
                self.at = None;
            }
            if self.left == 0 {
                return Ok(0);
            }
            self.open(coder)?;
        }
    }
}

impl<E> From<PackError<SectionError, StreamError<E>>> for StreamError<E> {
    fn from(error: PackError<SectionError, StreamError<E>>) -> Self {
        match error {
            PackError::Plain(error) => Self::Section(error),
            PackError::Sink(error) => error,
            PackError::Coder => FormatError::Truncated.into(),
            PackError::Invalid | PackError::TooLarge => FormatError::BadField("corrections of a container").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::coder::{Decoder, Encoder, SliceSource};
    use super::*;
    use alloc::vec;

    struct Base<'a>(&'a [u8]);

    impl ReadAt for Base<'_> {
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
            self.0.read_at(offset, out)
        }
    }

    impl Workspace for Base<'_> {
        fn write_at(&mut self, _offset: u64, _bytes: &[u8]) -> Result<(), IoError> {
            panic!("nothing is unpacked here")
        }
    }

    struct Made(Vec<u8>);

    impl Sink for Made {
        type Error = core::convert::Infallible;

        fn push(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }

    /// Copies beyond what a device holds come in line, the shortest first; those that it holds are fewer than its bound.
    #[test]
    fn short_copies_come_in_line() {
        let base: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
        let copies = [(1000, 0, 400), (100, 410, 60), (2000, 470, 30), (70, 505, 9), (3000, 514, 300), (0, 814, 20)];
        let copies = copies.map(|(base, target, length)| SectionCopy { base, target, length });
        let mut target = vec![7; 840];
        for copy in &copies {
            let (from, to, length) = (copy.base as usize, copy.target as usize, copy.length as usize);
            target[to..to + length].copy_from_slice(&base[from..from + length]);
        }
        for ops_max in 0..=6 {
            let limits = SectionLimits { base_bytes: 5000, ops_max, group_bytes: 0, containers: false };
            let plan = Plan::Section { truth: &target, pair: None, copies: copies.to_vec() };
            let (mut encoder, mut made) = (Encoder::default(), Made(Vec::new()));
            let coded = Engine::new(16).make(
                &mut encoder,
                &mut Base(&base),
                limits,
                (0, 840),
                core::iter::once(plan),
                &mut made,
            );
            assert!(coded.is_ok() && made.0 == target, "{coded:?}");
            let bytes = encoder.finish();
            let make = |ops_max| {
                let (mut decoder, mut made) = (Decoder::new(SliceSource::new(&bytes)), Made(Vec::new()));
                let limits = SectionLimits { base_bytes: 5000, ops_max, group_bytes: 0, containers: false };
                let done = Engine::new(16).make(
                    &mut decoder,
                    &mut Base(&base),
                    limits,
                    (0, 840),
                    core::iter::empty(),
                    &mut made,
                );
                done.map(|()| made.0)
            };
            assert!(make(ops_max).is_ok_and(|made| made == target), "{ops_max}");
            assert!(ops_max == 0 || make(ops_max - 1).is_err(), "{ops_max}");
        }
    }
}

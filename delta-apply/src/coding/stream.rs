//! An adaptive stream: what to unpack of the base, then the items that make up a record.
//!
//! An item is a section, or a container: a deflate stream of the target whose plaintext is sections again. The stream
//! says all that is needed, so a record can be made again from its start with nothing kept.

use super::coder::BitCoder;
use super::copies::SectionCopy;
use super::items::{GROUPS_MAX, Item, StreamModels, Unpack};
use super::map::AddressMap;
use super::models::Models;
use super::predict::Pair;
use super::section::{Section, SectionError, SectionLimits};
use super::virtual_base::Workspace;
use crate::deflate::{self, PackError, Packer, Plain, Sink};
use crate::io::{IoError, ReadAt};
use crate::parse::track::Track;
use crate::parse::{self, UnpackError};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use delta_format::FormatError;

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
        /// Operations that a table of types in it takes.
        types: u64,
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
    /// A deflate stream that is no part of the target: it is made behind the virtual base, for sections to copy.
    #[cfg(any(feature = "encode", test))]
    Aside {
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
        layout: parse::Layout,
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
            Self::Aside { plain_bytes, .. } => Item::Aside { plain_bytes: *plain_bytes },
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
        let packers = Packer::memory_bytes().max(parse::Packer::BYTES).max(UNPACK_BYTES) + models + tracks;
        let stream = (size_of::<Self>() - size_of::<Models>()) as u64;
        Models::memory_bytes(table_log2)
            + stream
            + Section::MEMORY_BYTES
            + copies
            + if containers { packers } else { 0 }
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
        mut limits: SectionLimits,
        (start, bytes): (u64, u64),
        mut plan: impl Iterator<Item = Plan<'t>>,
        sink: &mut S,
    ) -> Result<(), StreamError<S::Error>> {
        let mut sink = Counted { sink, left: bytes };
        let base = &RefCell::new(base);
        let mut diagonal = start as i64;
        while sink.left > 0 {
            let given = plan.next();
            let item = self.stream.item(coder, given.as_ref().map_or(Item::Section, Plan::item))?;
            if item != Item::Section && !limits.containers {
                return Err(FormatError::LimitExceeded("containers").into());
            }
            let mut plain = Sections {
                models: &mut self.models,
                base: &mut Shared(base),
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
                (Item::Packed { plain_bytes, layout: None } | Item::Aside { plain_bytes }, given) => {
                    plain.left = plain_bytes;
                    let packer = only(&mut self.packer, &mut self.grouper, Packer::new);
                    let models = self.packer_models.get_or_insert_default();
                    let aside = matches!(item, Item::Aside { .. }).then_some((Shared(base), limits.base_bytes));
                    let mut out = Outlet { left: limits.group_bytes, aside, sink: &mut sink };
                    match given {
                        #[cfg(any(feature = "encode", test))]
                        Some(
                            Plan::Deflate { stream, survey, sections, .. }
                            | Plan::Aside { stream, survey, sections, .. },
                        ) => {
                            plain.plan = sections;
                            plain.plan.reverse();
                            packer.code(coder, models, &mut plain, &mut out, stream, &survey)?;
                        }
                        _ => packer.pack(coder, models, &mut plain, &mut out)?,
                    }
                    if let Some((_, end)) = out.aside {
                        (limits.base_bytes, limits.group_bytes) = (end, out.left);
                    }
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

/// What unpacking takes while it runs, before there are packers: a window, a block and tables, and the parts of a group.
const UNPACK_BYTES: u64 = 288 << 10;

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

/// A virtual base for those who read it and those who write behind it at the same time.
struct Shared<'a, B>(&'a RefCell<B>);

impl<B: Workspace> ReadAt for Shared<'_, &mut B> {
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.0.borrow_mut().read_at(offset, out)
    }
}

impl<B: Workspace> Workspace for Shared<'_, &mut B> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.0.borrow_mut().write_at(offset, bytes)
    }
}

/// Where a deflate stream goes: into the record, or aside to a place of the virtual base.
struct Outlet<'a, 's, B, S> {
    aside: Option<(Shared<'a, B>, u64)>,
    /// Room aside.
    left: u64,
    sink: &'a mut Counted<'s, S>,
}

impl<B: Workspace, S: Sink> Sink for Outlet<'_, '_, &mut B, S> {
    type Error = StreamError<S::Error>;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        let Some((base, at)) = &mut self.aside else { return self.sink.push(bytes) };
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(FormatError::BadField("stream aside"))?;
        base.write_at(*at, bytes).map_err(SectionError::Base)?;
        *at += bytes.len() as u64;
        Ok(())
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
        let (truth, pair, copies, types) = match self.plan.pop() {
            Some(Plan::Section { truth, pair, copies, types }) => (truth, pair, copies, types),
            _ => (&[][..], None, Vec::new(), 0),
        };
        let given = (truth.len() as u64, pair, copies, types);
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
            let plan = Plan::Section { truth: &target, pair: None, copies: copies.to_vec(), types: 0 };
            let (mut encoder, mut made) = (Encoder::default(), Vec::new());
            let coded = Engine::new(16).make(
                &mut encoder,
                &mut Base(&base),
                limits,
                (0, 840),
                core::iter::once(plan),
                &mut made,
            );
            assert!(coded.is_ok() && made == target, "{coded:?}");
            let bytes = encoder.finish();
            let make = |ops_max| {
                let (mut decoder, mut made) = (Decoder::new(SliceSource::new(&bytes)), Vec::new());
                let limits = SectionLimits { base_bytes: 5000, ops_max, group_bytes: 0, containers: false };
                let done = Engine::new(16).make(
                    &mut decoder,
                    &mut Base(&base),
                    limits,
                    (0, 840),
                    core::iter::empty(),
                    &mut made,
                );
                done.map(|()| made)
            };
            assert!(make(ops_max).is_ok_and(|made| made == target), "{ops_max}");
            assert!(ops_max == 0 || make(ops_max - 1).is_err(), "{ops_max}");
        }
    }
}

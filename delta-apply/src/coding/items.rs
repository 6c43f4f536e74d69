//! The frame of a stream: what is unpacked of the base, and what each item is.

use super::bits::{Bit, Number};
use super::coder::{BitCoder, Purpose};
use super::section::SectionError;
use crate::parse::track::ENTRY_BYTES;
use crate::parse::{Format, Layout, Part};
use alloc::vec::Vec;
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
pub(super) enum Item {
    /// A section, of the target or of a container's plaintext.
    Section,
    /// A deflate stream, or streams of a layout.
    Packed {
        /// Bytes of its plaintext.
        plain_bytes: u64,
        layout: Option<Layout>,
    },
    /// A deflate stream that is no part of the record: it goes behind the virtual base, to be copied from.
    Aside {
        /// Bytes of its plaintext.
        plain_bytes: u64,
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
pub(super) struct StreamModels {
    count: Number,
    step: Number,
    plain: Number,
    packed: Bit,
    aside: Bit,
    item_plain: Number,
    /// Is it a group? Of which layout?
    grouped: [Bit; 2],
    format: Number,
    align: Number,
    filtered: Bit,
    entries: Number,
    parts: Number,
    part_raw: [Bit; 2],
    part_envelope: Bit,
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
    pub(super) fn unpack<C: BitCoder>(
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
                Part::Raw { bytes } | Part::Envelope { bytes } => (true, bytes),
                Part::Stream { packed_bytes } => (false, packed_bytes),
            };
            was_raw = self.part_raw[usize::from(was_raw)].code(coder, is_raw);
            let is_envelope = was_raw && self.part_envelope.code(coder, matches!(part, Part::Envelope { .. }));
            let bytes = match self.part_same.code(coder, bytes == last) {
                true => last,
                false => self.part_bytes[usize::from(was_raw)].code(coder, bytes),
            };
            last = bytes;
            if coder.failed() {
                return Err(FormatError::Truncated.into());
            }
            parts.push(match was_raw {
                _ if is_envelope => Part::Envelope { bytes },
                true => Part::Raw { bytes },
                false => Part::Stream { packed_bytes: bytes },
            });
        }
        Ok(Some(UnpackGroup { layout, entries, parts }))
    }

    /// Codes what comes next.
    pub(super) fn item<C: BitCoder>(&mut self, coder: &mut C, item: Item) -> Result<Item, SectionError> {
        coder.account(Purpose::Containers);
        if !self.packed.code(coder, item != Item::Section) {
            return Ok(Item::Section);
        }
        let (plain_bytes, layout) = match item {
            Item::Packed { plain_bytes, layout } => (plain_bytes, layout),
            Item::Aside { plain_bytes } => (plain_bytes, None),
            Item::Section => (0, None),
        };
        let plain_bytes = self.item_plain.code(coder, plain_bytes);
        let layout = self.layout(coder, 1, layout)?;
        let is_aside = layout.is_none() && self.aside.code(coder, matches!(item, Item::Aside { .. }));
        Ok(if is_aside { Item::Aside { plain_bytes } } else { Item::Packed { plain_bytes, layout } })
    }
}

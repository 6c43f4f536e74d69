//! One section: a stretch of the target that is coded with its own operations, an executable or anything else.
//!
//! The encoder and the decoder run the same code. The encoder knows the target and hands it in; the decoder hands in
//! nothing and gets it. What is predicted is computed from the base, the operations and what was made before, never from
//! what is known to the encoder alone.

use super::bytes::Hint;
use super::coder::{BitCoder, Purpose};
use super::copies::SectionCopy;
use super::flags::hash;
use super::map::{AddressMap, Trust};
use super::models::{FORM_CLASSES, LITERAL_CONTEXTS, Models, OFFSET_CLASSES, RESIDUAL_CONTEXTS};
use super::predict::{Pair, Placed, class};
use crate::io::{IoError, ReadAt};
use crate::reference::{Form, MARGIN_BYTES, RegionKind, ScanState, find, get, granularity_log2, put};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use delta_format::FormatError;

/// Bytes that are made at once, at most; a reference at the end may add a few.
pub(super) const PIECE_BYTES: usize = 4096;
/// The longest piece.
pub(super) const PIECE_BYTES_MAX: usize = PIECE_BYTES + 8;
/// Bytes of a block, which is coded as a whole when it is as predicted.
const BLOCK_BYTES: usize = 64;
const WINDOW_BYTES: usize = MARGIN_BYTES + PIECE_BYTES_MAX + MARGIN_BYTES;

/// Why a section cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionError {
    /// The stream breaks the format, or ends early.
    Format(FormatError),
    /// The base cannot be read.
    Base(IoError),
}

impl From<FormatError> for SectionError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

/// What a section may take.
#[derive(Clone, Copy, Debug)]
pub struct SectionLimits {
    /// Bytes of the virtual base.
    pub base_bytes: u64,
    /// Copies of the section.
    pub ops_max: u64,
    /// Bytes of plaintext that a group may make behind the virtual base.
    pub group_bytes: u64,
}

/// A section at work.
#[derive(Debug)]
pub(super) struct Section {
    target_bytes: u64,
    pair: Option<Pair>,
    copies: Vec<SectionCopy>,
    map: AddressMap,
    base_bytes: u64,
    /// The copy that is being made or comes next, and how much of the section is made.
    at: usize,
    made: u64,
    scan: ScanState,
    /// The last eight bytes that were made, the last one lowest.
    history: u64,
    /// Bits of the past: which pieces, blocks, sites and bytes were not as predicted.
    pieces: u32,
    blocks: u32,
    sites: u32,
    misses: u32,
    /// By how much bytes and references were off lately.
    last_difference: [u8; 2],
    last_offset: [[i64; 2]; FORM_CLASSES],
    window: Box<[u8]>,
    expected: Box<[u8]>,
    placed: Vec<Placed>,
}

impl Section {
    /// Bytes that a section takes beside its copies: its buffers, its tables, and the references of a piece.
    pub(super) const MEMORY_BYTES: u64 =
        (WINDOW_BYTES + 3 * PIECE_BYTES_MAX + PIECE_BYTES_MAX / 4 * size_of::<Placed>()) as u64
            + 4 * super::tables::ROWS_BYTES_MAX;

    /// Codes what a section consists of: its length, its executables, its copies. The encoder gives all three.
    /// `diagonal` is where the first copy is looked for: base minus target.
    ///
    /// # Errors
    /// [`SectionError::Format`].
    pub(super) fn open<C: BitCoder>(
        coder: &mut C,
        models: &mut Models,
        limits: SectionLimits,
        diagonal: i64,
        (target_bytes, pair, copies): (u64, Option<Pair>, Vec<SectionCopy>),
    ) -> Result<Self, SectionError> {
        coder.account(Purpose::Tables);
        coder.locate(None);
        let target_bytes = models.sizes[0].code(coder, target_bytes);
        let pair = code_pair(coder, models, limits, diagonal, pair)?;
        coder.account(Purpose::Operations);
        let (base_bytes, ops_max) = (limits.base_bytes, limits.ops_max);
        let copies = models.copies.code(coder, copies, target_bytes, base_bytes, diagonal, ops_max)?;
        let map = match &pair {
            Some(pair) => AddressMap::new(&copies, pair.base_range.clone()),
            None => AddressMap::default(),
        };
        // Sites do not overlap and are of four bytes at least: it never grows.
        let placed = Vec::with_capacity(if pair.is_some() { PIECE_BYTES_MAX / 4 } else { 0 });
        if let Some(pair) = &pair {
            models.learned.clear(pair.base.memory().start, pair.target.memory().start);
        }
        Ok(Self {
            target_bytes,
            pair,
            copies,
            map,
            base_bytes,
            at: 0,
            made: 0,
            scan: ScanState::new(),
            history: 0,
            pieces: 0,
            blocks: 0,
            sites: 0,
            misses: 0,
            last_difference: [0; 2],
            last_offset: [[0; 2]; FORM_CLASSES],
            window: vec![0; WINDOW_BYTES].into_boxed_slice(),
            expected: vec![0; PIECE_BYTES_MAX].into_boxed_slice(),
            placed,
        })
    }

    /// Bytes of the target that the section makes.
    pub(super) fn target_bytes(&self) -> u64 {
        self.target_bytes
    }

    /// Maps all copies, once the section is made.
    pub(super) fn map_all(&mut self) {
        self.map = AddressMap::default();
        self.map = AddressMap::new(&self.copies, 0..u64::MAX);
    }

    /// The copies, and the map of them.
    pub(super) fn copies(&self) -> (&[SectionCopy], &AddressMap) {
        (&self.copies, &self.map)
    }

    /// The diagonal of the last copy, if there is one.
    pub(super) fn last_diagonal(&self) -> Option<i64> {
        self.copies.last().map(SectionCopy::diagonal)
    }

    /// Makes the next piece of the target; an empty one at the end. `truth` is the rest of the section for the encoder,
    /// anything for the decoder.
    ///
    /// # Errors
    /// [`SectionError`].
    pub(super) fn next<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        truth: &[u8],
    ) -> Result<&[u8], SectionError> {
        let left = self.target_bytes - self.made;
        let copy = self.copies.get(self.at).copied();
        let new = copy.map_or(left, |copy| u64::from(copy.target).saturating_sub(self.made));
        coder.locate(Some(self.made));
        let bytes = match copy {
            _ if left == 0 => return Ok(&[]),
            Some(copy) if new == 0 => self.copy(coder, models, base, copy, truth)?,
            _ => self.add(coder, models, base, copy, new.min(PIECE_BYTES as u64) as usize, truth)?,
        };
        if coder.failed() {
            return Err(FormatError::Truncated.into());
        }
        self.made += bytes as u64;
        if copy.is_some_and(|copy| copy.end() == self.made) {
            self.at += 1;
        }
        let made = &self.expected[..bytes];
        if let Some(last) = made.last_chunk::<8>() {
            self.history = u64::from_be_bytes(*last);
        } else {
            self.history = made.iter().fold(self.history, |history, &byte| history << 8 | u64::from(byte));
        }
        Ok(made)
    }

    /// Reads base bytes around `bytes` from `from` on into the window, with margins; what lies outside the base is zero.
    fn read(&mut self, base: &mut impl ReadAt, from: u64, bytes: usize) -> Result<(), SectionError> {
        let before = from.min(MARGIN_BYTES as u64) as usize;
        let start = from - before as u64;
        let wanted = (before + bytes + MARGIN_BYTES) as u64;
        let there = self.base_bytes.saturating_sub(start).min(wanted) as usize;
        let at = MARGIN_BYTES - before;
        self.window[..at].fill(0);
        self.window[at + there..].fill(0);
        if there > 0 {
            base.read_at(start, &mut self.window[at..at + there]).map_err(SectionError::Base)?;
        }
        Ok(())
    }

    fn add<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        next: Option<SectionCopy>,
        bytes: usize,
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        // What followed the last copy in the base, and what precedes the next one, is often much the same.
        let last = self.at.checked_sub(1).map(|at| self.copies[at]);
        let along =
            |copy: Option<SectionCopy>| copy.map_or(0, |copy| copy.diagonal().wrapping_add(self.made as i64) as u64);
        let (follows, precedes) = (along(last), along(next));
        self.read(base, follows.min(self.base_bytes), bytes)?;
        let mut before = [0; PIECE_BYTES];
        let before = &mut before[..bytes];
        if precedes.checked_add(bytes as u64).is_some_and(|end| end <= self.base_bytes) {
            base.read_at(precedes, before).map_err(SectionError::Base)?;
        }
        let kind = self.pair.as_ref().and_then(|pair| pair.target.region_at(self.made)).map_or(15, |r| r.kind.number());
        let mut history = self.history;
        coder.account(Purpose::Literals);
        for at in 0..bytes {
            let byte = if C::ENCODES { truth[at] } else { 0 };
            let follows = u32::from(self.window[MARGIN_BYTES + at]);
            let contexts =
                literal_contexts(history, kind as u32, self.made + at as u64, follows, u32::from(before[at]));
            let selector = (kind as usize & 15) << 3 | (self.made as usize + at) & 7;
            let byte = models.literal.code(coder, &contexts, selector, Hint::default(), byte);
            self.expected[at] = byte;
            history = history << 8 | u64::from(byte);
        }
        Ok(bytes)
    }

    fn copy<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        copy: SectionCopy,
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        let left = copy.end() - self.made;
        let from = copy.base + u64::from(copy.length) - left;
        self.read(base, from, left.min(PIECE_BYTES_MAX as u64) as usize)?;
        let (bytes, kind) = self.find_sites(from, left);
        let window = MARGIN_BYTES..MARGIN_BYTES + bytes;
        self.expected[..bytes].copy_from_slice(&self.window[window]);
        self.predict(models, from, 0..self.placed.len());

        let dirty = C::ENCODES && self.expected[..bytes] != truth[..bytes];
        let kind = kind as u32;
        let some = u32::from(!self.placed.is_empty());
        let contexts = [kind << 8 | self.pieces & 7, self.pieces & 0xff, some | u32::from(bytes == PIECE_BYTES) << 1];
        coder.account(Purpose::Blocks);
        let dirty = models.piece.code(coder, contexts, 0, dirty);
        self.pieces = self.pieces << 1 | u32::from(dirty);
        if !dirty {
            return Ok(bytes);
        }
        let (mut start, mut site) = (0, 0);
        while start < bytes {
            let mut end = (start + BLOCK_BYTES).min(bytes);
            let first = site;
            while let Some(placed) = self.placed.get(site).filter(|p| ((p.site.at as usize) - MARGIN_BYTES) < end) {
                end = end.max(placed.site.at as usize - MARGIN_BYTES + usize::from(placed.site.width));
                site += 1;
            }
            // What the block before has taught counts here.
            self.predict(models, from, first..site);
            self.block(coder, models, kind, start..end, first..site, truth);
            start = end;
        }
        Ok(bytes)
    }

    /// Finds the references of the next piece of a copy, and so where the piece ends. Gives its bytes and its kind.
    fn find_sites(&mut self, from: u64, left: u64) -> (usize, u64) {
        self.placed.clear();
        let mut bytes = left.min(PIECE_BYTES as u64) as usize;
        let Some(pair) = &self.pair else { return (bytes, 15) };
        let target_kind = pair.target.region_at(self.made).map_or(14, |region| region.kind.number());
        if !pair.base_range.contains(&from) {
            return (bytes, target_kind);
        }
        let offset = from - pair.base_range.start;
        // A piece lies in one region on either side, so that its fields and addresses are those of the region.
        let within = |end: Option<u64>, at: u64| end.map_or(u64::MAX, |end| end - at);
        let next = |image: &crate::reference::Image, at: u64| match image.region_at(at) {
            Some(region) => Some(region.end()),
            None => {
                let next = image.regions().partition_point(|region| region.offset <= at);
                image.regions().get(next).map(|region| region.offset)
            }
        };
        let limit = within(next(&pair.base, offset), offset)
            .min(within(next(&pair.target, self.made), self.made))
            .min(pair.base_range.end - from)
            .min(left);
        bytes = bytes.min(usize::try_from(limit).unwrap_or(usize::MAX));
        let Some(regions) = pair.regions(offset, self.made) else { return (bytes, target_kind) };
        let limit = limit.min(PIECE_BYTES_MAX as u64) as usize;
        let (base, region) = regions;
        let origin = offset.wrapping_sub(MARGIN_BYTES as u64);
        let (placed, made) = (&mut self.placed, self.made);
        let mut end = bytes;
        let window = &self.window;
        find(
            &pair.base,
            base,
            window,
            origin,
            MARGIN_BYTES..MARGIN_BYTES + bytes,
            MARGIN_BYTES + limit,
            &mut self.scan,
            &mut |site| {
                let at = site.at as usize - MARGIN_BYTES;
                end = end.max(at + usize::from(site.width));
                let address = region.address.wrapping_add(made + at as u64 - region.offset);
                placed.push(Placed { site, address, target: 0, anchor: 0, trust: Trust::Unknown });
            },
        );
        (end, target_kind)
    }

    /// Writes what the sites of a range should become into what is expected.
    fn predict(&mut self, models: &Models, from: u64, sites: core::ops::Range<usize>) {
        let Some(pair) = &self.pair else { return };
        if sites.is_empty() {
            return;
        }
        let offset = from - pair.base_range.start;
        let Some(regions) = pair.regions(offset, self.made) else { return };
        let base = regions.0;
        for placed in &mut self.placed[sites] {
            let at = placed.site.at as usize;
            let base_address = base.address.wrapping_add(offset + (at - MARGIN_BYTES) as u64 - base.offset);
            *placed = pair.place(
                (&self.map, &self.copies),
                &models.learned,
                regions,
                placed.site,
                base_address,
                placed.address,
            );
            let field = at - MARGIN_BYTES..at - MARGIN_BYTES + usize::from(placed.site.width);
            self.expected[field.clone()].copy_from_slice(&self.window[at..at + usize::from(placed.site.width)]);
            placed.write(&mut self.expected[field]);
        }
    }

    /// Codes one block of a piece that is not all as predicted.
    fn block<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        kind: u32,
        range: core::ops::Range<usize>,
        mut sites: core::ops::Range<usize>,
        truth: &[u8],
    ) {
        let dirty = C::ENCODES && self.expected[range.clone()] != truth[range.clone()];
        let count = sites.len().min(7) as u32;
        let weak = self.placed[sites.clone()].iter().filter(|p| p.trust < Trust::Inside).count().min(3) as u32;
        let contexts = [
            kind << 8 | self.blocks & 15,
            kind << 8 | count | weak << 4,
            self.blocks & 0x3ff,
            kind << 16 | self.blocks & 3 | count << 2 | weak << 6 | (self.misses & 3) << 9,
        ];
        coder.account(Purpose::Blocks);
        let dirty = models.block.code(coder, contexts, (kind & 15) as usize, dirty);
        self.blocks = self.blocks << 1 | u32::from(dirty);
        if !dirty {
            return;
        }
        let mut at = range.start;
        let mut clean = true;
        while at < range.end {
            let placed = sites.clone().next().map(|site| self.placed[site]);
            if let Some(placed) = placed.filter(|p| p.site.at as usize - MARGIN_BYTES == at) {
                sites.start += 1;
                let width = usize::from(placed.site.width);
                if self.site(coder, models, kind, at, placed, truth) {
                    at += width;
                    continue;
                }
                clean = false;
                for inside in at..at + width {
                    self.byte(coder, models, kind, inside, true, false, truth);
                }
                at += width;
                continue;
            }
            clean &= self.byte(coder, models, kind, at, false, clean, truth);
            at += 1;
        }
    }

    /// Codes a reference of a block that differs. Gives false when its bytes have to be coded one by one.
    fn site<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        kind: u32,
        at: usize,
        placed: Placed,
        truth: &[u8],
    ) -> bool {
        let Placed { site, address, target, anchor, trust } = placed;
        let width = usize::from(site.width);
        let (form, field) = (class(site.form), at..at + width);
        let moved = target.wrapping_sub(site.target);
        let before = &self.window[site.at as usize - 2..site.at as usize];
        let opcode = u32::from(before[0]) << 8 | u32::from(before[1]);
        let trusted = (form as u32) << 2 | trust as u32;
        let wrong = C::ENCODES && self.expected[field.clone()] != truth[field.clone()];
        let contexts = [
            trusted << 4 | self.sites & 15,
            hash(site.target as u32, form as u32),
            trusted << 8 | kind << 3 | self.misses & 7,
            (form as u32) << 16 | opcode,
            trusted << 10 | hash(moved as u32, 7) >> 22,
        ];
        coder.account(Purpose::References);
        let wrong = models.site.code(coder, contexts, form.min(15), wrong);
        self.sites = self.sites << 1 | u32::from(wrong);
        if !wrong {
            return true;
        }
        let original = &self.window[site.at as usize..site.at as usize + width];
        // Where such a field can lead: the prediction, rounded as the field rounds.
        let grain = granularity_log2(site.form);
        let target = match site.form {
            Form::Page21 | Form::High20 | Form::MoveHalf { .. } => target,
            Form::PageOffset { .. } | Form::ThumbExchange24 => target & !((1 << grain) - 1),
            _ => target.wrapping_sub(target.wrapping_sub(address) & ((1 << grain) - 1)),
        };
        let actual = if C::ENCODES {
            get(site.form, &truth[field.clone()], original, address, anchor).filter(|&actual| {
                let mut field_again = [0; 8];
                let field_again = &mut field_again[..width];
                field_again.copy_from_slice(original);
                put(site.form, field_again, address, actual, anchor);
                let offset = (actual.wrapping_sub(target) as i64) >> grain;
                *field_again == truth[field.clone()] && target.wrapping_add((offset << grain) as u64) == actual
            })
        } else {
            None
        };
        if !models.known[form].code(coder, actual.is_some()) {
            self.expected[field.clone()].copy_from_slice(original);
            return false;
        }
        let offset = (actual.unwrap_or(0).wrapping_sub(target) as i64) >> grain;
        let recent = &mut self.last_offset[form];
        let offset = if models.again[form][0].code(coder, offset == recent[0]) {
            recent[0]
        } else if models.again[form][1].code(coder, offset == recent[1]) {
            recent[1]
        } else {
            models.offset[form.min(OFFSET_CLASSES - 1)].code_signed(coder, offset)
        };
        if offset != recent[0] {
            *recent = [offset, recent[0]];
        }
        let actual = target.wrapping_add((offset << grain) as u64);
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(original);
        put(site.form, &mut bytes[..width], address, actual, anchor);
        self.expected[field].copy_from_slice(&bytes[..width]);
        if !matches!(site.form, Form::Length32) {
            models.learned.set(site.target, actual);
        }
        true
    }

    /// Codes a byte of a block that differs. Gives whether it is as predicted.
    #[allow(clippy::too_many_arguments, reason = "all of it is context")]
    #[inline]
    fn byte<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        kind: u32,
        at: usize,
        in_site: bool,
        clean: bool,
        truth: &[u8],
    ) -> bool {
        let byte = u32::from(self.expected[at]);
        let next = self.expected.get(at + 1).map_or(0, |&next| u32::from(next));
        let (last, last_expected) = match at {
            0 => (self.history as u32 & 0xff, u32::from(self.window[MARGIN_BYTES - 1])),
            _ => (u32::from(self.expected[at - 1]), u32::from(self.window[MARGIN_BYTES + at - 1])),
        };
        let last_2 = if at > 1 { u32::from(self.expected[at - 2]) } else { self.history as u32 >> 8 & 0xff };
        let column = (self.made as u32).wrapping_add(at as u32) & 7;
        let misses = self.misses;
        let inside = u32::from(in_site);
        let contexts = [
            kind << 10 | inside << 9 | u32::from(clean) << 8 | misses & 0xff,
            byte | kind << 8 | inside << 12 | (misses & 7) << 13,
            byte | last << 8 | (misses & 1) << 16 | inside << 17,
            column | kind << 3 | inside << 7 | (misses & 15) << 8 | u32::from(clean) << 12,
            next | byte << 8 | last_expected << 16 | (misses & 3) << 24,
            u32::from(self.last_difference[0]) | (misses & 3) << 8 | kind << 10,
        ];
        let miss = C::ENCODES && truth[at] != self.expected[at];
        coder.account(Purpose::Differences);
        let miss = models.miss.code(coder, contexts, (kind & 15) as usize, miss);
        self.misses = misses << 1 | u32::from(miss);
        if !miss {
            return true;
        }
        let guess = |difference: u8| byte.wrapping_add(u32::from(difference)) & 0xff;
        let [difference, difference_2] = self.last_difference;
        let contexts: [u32; RESIDUAL_CONTEXTS] = [
            byte | kind << 8,
            byte | last << 8,
            last | last_2 << 8,
            byte | last << 8 | last_2 << 16,
            byte | next << 8 | last_expected << 16,
            last_expected | byte << 8 | last << 16,
            guess(difference) | kind << 8,
            guess(difference) | column << 8 | u32::from(difference_2) << 16,
        ];
        let made =
            models.residual.code(coder, &contexts, kind as usize & 15, Hint::default(), truth_at::<C>(truth, at));
        self.last_difference = [made.wrapping_sub(byte as u8), difference];
        self.expected[at] = made;
        false
    }
}

#[inline]
fn truth_at<C: BitCoder>(truth: &[u8], at: usize) -> u8 {
    if C::ENCODES { truth[at] } else { 0 }
}

/// The contexts of a new byte: what was made before, its column, and the byte at its place in the base.
#[inline]
fn literal_contexts(history: u64, kind: u32, at: u64, follows: u32, precedes: u32) -> [u32; LITERAL_CONTEXTS] {
    let low = history as u32;
    let byte = |n: u32| (history >> (8 * n)) as u32 & 0xff;
    [
        byte(0) | kind << 8,
        low & 0xffff,
        low & 0xff_ffff,
        low,
        hash(low, 11).wrapping_add((history >> 32) as u32 & 0xffff),
        follows | byte(0) << 8 | 1 << 16,
        (at as u32 & 3) | byte(3) << 8 | byte(7) << 16,
        precedes | follows << 8 | byte(0) << 16,
    ]
}

/// Codes whether a section is an executable, and which.
fn code_pair<C: BitCoder>(
    coder: &mut C,
    models: &mut Models,
    limits: SectionLimits,
    diagonal: i64,
    pair: Option<Pair>,
) -> Result<Option<Pair>, SectionError> {
    if !models.shape[0].code(coder, pair.is_some()) {
        return Ok(None);
    }
    let pair = pair.unwrap_or_else(|| Pair { base: Default::default(), target: Default::default(), base_range: 0..0 });
    let start = models.sizes[1].code_signed(coder, (pair.base_range.start as i64).wrapping_sub(diagonal));
    let start = diagonal.wrapping_add(start) as u64;
    let length = models.sizes[1].code(coder, pair.base_range.end - pair.base_range.start);
    let outside = FormatError::BadField("executable of the base");
    let end = start.checked_add(length).filter(|end| *end <= limits.base_bytes).ok_or(outside)?;
    let base = models.tables.code(coder, pair.base, None)?;
    let target = models.tables.code(coder, pair.target, Some(&base))?;
    let fits = base
        .regions()
        .iter()
        .chain(target.regions())
        .all(|region| region.kind != RegionKind::Plain || region.length > 0);
    if !fits {
        return Err(outside.into());
    }
    Ok(Some(Pair { base, target, base_range: start..end }))
}

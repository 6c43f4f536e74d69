//! One section: a stretch of the target that is coded with its own operations, an executable or anything else.
//!
//! The encoder and the decoder run the same code. The encoder knows the target and hands it in; the decoder hands in
//! nothing and gets it. What is predicted is computed from the base, the operations and what was made before, never from
//! what is known to the encoder alone.

mod copied;
mod literals;

use super::coder::{BitCoder, Purpose};
use super::copies::{Bounds, CopyState, SectionCopy, code_copies};
use super::map::AddressMap;
use super::models::{FORM_CLASSES, Models};
use super::predict::{Pair, Placed};
use super::types::{HEAD_BYTES, Types, table_regions};
use crate::io::{IoError, ReadAt};
use crate::reference::{MARGIN_BYTES, RegionKind, ScanState};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use delta_format::FormatError;

/// Bytes that are made at once, at most; a reference at the end may add a few.
pub(super) const PIECE_BYTES: usize = 4096;
/// The longest piece.
pub(super) const PIECE_BYTES_MAX: usize = PIECE_BYTES + 8;
/// Regions that are told apart by where references into them moved.
const MOVES: usize = 32;
/// Bytes before new ones that tell where instructions start.
const TAIL_BYTES: usize = 28;
/// Kinds of code that contexts follow, by their numbers.
const X86_64: u32 = RegionKind::X86_64 as u32;
const AARCH64: u32 = RegionKind::Aarch64 as u32;
const ARM: u32 = RegionKind::Arm as u32;
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
    /// Whether there may be containers: memory for packing them is declared.
    pub containers: bool,
}

/// A section at work.
#[derive(Debug)]
pub(super) struct Section {
    target_bytes: u64,
    pair: Option<Pair>,
    copies: Vec<SectionCopy>,
    map: AddressMap,
    base_bytes: u64,
    /// Where a table of types is that is made as a whole, where it is in the virtual base, and the runs that there is
    /// memory for; the table, once it is begun.
    types_at: Option<(Range<u64>, Range<u64>)>,
    runs_max: usize,
    types: Option<Box<Types>>,
    /// The copy that is being made or comes next, and how much of the section is made.
    at: usize,
    made: u64,
    /// Whether there are short copies between the long ones, and for the encoder those that are left, the next one last.
    has_between: bool,
    between: Vec<SectionCopy>,
    /// Whether it is known if one comes next, the one that does, and the last copy of any length.
    is_asked: bool,
    short: Option<SectionCopy>,
    last: Option<SectionCopy>,
    state: CopyState,
    scan: ScanState,
    /// The last eight bytes that were made, the last one lowest.
    history: u64,
    /// The last bytes that were made.
    tail: [u8; TAIL_BYTES],
    /// Where the last call and the last operand in new code led, and one of them before.
    last_target: [u32; 3],
    /// Bits of the past: which pieces, blocks, sites and bytes were not as predicted.
    pieces: u32,
    blocks: u32,
    sites: u32,
    misses: u32,
    /// By how much bytes and references were off lately.
    last_difference: [u8; 2],
    last_offset: [[i64; 2]; FORM_CLASSES],
    /// How far the last reference into each region moved, of those that led elsewhere.
    moves: [u64; MOVES],
    window: Box<[u8]>,
    /// What stands in the virtual base before the next copy.
    precedes: Box<[u8]>,
    expected: Box<[u8]>,
    placed: Vec<Placed>,
}

impl Section {
    /// Bytes that a section takes beside its copies: its buffers, its tables, and the references of a piece.
    pub(super) const MEMORY_BYTES: u64 =
        (WINDOW_BYTES + 3 * PIECE_BYTES_MAX + PIECE_BYTES_MAX / 4 * size_of::<Placed>()) as u64
            + 2 * super::tables::ROWS_BYTES_MAX
            + Types::MEMORY_BYTES;

    /// Codes what a section consists of: its length, its executables, its copies. The encoder gives all three, and how many
    /// operations it leaves to a table of types.
    /// `diagonal` is where the first copy is looked for: base minus target.
    ///
    /// # Errors
    /// [`SectionError::Format`].
    pub(super) fn open<C: BitCoder>(
        coder: &mut C,
        models: &mut Models,
        limits: SectionLimits,
        diagonal: i64,
        (target_bytes, pair, copies, kept_free): (u64, Option<Pair>, Vec<SectionCopy>, u64),
    ) -> Result<Self, SectionError> {
        coder.account(Purpose::Tables);
        coder.locate(None);
        let target_bytes = models.sizes[0].code(coder, target_bytes);
        let pair = code_pair(coder, models, limits, diagonal, pair)?;
        coder.account(Purpose::Operations);
        let (base_bytes, ops_max) = (limits.base_bytes, limits.ops_max);
        let (copies, mut between) = split(copies, ops_max.saturating_sub(kept_free), C::ENCODES);
        between.reverse();
        let kind_at = |at| kind_at(pair.as_ref(), at);
        let bounds = Bounds { target_end: target_bytes, base_bytes };
        let state = CopyState::new(diagonal);
        let copies = code_copies(coder, &mut models.copies, copies, state, kind_at, bounds, ops_max)?;
        let has_between = models.shape[1].code(coder, !between.is_empty());
        let map = match &pair {
            Some(pair) => AddressMap::new(&copies, pair.base_range.clone()),
            None => AddressMap::default(),
        };
        let types_at = pair.as_ref().and_then(|pair| {
            let (base, target) = table_regions(pair.base.regions(), pair.target.regions())?;
            let start = pair.base_range.start.checked_add(base.offset)?;
            let of_base = start..start.checked_add(base.length).filter(|end| *end <= pair.base_range.end)?;
            (target.end() <= target_bytes && target.length > HEAD_BYTES)
                .then_some((target.offset..target.end(), of_base))
        });
        let runs_max = usize::try_from(ops_max).unwrap_or(0).saturating_sub(copies.len());
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
            types_at,
            runs_max,
            types: None,
            at: 0,
            has_between,
            between,
            is_asked: false,
            short: None,
            last: None,
            state,
            made: 0,
            scan: ScanState::new(),
            history: 0,
            tail: [0; TAIL_BYTES],
            last_target: [0; 3],
            pieces: 0,
            blocks: 0,
            sites: 0,
            misses: 0,
            last_difference: [0; 2],
            last_offset: [[0; 2]; FORM_CLASSES],
            moves: [0; MOVES],
            window: vec![0; WINDOW_BYTES].into_boxed_slice(),
            precedes: vec![0; PIECE_BYTES].into_boxed_slice(),
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
        if let (Some(types), Some((at, _))) = (self.types.take(), &self.types_at) {
            types.stretches(at.start, self.runs_max, &mut self.copies);
        }
        self.map = AddressMap::new(&self.copies, 0..self.base_bytes);
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
        if let Some((at, _)) = &self.types_at
            && at.contains(&self.made)
            && left > 0
        {
            return self.next_of_types(coder, models, base, truth);
        }
        let mut copy = self.copies.get(self.at).copied();
        if self.has_between && !self.is_asked {
            self.ask(coder, models, copy)?;
        }
        copy = self.short.or(copy);
        let mut new = match copy {
            Some(copy) => u64::from(copy.target).checked_sub(self.made).or((copy.end() > self.made).then_some(0)),
            None => Some(left),
        }
        .ok_or(FormatError::BadField("copy range"))?;
        if let Some((at, _)) = self.types_at.as_ref().filter(|(at, _)| at.start > self.made) {
            new = new.min(at.start - self.made);
        }
        coder.locate(Some(self.made));
        let bytes = match copy {
            _ if left == 0 => return Ok(&[]),
            Some(copy) if u64::from(copy.target) <= self.made => self.copy(coder, models, base, copy, truth)?,
            _ => self.add(coder, models, base, copy, new.min(PIECE_BYTES as u64) as usize, truth)?,
        };
        if coder.failed() {
            return Err(FormatError::Truncated.into());
        }
        self.made += bytes as u64;
        if let Some(copy) = copy.filter(|copy| copy.end() == self.made) {
            if self.short.take().is_none() {
                self.at += 1;
                self.state.pass(copy);
            }
            (self.last, self.is_asked) = (Some(copy), false);
        }
        self.remember(bytes);
        Ok(&self.expected[..bytes])
    }

    /// Makes the next piece of a table of types.
    fn next_of_types<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        truth: &[u8],
    ) -> Result<&[u8], SectionError> {
        let Some((at, of_base)) = self.types_at.clone() else { return Ok(&[]) };
        coder.locate(Some(self.made));
        if self.types.is_none() {
            let bytes = at.end - self.made;
            let truth = if C::ENCODES { &truth[..bytes as usize] } else { truth };
            let types = Types::open(coder, base, (of_base.start, of_base.end), bytes, self.runs_max, truth)?;
            self.types = Some(Box::new(types));
        }
        let Some(types) = &mut self.types else { return Ok(&[]) };
        let bytes = types.next(coder, models, base, &mut self.expected, truth)?;
        self.made += bytes as u64;
        self.remember(bytes);
        Ok(&self.expected[..bytes])
    }

    /// Keeps the last bytes that were made.
    fn remember(&mut self, bytes: usize) {
        let made = &self.expected[..bytes];
        let kept = TAIL_BYTES - made.len().min(TAIL_BYTES);
        self.tail.copy_within(TAIL_BYTES - kept.., 0);
        self.tail[kept..].copy_from_slice(&made[made.len() - (TAIL_BYTES - kept)..]);
        if let Some(last) = made.last_chunk::<8>() {
            self.history = u64::from_be_bytes(*last);
        } else {
            self.history = made.iter().fold(self.history, |history, &byte| history << 8 | u64::from(byte));
        }
    }

    /// Codes whether a short copy comes before `next`, and which.
    fn ask<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        next: Option<SectionCopy>,
    ) -> Result<(), SectionError> {
        self.is_asked = true;
        let target_end = next.map_or(self.target_bytes, |next| next.target.into());
        if target_end == self.made {
            return Ok(());
        }
        coder.account(Purpose::Operations);
        let given = self.between.last().filter(|copy| u64::from(copy.target) < target_end).copied();
        if !self.state.more(coder, &mut models.copies, target_end - self.made, given.is_some()) {
            return Ok(());
        }
        if let Some(next) = next {
            self.state.expect(next.diagonal());
        }
        self.between.pop();
        let kind = kind_at(self.pair.as_ref(), self.made);
        let bounds = Bounds { target_end, base_bytes: self.base_bytes };
        let given = given.unwrap_or(SectionCopy { base: 0, target: 0, length: 0 });
        self.short = Some(self.state.code(coder, &mut models.copies, given, kind, bounds)?);
        Ok(())
    }

    /// Reads base bytes around `bytes` from `from` on into the window, with margins; what lies outside the base is zero.
    fn read(&mut self, base: &mut impl ReadAt, from: u64, bytes: usize) -> Result<(), SectionError> {
        let before = from.min(MARGIN_BYTES as u64) as usize;
        let start = from - before as u64;
        let wanted = (before + bytes + MARGIN_BYTES) as u64;
        let there = self.base_bytes.saturating_sub(start).min(wanted) as usize;
        let at = MARGIN_BYTES - before;
        self.window[..at].fill(0);
        self.window[at + there..MARGIN_BYTES + bytes + MARGIN_BYTES].fill(0);
        if there > 0 {
            base.read_at(start, &mut self.window[at..at + there]).map_err(SectionError::Base)?;
        }
        Ok(())
    }
}

#[inline]
fn truth_at<C: BitCoder>(truth: &[u8], at: usize) -> u8 {
    if C::ENCODES { truth[at] } else { 0 }
}

/// The number of the kind of region at `at` of the target.
fn kind_at(pair: Option<&Pair>, at: u64) -> u32 {
    pair.and_then(|pair| pair.target.region_at(at)).map_or(15, |region| region.kind.number() as u32)
}

/// Parts the copies that are known before anything is made, the longest, from those between them.
fn split(copies: Vec<SectionCopy>, ops_max: u64, encodes: bool) -> (Vec<SectionCopy>, Vec<SectionCopy>) {
    let known = usize::try_from(ops_max).unwrap_or(usize::MAX);
    if !encodes || copies.len() <= known {
        return (copies, Vec::new());
    }
    let mut lengths: Vec<u32> = copies.iter().map(|copy| copy.length).collect();
    lengths.sort_unstable_by(|left, right| right.cmp(left));
    let shortest = lengths[known];
    copies.into_iter().partition(|copy| copy.length > shortest)
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

//! A table of types of the kernel (BPF Type Format) made of an older one.
//!
//! Encoders that run in threads number types and strings in another order each time, so that everything in the table
//! changes although nothing does. What is coded is the order: which types of the base follow each other. Types refer to
//! types by numbers, which follow from the order, and to names by places of strings, which lie in the order of their
//! first use. What does not follow is coded as it is.
//!
//! In: the base's table. Out: the target's, bit for bit, in pieces. It is no reader of types: nothing is understood but
//! which words are numbers of types, and which are names.

mod layout;
mod names;
mod order;
mod runs;
#[cfg(any(feature = "encode", test))]
mod survey;
#[cfg(test)]
mod tests;
mod words;

pub(super) use layout::HEAD_BYTES;
#[cfg(any(feature = "encode", test))]
pub use survey::{is_sound, operations};

use super::SectionCopy;
use super::bits::Bit;
use super::coder::{BitCoder, Purpose};
use super::flags::{Flag, TABLE_LOG2};
use super::models::{LITERAL_CONTEXTS, Models};
use super::section::SectionError;
use crate::io::ReadAt;
use crate::reference::{Region, RegionKind};
use alloc::boxed::Box;
use alloc::vec::Vec;
use delta_format::FormatError;
use layout::{Kind, MAGIC, RECORD_BYTES, Role};
use order::Numbered;
use runs::{NEW, Runs};
use words::Cached;

/// The table breaks the format.
const BROKEN: SectionError = SectionError::Format(FormatError::BadField("table of types"));

/// Contexts of numbers.
const CONTEXTS: usize = 3;

/// What numbers are about.
mod what {
    pub(super) const SIZES: u32 = 0;
    pub(super) const CLASS: u32 = 1;
    pub(super) const FAR: u32 = 2;
    pub(super) const LENGTH: u32 = 3;
    pub(super) const STEP: u32 = 4;
    pub(super) const STRING: u32 = 5;
    pub(super) const PLACE: u32 = 6;
    pub(super) const BYTES: u32 = 7;
    pub(super) const ENTRY: u32 = 8;
    /// And the roles of words behind it.
    pub(super) const WORD: u32 = 9;
}

/// How a name is said that is not as expected.
mod name {
    /// As expected, after strings were put in.
    pub(super) const EXPECTED: u64 = 0;
    /// A string of the base is put in.
    pub(super) const KNOWN: u64 = 1;
    /// A new string is put in.
    pub(super) const NEW: u64 = 2;
    /// It is the string that was put in last.
    pub(super) const LAST: u64 = 3;
    /// Its place.
    pub(super) const PLACE: u64 = 4;
}

/// What is learned of one table.
#[derive(Debug)]
struct TypeModels {
    numbers: Flag<CONTEXTS>,
    /// Is a word other than expected? By role, by whether one of the record was, and by how well it is known.
    wrong: [[Bit; 8]; 3],
    ends: Bit,
}

/// A place in the base: of types and strings, as offsets in the virtual base.
#[derive(Clone, Copy, Debug)]
struct Parts {
    types: u64,
    strings: u64,
    end: u64,
}

/// A record at work.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    kind: Kind,
    /// Entries that are left, and whether they are those of the base, one by one.
    left: u32,
    follows: bool,
    /// The next entry of the base and its end.
    next: u64,
    end: u64,
    /// Whether a word was not as expected.
    differs: bool,
    /// The entry before.
    before: [u32; 3],
}

/// What the encoder knows.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// From which type of the base on how many follow; [`NEW`] for types that the base does not have.
    steps: Vec<(u32, u32)>,
    /// Strings of the target that the base has, and their places there, sorted.
    strings: Vec<(u32, u32)>,
    /// Where the other strings of the target end.
    ends: Vec<u32>,
}

impl Given {
    /// The place in the base of the string at a place in the target.
    fn base_of(&self, target: u32) -> Option<u32> {
        let index = self.strings.binary_search_by_key(&target, |(target, _)| *target).ok()?;
        Some(self.strings[index].1)
    }

    /// Where the string at a place ends.
    fn end_of(&self, target: u32) -> u32 {
        self.ends.get(self.ends.partition_point(|end| *end <= target)).copied().unwrap_or(target)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Types {
    models: Box<TypeModels>,
    given: Given,
    base: Parts,
    /// Bytes of types and of strings in the target.
    types_bytes: u64,
    strings_bytes: u64,
    made: u64,
    /// Types of the base, and where they went.
    numbered: Numbered,
    /// Where strings of the base went, and up to where strings are known.
    strings: Runs,
    cursor: u32,
    last_string: u32,
    /// The type at work, its run, and its record in the base if it follows the last one.
    id: u32,
    run: usize,
    record: Record,
    base_next: u64,
    names: Cached,
    words: Cached,
    history: u64,
}

impl Types {
    /// Bytes of memory beside runs, which take the memory of an operation each.
    pub(super) const MEMORY_BYTES: u64 = size_of::<Self>() as u64
        + size_of::<TypeModels>() as u64
        + Flag::<CONTEXTS>::memory_bytes(TABLE_LOG2)
        + 2 * Cached::BYTES
        + Numbered::BYTES;

    /// Starts with the table of `start..end` in the virtual base for one of `bytes`: codes the order of its types.
    /// `truth` is what the encoder makes.
    ///
    /// # Errors
    /// [`SectionError`].
    pub(super) fn open<C: BitCoder>(
        coder: &mut C,
        base: &mut impl ReadAt,
        (start, end): (u64, u64),
        bytes: u64,
        runs_max: usize,
        truth: &[u8],
    ) -> Result<Self, SectionError> {
        coder.account(Purpose::Operations);
        let (names, mut words) = (Cached::new(), Cached::new());
        let mut head = [0; HEAD_BYTES as usize];
        for (at, word) in (0..).step_by(4).zip(head.chunks_exact_mut(4)) {
            word.copy_from_slice(&words.get::<4>(base, start + at, end)?);
        }
        let base_types = layout::types_bytes(&head).ok_or(BROKEN)?;
        let types = start + HEAD_BYTES;
        let parts = Parts { types, strings: types + base_types, end };
        if parts.strings >= end {
            return Err(BROKEN);
        }
        let given = Self::given::<C>(base, start, end, truth)?;
        let mut models = Box::new(TypeModels {
            numbers: Flag::new(TABLE_LOG2, Bit::new()),
            wrong: [[Bit::rare(); 8]; 3],
            ends: Bit::new(),
        });
        let there = if C::ENCODES { layout::types_bytes(truth).ok_or(BROKEN)? } else { 0 };
        let numbers = &mut models.numbers;
        let types_bytes = signed(numbers, coder, [0; CONTEXTS], what::SIZES, there.wrapping_sub(base_types) as i64);
        let types_bytes = base_types.wrapping_add(types_bytes as u64);
        let strings_bytes = bytes.checked_sub(HEAD_BYTES).and_then(|bytes| bytes.checked_sub(types_bytes));
        let strings_bytes = strings_bytes.filter(|bytes| *bytes > 0 && *bytes < NEW.into()).ok_or(BROKEN)?;
        let numbered = Numbered::code(coder, numbers, &mut words, base, parts, runs_max, &given.steps)?;
        let mut strings = Runs::new(runs_max.saturating_sub(numbered.runs.len()));
        strings.push(0, 0)?;
        Ok(Self {
            models,
            given,
            base: parts,
            types_bytes,
            strings_bytes,
            made: 0,
            numbered,
            strings,
            cursor: 1,
            last_string: 1,
            id: 1,
            run: 0,
            record: Record::default(),
            base_next: 0,
            names,
            words,
            history: 0,
        })
    }

    #[cfg(any(feature = "encode", test))]
    fn given<C: BitCoder>(base: &mut impl ReadAt, start: u64, end: u64, truth: &[u8]) -> Result<Given, SectionError> {
        if !C::ENCODES {
            return Ok(Given::default());
        }
        let mut old = alloc::vec![0; (end - start) as usize];
        base.read_at(start, &mut old).map_err(SectionError::Base)?;
        survey::survey(&old, truth).ok_or(BROKEN)
    }

    #[cfg(not(any(feature = "encode", test)))]
    fn given<C: BitCoder>(_: &mut impl ReadAt, _: u64, _: u64, _: &[u8]) -> Result<Given, SectionError> {
        Ok(Given::default())
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        HEAD_BYTES + self.types_bytes + self.strings_bytes - self.made
    }

    /// Makes the next bytes, as many as fit but for a record's entry; gives how many. `truth` is what the encoder makes.
    ///
    /// # Errors
    /// [`SectionError`].
    pub(super) fn next<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        out: &mut [u8],
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        coder.account(Purpose::References);
        let mut at = 0;
        while self.left() > 0 && at + HEAD_BYTES as usize <= out.len() {
            let rest = if C::ENCODES { &truth[at..] } else { truth };
            let bytes = if self.made == 0 {
                out[at..at + HEAD_BYTES as usize].copy_from_slice(&layout::head(self.types_bytes, self.strings_bytes));
                HEAD_BYTES as usize
            } else if self.made < HEAD_BYTES + self.types_bytes {
                let mut made = [0; 3];
                let words = if self.record.left == 0 {
                    self.head(coder, base, &mut made, rest)?
                } else {
                    self.entry(coder, base, &mut made, rest)?
                };
                for (word, made) in out[at..].chunks_exact_mut(4).zip(&made[..words]) {
                    word.copy_from_slice(&made.to_le_bytes());
                }
                let bytes = 4 * words;
                if self.made + bytes as u64 > HEAD_BYTES + self.types_bytes {
                    return Err(BROKEN);
                }
                bytes
            } else {
                self.text(coder, models, base, &mut out[at..], rest)?
            };
            self.made += bytes as u64;
            at += bytes;
            if self.made == HEAD_BYTES + self.types_bytes {
                self.end_types(coder, base)?;
            }
            if coder.failed() {
                return Err(FormatError::Truncated.into());
            }
        }
        Ok(at)
    }

    /// Makes the three words that a record starts with.
    fn head<C: BitCoder>(
        &mut self,
        coder: &mut C,
        base: &mut impl ReadAt,
        made: &mut [u32; 3],
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        let (run, base_id) = self.numbered.runs.base_of(self.id, self.run).ok_or(BROKEN)?;
        let mut old = None;
        if let Some(base_id) = base_id {
            let is_next = run == self.run && self.base_next > 0;
            let at = match is_next {
                true => self.base_next,
                false => self.numbered.record(&mut self.words, base, self.base, base_id)?,
            };
            old = Some((at, self.words.words::<3>(base, at, self.base.strings)?));
        }
        if run != self.run || self.id == 1 {
            self.numbered.runs.set_place(run, (self.made - HEAD_BYTES) as u32);
        }
        self.run = run;
        let of_old = |word: usize| old.map(|(_, words)| words[word]);
        self.record = Record { differs: old.is_none(), ..Record::default() };
        made[0] = self.name(coder, base, of_old(0), word(truth, 0))?;
        made[1] = self.word(coder, Role::Other, of_old(1), 0, base_id, word(truth, 1));
        let kind = Kind::of(made[1]).ok_or(BROKEN)?;
        let role = if kind.leads() { Role::Type } else { Role::Other };
        made[2] = self.word(coder, role, of_old(2), 0, base_id, word(truth, 2));
        let record = &mut self.record;
        (record.kind, record.left) = (kind, kind.entries(made[1]));
        self.base_next = 0;
        if let Some((at, words)) = old {
            let old_kind = Kind::of(words[1]).ok_or(BROKEN)?;
            record.next = at + RECORD_BYTES;
            record.end = record.next + 4 * u64::from(old_kind.entries(words[1])) * old_kind.entry().len() as u64;
            self.base_next = record.end;
            record.follows = words[1] == made[1];
            if old_kind != kind {
                record.next = record.end;
            }
        }
        self.id = self.id.checked_add(1).ok_or(BROKEN)?;
        Ok(3)
    }

    /// Makes the next entry of a record.
    fn entry<C: BitCoder>(
        &mut self,
        coder: &mut C,
        base: &mut impl ReadAt,
        made: &mut [u32; 3],
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        let roles = self.record.kind.entry();
        let bytes = 4 * roles.len() as u64;
        let mut old = None;
        if !self.record.follows && self.record.next < self.record.end {
            // 0: the base's next one; 1: a new one; else so many more are left out.
            let given = if C::ENCODES { self.skipped(base, truth)? } else { 0 };
            let contexts = [self.record.kind.number(), 0, 1];
            let step = self.models.numbers.number(coder, contexts, what::ENTRY, given);
            if step != 1 {
                let skipped = step.saturating_sub(1).checked_mul(bytes).ok_or(BROKEN)?;
                self.record.next = self.record.next.checked_add(skipped).ok_or(BROKEN)?;
                old = Some(());
            }
        } else if self.record.follows {
            old = Some(());
        }
        let mut words = [None; 3];
        if old.is_some() {
            for (at, word) in (0..).step_by(4).zip(words.iter_mut().take(roles.len())) {
                let bytes = self.words.get::<4>(base, self.record.next + at, self.record.end)?;
                *word = Some(u32::from_le_bytes(bytes));
            }
            self.record.next += bytes;
        }
        let base_id = self.numbered.runs.base_of(self.id - 1, self.run).and_then(|(_, id)| id);
        for (at, role) in roles.iter().enumerate() {
            made[at] = match role {
                Role::Name => self.name(coder, base, words[at], word(truth, at))?,
                role => self.word(coder, *role, words[at], self.record.before[at], base_id, word(truth, at)),
            };
        }
        self.record.before = *made;
        self.record.left -= 1;
        Ok(roles.len())
    }

    /// How the encoder says the next entry.
    fn skipped(&mut self, base: &mut impl ReadAt, truth: &[u8]) -> Result<u64, SectionError> {
        let roles = self.record.kind.entry();
        let (bytes, has_names) = (4 * roles.len() as u64, roles.first() == Some(&Role::Name));
        let mut at = self.record.next;
        for skipped in 0u64.. {
            if at >= self.record.end || skipped > 64 {
                break;
            }
            let old = u32::from_le_bytes(self.words.get::<4>(base, at, self.record.end)?);
            let is_same = match has_names {
                true => self.given.base_of(word(truth, 0)) == Some(old),
                false => self.led(old) == word(truth, 0),
            };
            if is_same {
                return Ok(if skipped == 0 { 0 } else { skipped + 1 });
            }
            at += bytes;
        }
        Ok(1)
    }

    /// Where the base's type went, as far as known.
    fn led(&self, old: u32) -> u32 {
        if old == 0 { 0 } else { self.numbered.runs.target_of(old, self.numbered.count + 1).unwrap_or(0) }
    }

    /// Codes a word that is no name.
    fn word<C: BitCoder>(
        &mut self,
        coder: &mut C,
        role: Role,
        old: Option<u32>,
        before: u32,
        base_id: Option<u32>,
        given: u32,
    ) -> u32 {
        let (mut known, mut expected) = (old.is_some(), old.unwrap_or(before));
        if let (Role::Type, Some(old)) = (role, old)
            && old != 0
        {
            let led = self.numbered.runs.target_of(old, self.numbered.count + 1);
            known = led.is_some();
            // As far from the type at work as in the base.
            expected = led.unwrap_or_else(|| old.wrapping_sub(base_id.unwrap_or(0)).wrapping_add(self.id));
        }
        if role == Role::Type && old.is_none() && before == 0 {
            expected = self.id;
        }
        let differs = &mut self.record.differs;
        let bit = &mut self.models.wrong[role as usize][usize::from(*differs) | usize::from(known) << 1];
        if !bit.code(coder, given != expected) {
            return expected;
        }
        *differs = true;
        let contexts = [self.record.kind.number(), u32::from(known), u32::from(old.is_some())];
        let step = i64::from(given.wrapping_sub(expected) as i32);
        let step = signed(&mut self.models.numbers, coder, contexts, what::WORD + role as u32, step);
        expected.wrapping_add(step as u32)
    }

    fn advance(&mut self, bytes: u64) -> Result<(), SectionError> {
        let cursor = u64::from(self.cursor).saturating_add(bytes);
        if bytes == 0 || cursor > self.strings_bytes {
            return Err(BROKEN);
        }
        self.cursor = cursor as u32;
        Ok(())
    }

    /// All types are made: puts in strings that none of them uses.
    fn end_types<C: BitCoder>(&mut self, coder: &mut C, base: &mut impl ReadAt) -> Result<(), SectionError> {
        if self.record.left > 0 || self.id != self.numbered.count + 1 {
            return Err(BROKEN);
        }
        while u64::from(self.cursor) < self.strings_bytes {
            let is_known = C::ENCODES && self.way_to_put() == name::KNOWN;
            let is_known = self.models.ends.code(coder, is_known);
            self.put_string(coder, base, is_known)?;
            if coder.failed() {
                return Err(FormatError::Truncated.into());
            }
        }
        self.run = 0;
        let (numbered, words, parts) = (&mut self.numbered, &mut self.words, self.base);
        let mut runs = core::mem::replace(&mut numbered.runs, Runs::new(0));
        runs.place_in_bytes(|id| Ok((numbered.record(words, base, parts, id)? - parts.types) as u32))?;
        numbered.runs = runs;
        Ok(())
    }

    /// Makes bytes of strings.
    fn text<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut Models,
        base: &mut impl ReadAt,
        out: &mut [u8],
        truth: &[u8],
    ) -> Result<usize, SectionError> {
        let at = (self.made - HEAD_BYTES - self.types_bytes) as u32;
        let (run, from) = self.strings.base_of(at, self.run).ok_or(BROKEN)?;
        self.run = run;
        let bytes = ((self.strings.end_of(run, self.cursor) - at) as usize).min(out.len());
        if let Some(from) = from {
            let from = self.base.strings + u64::from(from);
            if from + bytes as u64 > self.base.end {
                return Err(BROKEN);
            }
            base.read_at(from, &mut out[..bytes]).map_err(SectionError::Base)?;
            return Ok(bytes);
        }
        coder.account(Purpose::Literals);
        for at in 0..bytes {
            let contexts: [u32; LITERAL_CONTEXTS] = core::array::from_fn(|n| {
                let kept = self.history & ((1 << (8 * n.min(6))) - 1);
                super::flags::hash(kept as u32 ^ (kept >> 32) as u32, n as u32 + 40)
            });
            let truth = if C::ENCODES { truth[at] } else { 0 };
            let selector = (RegionKind::Types as usize & 15) << 3;
            let byte = models.literal.code(coder, &contexts, (selector, self.history as u8), truth);
            self.history = self.history << 8 | u64::from(byte);
            out[at] = byte;
        }
        coder.account(Purpose::References);
        Ok(bytes)
    }

    /// Where long stretches of the base went, put among `copies` in their order; `max` at most. The table starts at
    /// `start` of the section.
    pub(super) fn stretches(self, start: u64, max: usize, copies: &mut Vec<SectionCopy>) {
        let Self { numbered, strings, .. } = self;
        let types_at = start + HEAD_BYTES;
        let strings_at = types_at + self.types_bytes;
        let parts = [
            (&numbered.runs, self.types_bytes as u32, self.base.types, types_at),
            (&strings, self.cursor, self.base.strings, strings_at),
        ];
        let long = || {
            parts.into_iter().flat_map(|(runs, end, of_base, of_target)| {
                let stretch = move |run| {
                    let (base, target) = runs.run(run);
                    let length = runs.end_of(run, end).checked_sub(target)?;
                    let target = u32::try_from(of_target + u64::from(target)).ok()?;
                    let copy = SectionCopy { base: of_base + u64::from(base), target, length };
                    (base != NEW && length >= STRETCH_BYTES_MIN).then_some(copy)
                };
                (0..runs.len()).filter_map(stretch)
            })
        };
        let place = copies.partition_point(|copy| u64::from(copy.target) < start);
        let count = long().count().min(max);
        copies.reserve_exact(count);
        let before = copies.len();
        copies.extend(long().take(count));
        let added = copies.len() - before;
        copies[place..].rotate_right(added);
    }
}

/// Stretches that are shorter say less than they take.
const STRETCH_BYTES_MIN: u32 = 24;

/// The regions of a table of types in the base and in the target, when both have one.
pub fn table_regions(base: &[Region], target: &[Region]) -> Option<(Region, Region)> {
    let types = |regions: &[Region]| regions.iter().find(|region| region.kind == RegionKind::Types).copied();
    Some((types(base)?, types(target)?))
}

/// Codes a signed number.
fn signed<C: BitCoder>(
    numbers: &mut Flag<CONTEXTS>,
    coder: &mut C,
    contexts: [u32; CONTEXTS],
    what: u32,
    value: i64,
) -> i64 {
    let folded = numbers.number(coder, contexts, what, ((value << 1) ^ (value >> 63)) as u64);
    (folded >> 1) as i64 ^ -((folded & 1) as i64)
}

/// A word of what the encoder makes; 0 for the decoder.
fn word(truth: &[u8], at: usize) -> u32 {
    truth.get(4 * at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

const _: () = assert!(MAGIC == 0xeb9f && RECORD_BYTES == 12);

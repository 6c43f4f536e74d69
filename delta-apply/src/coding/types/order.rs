//! The order of types: which of the base follow each other in the target.
//!
//! What follows a type is most often the next one of the base that was not there yet. Where it is not, that is one at
//! which an earlier run stopped, or one elsewhere, or a new one.

use super::layout::{Kind, RECORD_BYTES};
use super::runs::{NEW, Runs};
use super::words::Cached;
use super::{BROKEN, BitCoder, CONTEXTS, Flag, FormatError, Parts, SectionError, signed, what};
use crate::io::ReadAt;
use alloc::boxed::Box;
use alloc::vec;

/// Types of a table at most.
pub(super) const TYPES_MAX: u32 = 1 << 18;
/// Log2 of the types between two whose places are kept.
const KEPT_LOG2: u32 = 5;
/// Places where runs stopped that are remembered, and those among them that have a class.
const STOPS: usize = 32;
const CLASSES: usize = 12;

/// Types of the base, and the order of those of the target.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) runs: Runs,
    /// Types of the target.
    pub(super) count: u32,
    /// Types of the base and the places of some.
    base_count: u32,
    kept: Box<[u32]>,
}

/// Which types of the base were there, and where runs stopped.
pub(super) struct Past {
    used: Box<[u64]>,
    base_count: u32,
    stops: [u32; STOPS],
}

impl Past {
    pub(super) fn new(base_count: u32) -> Self {
        let words = base_count as usize / 64 + 1;
        Self { used: vec![0; words].into_boxed_slice(), base_count, stops: [0; STOPS] }
    }

    fn is_used(&self, id: u32) -> bool {
        self.used.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    pub(super) fn mark(&mut self, id: u32) {
        if let Some(word) = self.used.get_mut(id as usize / 64) {
            *word |= 1 << (id % 64);
        }
    }

    /// The first type from `id` on that was not there yet; one behind the last if there is none.
    pub(super) fn unused(&self, mut id: u32) -> u32 {
        while id <= self.base_count && self.is_used(id) {
            id += 1;
        }
        id
    }

    /// A run stopped in front of `id`.
    pub(super) fn stop(&mut self, id: u32) {
        self.stops.rotate_right(1);
        self.stops[0] = id;
    }

    /// Where runs may go on, the last that stopped first.
    fn candidates(&self) -> [u32; CLASSES] {
        let (mut candidates, mut found) = ([0; CLASSES], 0);
        for stop in self.stops.iter().filter(|stop| **stop > 0) {
            let id = self.unused(*stop);
            if id <= self.base_count && !candidates[..found].contains(&id) {
                candidates[found] = id;
                found += 1;
                if found == CLASSES {
                    break;
                }
            }
        }
        candidates
    }
}

impl Numbered {
    /// Bytes of memory beside runs: places of types, and which were used.
    pub(super) const BYTES: u64 = ((TYPES_MAX >> KEPT_LOG2) * 4 + TYPES_MAX / 8) as u64 + 256;

    /// Counts the types of the base, and codes the order of the target's. `steps` are the encoder's.
    pub(super) fn code<C: BitCoder>(
        coder: &mut C,
        numbers: &mut Flag<CONTEXTS>,
        words: &mut Cached,
        base: &mut impl ReadAt,
        parts: Parts,
        runs_max: usize,
        steps: &[(u32, u32)],
    ) -> Result<Self, SectionError> {
        let mut kept = vec![0; (TYPES_MAX >> KEPT_LOG2) as usize].into_boxed_slice();
        let (mut at, mut base_count) = (parts.types, 0u32);
        while at < parts.strings {
            if base_count % (1 << KEPT_LOG2) == 0 {
                *kept.get_mut((base_count >> KEPT_LOG2) as usize).ok_or(BROKEN)? = (at - parts.types) as u32;
            }
            at = behind(words, base, at, parts)?;
            base_count += 1;
        }
        let given: u64 = steps.iter().map(|(_, count)| u64::from(*count)).sum();
        let count = signed(numbers, coder, [0; CONTEXTS], what::SIZES, given as i64 - i64::from(base_count));
        let count = u32::try_from(count.wrapping_add(base_count.into())).ok();
        let count = count.filter(|count| *count < TYPES_MAX).ok_or(BROKEN)?;
        let mut made = Self { runs: Runs::new(runs_max), count, base_count, kept };
        made.order(coder, numbers, steps)?;
        made.runs.close();
        Ok(made)
    }

    fn order<C: BitCoder>(
        &mut self,
        coder: &mut C,
        numbers: &mut Flag<CONTEXTS>,
        steps: &[(u32, u32)],
    ) -> Result<(), SectionError> {
        let mut past = Past::new(self.base_count);
        let (mut id, mut last, mut classes, mut last_length) = (1, 0, 0u32, 0u32);
        let mut steps = steps.iter();
        while id <= self.count {
            let (start, length) = steps.next().copied().unwrap_or((0, 1));
            let candidates = past.candidates();
            let known = candidates.iter().position(|known| *known == start && *known != 0);
            let class = if start == NEW { CLASSES + 1 } else { known.unwrap_or(CLASSES) };
            let lengths = last_length.min(15);
            let contexts = [classes & 15, classes & 0xff, classes & 15 | lengths << 4];
            let class = numbers.number(coder, contexts, what::CLASS, class as u64) as usize;
            let start = match candidates.get(class) {
                Some(known) => *known,
                None if class == CLASSES => {
                    let step = i64::from(start) - i64::from(last);
                    let step = signed(numbers, coder, [0, classes & 15, lengths], what::FAR, step);
                    u32::try_from(step.wrapping_add(last.into())).map_err(|_| BROKEN)?
                }
                None => NEW,
            };
            classes = classes << 4 | class.min(15) as u32;
            let contexts = [classes & 15, classes & 0xff, lengths | (classes & 15) << 4];
            let length = numbers.number(coder, contexts, what::LENGTH, u64::from(length).wrapping_sub(1));
            let length = u32::try_from(length.saturating_add(1)).ok().filter(|length| *length <= self.count - id + 1);
            let length = length.ok_or(BROKEN)?;
            last_length = length;
            if coder.failed() {
                return Err(FormatError::Truncated.into());
            }
            if last > 0 {
                past.stop(last + 1);
            }
            if start == NEW {
                self.runs.push(NEW, id)?;
                id += length;
                continue;
            }
            let mut next = start;
            for step in 0..length {
                if next == 0 || next > self.base_count {
                    return Err(BROKEN);
                }
                if step == 0 || next != last + 1 {
                    self.runs.push(next, id)?;
                }
                past.mark(next);
                (last, id) = (next, id + 1);
                next = past.unused(next + 1);
            }
        }
        Ok(())
    }

    /// Where the record of a type of the base starts.
    pub(super) fn record(
        &self,
        words: &mut Cached,
        base: &mut impl ReadAt,
        parts: Parts,
        id: u32,
    ) -> Result<u64, SectionError> {
        let index = id.checked_sub(1).filter(|index| *index < self.base_count).ok_or(BROKEN)?;
        let mut at = parts.types + u64::from(*self.kept.get((index >> KEPT_LOG2) as usize).ok_or(BROKEN)?);
        for _ in 0..index % (1 << KEPT_LOG2) {
            at = behind(words, base, at, parts)?;
        }
        Ok(at)
    }
}

/// Where the record behind the one at `at` starts.
fn behind(words: &mut Cached, base: &mut impl ReadAt, at: u64, parts: Parts) -> Result<u64, SectionError> {
    let [info] = words.words::<1>(base, at + 4, parts.strings)?;
    let kind = Kind::of(info).ok_or(BROKEN)?;
    let end = at + RECORD_BYTES + 4 * u64::from(kind.entries(info)) * kind.entry().len() as u64;
    if end > parts.strings { Err(BROKEN) } else { Ok(end) }
}

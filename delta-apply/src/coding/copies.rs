//! The copies of a section: which stretches of the target resemble which of the base. What lies between them is new.
//!
//! The long ones are known before anything is made, since references are led by them. The short ones between two of them
//! come when it is their turn, and are forgotten again: no memory depends on how many there are.

use super::bits::Bit;
use super::coder::BitCoder;
use super::flags::Flag;
use alloc::vec::Vec;
use delta_format::FormatError;

/// A stretch of the target that resembles one of the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionCopy {
    /// Where it starts in the virtual base.
    pub base: u64,
    /// Where it starts in the section.
    pub target: u32,
    /// Bytes, at least one.
    pub length: u32,
}

impl SectionCopy {
    /// The first byte of the section behind it.
    pub fn end(&self) -> u64 {
        u64::from(self.target) + u64::from(self.length)
    }

    /// Base minus target.
    pub fn diagonal(&self) -> i64 {
        (self.base as i64).wrapping_sub(self.target.into())
    }
}

/// Diagonals that were used lately.
const RECENT: usize = 4;

/// Contexts of each number of a copy.
const CONTEXTS: usize = 6;

/// The models of copies.
#[derive(Debug)]
pub(super) struct CopyModels {
    pub(super) count: super::bits::Number,
    /// Whether another short copy comes before the next long one.
    more: [Bit; 4],
    numbers: Flag<CONTEXTS>,
}

impl CopyModels {
    /// Bytes of memory beside its own size.
    pub(super) const fn memory_bytes(numbers_log2: u32) -> u64 {
        Flag::<CONTEXTS>::memory_bytes(numbers_log2)
    }

    /// Knows nothing.
    pub(super) fn new(numbers_log2: u32) -> Self {
        Self { count: super::bits::Number::new(), more: [Bit::rare(); 4], numbers: Flag::new(numbers_log2, Bit::new()) }
    }
}

/// What the copies before say about the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopyState {
    recent: [i64; RECENT],
    /// Where the last copy ended.
    end: u64,
    /// How its diagonal was told, and that of the one before.
    classes: u32,
    gap: u32,
    step: i64,
    length: u32,
}

/// Bounds of a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Where it ends at the latest, in the section.
    pub(super) target_end: u64,
    /// Bytes of the virtual base.
    pub(super) base_bytes: u64,
}

impl CopyState {
    /// At the start of a section. `diagonal` is what the first copy is compared with.
    pub(super) fn new(diagonal: i64) -> Self {
        Self { recent: [diagonal; RECENT], end: 0, classes: 0, gap: 0, step: 0, length: 0 }
    }

    /// Expects `diagonal` next to the last one.
    pub(super) fn expect(&mut self, diagonal: i64) {
        if self.recent[0] != diagonal {
            let found = self.recent.iter().position(|known| *known == diagonal).unwrap_or(RECENT - 1);
            self.recent[1..=found].rotate_right(1);
            self.recent[1] = diagonal;
        }
    }

    /// A copy was made that was known before.
    pub(super) fn pass(&mut self, copy: SectionCopy) {
        let found = self.recent.iter().position(|known| *known == copy.diagonal()).unwrap_or(RECENT - 1);
        self.recent[..=found].rotate_right(1);
        self.recent[0] = copy.diagonal();
        self.end = copy.end();
        (self.gap, self.step) = (0, 0);
        self.length = copy.length;
    }

    /// Codes a copy. `kind` says what the section holds behind the last one.
    ///
    /// # Errors
    /// [`FormatError`] when it is empty, or leaves its bounds.
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        models: &mut CopyModels,
        copy: SectionCopy,
        kind: u32,
        bounds: Bounds,
    ) -> Result<SectionCopy, FormatError> {
        let outside = FormatError::BadField("copy range");
        let numbers = &mut models.numbers;
        let size = |number: u32| 32 - number.leading_zeros();
        let classes = self.classes & 63;
        let (last_gap, last_length) = (self.gap.min(255), size(self.length));
        let last_step = (self.step.clamp(-500, 500) + 500) as u32;
        let contexts = [
            classes & 7,
            kind << 8 | classes,
            last_gap << 8 | classes & 7,
            last_length << 8 | size(self.gap) << 4 | classes & 7,
            last_step << 8 | last_gap,
            last_step,
        ];
        let gap = numbers.number(coder, contexts, 0, u64::from(copy.target).wrapping_sub(self.end));
        let target = u32::try_from(self.end.saturating_add(gap)).map_err(|_| outside)?;
        let gap = u32::try_from(gap).unwrap_or(u32::MAX);

        let diagonal = copy.diagonal();
        let class = self.recent.iter().position(|known| *known == diagonal).unwrap_or(RECENT);
        let contexts = [
            size(gap) << 3 | classes & 7,
            gap.min(255) << 6 | classes,
            kind << 8 | size(gap),
            last_step << 8 | gap.min(255),
            last_gap << 8 | gap.min(255),
            last_length << 8 | size(gap),
        ];
        let chosen = numbers.number(coder, contexts, 1, class as u64) as usize;
        let diagonal = match self.recent.get(chosen) {
            Some(known) => *known,
            None => {
                let contexts = [
                    size(gap) << 3,
                    gap.min(255),
                    last_step,
                    last_step << 8 | gap.min(255),
                    last_length << 3 | size(gap) << 8,
                    kind << 8 | classes,
                ];
                let step = diagonal.wrapping_sub(self.recent[0]);
                let step = numbers.number(coder, contexts, 2, ((step << 1) ^ (step >> 63)) as u64);
                self.recent[0].wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64))
            }
        };
        let step = diagonal.wrapping_sub(self.recent[0]);
        let chosen = chosen.min(RECENT) as u32;
        let now_step = (step.clamp(-500, 500) + 500) as u32;
        let contexts = [
            chosen << 5 | size(gap),
            last_length << 3 | chosen,
            now_step,
            kind << 3 | chosen,
            now_step << 8 | gap.min(255),
            gap.min(255) << 3 | chosen,
        ];
        let length = numbers.number(coder, contexts, 3, u64::from(copy.length).wrapping_sub(1));
        let length = u32::try_from(length.saturating_add(1)).map_err(|_| outside)?;
        let copy = SectionCopy { base: diagonal.wrapping_add(target.into()) as u64, target, length };
        let base_end = copy.base.checked_add(length.into());
        if copy.end() > bounds.target_end || base_end.is_none_or(|end| end > bounds.base_bytes) {
            return Err(outside);
        }
        if coder.failed() {
            return Err(FormatError::Truncated);
        }
        self.pass(copy);
        (self.gap, self.step) = (gap, step);
        self.classes = self.classes << 3 | chosen;
        Ok(copy)
    }

    /// Codes whether another copy comes before the next known one.
    pub(super) fn more<C: BitCoder>(&self, coder: &mut C, models: &mut CopyModels, room: u64, more: bool) -> bool {
        let class = match room {
            0..16 => 0,
            16..64 => 1,
            64..256 => 2,
            _ => 3,
        };
        models.more[class].code(coder, more)
    }
}

/// Codes the long copies of a section of `target_bytes`, sorted and disjoint. The decoder's come in empty.
///
/// # Errors
/// [`FormatError`] when there are more than `ops_max`, or one is empty, or leaves the section or the base.
pub(super) fn code_copies<C: BitCoder>(
    coder: &mut C,
    models: &mut CopyModels,
    mut copies: Vec<SectionCopy>,
    mut state: CopyState,
    kind_at: impl Fn(u64) -> u32,
    bounds: Bounds,
    ops_max: u64,
) -> Result<Vec<SectionCopy>, FormatError> {
    let count = models.count.code(coder, copies.len() as u64);
    if count > ops_max {
        return Err(FormatError::LimitExceeded("operations of a section"));
    }
    if !C::ENCODES {
        copies.reserve_exact(count as usize);
    }
    for index in 0..count as usize {
        let copy = if C::ENCODES { copies[index] } else { SectionCopy { base: 0, target: 0, length: 0 } };
        let copy = state.code(coder, models, copy, kind_at(state.end), bounds)?;
        if !C::ENCODES {
            copies.push(copy);
        }
    }
    Ok(copies)
}

//! The copies of a section: which stretches of the target resemble which of the base. What lies between them is new.

use super::bits::{Bit, Number};
use super::coder::BitCoder;
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

/// The models of copies.
#[derive(Debug, Default)]
pub(super) struct CopyModels {
    count: Number,
    gap: [Number; 3],
    length: [Number; 3],
    step: Number,
    recent: [[Bit; RECENT + 1]; 4],
    has_gap: [Bit; 4],
}

impl CopyModels {
    /// Codes the copies of a section of `target_bytes`, sorted and disjoint. `diagonal` is what the first is compared
    /// with. The decoder's come in empty.
    ///
    /// # Errors
    /// [`FormatError`] when there are more than `ops_max`, or one is empty, or leaves the section or the base.
    pub(super) fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        mut copies: Vec<SectionCopy>,
        target_bytes: u64,
        base_bytes: u64,
        diagonal: i64,
        ops_max: u64,
    ) -> Result<Vec<SectionCopy>, FormatError> {
        let count = self.count.code(coder, copies.len() as u64);
        if count > ops_max {
            return Err(FormatError::LimitExceeded("operations of a section"));
        }
        if !C::ENCODES {
            copies.reserve_exact(count as usize);
        }
        let outside = FormatError::BadField("copy range");
        let mut recent = [diagonal; RECENT];
        let (mut end, mut last) = (0u64, 0usize);
        for index in 0..count as usize {
            let copy = if C::ENCODES { copies[index] } else { SectionCopy { base: 0, target: 0, length: 0 } };
            let gap = u64::from(copy.target).wrapping_sub(end);
            let gap = match self.has_gap[last].code(coder, gap > 0) {
                true => self.gap[last.min(2)].code(coder, gap.wrapping_sub(1)).saturating_add(1),
                false => 0,
            };
            let target = u32::try_from(end.saturating_add(gap)).map_err(|_| outside)?;
            let diagonal = copy.diagonal();
            let class = recent.iter().position(|known| *known == diagonal).unwrap_or(RECENT);
            let flags = &mut self.recent[usize::from(gap > 0) * 2 + usize::from(last == 2)];
            let mut chosen = 0;
            while chosen < RECENT && !flags[chosen].code(coder, chosen == class) {
                chosen += 1;
            }
            let diagonal = match recent.get(chosen) {
                Some(known) => *known,
                None => recent[0].wrapping_add(self.step.code_signed(coder, diagonal.wrapping_sub(recent[0]))),
            };
            let length = self.length[chosen.min(2)].code(coder, u64::from(copy.length).wrapping_sub(1));
            let length = u32::try_from(length.saturating_add(1)).map_err(|_| outside)?;
            let copy = SectionCopy { base: diagonal.wrapping_add(target.into()) as u64, target, length };
            end = copy.end();
            if end > target_bytes || copy.base.checked_add(length.into()).is_none_or(|end| end > base_bytes) {
                return Err(outside);
            }
            if coder.failed() {
                return Err(FormatError::Truncated);
            }
            if !C::ENCODES {
                copies.push(copy);
            }
            recent[..=chosen.min(RECENT - 1)].rotate_right(1);
            recent[0] = diagonal;
            last = match chosen {
                0 => 1,
                chosen if chosen < RECENT => 2,
                _ => 3,
            };
        }
        Ok(copies)
    }
}

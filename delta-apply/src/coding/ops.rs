//! The operations of a section: where each stretch of the target comes from.

use super::bits::{Bit, Number};
use super::coder::BitCoder;
use alloc::vec::Vec;
use delta_format::FormatError;

/// New bytes, then bytes of the base. The last operation of a section may copy nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionOp {
    /// Bytes that are new.
    pub add: u64,
    /// Where the copy starts in the virtual base.
    pub base: u64,
    /// Bytes that are copied.
    pub length: u64,
}

/// Diagonals (base minus target) that were used lately.
const RECENT: usize = 4;

/// The models of operations.
#[derive(Debug, Default)]
pub struct OpModels {
    count: Number,
    add: [Number; 3],
    length: [Number; 3],
    step: Number,
    recent: [[Bit; RECENT + 1]; 4],
    has_add: [Bit; 4],
}

impl OpModels {
    /// Codes the operations of a section of `target_bytes`. `start` is the diagonal that the first copy is compared
    /// with. The decoder's `ops` come in empty.
    ///
    /// # Errors
    /// [`FormatError`] when there are more than `ops_max`, when they do not make up the section, or leave the base.
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        ops: &mut Vec<SectionOp>,
        target_bytes: u64,
        base_bytes: u64,
        start: i64,
        ops_max: u64,
    ) -> Result<(), FormatError> {
        let count = self.count.code(coder, ops.len() as u64);
        if count > ops_max {
            return Err(FormatError::LimitExceeded("operations of a section"));
        }
        if !C::ENCODES {
            ops.reserve_exact(count as usize);
        }
        let mut recent = [start; RECENT];
        let (mut made, mut last) = (0u64, 0usize);
        for index in 0..count as usize {
            let op = if C::ENCODES { ops[index] } else { SectionOp { add: 0, base: 0, length: 0 } };
            let has_add = self.has_add[last].code(coder, op.add > 0);
            let add = if has_add { self.add[last.min(2)].code(coder, op.add.wrapping_sub(1)).saturating_add(1) } else { 0 };
            let at = made.checked_add(add).filter(|at| *at <= target_bytes);
            let at = at.ok_or(FormatError::BadField("operation length"))?;
            let diagonal = (op.base as i64).wrapping_sub(at as i64);
            let class = recent.iter().position(|known| *known == diagonal).unwrap_or(RECENT);
            let mut chosen = 0;
            // Without new bytes before it, a copy on the last diagonal would be part of the last copy.
            let flags = &mut self.recent[usize::from(has_add) * 2 + usize::from(last == 2)];
            while chosen < RECENT && !flags[chosen].code(coder, chosen == class) {
                chosen += 1;
            }
            let diagonal = match recent.get(chosen) {
                Some(known) => *known,
                None => recent[0].wrapping_add(self.step.code_signed(coder, diagonal.wrapping_sub(recent[0]))),
            };
            let length = self.length[chosen.min(2)].code(coder, op.length);
            let base = (at as i64).wrapping_add(diagonal) as u64;
            made = at.saturating_add(length);
            if made > target_bytes || (length > 0 && base.checked_add(length).is_none_or(|end| end > base_bytes)) {
                return Err(FormatError::BadField("copy range"));
            }
            if (add == 0 && length == 0) || coder.failed() {
                return Err(FormatError::BadField("operation length"));
            }
            if !C::ENCODES {
                ops.push(SectionOp { add, base: if length > 0 { base } else { 0 }, length });
            }
            recent[..=chosen.min(RECENT - 1)].rotate_right(1);
            recent[0] = diagonal;
            last = if chosen == 0 { 1 } else if chosen < RECENT { 2 } else { 3 };
        }
        if made == target_bytes { Ok(()) } else { Err(FormatError::BadField("operation length")) }
    }
}

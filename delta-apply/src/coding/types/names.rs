//! Names in a table of types: places of strings, which lie in the order of their first use.

use super::layout::Role;
use super::runs::NEW;
use super::{BROKEN, Types, name, signed, what};
use crate::coding::coder::BitCoder;
use crate::coding::section::SectionError;
use crate::io::ReadAt;
use delta_format::FormatError;

impl Types {
    /// Codes the place of a name. Strings are put in behind the last one when they are first used.
    pub(super) fn name<C: BitCoder>(
        &mut self,
        coder: &mut C,
        base: &mut impl ReadAt,
        old: Option<u32>,
        given: u32,
    ) -> Result<u32, SectionError> {
        let expected =
            |types: &Self| old.map_or(0, |old| types.strings.target_of(old, types.cursor).unwrap_or(types.cursor));
        let is_fresh = |types: &Self| old.is_some_and(|old| types.strings.target_of(old, types.cursor).is_none());
        let is_right =
            |types: &Self| given == expected(types) && (!is_fresh(types) || types.given.base_of(types.cursor) == old);
        let state =
            usize::from(self.record.differs) | usize::from(is_fresh(self)) << 1 | usize::from(old.is_none()) << 2;
        let wrong = C::ENCODES && !is_right(self);
        if self.models.wrong[Role::Name as usize][state].code(coder, wrong) {
            self.record.differs = true;
            let mut last = None;
            loop {
                let way = match last {
                    _ if !C::ENCODES => 0,
                    _ if is_right(self) => name::EXPECTED,
                    Some(last) if last == given => name::LAST,
                    _ if given < self.cursor => name::PLACE,
                    _ => self.way_to_put(),
                };
                let with_last = u32::from(last.is_some()) | (2 * u32::from(is_fresh(self)));
                let contexts = [0, u32::from(old.is_some()), with_last];
                let way = self.models.numbers.number(coder, contexts, what::STRING, way);
                match (way, last) {
                    (name::EXPECTED, _) => break,
                    (name::KNOWN | name::NEW, _) => {
                        last = Some(self.cursor);
                        self.put_string(coder, base, way == name::KNOWN)?;
                    }
                    (name::LAST, Some(last)) => return Ok(last),
                    (name::PLACE, _) => {
                        let place = self.models.numbers.number(coder, [0, 1, 2], what::PLACE, given.into());
                        return u32::try_from(place).map_err(|_| BROKEN);
                    }
                    _ => return Err(BROKEN),
                }
                if coder.failed() {
                    return Err(FormatError::Truncated.into());
                }
            }
        }
        let made = expected(self);
        if let Some(old) = old.filter(|_| is_fresh(self)) {
            self.put_known(base, old)?;
        }
        Ok(made)
    }

    /// How the encoder puts in the next string.
    pub(super) fn way_to_put(&self) -> u64 {
        let known = self.given.base_of(self.cursor);
        let is_fresh = known.is_some_and(|known| self.strings.target_of(known, self.cursor).is_none());
        if is_fresh { name::KNOWN } else { name::NEW }
    }

    /// Codes a string that is put in behind the last one.
    pub(super) fn put_string<C: BitCoder>(
        &mut self,
        coder: &mut C,
        base: &mut impl ReadAt,
        is_known: bool,
    ) -> Result<(), SectionError> {
        let numbers = &mut self.models.numbers;
        if is_known {
            let given = if C::ENCODES { self.given.base_of(self.cursor).unwrap_or(0) } else { 0 };
            let step = i64::from(given) - i64::from(self.last_string);
            let step = signed(numbers, coder, [0, 1, 3], what::STEP, step);
            let old = u32::try_from(i64::from(self.last_string).wrapping_add(step)).map_err(|_| BROKEN)?;
            return self.put_known(base, old);
        }
        let given = if C::ENCODES { self.given.end_of(self.cursor).wrapping_sub(self.cursor) } else { 0 };
        let bytes = numbers.number(coder, [0, 1, 4], what::BYTES, given.into());
        if !self.strings.is_new_at_end() {
            self.strings.push(NEW, self.cursor)?;
        }
        self.advance(bytes)
    }

    /// Puts a string of the base behind the last one.
    fn put_known(&mut self, base: &mut impl ReadAt, old: u32) -> Result<(), SectionError> {
        let from = self.base.strings + u64::from(old);
        let mut bytes = 0;
        while self.names.get::<1>(base, from + bytes, self.base.end)? != [0] {
            bytes += 1;
        }
        bytes += 1;
        if self.strings.next_base(self.cursor) != Some(old) {
            self.strings.push(old, self.cursor)?;
        }
        self.last_string = old.saturating_add(bytes as u32);
        self.advance(bytes)
    }
}

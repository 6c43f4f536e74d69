//! Little-endian numbers in untrusted bytes: an offset that reaches out of them is nothing, never a panic.

/// The bytes that numbers are read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(self, offset: u64) -> Option<[u8; N]> {
        self.range(offset, N as u64)?.try_into().ok()
    }

    pub(crate) fn byte(self, offset: u64) -> Option<u8> {
        self.array::<1>(offset).map(|[byte]| byte)
    }

    pub(crate) fn half(self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    pub(crate) fn word(self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    pub(crate) fn long(self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// A word of 4 or 8 bytes.
    pub(crate) fn number(self, offset: u64, is_long: bool) -> Option<u64> {
        if is_long { self.long(offset) } else { self.word(offset).map(u64::from) }
    }

    /// `length` bytes from `offset`.
    pub(crate) fn range(self, offset: u64, length: u64) -> Option<&'a [u8]> {
        let from = usize::try_from(offset).ok()?;
        let to = usize::try_from(offset.checked_add(length)?).ok()?;
        self.0.get(from..to)
    }

    /// What is there of `length` bytes from `offset`.
    pub(crate) fn range_cut(self, offset: u64, length: u64) -> &'a [u8] {
        let end = self.0.len() as u64;
        let (from, to) = (offset.min(end), offset.saturating_add(length).min(end));
        self.range(from, to - from).unwrap_or_default()
    }

    /// The text from `offset` to the next zero byte, at most `length_max` bytes of it.
    pub(crate) fn text(self, offset: u64, length_max: u64) -> Option<&'a [u8]> {
        let tail = self.range_cut(offset, length_max);
        let end = tail.iter().position(|byte| *byte == 0)?;
        tail.get(..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_with_the_bytes() {
        let fields = Fields(&[1, 2, 3, 4, 0, 0, 0, 0, 9]);
        assert_eq!(fields.word(0), Some(0x0403_0201));
        assert_eq!((fields.long(1), fields.long(2)), (Some(0x0900_0000_0004_0302), None));
        assert_eq!(fields.word(u64::MAX), None);
        assert_eq!(fields.text(2, 9), Some(&[3, 4][..]));
        assert_eq!(fields.text(0, 3), None);
        assert_eq!(fields.range_cut(7, u64::MAX), [0, 9]);
    }
}

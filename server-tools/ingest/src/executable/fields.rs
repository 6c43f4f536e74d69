//! Little-endian numbers at places in untrusted bytes; nothing where the bytes end before.

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(self, at: u64) -> Option<[u8; N]> {
        self.0.get(usize::try_from(at).ok()?..)?.first_chunk().copied()
    }

    pub(super) fn byte(self, at: u64) -> Option<u8> {
        self.array(at).map(|[byte]| byte)
    }

    pub(super) fn half(self, at: u64) -> Option<u64> {
        self.array(at).map(|bytes| u16::from_le_bytes(bytes).into())
    }

    pub(super) fn word(self, at: u64) -> Option<u64> {
        self.array(at).map(|bytes| u32::from_le_bytes(bytes).into())
    }

    pub(super) fn long(self, at: u64) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// A number of 64 or 32 bits.
    pub(super) fn number(self, at: u64, is_long: bool) -> Option<u64> {
        if is_long { self.long(at) } else { self.word(at) }
    }

    /// The bytes from `at` to the next zero, at most 64 of them.
    pub(super) fn text(self, at: u64) -> Option<&'a [u8]> {
        let bytes = self.0.get(usize::try_from(at).ok()?..)?;
        let length = bytes.iter().take(64).take_while(|byte| **byte != 0).count();
        Some(&bytes[..length])
    }

    /// The `length` bytes from `at` on.
    pub(super) fn bytes(self, at: u64, length: u64) -> Option<&'a [u8]> {
        self.0.get(usize::try_from(at).ok()?..)?.get(..usize::try_from(length).ok()?)
    }

    /// Whether `length` bytes from `at` are there.
    pub(super) fn holds(self, at: u64, length: u64) -> bool {
        at.checked_add(length).is_some_and(|end| end <= self.0.len() as u64)
    }
}

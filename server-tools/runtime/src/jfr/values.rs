//! Integers, texts and values of a recording.

/// A value that was read.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Not kept: a number.
    Number,
    /// A text; nothing stands for it when it is null.
    Text(String),
    /// A constant of a pool: type and number.
    Constant(u64, u64),
    /// The fields of a type, in its order.
    Fields(Vec<Value>),
    /// A list.
    List(Vec<Value>),
}

/// Bytes that are read from front to back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, taken: 0 }
    }

    /// Makes `size` bytes from the start the end.
    pub(super) fn end_at(&mut self, size: usize) -> Option<()> {
        self.rest = self.rest.get(..size.checked_sub(self.taken)?)?;
        Some(())
    }

    pub(super) fn take(&mut self, bytes: u64) -> Option<&'a [u8]> {
        let bytes = usize::try_from(bytes).ok()?;
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        (self.rest, self.taken) = (rest, self.taken + bytes);
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A compressed integer: seven bits a byte, the low ones first, all eight of the ninth.
    pub(super) fn integer(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        Some(value | u64::from(self.byte()?) << 56)
    }

    /// A text; `strings` is the type of texts, for those in a pool.
    pub(super) fn text(&mut self, strings: u64) -> Option<Value> {
        Some(match self.byte()? {
            0 | 1 => Value::Text(String::new()),
            2 => Value::Constant(strings, self.integer()?),
            3 => {
                let bytes = self.integer()?;
                Value::Text(String::from_utf8_lossy(self.take(bytes)?).into_owned())
            }
            4 => {
                let count = self.integer()?;
                let mut units = Vec::new();
                for _ in 0..count {
                    units.push(self.integer()? as u16);
                }
                Value::Text(String::from_utf16_lossy(&units))
            }
            5 => {
                let bytes = self.integer()?;
                Value::Text(self.take(bytes)?.iter().map(|byte| char::from(*byte)).collect())
            }
            _ => return None,
        })
    }
}

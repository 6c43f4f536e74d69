//! The wire format of protocol buffers, as far as profiles need it (protobuf.dev, "Encoding").

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<'a> {
    /// An integer, with its bits as they are.
    Integer(u64),
    /// A text, a message, or packed integers.
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    pub(crate) fn integer(self) -> u64 {
        match self {
            Self::Integer(value) => value,
            Self::Bytes(_) => 0,
        }
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Integer(_) => &[],
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The integers of a repeated field, packed or alone.
    pub(crate) fn integers(self, into: &mut Vec<u64>) -> Option<()> {
        match self {
            Self::Integer(value) => into.push(value),
            Self::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    into.push(varint(&mut bytes)?);
                }
            }
        }
        Some(())
    }
}

/// The fields of a message, by number; nothing when it is none.
pub(crate) fn fields(mut message: &[u8], mut field: impl FnMut(u64, Field<'_>) -> Option<()>) -> Option<()> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Field::Integer(varint(&mut message)?),
            1 => Field::Integer(u64::from_le_bytes(*take(&mut message, 8)?.first_chunk()?)),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Field::Bytes(take(&mut message, length)?)
            }
            5 => Field::Integer(u32::from_le_bytes(*take(&mut message, 4)?.first_chunk()?).into()),
            _ => return None,
        };
        field(key >> 3, value)?;
    }
    Some(())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

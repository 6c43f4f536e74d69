//! Strict postcard: one value, one spelling. Integers are postcard varints, structs are their fields in order
//! (postcard wire format 1.0).

use crate::FormatError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Decodes `bytes` as exactly one `T`.
///
/// # Errors
/// [`FormatError::TrailingBytes`] when bytes are left, [`FormatError::NotCanonical`] when encoding the value again gives
/// other bytes (a padded varint), [`FormatError::BadField`] when the bytes are no `T`. `what` names the structure.
pub fn decode<T: DeserializeOwned + Serialize>(bytes: &[u8], what: &'static str) -> Result<T, FormatError> {
    let (value, used) = decode_prefix(bytes, what)?;
    if used == bytes.len() { Ok(value) } else { Err(FormatError::TrailingBytes) }
}

/// Decodes one `T` from the start of `bytes`; gives the value and the number of bytes that it took.
///
/// # Errors
/// As [`decode`], without the check for trailing bytes.
pub fn decode_prefix<T: DeserializeOwned + Serialize>(
    bytes: &[u8],
    what: &'static str,
) -> Result<(T, usize), FormatError> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|error| match error {
        postcard::Error::DeserializeUnexpectedEnd => FormatError::Truncated,
        _ => FormatError::BadField(what),
    })?;
    let used = bytes.len() - rest.len();
    let spelled = postcard::serialize_with_flavor(&value, Compare { expected: &bytes[..used], same: true });
    if spelled == Ok(true) { Ok((value, used)) } else { Err(FormatError::NotCanonical) }
}

/// Encodes `value` to the front of `out` and gives the bytes written.
///
/// # Errors
/// [`FormatError::LimitExceeded`] when `out` is too small; `what` names the structure.
pub fn encode<'a, T: Serialize>(value: &T, out: &'a mut [u8], what: &'static str) -> Result<&'a [u8], FormatError> {
    postcard::to_slice(value, out).map(|written| &*written).map_err(|_| FormatError::LimitExceeded(what))
}

/// A postcard output that compares instead of storing, so that the canonical check needs no buffer.
struct Compare<'a> {
    expected: &'a [u8],
    same: bool,
}

impl postcard::ser_flavors::Flavor for Compare<'_> {
    type Output = bool;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.expected.split_first() {
            Some((&first, rest)) => {
                self.same &= first == byte;
                self.expected = rest;
            }
            None => self.same = false,
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.same && self.expected.is_empty())
    }
}

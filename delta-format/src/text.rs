//! Bounded texts. A [`Name`] is an identifier that is safe in a file name, a URL and JSON without escaping; a
//! [`Text`] is a sentence for people.

use crate::FormatError;
use crate::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize};

/// 1 to 64 bytes of `A-Z a-z 0-9 . _ + -`, not starting with a dot or a dash.
pub type Name = Identifier<NAME_BYTES_MAX>;

/// A file name inside a channel: 1 to 128 bytes of the same characters as a [`Name`]. It has no slash, so it cannot
/// leave the channel's folder.
pub type FileName = Identifier<{ crate::limits::FILE_NAME_BYTES_MAX }>;

/// See [`Name`] and [`FileName`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Identifier<const N: usize>(heapless::String<N>);

impl<const N: usize> Identifier<N> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> FromStr for Identifier<N> {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-');
        if text.is_empty() || text.starts_with(['.', '-']) || !text.bytes().all(allowed) {
            return Err(FormatError::BadText);
        }
        heapless::String::try_from(text).map(Self).map_err(|_| FormatError::LimitExceeded("name"))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Identifier<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<const N: usize> fmt::Display for Identifier<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const N: usize> fmt::Debug for Identifier<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// At most 256 bytes of UTF-8 without control characters: what a person wrote for other people.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(heapless::String<TEXT_BYTES_MAX>);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Text {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        if text.chars().any(char::is_control) {
            return Err(FormatError::BadText);
        }
        heapless::String::try_from(text).map(Self).map_err(|_| FormatError::LimitExceeded("text"))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    /// Names are safe in paths, URLs and JSON; everything else is refused.
    #[test]
    fn names() {
        for good in ["a", "gateway-2", "A.b_c+d", &"x".repeat(64)] {
            assert!(good.parse::<Name>().is_ok(), "{good:?}");
        }
        for bad in ["", ".hidden", "..", "-flag", "a/b", "a b", "ä", "a\0", "a\"b"] {
            assert_eq!(bad.parse::<Name>(), Err(FormatError::BadText), "{bad:?}");
        }
        assert_eq!("x".repeat(65).parse::<Name>(), Err(FormatError::LimitExceeded("name")));
    }

    /// Texts for people may be in any script, on one line.
    #[test]
    fn texts() {
        assert!("modem drops \u{2014} \"see\" ticket".parse::<Text>().is_ok());
        assert!("".parse::<Text>().is_ok());
        assert_eq!("two\nlines".parse::<Text>(), Err(FormatError::BadText));
        assert_eq!("x".repeat(257).parse::<Text>(), Err(FormatError::LimitExceeded("text")));
    }
}

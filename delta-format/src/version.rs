//! Versions that a floor can compare: one to four numbers between dots.

use crate::FormatError;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize};

/// `1`, `2.4`, `2026.11.3` or `1.2.3.4`. Compared number by number; a number that is not written counts as 0, so
/// `1.4` and `1.4.0` are the same version. Words such as `-rc1` have no order that everybody agrees on and are refused.
#[derive(Clone, Copy, Serialize)]
pub struct Version {
    written: u8,
    numbers: [u32; 4],
}

impl Version {
    /// The version `0`, below which there is none: the floor of a device that has not been updated yet.
    pub const ZERO: Self = Self { written: 1, numbers: [0; 4] };
}

impl FromStr for Version {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut version = Self { written: 0, numbers: [0; 4] };
        for part in text.split('.') {
            let slot = version.numbers.get_mut(usize::from(version.written)).ok_or(FormatError::BadText)?;
            let plain = part == "0" || (!part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()));
            *slot = part.parse().ok().filter(|_| plain).ok_or(FormatError::BadText)?;
            version.written += 1;
        }
        Ok(version)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (written, numbers) = <(u8, [u32; 4])>::deserialize(deserializer)?;
        let unwritten_are_zero = numbers.iter().skip(usize::from(written)).all(|&n| n == 0);
        if !(1..=4).contains(&written) || !unwritten_are_zero {
            return Err(serde::de::Error::custom(FormatError::BadField("version")));
        }
        Ok(Self { written, numbers })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.numbers[0])?;
        self.numbers[1..usize::from(self.written)].iter().try_for_each(|n| write!(f, ".{n}"))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    /// What is written comes back as it was written, and compares by value.
    #[test]
    fn order_and_spelling() {
        let parse = |text: &str| text.parse::<Version>();
        for text in ["0", "1.4", "2026.11.3", "1.2.3.4", "4294967295"] {
            assert_eq!(parse(text).expect(text).to_string(), text);
        }
        assert_eq!(parse("1.4"), parse("1.4.0"));
        assert!(parse("1.10").expect("a version") > parse("1.9.9").expect("a version"));
        assert!(parse("1").expect("a version") > Version::ZERO);
        for bad in ["", ".", "1.", ".1", "1..2", "01", "1.2.3.4.5", "4294967296", "1-rc1", "+1", "1 ", "v1"] {
            assert_eq!(parse(bad), Err(FormatError::BadText), "{bad:?}");
        }
    }

    /// A number beyond those written must be zero, or two encodings would mean one version.
    #[test]
    fn encoding_is_unique() {
        let mut buffer = [0; 32];
        let version: Version = "1.2".parse().expect("a version");
        let bytes = crate::wire::encode(&version, &mut buffer, "version").expect("fits");
        assert_eq!(bytes, [2, 1, 2, 0, 0]);
        assert_eq!(crate::wire::decode::<Version>(bytes, "version").expect("decodes").to_string(), "1.2");
        for bad in [[2u8, 1, 2, 3, 0], [0, 0, 0, 0, 0], [5, 1, 1, 1, 1]] {
            assert_eq!(crate::wire::decode::<Version>(&bad, "version"), Err(FormatError::BadField("version")));
        }
    }
}

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
